//! The way of an event in one process: the edge's router, a journal, processing step by step, the embedded store, a recorder, a tracer.

use aqueduct_capture::{CaptureConfig, CaptureState, Gate, ProjectLookup, router};
use aqueduct_event::{Clock, JournalPosition, ManualClock, PartitionId, ProjectId, RawBatch, RawEvent, UnixMicros};
use aqueduct_journal::{
    AppendError, BoxFuture, Durability, Journal, JournalReader, MemoryJournal, ReadError, Receipt as Appended, TrimError,
};
use aqueduct_ledger::Unaccounted;
use aqueduct_ledger::recorder::{Audience, DirLogFiles, Recorder, RecorderConfig, Remark};
use aqueduct_process::{CookielessMode, Observed, Observer, Pipeline, PipelineArgs, ProcessConfig, ProjectFacts, Projects, Step, Warning};
use aqueduct_store::{Accounts, EmbeddedStore, Store, StoreConfig};
use aqueduct_trace::audit::{Auditor, Moment};
use aqueduct_trace::{EventWarning, Limits, Trace, Tracer, TracerArgs};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;
use uuid::Uuid;

/// 2023-11-14T22:13:20Z: the first request arrives a second later, each next one another second later.
pub(crate) const NOW: UnixMicros = UnixMicros(1_700_000_000_000_000);
/// The token of project 1, which drops events older than two days and takes no cookieless ones.
pub(crate) const TOKEN: &str = "phc_of_project_one";
pub(crate) const ONE: ProjectId = ProjectId(1);

#[derive(Debug, Default)]
pub(crate) struct Facts {
    warnings: Mutex<Vec<(ProjectId, EventWarning)>>,
}

fn project_of(token: &str) -> Option<ProjectId> {
    match token {
        TOKEN => Some(ONE),
        "phc_of_project_two" => Some(ProjectId(2)),
        _ => None,
    }
}

impl ProjectLookup for Facts {
    fn project_by_token(&self, _: &str) -> Option<aqueduct_capture::ProjectFacts> {
        None
    }

    fn key_may_read_flags(&self, _: &str) -> bool {
        false
    }
}

impl Projects for Facts {
    fn project_by_token(&self, token: &str) -> Option<ProjectFacts> {
        project_of(token).map(|id| ProjectFacts {
            id,
            timezone: Arc::from("UTC"),
            anonymize_ips: false,
            cookieless: CookielessMode::Disabled,
            drop_events_older_than_seconds: (id == ONE).then_some(2 * 86_400),
        })
    }

    fn cookieless_salt(&self, _: &str) -> Option<[u8; 16]> {
        Some([7; 16])
    }
}

impl Observer for Facts {
    fn definitions(&self, _: ProjectId, _: &Observed) {}

    fn warning(&self, project: ProjectId, warning: Warning) {
        let warning = EventWarning { kind: warning.kind.as_str().to_owned(), at: warning.at.to_rfc3339(), details: warning.details };
        self.warnings.lock().push((project, warning));
    }
}

impl Audience for Facts {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        project_of(token)
    }

    fn remarked(&self, remark: &Remark) {
        if let Some(kind) = remark.what.warning() {
            let details = serde_json::json!({"eventUuid": remark.uuids.first()});
            self.warnings.lock().push((remark.project, EventWarning { kind: kind.to_owned(), at: remark.at.to_rfc3339(), details }));
        }
    }
}

impl aqueduct_trace::Projects for Facts {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        project_of(token)
    }
}

/// A journal that can be full, and that is never trimmed.
#[derive(Clone, Debug)]
pub(crate) struct FullableJournal {
    inner: MemoryJournal,
    is_full: Arc<AtomicBool>,
}

impl Journal for FullableJournal {
    fn append(&self, key: u64, payload: Bytes) -> BoxFuture<'_, Result<Appended, AppendError>> {
        if self.is_full.load(Ordering::SeqCst) {
            return Box::pin(async { Err(AppendError::Full { used_bytes: 9, limit_bytes: 9, reserve_bytes: 0, free_bytes: 0 }) });
        }
        self.inner.append(key, payload)
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn partitions(&self) -> Vec<PartitionId> {
        self.inner.partitions()
    }

    fn reader(&self, partition: PartitionId, from: JournalPosition) -> Result<Box<dyn JournalReader>, ReadError> {
        self.inner.reader(partition, from)
    }

    fn trim(&self, _: PartitionId, _: JournalPosition) -> Result<(), TrimError> {
        Ok(())
    }

