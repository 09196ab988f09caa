//! One query from request to response.

use super::session::{Sessions, execute};
use super::{QueryConfig, QueryRequest, QueryResponse, SnapshotSource, hogql, insight, metadata};
use crate::error::QueryError;
use crate::insights;
use crate::metrics;
use crate::resolve::{Definitions, PersonMode, ProjectFacts, QueryContext};
use crate::scan::ScanContext;
use aqueduct_event::{Clock, ProjectId};
use arrow::array::RecordBatch;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

/// Trees of expressions are walked by recursion; the parser bounds their depth, this bounds what a level may cost.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Answers queries. Cheap to share: clone the `Arc` around it.
#[derive(Debug)]
pub struct QueryEngine {
    config: QueryConfig,
    source: Arc<dyn SnapshotSource>,
    definitions: Arc<dyn Definitions>,
    clock: Arc<dyn Clock>,
    sessions: Arc<Sessions>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    running: Arc<Mutex<HashMap<(ProjectId, String), Stopper>>>,
}

/// Stops a query: its task where it waits, its loops where they look at the flag.
#[derive(Clone, Debug)]
struct Stopper {
    task: AbortHandle,
    flag: Arc<AtomicBool>,
}

impl Stopper {
    fn stop(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.task.abort();
    }
}

impl Drop for QueryEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // dropping a runtime inside another one must not wait
            runtime.shutdown_background();
        }
    }
}

impl QueryEngine {
    /// An engine with threads of its own.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when threads cannot be started or the folder for spilling cannot be used.
    pub fn new(
        config: QueryConfig,
        source: Arc<dyn SnapshotSource>,
        definitions: Arc<dyn Definitions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QueryError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads())
            .thread_name("query")
            .thread_stack_size(THREAD_STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|error| QueryError::Internal(format!("cannot start query threads: {error}")))?;
        metrics::describe();
        let sessions = Arc::new(Sessions::new(&config)?);
        let running = Arc::new(Mutex::new(HashMap::new()));
        Ok(Self { config, source, definitions, clock, sessions, runtime: Some(runtime), running })
    }

    /// Answers a query. Dropping the future stops the work.
    ///
    /// # Errors
    /// [`QueryError`]; its parts make PostHog's error body.
    pub async fn run(&self, request: QueryRequest) -> Result<QueryResponse, QueryError> {
        let Some(runtime) = &self.runtime else { return Err(QueryError::Cancelled) };
        let (began, _running) = (Instant::now(), metrics::Running::start());
        let (kind, timezone) = (known_kind(&request.query), request.project.timezone.clone());
        let key = request.query_id.clone().map(|id| (request.project.id, id));
        let run = Run::start(self, &request)?;
        let flag = Arc::clone(&run.stop);
        let task = runtime.spawn(async move { answer(&run, &request.query).await });
        let _entry = Entry::register(&self.running, key, Stopper { task: task.abort_handle(), flag });
        let deadline = Duration::from_secs(self.config.seconds_max);
        let answer = match tokio::time::timeout(deadline, task).await {
            Err(_) => Err(QueryError::Timeout { seconds: self.config.seconds_max }),
            Ok(Ok(answer)) => answer,
            Ok(Err(stopped)) if stopped.is_cancelled() => Err(QueryError::Cancelled),
            Ok(Err(panicked)) => Err(QueryError::Internal(panicked.to_string())),
        };
        match answer {
            Ok(response) => {
                metrics::answered(kind, began.elapsed().as_secs_f64());
                Ok(with_common_fields(response, &timezone))
            }
            Err(error) => {
                metrics::failed(kind, error.code());
                log(&error);
                Err(error)
            }
        }
    }

    /// Stops a running query; `false` when there is none of that id.
    pub fn cancel(&self, project: ProjectId, query_id: &str) -> bool {
        let stopper = self.running.lock().remove(&(project, query_id.to_owned()));
        stopper.is_some_and(|stopper| {
            stopper.stop();
            true
        })
    }
}

