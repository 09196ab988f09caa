//! What the handlers share.

use crate::jobs::Jobs;
use aqueduct_catalog::Catalog;
use aqueduct_event::{Clock, ProjectId};
use aqueduct_query::QueryEngine;
use aqueduct_store::{ProjectView, ReadError, Snapshot};
use aqueduct_trace::Tracer;
use aqueduct_trace::audit::Auditor;
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
}

/// Looks for single events, and for missing ones.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Where one is.
    pub tracer: Tracer,
    /// Whether any is missing.
    pub auditor: Auditor,
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
