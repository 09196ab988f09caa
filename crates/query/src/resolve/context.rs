//! What a query is resolved against: the project, its rows, its definitions.

use crate::error::QueryError;
use crate::functions::{FunctionContext, WeekStart};
use crate::scan::{PropertyKind, ScanContext};
use aqueduct_catalog::{PropertyParent, PropertyType};
use aqueduct_event::{ProjectId, UnixMicros};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Types of properties. The catalog answers it; tests answer it from a list.
pub trait Definitions: Send + Sync + fmt::Debug {
    /// The type of a property; `None` when it is not known (it is read as text then). `group` is the type index of a group property.
    fn property_type(&self, project: ProjectId, parent: PropertyParent, group: Option<u8>, name: &str) -> Option<PropertyType>;

    /// A number that changes whenever anything but a property's type changes that an answer of the project may depend on and that is not in its
    /// rows. Answers that were kept under another number are not given again.
    fn revision(&self, _project: ProjectId) -> u64 {
        0
    }
}

impl Definitions for aqueduct_catalog::Catalog {
    fn property_type(&self, project: ProjectId, parent: PropertyParent, group: Option<u8>, name: &str) -> Option<PropertyType> {
        aqueduct_catalog::Catalog::property_type(self, project, parent, group, name)
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
    relations: AtomicUsize,
}

impl QueryContext {
    pub(crate) fn new(
        scan: Arc<ScanContext>,
        project: ProjectFacts,
        definitions: Arc<dyn Definitions>,
        now: UnixMicros,
        person_mode: PersonMode,
    ) -> Self {
        let functions = FunctionContext {
            timezone: project.timezone.clone(),
            week_start: if project.week_start_day == 1 { WeekStart::Monday } else { WeekStart::Sunday },
            now_micros: now.0,
        };
        Self { scan, project, definitions, now, functions, person_mode, default_limit: 100, relations: AtomicUsize::new(0) }
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