/// Kinds that metrics tell apart; the rest share one name, so that a stranger cannot invent labels.
fn known_kind(query: &Json) -> &'static str {
    const KINDS: [&str; 15] = [
        "HogQLQuery",
        "EventsQuery",
        "HogQLMetadata",
        "DatabaseSchemaQuery",
        "TrendsQuery",
        "FunnelsQuery",
        "RetentionQuery",
        "PathsQuery",
        "StickinessQuery",
        "LifecycleQuery",
        "ActorsQuery",
        "SessionsTimelineQuery",
        "WebOverviewQuery",
        "WebStatsTableQuery",
        "DataTableNode",
    ];
    let kind = query.get("kind").and_then(Json::as_str).unwrap_or_default();
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("other")
}

/// What every answer has.
fn with_common_fields(mut response: QueryResponse, timezone: &str) -> QueryResponse {
    for (name, value) in [
        ("is_cached", Json::Bool(false)),
        ("error", Json::Null),
        ("modifiers", Json::Null),
        ("query_status", Json::Null),
        ("timezone", Json::from(timezone)),
    ] {
        response.body.entry(name).or_insert(value);
    }
    response
}

fn log(error: &QueryError) {
    if !error.is_user_error() {
        tracing::error!(%error, "query failed");
    }
}

/// A running query's place in the list; it leaves the list and stops when this is dropped.
struct Entry<'e> {
    running: &'e Mutex<HashMap<(ProjectId, String), Stopper>>,
    key: Option<(ProjectId, String)>,
    stopper: Stopper,
}

impl<'e> Entry<'e> {
    fn register(running: &'e Mutex<HashMap<(ProjectId, String), Stopper>>, key: Option<(ProjectId, String)>, stopper: Stopper) -> Self {
        if let Some(key) = &key {
            running.lock().insert(key.clone(), stopper.clone());
        }
        Self { running, key, stopper }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(key) = &self.key {
            self.running.lock().remove(key);
        }
    }
}

/// What one query works with.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) context: QueryContext,
    /// Set when nobody waits for the answer any more.
    pub(crate) stop: Arc<AtomicBool>,
    session: SessionState,
}

impl Run {
    fn start(engine: &QueryEngine, request: &QueryRequest) -> Result<Self, QueryError> {
        let modifiers = request.query.get("modifiers");
        let mode = modifiers.and_then(|modifiers| modifiers.get("personsOnEventsMode")).and_then(Json::as_str);
        let view = engine.source.snapshot().project(request.project.id)?;
        let zone = zone(&request.project)?;
        let context = QueryContext::new(
            ScanContext::new(view, zone),
            request.project.clone(),
            Arc::clone(&engine.definitions),
            engine.clock.now(),
            PersonMode::from_modifier(mode)?,
        );
        Ok(Self { context, stop: Arc::default(), session: engine.sessions.session()? })
    }

    /// Runs a plan to its end.
    ///
    /// # Errors
    /// [`QueryError`] of planning or of a row.
    pub(crate) async fn execute(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>, QueryError> {
        execute(&self.session, plan).await
    }
}

fn zone(project: &ProjectFacts) -> Result<TimeZone, QueryError> {
    TimeZone::get(&project.timezone).map_err(|error| QueryError::Internal(format!("time zone {}: {error}", project.timezone)))
}

/// By kind; wrappers hold the real query in `source`.
async fn answer(run: &Run, query: &Json) -> Result<QueryResponse, QueryError> {
    let mut query = query;
    loop {
        let Some(kind) = query.get("kind").and_then(Json::as_str) else {
            return Err(QueryError::Request { detail: "query.kind is missing".to_owned(), attr: Some("query") });
        };
        match kind {
            "HogQLQuery" => return hogql::answer(run, query).await,
            "EventsQuery" => return crate::events_query::answer(run, query).await,
            "ActorsQuery" => return crate::actors::answer(run, query).await,
            "SessionsTimelineQuery" => return crate::sessions_timeline::answer(run, query).await,
            "HogQLMetadata" => return Ok(metadata::check(run, query)),
            "DatabaseSchemaQuery" => return Ok(metadata::schema()),
            kind if insights::knows(kind) => return insight::answer(run, kind, query),
            "DataTableNode" | "DataVisualizationNode" | "InsightVizNode" => match query.get("source") {
                Some(source) => query = source,
                None => return Err(QueryError::Request { detail: format!("{kind} needs a source"), attr: Some("query") }),
            },
            other => {
                return Err(QueryError::Request {
                    detail: format!("Can't get a runner for an unknown query kind: {other}"),
                    attr: Some("query"),
                });
            }
        }
    }
}
