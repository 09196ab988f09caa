//! The query endpoint: one query in, its answer out; or, in the background, an id to ask with.

use crate::asking::ask;
use crate::body::{Body, Params};
use crate::error::{ApiError, ErrorBody};
use crate::jobs::{Failure, QueryStatus};
use crate::routes::exports::FileParams;
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_event::UnixMicros;
use aqueduct_query::{ProjectFacts, QueryError, QueryRequest, QueryResponse};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Characters of a query's id or name.
const ID_CHARS_MAX: usize = 128;

/// A query and how to answer it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct QueryBody {
    /// An object with `kind`, for instance `{"kind": "HogQLQuery", "query": "SELECT count() FROM events"}`.
    #[schema(value_type = Object)]
    query: Value,
    /// Becomes the query's id, for polling and cancelling.
    client_query_id: Option<String>,
    /// `blocking` (default), `async`, `lazy_async`, `async_except_on_cache_miss`, `force_blocking`, `force_async` or `force_cache`.
    #[schema(value_type = Option<String>)]
    refresh: Option<Value>,
    /// Old form of `refresh: async`.
    #[serde(rename = "async")]
    is_async: Option<bool>,
    /// For logs.
    name: Option<String>,
}

/// The answer to a query in the background.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryStatusBody {
    query_status: QueryStatus,
}

/// What became of a cancellation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cancelled {
    message: &'static str,
}

/// A query to be upgraded.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Upgrade {
    #[schema(value_type = Object)]
    query: Value,
}

impl QueryBody {
    /// Whether the query runs in the background. Every answer is computed when it is asked for, so the modes that allow a kept answer mean the
    /// same as those that do not.
    fn in_background(&self) -> Result<bool, ApiError> {
        let wanted = match &self.refresh {
            None | Some(Value::Null) if self.is_async == Some(true) => "async",
            None | Some(Value::Null | Value::Bool(_)) => "blocking",
            Some(Value::String(text)) => text.as_str(),
            Some(other) => return Err(ApiError::field("refresh", "invalid_choice", format!("{other} is not a valid choice."))),
        };
        match wanted {
            "blocking" | "force_blocking" | "async_except_on_cache_miss" | "force_cache" => Ok(false),
            "async" | "lazy_async" | "force_async" => Ok(true),
            other => Err(ApiError::field("refresh", "invalid_choice", format!("\"{other}\" is not a valid choice."))),
        }
    }

    fn id(&self) -> Result<String, ApiError> {
        let short = |text: &str| text.chars().count() <= ID_CHARS_MAX;
        if self.name.as_deref().is_some_and(|name| !short(name)) {
            return Err(ApiError::field("name", "max_length", "Ensure this field has no more than 128 characters."));
        }
        match self.client_query_id.as_deref() {
            None | Some("") => Ok(Uuid::new_v4().to_string()),
            Some(id) if short(id) => Ok(id.to_owned()),
            Some(_) => Err(ApiError::field("client_query_id", "max_length", "Ensure this field has no more than 128 characters.")),
        }
    }
}

/// Answers a query.
#[utoipa::path(post, path = "/api/projects/{project}/query/", tag = "query", params(("project" = String, Path), FileParams), request_body = QueryBody,
    responses((status = 200, description = "the answer; its shape depends on the kind", body = Object),
        (status = 202, description = "it runs in the background", body = QueryStatusBody), (status = 400, body = ErrorBody)))]
pub(crate) async fn run(
    State(state): State<ApiState>,
    scope: InProject,
    Params(params): Params<FileParams>,
    Body(body): Body<QueryBody>,
) -> Result<Response, ApiError> {
    scope.caller.may_read("query")?;
    if let Some(format) = params.format()? {
        let answer = ask(&state, &scope.project, body.query).await?;
        return format.file("query", &answer);
    }
    answer(state, scope.project, body).await
}

/// Answers a query whose kind is in the path.
#[utoipa::path(post, path = "/api/projects/{project}/query/{kind}/", tag = "query",
    params(("project" = String, Path), ("kind" = String, Path, description = "for instance `TrendsQuery`")), request_body = QueryBody,
    responses((status = 200, description = "the answer; its shape depends on the kind", body = Object), (status = 400, body = ErrorBody)))]
pub(crate) async fn run_kind(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, kind)): Path<(String, String)>,
    Body(mut body): Body<QueryBody>,
) -> Result<Response, ApiError> {
    scope.caller.may_read("query")?;
    let Value::Object(query) = &mut body.query else {
        return Err(ApiError::field("query", "invalid_input", "Expected an object with \"kind\"."));
    };
    match query.get("kind").and_then(Value::as_str) {
        Some(inside) if inside != kind => {
            return Err(ApiError::field("query", "invalid_input", format!("The path says {kind}, the query says {inside}.")));
        }
        Some(_) => {}
        None => {
            query.insert("kind".to_owned(), Value::String(kind));
        }
    }
    answer(state, scope.project, body).await
}

