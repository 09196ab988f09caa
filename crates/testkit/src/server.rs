//! One life of the server, put together as the binary does it, with every thread replaced by a step.
//!
//! In: the disk as it is. Out: an open server, or why it did not open.

use crate::files::SimFiles;
use crate::model::project_of;
use crate::plan::{Plan, STORE_DIR};
use crate::tap::{Records, TappedJournal};
use aqueduct_capture::{CaptureState, Gate, ProjectLookup, router};
use aqueduct_event::{Clock, JournalPosition, ManualClock, PartitionId, ProjectId, UnixMicros};
use aqueduct_journal::{FaultyDisk, Journal, Turn, WalArgs, WalJournal, WalWriter};
use aqueduct_process::{
    CookielessMode, Observed, Observer, Pace, Pipeline, PipelineArgs, ProjectFacts, Projects, StepError, VisibleBytes, Warning,
};
use aqueduct_store::{EmbeddedStore, Store};
use axum::Router;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use thiserror::Error;

pub(crate) const PARTITION: PartitionId = PartitionId(0);

/// The world outside of a server.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) disk: FaultyDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) records: Records,
}

impl World {
    pub(crate) fn clock_now(&self) -> UnixMicros {
        self.clock.now()
    }
}

/// Why a server did not open.
#[derive(Debug, Error)]
pub(crate) enum OpenFailure {
    #[error("store: {0}")]
    Store(#[from] aqueduct_store::OpenError),
    #[error("journal: {0}")]
    Journal(#[from] aqueduct_journal::OpenError),
    #[error("processing: {0}")]
    Processing(#[from] StepError),
}

/// An open server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) pipeline: Pipeline,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) writer: WalWriter,
}

/// The projects of the simulator.
#[derive(Debug)]
struct Known {
    projects: u32,
}

impl ProjectLookup for Known {
    fn project_by_token(&self, token: &str) -> Option<aqueduct_capture::ProjectFacts> {
        project_of(token, self.projects).map(|_| aqueduct_capture::ProjectFacts::default())
    }

    fn key_may_read_flags(&self, _: &str) -> bool {
        false
    }
}

impl Projects for Known {
    fn project_by_token(&self, token: &str) -> Option<ProjectFacts> {
        project_of(token, self.projects).map(|number| ProjectFacts {
            id: ProjectId(number),
            timezone: Arc::from("UTC"),
            anonymize_ips: false,
            cookieless: CookielessMode::Disabled,
            drop_events_older_than_seconds: None,
        })
    }

    fn cookieless_salt(&self, _: &str) -> Option<[u8; 16]> {
        None
    }
}

impl Observer for Known {
    fn definitions(&self, _: ProjectId, _: &Observed) {}

    fn warning(&self, _: ProjectId, _: Warning) {}
}

/// What becomes visible makes room at the edge.
#[derive(Debug)]
struct Throttle(Arc<Gate>);

impl Pace for Throttle {
    fn visible(&self, bytes: VisibleBytes, busy: Duration) {
        self.0.visible(bytes.replayed, bytes.fresh, busy);
    }

    fn stalled(&self) {
        self.0.stalled();
    }
}

impl Server {
    /// Opens a server in the order of the binary: store, journal, processing, edge.
    pub(crate) fn open(plan: &Plan, world: &World) -> Result<Self, OpenFailure> {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&world.clock);
        let files = Arc::new(SimFiles::new(&world.disk, STORE_DIR));
        let store = Arc::new(EmbeddedStore::open_with(plan.store.clone(), Arc::clone(&clock), files)?);
        let (journal, writer) = WalJournal::open_stepped(WalArgs {
            config: plan.journal.clone(),
            disk: Arc::new(world.disk.clone()),
            clock: Arc::clone(&clock),
            floor: store.durable(PARTITION),
        })?;
        let journal: Arc<dyn Journal> = Arc::new(TappedJournal { journal: Arc::new(journal), records: world.records.clone() });
        let known = Arc::new(Known { projects: plan.projects });
        let pipeline = Pipeline::open(PipelineArgs {
            journal: Arc::clone(&journal),
            store: Arc::<EmbeddedStore>::clone(&store),
            projects: Arc::<Known>::clone(&known),
            observer: Arc::<Known>::clone(&known),
            clock: Arc::clone(&clock),
            partition: PARTITION,
            config: plan.process.clone(),
        })?;
        let gate = Arc::new(Gate::new(&plan.capture));
        let pipeline = pipeline.with_pace(Arc::new(Throttle(Arc::clone(&gate))));
        gate.follow(Arc::clone(&journal));
        let config = plan.capture.clone();
        let ledger = Arc::new(aqueduct_ledger::Unaccounted);
        let state = CaptureState { journal: Arc::clone(&journal), projects: known, clock, ledger, recorder: None, config, gate };
        Ok(Self { router: router(state), pipeline, store, journal, writer })
    }

    /// Reads the journal from what the store has to its end; the tap learns it.
    pub(crate) fn read_journal(&self) -> Result<(), aqueduct_journal::ReadError> {
        let mut from = self.store.durable(PARTITION);
        let end = self.journal.end(PARTITION);
        let mut reader = self.journal.reader(PARTITION, from)?;
        while from < end {
            let Poll::Ready(entries) = poll_once(reader.next(4096)) else { break };
            match entries?.last() {
                Some(last) => from = last.position.next(),
                None => break,
            }
        }
        Ok(())
    }

    /// The next record to become visible.
    pub(crate) fn position(&self) -> JournalPosition {
        self.pipeline.progress().position()
    }

    /// Lets the journal's writer work until it rests.
    pub(crate) fn settle_journal(&mut self) {
        while self.writer.step() == Turn::Worked {}
    }
}

/// Polls a future that either is ready or waits for something that only other steps bring.
pub(crate) fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
