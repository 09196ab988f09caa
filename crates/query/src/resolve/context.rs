//! What a query is resolved against: the project, its rows, its definitions.

use super::CteEnv;
use super::notes::Notes;
use crate::cohorts::CohortSets;
use crate::engine::Executor;
use crate::error::QueryError;
use crate::functions::{FunctionContext, WeekStart};
use crate::hogql::ast::Query;
use crate::plan::{Nesting, plan_query};
use crate::scan::{PropertyKind, ScanContext};
use aqueduct_catalog::{Action, ActionKind, Cohort, CohortKind, CohortMember, Project, PropertyParent, PropertyType, Work, WorkKind};
use aqueduct_event::{ProjectId, UnixMicros};
use arrow::array::RecordBatch;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What people of a project defined: types of properties, actions, cohorts. The catalog answers it; tests answer it from lists.
pub trait Definitions: Send + Sync + fmt::Debug {
    /// The type of a property; `None` when it is not known (it is read as text then). `group` is the type index of a group property.
    fn property_type(&self, project: ProjectId, parent: PropertyParent, group: Option<u8>, name: &str) -> Option<PropertyType>;

    /// All actions of a project, deleted ones too.
    fn actions(&self, project: ProjectId) -> Vec<Arc<Action>>;

    /// All cohorts of a project, deleted ones too.
    fn cohorts(&self, project: ProjectId) -> Vec<Arc<Cohort>>;

    /// The members of a static cohort, in order of person.
    fn cohort_members(&self, cohort: i64) -> Arc<[CohortMember]>;

    /// Other works that people saved, oldest first, deleted ones too. None are known to whoever does not say so.
    fn works(&self, _project: ProjectId, _kind: WorkKind) -> Vec<Arc<Work>> {
        Vec::new()
    }

    /// The project and its settings, where they are known.
    fn project(&self, _project: ProjectId) -> Option<Arc<Project>> {
        None
    }

    /// A number that changes whenever anything but a property's type changes that an answer of the project may depend on and that is not in its
    /// rows, its works or its settings. Answers that were kept under another number are not given again.
    fn revision(&self, _project: ProjectId) -> u64 {
        0
    }
}

impl Definitions for aqueduct_catalog::Catalog {
    fn property_type(&self, project: ProjectId, parent: PropertyParent, group: Option<u8>, name: &str) -> Option<PropertyType> {
        aqueduct_catalog::Catalog::property_type(self, project, parent, group, name)
    }

    fn actions(&self, project: ProjectId) -> Vec<Arc<Action>> {
        self.works(project, ActionKind)
    }

    fn cohorts(&self, project: ProjectId) -> Vec<Arc<Cohort>> {
        self.works(project, CohortKind)
    }

    fn cohort_members(&self, cohort: i64) -> Arc<[CohortMember]> {
        aqueduct_catalog::Catalog::cohort_members(self, cohort)
    }

    fn works(&self, project: ProjectId, kind: WorkKind) -> Vec<Arc<Work>> {
        aqueduct_catalog::Catalog::works(self, project, kind)
    }

    fn project(&self, project: ProjectId) -> Option<Arc<Project>> {
        aqueduct_catalog::Catalog::project(self, project)
    }

    fn revision(&self, _: ProjectId) -> u64 {
        aqueduct_catalog::Catalog::revision(self)
    }
}

/// What a query needs to know of its project. All of it is part of what makes two queries the same.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectFacts {
    /// The project.
    pub id: ProjectId,
    /// IANA name; times are shown and days are counted in it.
    pub timezone: String,
    /// First day of the week: 0 Sunday, 1 Monday.
    pub week_start_day: u8,
    /// Filters of "internal and test users", a JSON array of property filters.
    pub test_account_filters: serde_json::Value,
    /// Path cleaning rules, a JSON array of `{alias, regex, order}`.
    pub path_cleaning_filters: serde_json::Value,
}

