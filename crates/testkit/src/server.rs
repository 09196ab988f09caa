//! One life of the server, put together as the binary does it, with every thread replaced by a step.
//!
//! In: the disk as it is. Out: an open server, or why it did not open.

use crate::account::{Notes, TappedEdge};
use crate::files::{SimFiles, database};
use crate::model::project_of;
use crate::plan::{DATA_DIR, LEDGER, Plan, STORE_DIR};
use crate::tap::{Records, TappedJournal};
use aqueduct_capture::{CaptureState, Gate, ProjectLookup, router};
use aqueduct_catalog::{Action, Cohort, CohortMember, PropertyParent, PropertyType};
use aqueduct_event::{Clock, JournalPosition, ManualClock, PartitionId, ProjectId, UnixMicros};
use aqueduct_journal::{Disk, FaultyDisk, Journal, Turn, WalArgs, WalJournal, WalWriter};
use aqueduct_ledger::account::BookError;
use aqueduct_ledger::{Account, Tokens};
use aqueduct_process::{
    Books, BooksArgs, BooksError, CookielessMode, Observed, Observer, Pace, Pipeline, PipelineArgs, ProjectFacts, Projects, StepError,
    VisibleBytes, Warning,
};
use aqueduct_query::{Definitions, QueryConfig, QueryEngine, QueryError};
use aqueduct_store::{EmbeddedStore, Store};
use axum::Router;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, OnceLock};
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
    /// What the edge told the account.
    pub(crate) notes: Notes,
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
    #[error("the account: {0}")]
    Account(#[from] BookError),
    #[error("the books: {0}")]
    Books(#[from] BooksError),
    /// The account is not what it was.
    #[error("{0}")]
    Ledger(String),
}

/// An open server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) pipeline: Pipeline,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) writer: WalWriter,
    pub(crate) account: Arc<Account>,
    pub(crate) books: Books,
    known: Arc<Known>,
    clock: Arc<dyn Clock>,
    /// Made when somebody asks.
    engine: OnceLock<QueryEngine>,
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

impl Tokens for Known {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        project_of(token, self.projects).map(ProjectId)
    }
}

/// Nothing is defined but the type of the number that each event carries.
impl Definitions for Known {
    fn property_type(&self, _: ProjectId, _: PropertyParent, _: Option<u8>, name: &str) -> Option<PropertyType> {
        (name == "n").then_some(PropertyType::Numeric)
    }

    fn actions(&self, _: ProjectId) -> Vec<Arc<Action>> {
        Vec::new()
    }

    fn cohorts(&self, _: ProjectId) -> Vec<Arc<Cohort>> {
        Vec::new()
    }

    fn cohort_members(&self, _: i64) -> Arc<[CohortMember]> {
        Arc::new([])
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
    /// Opens a server in the order of the binary: store, journal, account, processing, books, edge.
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
        let account = open_account(world, &known)?;
        let life = world.notes.begin(&account).map_err(OpenFailure::Ledger)?;
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
        let pipeline = pipeline.with_pace(Arc::new(Throttle(Arc::clone(&gate)))).accounted_by(Arc::clone(&account));
        gate.follow(Arc::clone(&journal));
        let books = open_books(&journal, &store, &account, &clock)?;
        let config = plan.capture.clone();
        let ledger = Arc::new(TappedEdge { account: Arc::clone(&account), notes: world.notes.clone(), life, projects: plan.projects });
        let (projects, time) = (Arc::<Known>::clone(&known), Arc::clone(&clock));
        let state = CaptureState { journal: Arc::clone(&journal), projects, clock: time, ledger, recorder: None, config, gate, bulk: None };
        Ok(Self { router: router(state), pipeline, store, journal, writer, account, books, known, clock, engine: OnceLock::new() })
    }

    /// The query engine over this store.
    pub(crate) fn engine(&self) -> Result<&QueryEngine, QueryError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let (source, definitions) = (Arc::<EmbeddedStore>::clone(&self.store), Arc::<Known>::clone(&self.known));
        let engine = QueryEngine::without_threads(QueryConfig::default(), source, definitions, Arc::clone(&self.clock))?;
        Ok(self.engine.get_or_init(|| engine))
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

    pub(crate) fn now(&self) -> UnixMicros {
        self.clock.now()
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

fn open_account(world: &World, known: &Arc<Known>) -> Result<Arc<Account>, BookError> {
    let disk = world.disk.clone();
    let open = move || {
        let storage = database(&disk, Path::new(LEDGER))?;
        disk.sync_dir(Path::new(DATA_DIR))?;
        Ok(storage)
    };
    Ok(Arc::new(Account::open(Box::new(open), Arc::<Known>::clone(known))?))
}

/// Connects both sides. The journal must have what the account has not counted yet: it would take the store's word for it.
fn open_books(
    journal: &Arc<dyn Journal>,
    store: &Arc<EmbeddedStore>,
    account: &Arc<Account>,
    clock: &Arc<dyn Clock>,
) -> Result<Books, OpenFailure> {
    if let Some(position) = account.position(PARTITION)
        && let Err(error) = journal.reader(PARTITION, position)
    {
        return Err(OpenFailure::Ledger(format!("the account stands at {position}: {error}")));
    }
    let accounts = Arc::<EmbeddedStore>::clone(store);
    Ok(Books::open(BooksArgs { journal: Arc::clone(journal), accounts, account: Arc::clone(account), clock: Arc::clone(clock) })?)
}

/// Polls a future that either is ready or waits for something that only other steps bring.
pub(crate) fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