    fn end(&self, partition: PartitionId) -> JournalPosition {
        self.inner.end(partition)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

pub(crate) struct World {
    facts: Arc<Facts>,
    clock: Arc<ManualClock>,
    pub(crate) journal: FullableJournal,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) recorder: Arc<Recorder>,
    tracer: Tracer,
    pipeline: Pipeline,
    router: Router,
    requests: i64,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (facts, clock) = (Arc::new(Facts::default()), Arc::new(ManualClock::new(NOW)));
        let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let config = StoreConfig { dir: directory.path().join("store"), background: false, ..StoreConfig::default() };
        let store = Arc::new(EmbeddedStore::open(config, Arc::clone(&as_clock)).expect("opens"));
        let journal = FullableJournal { inner: MemoryJournal::new(), is_full: Arc::default() };
        let files = Arc::new(DirLogFiles::open(&directory.path().join("trace")).expect("opens"));
        let recorder =
            Recorder::open(&RecorderConfig::default(), files, Arc::clone(&as_clock), Arc::<Facts>::clone(&facts)).expect("opens");
        let recorder = Arc::new(recorder);
        let pipeline = Pipeline::open(PipelineArgs {
            journal: Arc::new(journal.clone()),
            store: Arc::<EmbeddedStore>::clone(&store),
            projects: Arc::<Facts>::clone(&facts),
            observer: Arc::<Facts>::clone(&facts),
            clock: Arc::clone(&as_clock),
            partition: PartitionId(0),
            config: ProcessConfig::default(),
        });
        let config = CaptureConfig { event_bytes_max: 20_000, body_wire_bytes_max: 100_000, ..CaptureConfig::default() };
        let router = router(CaptureState {
            journal: Arc::new(journal.clone()),
            projects: Arc::<Facts>::clone(&facts),
            clock: Arc::clone(&as_clock),
            ledger: Arc::new(Unaccounted),
            recorder: Some(Arc::clone(&recorder)),
            gate: Arc::new(Gate::new(&config)),
            bulk: None,
            config,
        });
        let newest = Arc::clone(&store);
        let args = TracerArgs {
            journal: Arc::new(journal.clone()),
            store: Arc::<EmbeddedStore>::clone(&store),
            accounts: Arc::<EmbeddedStore>::clone(&store),
            snapshot: Arc::new(move || newest.snapshot()),
            recorder: Arc::clone(&recorder),
            projects: Arc::<Facts>::clone(&facts),
            clock: as_clock,
        };
        let tracer = Tracer::new(args, Limits::default());
        let pipeline = pipeline.expect("opens");
        Self { facts, clock, journal, store, recorder, tracer, pipeline, router, requests: 0, _directory: directory }
    }

    /// Sends a request to a route; answers the status.
    pub(crate) async fn send(&mut self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> StatusCode {
        self.requests += 1;
        self.clock.set(UnixMicros(NOW.0 + self.requests * 1_000_000));
        let request = Request::post(path).header("user-agent", "posthog-python/7.91.1").header("x-forwarded-for", "203.0.113.77");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.router.clone().oneshot(request.body(body.into()).expect("a request")).await;
        response.expect("the router cannot fail").status()
    }

    /// Sends events (JSON) to `/batch` with the token of project 1.
    pub(crate) async fn batch(&mut self, events: &[String]) -> StatusCode {
        let body = format!(r#"{{"api_key":"{TOKEN}","batch":[{}]}}"#, events.join(","));
        self.send("/batch", &[], body).await
    }

    /// Puts an event into the journal as the edge never would.
    pub(crate) async fn append_raw(&self, uuid: Uuid, properties: &str) {
        let event = RawEvent {
            uuid,
            timestamp: self.clock.now(),
            event: "raw",
            distinct_id: "ann",
            cookieless: false,
            properties,
            set: "",
            set_once: "",
            unset: "",
        };
        let batch = RawBatch {
            token: TOKEN,
            received_at: self.clock.now(),
            sent_at: None,
            historical: false,
            client_ip: "",
            user_agent: "",
            path: "/batch",
            events: vec![event],
        };
        self.journal.append(0, batch.encode().into()).await.expect("appended");
    }

    pub(crate) fn set_full(&self, is_full: bool) {
        self.journal.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Makes everything visible that is in the journal.
    pub(crate) fn process(&mut self) {
        while let Step::Committed { .. } = self.pipeline.step().expect("processed") {}
    }

    pub(crate) fn flush(&self) {
        self.store.flush().expect("flushed");
    }

    pub(crate) fn trace(&self, asked: &str) -> Trace {
        let warnings = self.facts.warnings.lock();
        let warnings: Vec<EventWarning> =
            warnings.iter().filter(|(project, _)| *project == ONE).map(|(_, warning)| warning.clone()).collect();
        self.tracer.trace(ONE, asked, &warnings).expect("an answer")
    }

    pub(crate) fn auditor(&self) -> Auditor {
        let store = Arc::clone(&self.store);
        let moment: Moment = Arc::new(move |minutes| store.account_with_snapshot(minutes));
        let accounts: Arc<dyn Accounts> = Arc::<EmbeddedStore>::clone(&self.store);
        Auditor { journal: Arc::new(self.journal.clone()), accounts, moment, projects: Arc::<Facts>::clone(&self.facts) }
    }
}

/// An event with an id; `more` are further fields with a leading comma.
pub(crate) fn event(uuid: Uuid, name: &str, distinct_id: &str, more: &str) -> String {
    format!(r#"{{"uuid":"{uuid}","event":"{name}","distinct_id":"{distinct_id}"{more}}}"#)
}