async fn answer(state: ApiState, project: Arc<Project>, body: QueryBody) -> Result<Response, ApiError> {
    let in_background = body.in_background()?;
    let query_id = body.id()?;
    let id = project.id;
    if !body.query.is_object() {
        return Err(ApiError::field("query", "invalid_input", "Expected an object with \"kind\"."));
    }
    let request = QueryRequest { project: facts(&project), query: body.query, query_id: Some(query_id.clone()) };
    if !in_background {
        let response = state.engine.run(request).await?;
        return Ok(Json(complete(response, &project, state.clock.now())).into_response());
    }
    state.jobs.begin(id, &query_id, &*state.clock)?;
    let background = state.clone();
    let job_id = query_id.clone();
    tokio::spawn(async move {
        let outcome = background.engine.run(request).await;
        let outcome = outcome.map(|response| Value::Object(complete(response, &project, background.clock.now())));
        let failure = |error: QueryError| Failure { is_users: error.is_user_error(), message: error.detail() };
        background.jobs.end(id, &job_id, outcome.map(Arc::new).map_err(failure), &*background.clock);
    });
    let status = state.jobs.status(id, &query_id).ok_or(NO_QUERY)?;
    Ok((StatusCode::ACCEPTED, Json(QueryStatusBody { query_status: status })).into_response())
}

/// What the engine must know of a project.
pub(crate) fn facts(project: &Project) -> ProjectFacts {
    ProjectFacts {
        id: project.id,
        timezone: project.timezone.clone(),
        week_start_day: project.week_start_day,
        test_account_filters: project.test_account_filters.clone(),
        path_cleaning_filters: project.path_cleaning_filters.clone(),
    }
}

/// The fields that every answer has, added to those of its kind.
fn complete(response: QueryResponse, project: &Project, now: UnixMicros) -> Map<String, Value> {
    let mut body = response.body;
    let common = [
        ("is_cached", Value::Bool(false)),
        ("last_refresh", Value::from(iso(now))),
        ("next_allowed_client_refresh", Value::from(iso(now))),
        ("cache_key", Value::Null),
        ("timezone", Value::from(project.timezone.as_str())),
        ("timings", Value::Null),
        ("query_status", Value::Null),
    ];
    for (key, value) in common {
        body.entry(key).or_insert(value);
    }
    body
}

const NO_QUERY: ApiError = ApiError::NotFound("Query not found.");

/// How a query in the background stands; its answer when it is done.
#[utoipa::path(get, path = "/api/projects/{project}/query/{id}/", tag = "query", params(("project" = String, Path), ("id" = String, Path)),
    responses((status = 200, description = "done", body = QueryStatusBody), (status = 202, description = "running", body = QueryStatusBody),
        (status = 400, description = "the query is at fault", body = QueryStatusBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn poll(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<QueryStatusBody>), ApiError> {
    scope.caller.may_read("query")?;
    let query_status = state.jobs.status(scope.project.id, &id).ok_or(NO_QUERY)?;
    let code = match (query_status.complete, query_status.error) {
        (false, _) => StatusCode::ACCEPTED,
        (true, false) => StatusCode::OK,
        (true, true) if query_status.is_users_error => StatusCode::BAD_REQUEST,
        (true, true) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Ok((code, Json(QueryStatusBody { query_status })))
}

/// Cancels a query, in the background or not.
#[utoipa::path(delete, path = "/api/projects/{project}/query/{id}/", tag = "query", params(("project" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Cancelled)))]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Cancelled>, ApiError> {
    scope.caller.may_read("query")?;
    let message = if state.engine.cancel(scope.project.id, &id) { "Query cancelled." } else { "No such query is running." };
    Ok(Json(Cancelled { message }))
}

/// Brings a query to the newest version of its form. There is one version so far.
#[utoipa::path(post, path = "/api/projects/{project}/query/upgrade/", tag = "query", params(("project" = String, Path)), request_body = Upgrade,
    responses((status = 200, body = Upgrade)))]
pub(crate) async fn upgrade(scope: InProject, Body(body): Body<Upgrade>) -> Result<Json<Upgrade>, ApiError> {
    scope.caller.may_read("query")?;
    Ok(Json(body))
}

/// Whether the caller may query.
#[utoipa::path(post, path = "/api/projects/{project}/query/check_auth_for_async/", tag = "query", params(("project" = String, Path)),
    responses((status = 200)))]
pub(crate) async fn check_auth(scope: InProject) -> Result<Json<Value>, ApiError> {
    scope.caller.may_read("query")?;
    Ok(Json(serde_json::json!({ "user": "ok" })))
}
