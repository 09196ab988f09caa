//! What comes in and what goes out.

use crate::resolve::ProjectFacts;
use aqueduct_store::Snapshot;
use serde_json::{Map, Value as Json};
use std::fmt;
use std::sync::Arc;

/// Where the engine takes its view of the store from, once per query.
pub trait SnapshotSource: Send + Sync + fmt::Debug {
    /// The store as it is now.
    fn snapshot(&self) -> Arc<dyn Snapshot>;
}

impl SnapshotSource for aqueduct_store::EmbeddedStore {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        aqueduct_store::EmbeddedStore::snapshot(self)
    }
}

/// A query of a project.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// The project.
    pub project: ProjectFacts,
    /// PostHog's query object with `kind`.
    pub query: Json,
    /// Id by which the query can be cancelled; `None`: it cannot.
    pub query_id: Option<String>,
}

/// PostHog's response object: `results` and what else its kind has.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryResponse {
    /// The fields.
    pub body: Map<String, Json>,
}
