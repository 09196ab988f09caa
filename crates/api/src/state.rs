//! What the handlers share.

use crate::jobs::Jobs;
use aqueduct_catalog::Catalog;
use aqueduct_event::{Clock, JournalPosition, PartitionId, ProjectId};
use aqueduct_ledger::account::Ledger;
use aqueduct_ledger::recorder::Recorder;
use aqueduct_query::QueryEngine;
use aqueduct_store::{Accounts, DeadLetter, ProjectView, ReadError, Snapshot, Store};
use aqueduct_trace::Tracer;
use aqueduct_trace::audit::Auditor;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// Everything that [`crate::router`] needs.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// Projects, keys, users, definitions, warnings.
    pub catalog: Arc<Catalog>,
    /// What can be seen of the store now.
    pub snapshots: Snapshots,
    /// Answers queries.
    pub engine: Arc<QueryEngine>,
    /// Queries in the background.
    pub jobs: Jobs,
    /// Turns true when the server stops: streams end.
    pub stopping: watch::Receiver<bool>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Answers where events are; `None` where nothing is kept for it.
    pub inspection: Option<Inspection>,
    /// What became of every event; `None` where events are not processed.
    pub ledger: Option<Arc<dyn Ledger>>,
    /// What is stored.
    pub store: Arc<dyn Store>,
    /// Dead letters.
    pub accounts: Arc<dyn Accounts>,
    /// The way into the journal: for dead letters that come again, and for changes of persons.
    pub replays: Arc<dyn Replays>,
}

/// Looks for single events, and for missing ones.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Where one is.
    pub tracer: Tracer,
    /// Whether any is missing.
    pub auditor: Auditor,
    /// What is noted of requests.
    pub recorder: Arc<Recorder>,
}

/// A record that replays a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayable {
    /// Token of the project that it is for.
    pub token: String,
    /// Its bytes.
    pub record: Vec<u8>,
}

/// Puts records into the journal: dead letters that come again, commands, events.
pub trait Replays: Send + Sync + fmt::Debug {
    /// The record that replays a letter.
    ///
    /// # Errors
    /// What is wrong with its payload, for people.
    fn record_of(&self, letter: &DeadLetter) -> Result<Replayable, String>;

    /// Makes a record durable and answers where it lies.
    ///
    /// # Errors
    /// Why the journal does not take it, for people.
    fn append(&self, record: Vec<u8>) -> BoxFuture<'_, Result<(PartitionId, JournalPosition), String>>;
}

/// Gives the newest snapshot of the store.
#[derive(Clone)]
pub struct Snapshots(Arc<dyn Fn() -> Arc<dyn Snapshot> + Send + Sync>);

impl Snapshots {
    /// From a function that takes a snapshot; it is called for each request, so it must be cheap.
    pub fn new(take: impl Fn() -> Arc<dyn Snapshot> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub(crate) fn project(&self, project: ProjectId) -> Result<Arc<dyn ProjectView>, ReadError> {
        (self.0)().project(project)
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshots(..)")
    }
}
