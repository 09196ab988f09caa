//! What the handlers share.

use crate::config::CaptureConfig;
use crate::gate::Gate;
use aqueduct_event::Clock;
use aqueduct_journal::Journal;
use aqueduct_ledger::Edge;
use aqueduct_ledger::recorder::Recorder;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What the documents for SDKs need to know of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectFacts {
    /// The project does not want autocapture. SDKs leave it off until a document says `false`.
    pub autocapture_opt_out: bool,
}

/// Projects and keys, answered from memory. Only the documents ask; event routes take every well-formed token, so that they work while the catalog does not.
pub trait ProjectLookup: Send + Sync + Debug {
    /// The project whose public token this is.
    fn project_by_token(&self, token: &str) -> Option<ProjectFacts>;

    /// Whether a secret (`phx_…` or `phs_…`, without `Bearer`) may read feature flag definitions.
    fn key_may_read_flags(&self, bearer: &str) -> bool;
}

/// Everything that [`crate::router`] needs.
#[derive(Clone, Debug)]
pub struct CaptureState {
    /// Where accepted requests become durable.
    pub journal: Arc<dyn Journal>,
    /// Who the documents are for.
    pub projects: Arc<dyn ProjectLookup>,
    /// The time of receipt.
    pub clock: Arc<dyn Clock>,
    /// Counts what is refused and what is acknowledged.
    pub ledger: Arc<dyn Edge>,
    /// Is told what a trace will need; nothing waits for it. `None`: nothing is kept for traces.
    pub recorder: Option<Arc<Recorder>>,
    /// The settings.
    pub config: CaptureConfig,
    /// Decides which requests are taken.
    pub gate: Arc<Gate>,
    /// Where bodies of more than a few events are decoded: threads that stand behind those that read and answer, so that a small request never waits for the
    /// bodies of others. `None`: where they were read.
    pub bulk: Option<Handle>,
}
