//! What comes in and what goes out.

use crate::cache::{Computed, Freshness, Key, map_bytes};
use crate::log::Asker;
use crate::resolve::ProjectFacts;
use aqueduct_event::UnixMicros;
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

/// A query, who asks it, and how old an answer may be.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The query.
    pub request: QueryRequest,
    /// How old its answer may be.
    pub tolerance: Tolerance,
    /// For the query log.
    pub asker: Asker,
}

/// Which kept answers are good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// None: it is computed.
    Nothing,
    /// One that computing again would give, too.
    Exact,
    /// One that is not older than PostHog's lazy age for its interval.
    Lazy,
}

/// What time did to a kept answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// Computing it again would give the same.
    Exact,
    /// Something may have changed; not older than PostHog's lazy age for its interval.
    Tolerable,
    /// Older than that, or made under other definitions.
    Stale,
}

impl Tolerance {
    pub(super) fn suits(self, staleness: Staleness) -> bool {
        match self {
            Tolerance::Nothing => false,
            Tolerance::Exact => staleness == Staleness::Exact,
            Tolerance::Lazy => staleness != Staleness::Stale,
        }
    }
}

/// An answer, and how long it may be used.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The fields of PostHog's response object, but for those about the cache.
    pub body: Arc<Map<String, Json>>,
    /// Whether it was kept from an earlier time.
    pub is_cached: bool,
    /// When its rows were looked at.
    pub last_refresh: UnixMicros,
    /// From when on it counts as old.
    pub cache_target_age: UnixMicros,
    /// Before this a client should not ask for a new one.
    pub next_allowed_client_refresh: UnixMicros,
    /// The name under which it is kept.
    pub cache_key: String,
}

impl Answer {
    pub(super) fn new(computed: Computed, key: &Key, freshness: &Freshness, is_cached: bool) -> Self {
        let after = |micros: i64| UnixMicros(computed.at.0.saturating_add(micros));
        Self {
            is_cached,
            last_refresh: computed.at,
            cache_target_age: after(freshness.age_max),
            next_allowed_client_refresh: after(freshness.refresh_floor),
            cache_key: key.to_string(),
            body: computed.body,
        }
    }

    /// Memory of it, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        map_bytes(&self.body)
    }
}
