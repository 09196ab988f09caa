//! Which definitions a query asked for, so that an answer is given again only while they are the same.

use crate::resolve::Definitions;
use aqueduct_catalog::{Action, Cohort, CohortMember, PropertyParent, PropertyType};
use aqueduct_event::ProjectId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// A property as it was asked for.
type Property = (PropertyParent, Option<u8>, String);

/// What was asked for and answered.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    project: Option<ProjectId>,
    revision: u64,
    types: HashMap<Property, Option<PropertyType>>,
}

impl Asked {
    /// Whether all of it would be answered the same now.
    pub(crate) fn still_holds(&self, definitions: &dyn Definitions) -> bool {
        let Some(project) = self.project else { return true };
        let same = |((parent, group, name), known): (&Property, &Option<PropertyType>)| {
            definitions.property_type(project, *parent, *group, name) == *known
        };
        definitions.revision(project) == self.revision && self.types.iter().all(same)
    }
}

/// Definitions that remember what they were asked.
#[derive(Debug)]
pub(crate) struct Recorded {
    inner: Arc<dyn Definitions>,
    asked: Mutex<Asked>,
}

impl Recorded {
    /// For one query of a project, which begins now.
    pub(crate) fn new(inner: Arc<dyn Definitions>, project: ProjectId) -> Self {
        let asked = Asked { project: Some(project), revision: inner.revision(project), types: HashMap::new() };
        Self { inner, asked: Mutex::new(asked) }
    }

    /// What was asked for since.
    pub(crate) fn take(&self) -> Asked {
        std::mem::take(&mut self.asked.lock())
    }
}

impl Definitions for Recorded {
    fn property_type(&self, project: ProjectId, parent: PropertyParent, group: Option<u8>, name: &str) -> Option<PropertyType> {
        let known = self.inner.property_type(project, parent, group, name);
        self.asked.lock().types.insert((parent, group, name.to_owned()), known);
        known
    }

    // What these answer changes with the revision.
    fn actions(&self, project: ProjectId) -> Vec<Arc<Action>> {
        self.inner.actions(project)
    }

    fn cohorts(&self, project: ProjectId) -> Vec<Arc<Cohort>> {
        self.inner.cohorts(project)
    }

    fn cohort_members(&self, cohort: i64) -> Arc<[CohortMember]> {
        self.inner.cohort_members(cohort)
    }

    fn revision(&self, project: ProjectId) -> u64 {
        self.inner.revision(project)
    }
}
