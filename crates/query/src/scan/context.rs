//! What a scan needs beside the parts: persons, groups, sessions, each taken from the view when first asked for.

use super::sessions::SessionsTable;
use aqueduct_event::PersonId;
use aqueduct_store::{GroupsTable, PersonsTable, ProjectView, ReadError};
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// One project at one moment, as one query sees it.
#[derive(Debug)]
pub(crate) struct ScanContext {
    view: Arc<dyn ProjectView>,
    zone: TimeZone,
    persons: Mutex<Option<Arc<PersonsTable>>>,
    groups: Mutex<Option<Arc<GroupsTable>>>,
    sessions: Mutex<Option<Arc<SessionsTable>>>,
}

impl ScanContext {
    pub(crate) fn new(view: Arc<dyn ProjectView>, zone: TimeZone) -> Arc<Self> {
        Arc::new(Self { view, zone, persons: Mutex::default(), groups: Mutex::default(), sessions: Mutex::default() })
    }

    pub(crate) fn view(&self) -> &Arc<dyn ProjectView> {
        &self.view
    }

    /// The project's time zone: times without a zone are meant in it.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(crate) fn overrides(&self) -> &HashMap<PersonId, PersonId> {
        self.view.overrides()
    }

    pub(crate) fn persons(&self) -> Result<Arc<PersonsTable>, ReadError> {
        once(&self.persons, || self.view.persons())
    }

    pub(crate) fn groups(&self) -> Result<Arc<GroupsTable>, ReadError> {
        once(&self.groups, || self.view.groups())
    }

    pub(crate) fn sessions(self: &Arc<Self>) -> Result<Arc<SessionsTable>, ReadError> {
        once(&self.sessions, || SessionsTable::build(self))
    }
}

/// Concurrent scans wait for the first one instead of doing the work again.
fn once<T>(cell: &Mutex<Option<Arc<T>>>, make: impl FnOnce() -> Result<Arc<T>, ReadError>) -> Result<Arc<T>, ReadError> {
    let mut cell = cell.lock();
    if let Some(value) = &*cell {
        return Ok(Arc::clone(value));
    }
    let value = make()?;
    *cell = Some(Arc::clone(&value));
    Ok(value)
}
