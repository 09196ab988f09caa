//! One query from request to response.

use super::admission::Permit;
use super::levels::Place;
use super::service::Shared;
use super::session::Executor;
use super::threads::Threads;
use super::{QueryRequest, QueryResponse, Timings, hogql, insight, metadata, rows};
use crate::cache::{Computed, Moment, Recorded};
use crate::error::QueryError;
use crate::insights;
use crate::metrics;
use crate::resolve::{Definitions, Output, PersonMode, ProjectFacts, QueryContext};
use crate::scan::{ScanContext, Usage, Watch};
use aqueduct_event::UnixMicros;
use aqueduct_store::ProjectView;
use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use jiff::tz::TimeZone;
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a query sees: its project's rows and the clock, taken when it is asked. What it waits for afterwards does not change its answer.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) view: Arc<dyn ProjectView>,
    pub(super) now: UnixMicros,
    pub(super) zone: TimeZone,
    pub(super) moment: Moment,
}

impl Look {
    /// # Errors
    /// [`QueryError::Read`] when the store's state cannot be read.
    pub(super) fn take(shared: &Shared, request: &QueryRequest) -> Result<Self, QueryError> {
        let view = shared.source.snapshot().project(request.project.id)?;
        let (now, zone) = (shared.clock.now(), zone(&request.project)?);
        let moment = Moment::of(&request.query, &request.project.test_account_filters, now, &zone);
        Ok(Self { view, now, zone, moment })
    }
}

/// Stops the loops of a query when it is dropped, where they look at the flag.
#[derive(Debug)]
struct Stopper(Arc<AtomicBool>);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Computes an answer. Dropping the future stops the work.
///
/// # Errors
/// [`QueryError`] of any kind.
pub(super) async fn compute(shared: &Shared, request: QueryRequest, look: Look, usage: Arc<Usage>) -> Result<Computed, QueryError> {
    let (began, kind) = (Instant::now(), known_kind(&request.query));
    let computed = admitted(shared, request, look, &usage).await;
    match &computed {
        Ok(_) => metrics::answered(kind, began.elapsed().as_secs_f64()),
        Err(error) => {
            metrics::failed(kind, error.code());
            log(error);
        }
    }
    metrics::rows_read(usage.progress().rows_read);
    computed
}

async fn admitted(shared: &Shared, request: QueryRequest, look: Look, usage: &Arc<Usage>) -> Result<Computed, QueryError> {
    let permit = shared.admission.enter(request.project.id).await?;
    let timezone = request.project.timezone.clone();
    let (at, moment, generation) = (look.now, look.moment, look.view.generation());
    let definitions = Arc::new(Recorded::new(Arc::clone(&shared.definitions), request.project.id));
    let place = shared.levels.place(request.project.id);
    let threads = place.threads().clone();
    let run = Run::start(shared, &request, look, Arc::clone(&definitions) as Arc<dyn Definitions>, (usage, &threads))?;
    let _stopper = Stopper(Arc::clone(&run.stop));
    let task = threads.run(at_work(run, request.query, (place, permit)));
    let deadline = Duration::from_secs(shared.config.seconds_max);
    let answer = match tokio::time::timeout(deadline, task).await {
        Err(_) => Err(QueryError::Timeout { seconds: shared.config.seconds_max }),
        Ok(Ok(answer)) => answer,
        Ok(Err(stopped)) if stopped.is_cancelled() => Err(QueryError::Cancelled),
        Ok(Err(panicked)) => Err(QueryError::Internal(panicked.to_string())),
    };
    let response = with_common_fields(answer?, &timezone);
    Ok(Computed { body: Arc::new(response.body), at, generation, moment, asked: Arc::new(definitions.take()) })
}

/// The work itself. What it holds goes with it: that is free when the work has really stopped.
async fn at_work(run: Run, query: Json, _held: (Place, Permit)) -> Result<QueryResponse, QueryError> {
    let _running = metrics::Running::start();
    answer(&run, &query).await
}

/// Kinds that metrics tell apart; the rest share one name, so that a stranger cannot invent labels.
pub(super) fn known_kind(query: &Json) -> &'static str {
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

/// What one query works with.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) context: QueryContext,
    /// Set when nobody waits for the answer any more.
    stop: Arc<AtomicBool>,
}

impl Run {
    fn start(
        shared: &Shared,
        request: &QueryRequest,
        look: Look,
        definitions: Arc<dyn Definitions>,
        (usage, on): (&Arc<Usage>, &Threads),
    ) -> Result<Self, QueryError> {
        let modifiers = request.query.get("modifiers");
        let mode = modifiers.and_then(|modifiers| modifiers.get("personsOnEventsMode")).and_then(Json::as_str);
        let (stop, session) = (Arc::default(), shared.sessions.session(usage)?);
        let memory = Arc::clone(&session.runtime_env().memory_pool);
        let (threads, log) = (shared.config.threads(), Arc::clone(&shared.log));
        let watch = Watch { usage: Arc::clone(usage), stop: Arc::clone(&stop), memory, threads, log };
        let scan = ScanContext::new(look.view, look.zone, watch);
        let executor = Arc::new(Executor::new(session, on.clone(), Arc::clone(&stop)));
        let mode = PersonMode::from_modifier(mode)?;
        let mut context = QueryContext::new(scan, request.project.clone(), definitions, look.now, mode, executor);
        context.is_check = matches!(request.query.get("kind").and_then(Json::as_str), Some("HogQLMetadata" | "DatabaseSchemaQuery"));
        Ok(Self { context, stop })
    }

    /// Runs a plan to its end.
    ///
    /// # Errors
    /// [`QueryError`] of planning or of a row.
    pub(crate) async fn execute(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>, QueryError> {
        self.context.executor.execute(plan).await
    }

    /// Runs a plan that asks for one row more than `limit`: the rows up to there, and whether there are more. Notes how long planning and running took.
    ///
    /// # Errors
    /// As [`Run::execute`], and when a column's type cannot be shown.
    pub(crate) async fn page(
        &self,
        plan: LogicalPlan,
        outputs: &[Output],
        limit: usize,
        timings: &mut Timings,
    ) -> Result<(Vec<Vec<Json>>, bool), QueryError> {
        timings.mark("./plan");
        let batches = self.execute(plan).await?;
        timings.mark("./execute");
        let mut found = rows(&batches, outputs, self.context.scan.zone())?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        Ok((found, has_more))
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
            "InsightActorsQuery" | "StickinessActorsQuery" | "FunnelCorrelationActorsQuery" => {
                return crate::actors::answer_source(run, query).await;
            }
            "GroupsQuery" => return crate::groups_query::answer(run, query).await,
            "SessionsQuery" => return crate::sessions_query::answer(run, query).await,
            "SessionsTimelineQuery" => return crate::sessions_timeline::answer(run, query).await,
            "HogQLMetadata" => return Ok(metadata::check(run, query)),
            "DatabaseSchemaQuery" => return metadata::schema(run),
            kind if insights::knows(kind) => return insight::answer(run, kind, query),
            "DataTableNode" | "DataVisualizationNode" | "InsightVizNode" | "WebVitalsQuery" => match query.get("source") {
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
