//! The engine as others see it: answers, kept or computed, and what runs now.

use super::admission::Admission;
use super::levels::Levels;
use super::request::{Answer, Ask, Staleness, Tolerance};
use super::run::{self, Look};
use super::running::{Arrival, RunningQueries};
use super::session::Sessions;
use super::threads::Threads;
use super::{QueryConfig, QueryRequest, QueryResponse, RunningQuery, SnapshotSource};
use crate::cache::{Cache, Computed, Flights, Freshness, Key, unwrapped};
use crate::error::QueryError;
use crate::log::{Asker, Begun, LogEntry, LogFiles, QueryLog};
use crate::metrics;
use crate::resolve::Definitions;
use crate::scan::{Progress, Usage};
use aqueduct_event::{Clock, ProjectId};
use serde_json::Value as Json;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Trees of expressions are walked by recursion; the parser bounds their depth, this bounds what a level may cost.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;
/// What a crash may lose of the query log.
const LOG_EVERY: Duration = Duration::from_secs(1);
/// Bytes of the query log's files.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Answers queries. Cheap to share: clone the `Arc` around it.
#[derive(Debug)]
pub struct QueryEngine {
    shared: Arc<Shared>,
    /// Its own threads; none for an engine without, and while it is dropped.
    runtimes: Vec<Runtime>,
}

/// What the engine's tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: QueryConfig,
    pub(super) source: Arc<dyn SnapshotSource>,
    pub(super) definitions: Arc<dyn Definitions>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sessions: Sessions,
    pub(super) admission: Arc<Admission>,
    pub(super) log: Arc<QueryLog>,
    pub(super) levels: Arc<Levels>,
    cache: Cache,
    flights: Flights,
    running: RunningQueries,
}

impl Drop for QueryEngine {
    fn drop(&mut self) {
        self.shared.log.write();
        // dropping a runtime inside another one must not wait
        self.runtimes.drain(..).for_each(Runtime::shutdown_background);
    }
}

