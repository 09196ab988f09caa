//! What is connected to what. Opening order: lock, catalog, store, journal (from the store's position on), processing, HTTP.

use crate::backup::pin::{Pinned, Pinning};
use crate::ballast::Ballast;
use crate::bridge::{Bridge, Throttle};
use crate::config::{Config, Role};
use crate::data::{self, CATALOG};
use crate::error::Fatal;
use crate::ledger::{self, Keeping, Replaying};
use crate::memory;
use crate::ops::{self, Readiness};
use crate::threads::{self, Processing, Recording, Relief, StoreWork};
use aqueduct_api::{ApiState, Inspection, Jobs, Snapshots};
use aqueduct_capture::{CaptureState, Gate};
use aqueduct_catalog::{Bootstrap, Bootstrapped, Catalog};
use aqueduct_event::{Clock, PartitionId, ProjectId, SystemClock};
use aqueduct_journal::{Journal, RealDisk, WalArgs, WalJournal};
use aqueduct_ledger::Account;
use aqueduct_ledger::account::Ledger;
use aqueduct_ledger::recorder::{DirLogFiles, Recorder};
use aqueduct_process::{Pipeline, PipelineArgs, StepError};
use aqueduct_query::QueryEngine;
use aqueduct_store::{EmbeddedStore, ProjectView, Store};
use aqueduct_trace::audit::Auditor;
use aqueduct_trace::{Limits, Tracer, TracerArgs};
use axum::Router;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// The partition of the local journal.
pub(crate) const LOCAL: PartitionId = PartitionId(0);

/// Between two looks at what another process or request holds.
const LOCK_RETRY: Duration = Duration::from_millis(5);
/// Between two tries to open what needs room on a full disk.
const ROOM_RETRY: Duration = Duration::from_secs(1);
/// How long a request that was given up may hold on to what it uses.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) bootstrapped: Bootstrapped,
    pub(crate) journal: Arc<WalJournal>,
    store: Arc<EmbeddedStore>,
    pub(crate) pinning: Arc<Pinning>,
    relief: Relief,
    processing: Option<Processing>,
    store_work: StoreWork,
    recording: Recording,
    keeping: Option<Keeping>,
    memory_watch: AbortHandle,
    pub(crate) router: Router,
    /// What became of every event; `None` where events are not processed.
    pub(crate) ledger: Option<Arc<dyn Ledger>>,
    _lock: File,
}

/// What the parts need of the process around them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) bootstrap: Bootstrap,
    pub(crate) readiness: Readiness,
    /// Where a part that cannot go on says so.
    pub(crate) fatal: mpsc::UnboundedSender<Fatal>,
    /// Turns true when the process stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Where bodies are decoded that are not small.
    pub(crate) bulk: Handle,
    /// The memory ceiling, in bytes.
    pub(crate) memory_max: u64,
    /// How long the data directory may still be in use by the process before.
    pub(crate) patience: Duration,
}

/// Everything that lies in the data directory, open.
#[derive(Debug)]
struct Opened {
    catalog: Arc<Catalog>,
    bootstrapped: Bootstrapped,
    store: Arc<EmbeddedStore>,
    journal: Arc<WalJournal>,
    account: Arc<Account>,
    recorder: Arc<Recorder>,
}

impl Opened {
    async fn open(config: &Config, bootstrap: &Bootstrap, clock: &Arc<dyn Clock>) -> Result<Self, Fatal> {
        let catalog = open_catalog(config, Arc::clone(clock)).await?;
        let bootstrapped = catalog.bootstrap(bootstrap).await.map_err(bootstrap_failure)?;
        let store = open_store(config, Arc::clone(clock))?;
        let journal = open_journal(config, Arc::clone(clock), &*store)?;
        let bridge = Bridge(Arc::clone(&catalog));
        let account = ledger::open_account(&config.data_dir, bridge.clone())?;
        let recorder = open_recorder(config, Arc::clone(clock), bridge)?;
        Ok(Self { catalog, bootstrapped, store, journal, account, recorder })
    }

