//! What a scan needs beside the parts: persons, groups, sessions, each taken from the view when first asked for.

use super::sessions::SessionsTable;
use super::{Held, Usage};
use crate::error::QueryError;
use crate::log::{LogEntry, QueryLog};
use aqueduct_event::PersonId;
use aqueduct_store::{GroupsTable, PersonsTable, ProjectView, PropertyObjects, ReadError};
use datafusion::execution::memory_pool::MemoryPool;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What goes with a query beside its rows.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What it has used so far.
    pub(crate) usage: Arc<Usage>,
    /// Set when nobody waits for the answer any more.
    pub(crate) stop: Arc<AtomicBool>,
    /// What its memory is taken from.
    pub(crate) memory: Arc<dyn MemoryPool>,
    /// Threads that it may have.
    pub(crate) threads: usize,
    /// The queries before it.
    pub(crate) log: Arc<QueryLog>,
}

/// One project at one moment, as one query sees it.
#[derive(Debug)]
pub(crate) struct ScanContext {
    view: Arc<dyn ProjectView>,
    zone: TimeZone,
    watch: Watch,
    persons: Mutex<Option<Arc<PersonsTable>>>,
    groups: Mutex<Option<Arc<GroupsTable>>>,
    sessions: Mutex<Option<Arc<SessionsTable>>>,
    queries: OnceLock<Vec<Arc<LogEntry>>>,
}

impl ScanContext {
    pub(crate) fn new(view: Arc<dyn ProjectView>, zone: TimeZone, watch: Watch) -> Arc<Self> {
        Arc::new(Self {
            view,
            zone,
            watch,
            persons: Mutex::default(),
            groups: Mutex::default(),
            sessions: Mutex::default(),
            queries: OnceLock::new(),
        })
    }

    /// What the query has used so far.
    pub(crate) fn usage(&self) -> &Usage {
        &self.watch.usage
    }

    /// Threads that the query may have.
    pub(crate) fn threads(&self) -> usize {
        self.watch.threads
    }

    /// A share of the query's memory, empty yet.
    pub(crate) fn held(&self) -> Held {
        Held::new(&self.watch.memory)
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`QueryError::Cancelled`] when nobody waits for the answer any more.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.watch.stop.load(Ordering::Relaxed) { Err(QueryError::Cancelled) } else { Ok(()) }
    }

    /// The project's queries that ended, the newest first, as they were when this was asked first.
    pub(crate) fn queries(&self) -> &[Arc<LogEntry>] {
        self.queries.get_or_init(|| self.watch.log.of(self.view.project()))
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

    /// The properties of the persons, in the order of their table.
    pub(crate) fn person_properties(&self) -> Result<Arc<PropertyObjects>, ReadError> {
        self.view.person_properties()
    }

    pub(crate) fn groups(&self) -> Result<Arc<GroupsTable>, ReadError> {
        once(&self.groups, || self.view.groups())
    }

    pub(crate) fn sessions(self: &Arc<Self>) -> Result<Arc<SessionsTable>, QueryError> {
        once(&self.sessions, || SessionsTable::build(self))
    }
}

/// Concurrent scans wait for the first one instead of doing the work again.
fn once<T, E>(cell: &Mutex<Option<Arc<T>>>, make: impl FnOnce() -> Result<Arc<T>, E>) -> Result<Arc<T>, E> {
    let mut cell = cell.lock();
    if let Some(value) = &*cell {
        return Ok(Arc::clone(value));
    }
    let value = make()?;
    *cell = Some(Arc::clone(&value));
    Ok(value)
}