impl QueryEngine {
    /// An engine with threads of its own.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when threads cannot be started, or the folder for spilling or that of the log cannot be used.
    pub fn new(
        config: QueryConfig,
        source: Arc<dyn SnapshotSource>,
        definitions: Arc<dyn Definitions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QueryError> {
        Self::with_levels(config, source, definitions, clock, || ())
    }

    /// As [`QueryEngine::new`]; `stand_behind` is called by each thread for those who ask a lot, when it starts.
    ///
    /// # Errors
    /// As [`QueryEngine::new`].
    pub fn with_levels(
        config: QueryConfig,
        source: Arc<dyn SnapshotSource>,
        definitions: Arc<dyn Definitions>,
        clock: Arc<dyn Clock>,
        stand_behind: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, QueryError> {
        let (front, behind) = (start(&config, || ())?, start(&config, stand_behind)?);
        let levels = Levels::new(Threads::Own(front.handle().clone()), Threads::Own(behind.handle().clone()));
        let mut engine = Self::on(levels, config, source, definitions, clock)?;
        behind.spawn(write_log(Arc::downgrade(&engine.shared.log)));
        engine.runtimes = vec![front, behind];
        Ok(engine)
    }

    /// An engine without a thread: [`QueryEngine::answer_here`] computes on the thread of whoever asks. For simulations; `config.threads` does not matter.
    ///
    /// # Errors
    /// As [`QueryEngine::new`].
    pub fn without_threads(
        config: QueryConfig,
        source: Arc<dyn SnapshotSource>,
        definitions: Arc<dyn Definitions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QueryError> {
        let runtime = Builder::new_current_thread().enable_time().build().map_err(cannot_start)?;
        let threads = Threads::Asker(Arc::new(runtime));
        Self::on(Levels::new(threads.clone(), threads), QueryConfig { threads: 1, ..config }, source, definitions, clock)
    }

    fn on(
        levels: Levels,
        config: QueryConfig,
        source: Arc<dyn SnapshotSource>,
        definitions: Arc<dyn Definitions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QueryError> {
        metrics::describe();
        let log = Arc::new(match &config.log_dir {
            Some(dir) => QueryLog::open(
                LogFiles::open(dir, LOG_BYTES_MAX)
                    .map_err(|error| QueryError::Internal(format!("cannot open the query log in {}: {error}", dir.display())))?,
            ),
            None => QueryLog::default(),
        });
        let shared = Arc::new(Shared {
            source,
            definitions,
            clock,
            sessions: Sessions::new(&config)?,
            admission: Arc::new(Admission::new(&config)),
            log,
            levels: Arc::new(levels),
            cache: Cache::new(config.cache_bytes_max),
            flights: Flights::default(),
            running: RunningQueries::default(),
            config,
        });
        Ok(Self { shared, runtimes: Vec::new() })
    }

    /// As [`QueryEngine::answer`], for an engine without a thread: computes here, and answers when it is done. Not from within a runtime.
    ///
    /// # Errors
    /// [`QueryError`]; its parts make PostHog's error body.
    pub fn answer_here(&self, ask: Ask) -> Result<Answer, QueryError> {
        self.shared.levels.asker().wait(self.answer(ask))
    }

    /// Computes the answer to a query, in the name of the server. Dropping the future stops the work.
    ///
    /// # Errors
    /// [`QueryError`]; its parts make PostHog's error body.
    pub async fn run(&self, request: QueryRequest) -> Result<QueryResponse, QueryError> {
        let answer = self.answer(Ask { request, tolerance: Tolerance::Nothing, asker: Asker::default() }).await?;
        Ok(QueryResponse { body: Arc::unwrap_or_clone(answer.body) })
    }

    /// Answers a query: a kept answer where the tolerance allows it, that of an equal query of the same moment, or a new one. Dropping the future stops
    /// the work, unless somebody else waits for it, too.
    ///
    /// # Errors
    /// [`QueryError`]; its parts make PostHog's error body.
    pub async fn answer(&self, ask: Ask) -> Result<Answer, QueryError> {
        let Ask { request, tolerance, asker } = ask;
        let shared = &self.shared;
        let (project, query_id) = (request.project.id, request.query_id.clone());
        let begun = Begun::new(project, query_id.as_deref(), &request.query, &asker, shared.clock.now());
        let own = Usage::default();
        let look = match Look::take(shared, &request) {
            Ok(look) => look,
            Err(error) => return Err(self.failed(begun, own.progress(), error)),
        };
        let key = key(&request);
        let freshness = Freshness::of(&request.query);
        if let Some((kept, staleness)) = self.kept_at(&key, &look, &freshness)
            && tolerance.suits(staleness)
        {
            metrics::given(metrics::Origin::Kept);
            shared.log.note(begun.answered(own.progress(), kept.body.get("results"), true));
            return Ok(Answer::new(kept, &key, &freshness, true));
        }
        let arrival = Arrival { project, query_id, kind: run::known_kind(&request.query), at: look.now };
        let course = (key.clone(), look.view.generation(), look.moment.number());
        let flight = shared.flights.join(course, |usage| compute(Arc::clone(shared), request, look, key.clone(), usage));
        let (usage, is_joined) = (flight.usage, flight.is_joined);
        match shared.running.wait(arrival, Arc::clone(&usage), flight.answer).await {
            Ok(computed) => {
                metrics::given(if is_joined { metrics::Origin::Shared } else { metrics::Origin::Computed });
                shared.log.note(begun.answered(usage.progress(), computed.body.get("results"), false));
                Ok(Answer::new(computed, &key, &freshness, false))
            }
            Err(error) => Err(self.failed(begun, usage.progress(), error)),
        }
    }

    fn failed(&self, begun: Begun, progress: Progress, error: QueryError) -> QueryError {
        self.shared.log.note(begun.failed(progress, &error));
        error
    }

    /// The last answer to a query that was kept, and how stale it is. Nothing is computed.
    ///
    /// # Errors
    /// [`QueryError::Read`] when the store's state cannot be read.
    pub fn kept(&self, request: &QueryRequest) -> Result<Option<(Answer, Staleness)>, QueryError> {
        let look = Look::take(&self.shared, request)?;
        let (key, freshness) = (key(request), Freshness::of(&request.query));
        let kept = self.kept_at(&key, &look, &freshness);
        Ok(kept.map(|(kept, staleness)| (Answer::new(kept, &key, &freshness, true), staleness)))
    }

    fn kept_at(&self, key: &Key, look: &Look, freshness: &Freshness) -> Option<(Computed, Staleness)> {
        let shared = &self.shared;
        let kept = shared.cache.get(key)?;
        let age = look.now.0 - kept.at.0;
        let slack = i64::try_from(shared.config.cache_slack_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let is_same = kept.generation == look.view.generation() && kept.moment.is_same(look.moment) && age <= freshness.age_max;
        let holds = (0..=freshness.lazy_age_max).contains(&age) && kept.asked.still_holds(&*shared.definitions);
        let staleness = match holds {
            true if is_same || (age <= slack && slack > 0) => Staleness::Exact,
            true => Staleness::Tolerable,
            false => Staleness::Stale,
        };
        Some((kept, staleness))
    }

    /// The name under which the answer to a query is kept.
    #[must_use]
    pub fn cache_key(&self, request: &QueryRequest) -> String {
        key(request).to_string()
    }

    /// Stops a running query; `false` when there is none of that id. Where others wait for the same answer, they still get it.
    pub fn cancel(&self, project: ProjectId, query_id: &str) -> bool {
        self.shared.running.cancel(project, query_id)
    }

    /// How far a query is; `None` when none of that id runs.
    #[must_use]
    pub fn progress(&self, project: ProjectId, query_id: &str) -> Option<Progress> {
        self.shared.running.progress(project, query_id)
    }

    /// Queries with an id that run or wait for their turn, of one project or of all, the oldest first.
    #[must_use]
    pub fn running(&self, project: Option<ProjectId>) -> Vec<RunningQuery> {
        self.shared.running.list(project)
    }

    /// The newest queries of a project that ended, the newest first.
    #[must_use]
    pub fn log(&self, project: ProjectId) -> Vec<Arc<LogEntry>> {
        self.shared.log.of(project)
    }
}

/// Threads for queries.
fn start(config: &QueryConfig, on_start: impl Fn() + Send + Sync + 'static) -> Result<Runtime, QueryError> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(config.threads()).thread_name("query").thread_stack_size(THREAD_STACK_BYTES).enable_time();
    builder.on_thread_start(on_start).build().map_err(cannot_start)
}

fn cannot_start(error: std::io::Error) -> QueryError {
    QueryError::Internal(format!("cannot start query threads: {error}"))
}

fn key(request: &QueryRequest) -> Key {
    let facts = serde_json::to_value(&request.project).unwrap_or_default();
    Key::of(request.project.id, &request.query, &facts)
}

/// Computes an answer and keeps it.
async fn compute(shared: Arc<Shared>, request: QueryRequest, look: Look, key: Key, usage: Arc<Usage>) -> Result<Computed, QueryError> {
    let is_kept = is_kept(&request.query);
    let computed = run::compute(&shared, request, look, usage).await?;
    if is_kept {
        shared.cache.put(&key, computed.clone());
    }
    Ok(computed)
}

/// What is about the language and the tables is answered at once, and the log changes with each query.
fn is_kept(query: &Json) -> bool {
    let kind = unwrapped(query).get("kind").and_then(Json::as_str);
    !matches!(kind, Some("HogQLMetadata" | "HogQLAutocomplete" | "DatabaseSchemaQuery"))
}

async fn write_log(log: Weak<QueryLog>) {
    let mut tick = tokio::time::interval(LOG_EVERY);
    loop {
        tick.tick().await;
        let Some(log) = log.upgrade() else { return };
        // A failure of the task itself is a panic, which is in the log of the program.
        let _ = tokio::task::spawn_blocking(move || log.write()).await;
    }
}