    /// As [`Self::open`]. What fails while the disk is full is tried again until there is room: a process that ends would be started again and fail again.
    async fn open_in_time(config: &Config, bootstrap: &Bootstrap, clock: &Arc<dyn Clock>, ballast: &Ballast) -> Result<Self, Fatal> {
        loop {
            ballast.release_if_short();
            match Self::open(config, bootstrap, clock).await {
                Err(Fatal::Failure(failure)) if ballast.room_is_short() => {
                    tracing::error!(failure, "the disk is full; the start goes on as soon as there is room");
                    tokio::time::sleep(ROOM_RETRY).await;
                }
                opened => return opened,
            }
        }
    }
}

/// Opens and connects all parts.
pub(crate) async fn open(config: &Config, world: World) -> Result<Parts, Fatal> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lock = lock(config, world.patience).await?;
    let ballast = Ballast::in_dir(&config.data_dir);
    let opened = Opened::open_in_time(config, &world.bootstrap, &clock, &ballast).await?;
    let Opened { catalog, bootstrapped, store, journal, account, recorder } = opened;
    let bridge = Bridge(Arc::clone(&catalog));
    let as_store: Arc<dyn Store> = Arc::<EmbeddedStore>::clone(&store);
    let as_journal: Arc<dyn Journal> = Arc::<WalJournal>::clone(&journal);
    let store_work = StoreWork::start(&as_store, config.http.nice, &world.fatal)?;
    let relief = Relief::start(&as_store, &journal, ballast)?;
    world.readiness.watch(&journal);
    let (trace, data_dir) = (config.trace.dir.clone(), config.data_dir.clone());
    let files = Pinned { journal: &journal, store: &store, catalog: &catalog, account: &account };
    let pinning = Arc::new(Pinning::new(&files, trace, data_dir));
    let gate = Arc::new(Gate::new(&config.capture));
    let memory_watch = tokio::spawn(memory::watch(Arc::clone(&gate), world.memory_max)).abort_handle();
    let processing = if config.roles.has(Role::Process) {
        let open = |partition| {
            let args = PipelineArgs {
                journal: Arc::clone(&as_journal),
                store: Arc::clone(&as_store),
                projects: Arc::new(bridge.clone()),
                observer: Arc::new(bridge.clone()),
                clock: Arc::clone(&clock),
                partition,
                config: config.process.config(),
            };
            Pipeline::open(args)
        };
        let pipelines = open_pipelines(&*as_journal, open, &gate, &account)?;
        // What is taken follows what becomes visible. Where processing is elsewhere, the journal's own limits hold.
        gate.follow(Arc::clone(&as_journal));
        Some(Processing::start(pipelines, &world.fatal)?)
    } else {
        None
    };
    // Events are counted where they are processed: that process sees both sides.
    let books = if processing.is_some() { Some(ledger::open_books(&as_journal, &store, &account, &clock)?) } else { None };
    let keeping = books.as_ref().map(|books| Keeping::start(books, &world.fatal)).transpose()?;
    let ledger = books.map(|books| -> Arc<dyn Ledger> { books });
    let recording = Recording::start(&recorder)?;
    let mut router = ops::probes(world.readiness);
    if config.roles.has(Role::Capture) {
        let projects = Arc::new(bridge);
        let (clock, config) = (Arc::clone(&clock), config.capture.clone());
        let (journal, recorder) = (Arc::clone(&as_journal), Some(Arc::clone(&recorder)));
        let state = CaptureState { journal, projects, clock, ledger: account, recorder, config, gate, bulk: Some(world.bulk) };
        router = router.merge(aqueduct_capture::router(state));
    }
    if config.roles.has(Role::Api) {
        let inspection = inspection(&as_journal, &store, &recorder, &catalog, &clock);
        let letters = (ledger.clone(), Arc::new(Replaying(as_journal)));
        router = router.merge(api(config, Arc::clone(&catalog), &store, clock, (world.stopping, inspection), letters)?);
    }
    Ok(Parts {
        catalog,
        bootstrapped,
        journal,
        store,
        pinning,
        relief,
        processing,
        store_work,
        recording,
        keeping,
        memory_watch,
        router,
        ledger,
        _lock: lock,
    })
}

