//! An edge in process: a journal in memory, projects that are known, a clock that stands still.

use aqueduct_capture::{CaptureConfig, CaptureState, Gate, ProjectFacts, ProjectLookup, router};
use aqueduct_event::{JournalPosition, ManualClock, PartitionId, RawBatch, UnixMicros};
use aqueduct_journal::{AppendError, BoxFuture, Durability, Journal, JournalReader, ReadError, Receipt, TrimError};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// 2023-11-14T22:13:20Z: when every request of the tests arrives.
pub(crate) const NOW: UnixMicros = UnixMicros(1_700_000_000_000_000);
/// A token that a project has.
pub(crate) const TOKEN: &str = "phc_known";
/// A key that may read flags.
pub(crate) const FLAGS_KEY: &str = "phs_secret";

/// What the journal does with an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Works,
    Full,
    Poisoned,
    Closed,
    Hangs,
    /// Takes a tenth of a second.
    Slow,
}

/// Keeps records in memory.
#[derive(Debug)]
pub(crate) struct MemoryJournal {
    records: Mutex<Vec<Bytes>>,
    behaviour: Behaviour,
}

impl Journal for MemoryJournal {
    fn append(&self, _key: u64, payload: Bytes) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        Box::pin(async move {
            match self.behaviour {
                Behaviour::Works => {}
                Behaviour::Full => return Err(AppendError::Full { used_bytes: 9, limit_bytes: 9, free_bytes: 0, reserve_bytes: 0 }),
                Behaviour::Poisoned => return Err(AppendError::Poisoned { cause: "sync failed".to_owned() }),
                Behaviour::Closed => return Err(AppendError::Closed),
                Behaviour::Hangs => std::future::pending().await,
                Behaviour::Slow => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
            let mut records = self.records.lock().expect("not poisoned");
            records.push(payload);
            Ok(Receipt { partition: PartitionId(0), position: JournalPosition(records.len() as u64) })
        })
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn partitions(&self) -> Vec<PartitionId> {
        vec![PartitionId(0)]
    }

    fn reader(&self, _partition: PartitionId, from: JournalPosition) -> Result<Box<dyn JournalReader>, ReadError> {
        Err(ReadError::Trimmed { wanted: from, first: from })
    }

    fn trim(&self, _partition: PartitionId, _upto: JournalPosition) -> Result<(), TrimError> {
        Ok(())
    }

    fn end(&self, _partition: PartitionId) -> JournalPosition {
        JournalPosition(0)
    }

    fn appended_bytes(&self) -> u64 {
        self.records.lock().expect("not poisoned").iter().map(|record| record.len() as u64).sum()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[derive(Debug)]
struct KnownProjects;

impl ProjectLookup for KnownProjects {
    fn project_by_token(&self, token: &str) -> Option<ProjectFacts> {
        (token == TOKEN).then(ProjectFacts::default)
    }

    fn key_may_read_flags(&self, bearer: &str) -> bool {
        bearer == FLAGS_KEY
    }
}

/// An edge and its journal.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) router: Router,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) gate: Arc<Gate>,
    ledger: Arc<Notes>,
}

/// What the ledger was told, a line for each call.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl aqueduct_ledger::Edge for Notes {
    fn refused(&self, refused: &aqueduct_ledger::Refused<'_>) {
        let content = match refused.content {
            aqueduct_ledger::Content::Events(events) => events.to_string(),
            aqueduct_ledger::Content::Unreadable => "?".to_owned(),
            aqueduct_ledger::Content::Unread { bytes } => format!("unread({bytes})"),
        };
        self.0.lock().expect("not poisoned").push(format!("{} {content} {:?}", refused.verdict, refused.token));
    }

    fn acknowledged(&self, _: PartitionId, position: JournalPosition, events: u32) {
        self.0.lock().expect("not poisoned").push(format!("acknowledged {events} at {position}"));
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

impl Edge {
    pub(crate) fn new() -> Self {
        Self::with(Behaviour::Works, CaptureConfig::default())
    }

    pub(crate) fn with(behaviour: Behaviour, config: CaptureConfig) -> Self {
        let journal = Arc::new(MemoryJournal { records: Mutex::new(Vec::new()), behaviour });
        let clock = Arc::new(ManualClock::new(NOW));
        let gate = Arc::new(Gate::new(&config));
        let ledger = Arc::new(Notes::default());
        let state = CaptureState {
            journal: Arc::<MemoryJournal>::clone(&journal),
            projects: Arc::new(KnownProjects),
            clock: Arc::<ManualClock>::clone(&clock),
            ledger: Arc::clone(&ledger) as Arc<dyn aqueduct_ledger::Edge>,
            recorder: None,
            gate: Arc::clone(&gate),
            bulk: None,
            config,
        };
        Self { router: router(state), clock, journal, gate, ledger }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router cannot fail");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(post(path, &[], body)).await
    }

    /// What the ledger was told, taken out.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.ledger.0.lock().expect("not poisoned"))
    }

    /// The records of the journal, taken out.
    pub(crate) fn records(&self) -> Vec<Bytes> {
        std::mem::take(&mut *self.journal.records.lock().expect("not poisoned"))
    }

    /// Sends a body that must be taken, and gives the one record that it left to `look`.
    pub(crate) async fn accepted<T>(&self, request: Request<Body>, look: impl FnOnce(RawBatch<'_>) -> T) -> T {
        let answer = self.send(request).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"status":"Ok"}"#));
        let records = self.records();
        assert_eq!(records.len(), 1, "one record");
        look(RawBatch::decode(&records[0]).expect("a batch"))
    }
}

/// A POST with headers.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).expect("a request")
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

pub(crate) fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes.as_ref()).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A form of these fields.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A batch object that holds these events (JSON).
pub(crate) fn batch(events: &[&str]) -> String {
    format!(r#"{{"api_key":"{TOKEN}","batch":[{}]}}"#, events.join(","))
}

/// One event with these further fields (JSON, with a leading comma).
pub(crate) fn event(more: &str) -> String {
    format!(r#"{{"event":"e","distinct_id":"ann"{more}}}"#)
}
