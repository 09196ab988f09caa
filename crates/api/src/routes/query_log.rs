//! Queries for the operator: those that ended, by project, and those that run now.

use crate::body::Params;
use crate::error::ApiError;
use crate::jobs::QueryProgress;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_query::{LogEntry, Outcome};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Caller;

/// A query that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedQuery {
    query_id: String,
    kind: String,
    /// HogQL's text, or the query's object as JSON; cut where it is long.
    query: String,
    name: String,
    endpoint: String,
    /// Number of the user who asked; 0: the server itself.
    created_by: i64,
    is_personal_api_key_request: bool,
    started_at: String,
    duration_ms: u64,
    read_rows: u64,
    read_bytes: u64,
    result_rows: u64,
    result_bytes: u64,
    memory_usage: u64,
    cpu_microseconds: u64,
    is_cached: bool,
    /// `QueryFinish`, `ExceptionBeforeStart` or `ExceptionWhileProcessing`.
    status: &'static str,
    /// HTTP status of the error; 0: none.
    exception_code: u16,
    error: String,
}

/// A query that runs, or waits for its turn.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunningBody {
    project: u32,
    query_id: String,
    kind: &'static str,
    started_at: String,
    progress: QueryProgress,
}

/// Queries that run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunningList {
    results: Vec<RunningBody>,
}

/// Which queries to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// Only those that ended so: `QueryFinish`, `ExceptionBeforeStart` or `ExceptionWhileProcessing`.
    status: Option<String>,
    /// Only those of this kind, for instance `TrendsQuery`.
    kind: Option<String>,
}

impl From<&LogEntry> for LoggedQuery {
    fn from(entry: &LogEntry) -> Self {
        Self {
            query_id: entry.query_id.clone(),
            kind: entry.kind.clone(),
            query: entry.query.clone(),
            name: entry.name.clone(),
            endpoint: entry.endpoint.clone(),
            created_by: entry.user,
            is_personal_api_key_request: entry.with_key,
            started_at: iso(entry.started_at),
            duration_ms: entry.duration_ms,
            read_rows: entry.read_rows,
            read_bytes: entry.read_bytes,
            result_rows: entry.result_rows,
            result_bytes: entry.result_bytes,
            memory_usage: entry.memory_bytes,
            cpu_microseconds: entry.busy_micros,
            is_cached: entry.is_cached,
            status: status(entry.outcome),
            exception_code: entry.error_status,
            error: entry.error.clone(),
        }
    }
}

fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::QueryFinish => "QueryFinish",
        Outcome::ExceptionBeforeStart => "ExceptionBeforeStart",
        Outcome::ExceptionWhileProcessing => "ExceptionWhileProcessing",
    }
}

/// The newest queries of a project that ended, the newest first.
#[utoipa::path(get, path = "/api/projects/{project}/query_log/", tag = "query", params(("project" = String, Path), PageParams, LogParams),
    responses((status = 200, body = Page<LoggedQuery>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    cursor: Cursor,
    Params(params): Params<LogParams>,
) -> Result<Json<Page<LoggedQuery>>, ApiError> {
    caller.may_read("query")?;
    let mut entries = state.engine.log(project.id);
    entries.retain(|entry| {
        params.status.as_deref().is_none_or(|wanted| wanted == status(entry.outcome))
            && params.kind.as_deref().is_none_or(|kind| kind == entry.kind)
    });
    Ok(Json(cursor.cut(entries.iter().map(|entry| LoggedQuery::from(&**entry)))))
}

/// Queries of all projects that run or wait for their turn, the oldest first. One is stopped with `DELETE /api/projects/{project}/query/{query_id}/`.
#[utoipa::path(get, path = "/api/running_queries/", tag = "query", responses((status = 200, body = RunningList)))]
pub(crate) async fn running(State(state): State<ApiState>, caller: Caller) -> Result<Json<RunningList>, ApiError> {
    caller.may_read("query")?;
    let body = |query: aqueduct_query::RunningQuery| RunningBody {
        project: query.project.0,
        query_id: query.query_id,
        kind: query.kind,
        started_at: iso(query.since),
        progress: query.progress.into(),
    };
    Ok(Json(RunningList { results: state.engine.running(None).into_iter().map(body).collect() }))
}