fn open_pipelines(
    journal: &dyn Journal,
    open: impl Fn(PartitionId) -> Result<Pipeline, StepError>,
    gate: &Arc<Gate>,
    account: &Arc<Account>,
) -> Result<Vec<Pipeline>, Fatal> {
    let remedy = "restore the journal and the store of the same time (`aqueduct restore`)";
    let open = |partition| {
        let pipeline = open(partition).map_err(|failure| Fatal::failure("cannot start processing", failure, remedy))?;
        Ok(pipeline.with_pace(Arc::new(Throttle(Arc::clone(gate)))).accounted_by(Arc::clone(account)))
    };
    journal.partitions().into_iter().map(open).collect()
}

fn api(
    config: &Config,
    catalog: Arc<Catalog>,
    store: &Arc<EmbeddedStore>,
    clock: Arc<dyn Clock>,
    (stopping, inspection): (watch::Receiver<bool>, Inspection),
    (ledger, replays): (Option<Arc<dyn Ledger>>, Arc<Replaying>),
) -> Result<Router, Fatal> {
    let newest = Arc::clone(store);
    let snapshots = Snapshots::new(move || newest.snapshot());
    let definitions = Arc::<Catalog>::clone(&catalog);
    let source: Arc<EmbeddedStore> = Arc::clone(store);
    let nice = config.http.nice;
    let stand_behind = move || threads::stand_behind(nice);
    let engine = QueryEngine::with_levels(config.query.clone(), source, definitions, Arc::clone(&clock), stand_behind)
        .map_err(|failure| Fatal::failure("cannot start the query engine", failure, "check query.spill_dir and the limit of threads"))?;
    let (store, accounts): (Arc<EmbeddedStore>, Arc<EmbeddedStore>) = (Arc::clone(store), Arc::clone(store));
    let (engine, jobs) = (Arc::new(engine), Jobs::default());
    Ok(aqueduct_api::router(ApiState {
        catalog,
        snapshots,
        engine,
        jobs,
        clock,
        stopping,
        inspection: Some(inspection),
        ledger,
        store,
        accounts,
        replays,
    }))
}

/// What looks for single events.
fn inspection(
    journal: &Arc<dyn Journal>,
    store: &Arc<EmbeddedStore>,
    recorder: &Arc<Recorder>,
    catalog: &Arc<Catalog>,
    clock: &Arc<dyn Clock>,
) -> Inspection {
    let newest = Arc::clone(store);
    let tracer = TracerArgs {
        journal: Arc::clone(journal),
        store: Arc::<EmbeddedStore>::clone(store),
        accounts: Arc::<EmbeddedStore>::clone(store),
        snapshot: Arc::new(move || newest.snapshot()),
        recorder: Arc::clone(recorder),
        projects: Arc::new(Bridge(Arc::clone(catalog))),
        clock: Arc::clone(clock),
    };
    Inspection { tracer: Tracer::new(tracer, Limits::default()), auditor: auditor(journal, store, catalog), recorder: Arc::clone(recorder) }
}

fn auditor(journal: &Arc<dyn Journal>, store: &Arc<EmbeddedStore>, catalog: &Arc<Catalog>) -> Auditor {
    let audited = Arc::clone(store);
    Auditor {
        journal: Arc::clone(journal),
        accounts: Arc::<EmbeddedStore>::clone(store),
        moment: Arc::new(move |minutes| audited.account_with_snapshot(minutes)),
        projects: Arc::new(Bridge(Arc::clone(catalog))),
    }
}