/// Where `person.properties` of an event are read (modifier `personsOnEventsMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PersonMode {
    /// From the person as it is now.
    Joined,
    /// From the person as it was at the event.
    OnEvent,
}

impl PersonMode {
    /// The mode of a request's `modifiers.personsOnEventsMode`; joined when it is not said.
    pub(crate) fn from_modifier(modifier: Option<&str>) -> Result<Self, QueryError> {
        match modifier {
            None | Some("disabled" | "person_id_override_properties_joined") => Ok(PersonMode::Joined),
            Some("person_id_no_override_properties_on_events" | "person_id_override_properties_on_events") => Ok(PersonMode::OnEvent),
            Some(other) => {
                Err(QueryError::Request { detail: format!("personsOnEventsMode {other:?} is not known"), attr: Some("modifiers") })
            }
        }
    }
}

/// Everything that resolving one query looks at.
#[derive(Debug)]
pub(crate) struct QueryContext {
    pub(crate) scan: Arc<ScanContext>,
    pub(crate) project: ProjectFacts,
    pub(crate) definitions: Arc<dyn Definitions>,
    /// The clock's time when the query came.
    pub(crate) now: UnixMicros,
    /// What functions need to know.
    pub(crate) functions: FunctionContext,
    pub(crate) person_mode: PersonMode,
    /// Rows that a SELECT without LIMIT gives.
    pub(crate) default_limit: usize,
    /// Runs what must be known before the query is resolved.
    pub(crate) executor: Arc<Executor>,
    /// Who is in the cohorts that the query names.
    pub(crate) cohorts: CohortSets,
    /// Nothing will be run: who is in a cohort does not matter, only that it can be understood.
    pub(crate) is_check: bool,
    /// What a check finds to say.
    pub(crate) notes: Notes,
    relations: AtomicUsize,
}

impl QueryContext {
    pub(crate) fn new(
        scan: Arc<ScanContext>,
        project: ProjectFacts,
        definitions: Arc<dyn Definitions>,
        now: UnixMicros,
        person_mode: PersonMode,
        executor: Arc<Executor>,
    ) -> Self {
        let functions = FunctionContext {
            timezone: project.timezone.clone(),
            week_start: if project.week_start_day == 1 { WeekStart::Monday } else { WeekStart::Sunday },
            now_micros: now.0,
        };
        Self {
            scan,
            project,
            definitions,
            now,
            functions,
            person_mode,
            default_limit: 100,
            executor,
            cohorts: CohortSets::default(),
            is_check: false,
            notes: Notes::default(),
            relations: AtomicUsize::new(0),
        }
    }

    /// The rows of a query that must be known before another is resolved or while an insight is answered. The calling thread waits.
    ///
    /// # Errors
    /// [`QueryError`] of planning or of a row.
    pub(crate) fn select(&self, query: &Query) -> Result<Vec<RecordBatch>, QueryError> {
        let (plan, _) = plan_query(query, self, &CteEnv::default(), Nesting::Inner)?;
        self.executor.execute_here(plan)
    }

    /// A name that no other relation of the query has.
    pub(crate) fn fresh_name(&self) -> String {
        format!("t{}", self.relations.fetch_add(1, Ordering::Relaxed))
    }

    /// How a property is read.
    pub(crate) fn property_kind(&self, parent: PropertyParent, group: Option<u8>, name: &str) -> PropertyKind {
        match self.definitions.property_type(self.project.id, parent, group, name) {
            Some(PropertyType::Numeric | PropertyType::Duration) => PropertyKind::Numeric,
            Some(PropertyType::Boolean) => PropertyKind::Boolean,
            Some(PropertyType::DateTime) => PropertyKind::DateTime,
            Some(PropertyType::String) | None => PropertyKind::Text,
        }
    }

    /// The type index of a group type's name.
    pub(crate) fn group_index(&self, name: &str) -> Option<u8> {
        let place = self.scan.view().group_types().iter().position(|known| known == name)?;
        u8::try_from(place).ok()
    }
}
