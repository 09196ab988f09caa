//! Which definitions a query asked for, so that an answer is given again only while they are the same.

use crate::resolve::Definitions;
use aqueduct_catalog::{Action, Cohort, CohortMember, Project, PropertyParent, PropertyType, Work, WorkKind};
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
    /// Changed work is another work in memory.
    works: Vec<(WorkKind, Vec<Arc<Work>>)>,
    settings: Option<Option<Arc<Project>>>,
}

impl Asked {
    /// Whether all of it would be answered the same now.
    pub(crate) fn still_holds(&self, definitions: &dyn Definitions) -> bool {
        let Some(project) = self.project else { return true };
        let same = |((parent, group, name), known): (&Property, &Option<PropertyType>)| {
            definitions.property_type(project, *parent, *group, name) == *known
        };
        let same_works = |(kind, known): &(WorkKind, Vec<Arc<Work>>)| {
            let works = definitions.works(project, *kind);
            works.len() == known.len() && works.iter().zip(known).all(|(work, known)| Arc::ptr_eq(work, known))
        };
        let same_settings = |known: &Option<Arc<Project>>| definitions.project(project) == *known;
        definitions.revision(project) == self.revision
            && self.types.iter().all(same)
            && self.works.iter().all(same_works)
            && self.settings.iter().all(same_settings)
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
        let asked = Asked { project: Some(project), revision: inner.revision(project), ..Asked::default() };
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

    fn works(&self, project: ProjectId, kind: WorkKind) -> Vec<Arc<Work>> {
        let works = self.inner.works(project, kind);
        self.asked.lock().works.push((kind, works.clone()));
        works
    }

    fn project(&self, project: ProjectId) -> Option<Arc<Project>> {
        let known = self.inner.project(project);
        self.asked.lock().settings = Some(known.clone());
        known
    }

    fn revision(&self, project: ProjectId) -> u64 {
        self.inner.revision(project)
    }
}
