//! A whole API over an empty store, and a client for it.

use aqueduct_api::{ApiState, Jobs, Replayable, Replays, Snapshots};
use aqueduct_catalog::{Bootstrap, Catalog};
use aqueduct_event::{Clock, JournalPosition, ManualClock, PartitionId, ProjectId, PropertyValue, UnixMicros};
use aqueduct_query::{QueryConfig, QueryEngine};
use aqueduct_store::{Commit, DeadLetter, EmbeddedStore, EventRow, EventRows, PersonMode, Store, StoreConfig};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;
use uuid::Uuid;

/// 2026-03-01 12:30 UTC.
pub(crate) const NOON: UnixMicros = UnixMicros(1_772_368_200_000_000);

/// The key of the first start.
pub(crate) const KEY: &str = "phx_first";

pub(crate) struct World {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) store: Arc<EmbeddedStore>,
    router: Router,
    pub(crate) replays: Arc<Replayed>,
    /// Ends streams when it is dropped.
    _stop: tokio::sync::watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

/// What was replayed. A payload must name its token.
#[derive(Debug)]
pub(crate) struct Replayed(pub(crate) std::sync::Mutex<Vec<Vec<u8>>>, Arc<EmbeddedStore>);

impl Replays for Replayed {
    fn record_of(&self, letter: &DeadLetter) -> Result<Replayable, String> {
        let payload: Value = serde_json::from_str(&letter.payload).map_err(|error| error.to_string())?;
        let token = payload["token"].as_str().ok_or("no token")?.to_owned();
        Ok(Replayable { token, record: letter.payload.as_bytes().to_vec() })
    }

    fn append(&self, record: Vec<u8>) -> futures::future::BoxFuture<'_, Result<(PartitionId, JournalPosition), String>> {
        self.0.lock().expect("not poisoned").push(record);
        // What it would change is nobody's business here: it is visible at once.
        let (partition, position) = (PartitionId(7), JournalPosition(self.0.lock().expect("not poisoned").len() as u64));
        self.1.commit(Commit::new(partition, position.next())).expect("commits");
        Box::pin(async move { Ok((partition, position)) })
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// Status, type, code and attr of an error.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        let text = |key: &str| body[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} [{}] {}", self.status.as_u16(), text("type"), text("code"), text("attr"), text("detail"))
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_queries(QueryConfig { threads: 1, ..QueryConfig::default() }).await
    }

    pub(crate) async fn with_queries(config: QueryConfig) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOON));
        let catalog = Catalog::open(&directory.path().join("catalog.sqlite"), Arc::clone(&clock)).await.expect("opens");
        let wanted = Bootstrap { project_token: Some("phc_first".to_owned()), personal_api_key: Some(KEY.to_owned()), user: None };
        catalog.bootstrap(&wanted).await.expect("bootstraps");
        let store_config = StoreConfig { dir: directory.path().join("store"), background: false, ..StoreConfig::default() };
        let store = Arc::new(EmbeddedStore::open(store_config, Arc::clone(&clock)).expect("opens"));
        let newest = Arc::clone(&store);
        let definitions = Arc::<Catalog>::clone(&catalog);
        let source: Arc<EmbeddedStore> = Arc::clone(&store);
        let engine = QueryEngine::new(config, source, definitions, Arc::clone(&clock)).expect("starts");
        let replays = Arc::new(Replayed(std::sync::Mutex::default(), Arc::clone(&store)));
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let state = ApiState {
            catalog: Arc::clone(&catalog),
            snapshots: Snapshots::new(move || newest.snapshot()),
            engine: Arc::new(engine),
            jobs: Jobs::default(),
            stopping,
            clock,
            inspection: None,
            ledger: None,
            store: Arc::<EmbeddedStore>::clone(&store),
            accounts: Arc::<EmbeddedStore>::clone(&store),
            replays: Arc::clone(&replays) as Arc<dyn Replays>,
        };
        Self { catalog, store, router: aqueduct_api::router(state), replays, _stop: stop, _directory: directory }
    }

    /// An answer whose body is still to be read.
    pub(crate) async fn open(&self, request: Request<Body>) -> http::Response<Body> {
        self.router.clone().oneshot(request).await.expect("answers")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Asks with the key of the first start.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_with(method, path, &[("authorization", &format!("Bearer {KEY}"))], body).await
    }

    pub(crate) async fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("request")).await
    }

    /// Stores one event of project 1, with the properties `{"n": number}`.
    pub(crate) fn store_event(&self, number: u64, event: &str, distinct_id: &str) {
        let person = Uuid::from_u128(9);
        let row = EventRow {
            project: ProjectId(1),
            uuid: Uuid::from_u128(u128::from(number) + 1),
            event,
            distinct_id,
            person,
            timestamp: NOON,
            created_at: UnixMicros(NOON.0 + i64::try_from(number).expect("small")),
            person_created_at: NOON,
            person_properties: &Arc::from("{}"),
            person_mode: PersonMode::Full,
            elements_chain: "",
        };
        let mut events = EventRows::default();
        events.push(&row, [("n", PropertyValue::Int(i64::try_from(number).expect("small")))].into_iter());
        let commit = Commit { events, ..Commit::new(PartitionId(0), JournalPosition(number + 1)) };
        self.store.commit(commit).expect("commits");
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }
}