/// The data of a server that is stopped, for as long as it is looked at.
#[derive(Debug)]
pub(crate) struct Stopped {
    catalog: Arc<Catalog>,
    store: Arc<EmbeddedStore>,
    journal: Arc<dyn Journal>,
    _lock: File,
}

/// Opens what an audit reads. No server may run on the directory meanwhile.
pub(crate) async fn open_stopped(config: &Config) -> Result<Stopped, Fatal> {
    let shown = config.data_dir.display();
    if !config.data_dir.join(CATALOG).is_file() {
        return Err(Fatal::Usage(format!("--data-dir: found no data in {shown}, expected the data directory of a server")));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lock = lock(config, Duration::ZERO).await.map_err(|failure| match failure {
        Fatal::Failure(text) => Fatal::Failure(format!("{text}; a running server is asked with --url")),
        usage => usage,
    })?;
    let catalog = open_catalog(config, Arc::clone(&clock)).await?;
    let store = open_store(config, Arc::clone(&clock))?;
    let journal: Arc<dyn Journal> = open_journal(config, clock, &*store)?;
    Ok(Stopped { catalog, store, journal, _lock: lock })
}

impl Stopped {
    /// A project as the store has it. What only the journal has would be missing: that is refused.
    pub(crate) fn view(&self, project: ProjectId) -> Result<Arc<dyn ProjectView>, Fatal> {
        let (stored, end) = (self.store.durable(LOCAL), self.journal.end(LOCAL));
        if stored < end {
            let why = format!("the server was not stopped in order: records {stored} to {end} of the journal are not processed");
            return Err(Fatal::failure("cannot export", why, "start the server and export from it, or stop it in order"));
        }
        let view = self.store.snapshot().project(project);
        view.map_err(|error| Fatal::failure("cannot export", error, "`aqueduct check` names all damage"))
    }

    pub(crate) fn auditor(&self) -> Auditor {
        auditor(&self.journal, &self.store, &self.catalog)
    }

    pub(crate) async fn close(self) -> Result<(), Fatal> {
        self.journal.close().await;
        self.store.close().map_err(|failure| Fatal::failure("cannot close the store", failure, "check the disk"))?;
        self.catalog.close().await.map_err(|failure| Fatal::failure("cannot close the catalog", failure, "check the disk"))
    }
}

impl Parts {
    /// Writes out what is visible, so that little is left to do when everything stops.
    pub(crate) async fn write_out(&self) {
        let store = Arc::clone(&self.store);
        if let Ok(Err(failure)) = tokio::task::spawn_blocking(move || store.flush()).await {
            tracing::warn!(%failure, "rows could not be written out before the stop; it is tried again");
        }
    }

    /// Stops all parts in the way of an event: nothing comes in, what came in becomes visible (for `bound` at most, the rest stays in the journal),
    /// what is visible becomes durable. The answer tells when their files are let go of.
    pub(crate) async fn close(self, bound: Duration) -> Result<Closed, Fatal> {
        self.journal.close().await;
        self.memory_watch.abort();
        let (processing, store_work, recording, keeping) = (self.processing, self.store_work, self.recording, self.keeping);
        let store = Arc::clone(&self.store);
        let relief = self.relief;
        let closed = tokio::task::spawn_blocking(move || {
            if let Some(processing) = processing {
                processing.drain(bound);
            }
            store_work.stop();
            recording.stop();
            relief.stop();
            let flushed = store.flush();
            if let Some(keeping) = keeping {
                keeping.stop();
            }
            flushed.and(store.close())
        });
        let flushed = closed.await.map_err(|failure| Fatal::failure("cannot stop in order", failure, "start again, nothing is lost"))?;
        flushed.map_err(|failure| Fatal::failure("cannot write the last rows out", failure, "start again, they are in the journal"))?;
        let closed = self.catalog.close().await;
        closed.map_err(|failure| Fatal::failure("cannot close the catalog", failure, "check the disk"))?;
        Ok(Closed { journal: self.journal, store: self.store })
    }
}

/// Parts that are stopped, whose files are given up when nobody holds them any more.
#[derive(Debug)]
pub(crate) struct Closed {
    journal: Arc<WalJournal>,
    store: Arc<dyn Store>,
}

impl Closed {
    /// Waits until the files of journal and store are given up; false when somebody still holds them.
    pub(crate) async fn released(self) -> bool {
        let begun = Instant::now();
        while Arc::strong_count(&self.journal) > 1 || Arc::strong_count(&self.store) > 1 {
            if begun.elapsed() > RELEASE_PATIENCE {
                return false;
            }
            tokio::time::sleep(LOCK_RETRY).await;
        }
        // Waits for the journal's thread.
        tokio::task::spawn_blocking(move || drop(self)).await.is_ok()
    }
}

/// Keeps other servers out of the data directory.
async fn lock(config: &Config, patience: Duration) -> Result<File, Fatal> {
    let begun = Instant::now();
    loop {
        if let Some(lock) = data::lock(&config.data_dir)? {
            return Ok(lock);
        }
        if begun.elapsed() >= patience {
            let what = format!("cannot use the data directory {}", config.data_dir.display());
            return Err(Fatal::failure(&what, "another server uses it", "stop that one, or choose another with --data-dir"));
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
}

async fn open_catalog(config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<Catalog>, Fatal> {
    let catalog = Catalog::open(&config.data_dir.join(CATALOG), clock).await;
    catalog.map_err(|failure| Fatal::failure("cannot open the catalog", failure, "check the disk and the rights of the data directory"))
}

fn bootstrap_failure(failure: aqueduct_catalog::CatalogError) -> Fatal {
    match failure {
        // What is wrong came with the environment.
        aqueduct_catalog::CatalogError::Invalid { .. } => Fatal::Usage(failure.to_string()),
        other => Fatal::failure("cannot make the first project", other, "check the disk"),
    }
}

fn open_recorder(config: &Config, clock: Arc<dyn Clock>, bridge: Bridge) -> Result<Arc<Recorder>, Fatal> {
    let opened =
        DirLogFiles::open(&config.trace.dir).and_then(|files| Recorder::open(&config.trace, Arc::new(files), clock, Arc::new(bridge)));
    let what = format!("cannot open {}", config.trace.dir.display());
    opened.map(Arc::new).map_err(|failure| Fatal::failure(&what, failure, "check the rights of the data directory"))
}

fn open_store(config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<EmbeddedStore>, Fatal> {
    use aqueduct_store::OpenError;
    EmbeddedStore::open(config.store.clone(), clock).map(Arc::new).map_err(|failure| {
        let remedy = match &failure {
            OpenError::Damaged { .. } => "`aqueduct check` names all damage; restore a backup",
            OpenError::Version { .. } => "start it with the newer program",
            OpenError::InUse { .. } => "stop the other one",
            OpenError::Io { .. } => "check the disk and the rights of the data directory",
        };
        Fatal::failure("cannot open the store", failure, remedy)
    })
}

fn open_journal(config: &Config, clock: Arc<dyn Clock>, store: &dyn Store) -> Result<Arc<WalJournal>, Fatal> {
    use aqueduct_journal::OpenError;
    let args = WalArgs { config: config.journal.clone(), disk: Arc::new(RealDisk), clock, floor: store.durable(LOCAL) };
    WalJournal::open_with(args).map(Arc::new).map_err(|failure| {
        let remedy = match &failure {
            OpenError::Damaged { .. } => "`aqueduct check` names all damage, `aqueduct check --repair` mends what can be mended",
            OpenError::Behind { .. } => {
                "put the journal of this store back, or give up what only it held with `aqueduct check --repair --accept-loss`"
            }
            OpenError::Version { .. } => "start it with the newer program",
            OpenError::Locked { .. } => "stop the other one",
            OpenError::Io { .. } => "check the disk and the rights of the data directory",
        };
        Fatal::failure("cannot open the journal", failure, remedy)
    })
}
