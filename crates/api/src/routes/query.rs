//! The query endpoint: one query in, its answer out; or, in the background, an id to ask with.

use crate::auth::Caller;
use crate::body::{Body, Params};
use crate::error::{ApiError, ErrorBody};
use crate::overrides::{apply_filters, apply_variables};
use crate::questions::{NoAnswerBody, Question, Refresh, Reply, facts};
use crate::routes::exports::FileParams;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_query::QueryRequest;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

/// Characters of a query's id or name.
const ID_CHARS_MAX: usize = 128;
/// The path, as the query log shows it.
const ENDPOINT: &str = "/api/projects/:id/query/";

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
    /// A dashboard's filters, put over those of the query: `{date_from, date_to, explicitDate, properties, breakdown_filter}`.
    #[schema(value_type = Option<Object>)]
    filters_override: Option<Value>,
    /// Values of the query's variables by their ids: `{"<id>": {"value": …}}`.
    #[schema(value_type = Option<Object>)]
    variables_override: Option<Value>,
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
    /// The client's id for the query, if it brings one.
    fn id(&self) -> Result<Option<&str>, ApiError> {
        let short = |text: &str| text.chars().count() <= ID_CHARS_MAX;
        if self.name.as_deref().is_some_and(|name| !short(name)) {
            return Err(ApiError::field("name", "max_length", "Ensure this field has no more than 128 characters."));
        }
        match self.client_query_id.as_deref() {
            None | Some("") => Ok(None),
            Some(id) if short(id) => Ok(Some(id)),
            Some(_) => Err(ApiError::field("client_query_id", "max_length", "Ensure this field has no more than 128 characters.")),
        }
    }
}

/// Answers a query.
#[utoipa::path(post, path = "/api/projects/{project}/query/", tag = "query", params(("project" = String, Path), FileParams), request_body = QueryBody,
    responses((status = 200, description = "the answer; its shape depends on the kind", body = Object),
        (status = 202, description = "it runs in the background", body = NoAnswerBody), (status = 400, body = ErrorBody),
        (status = 429, description = "too many queries of the project at the same time", body = ErrorBody)))]
pub(crate) async fn run(
    State(state): State<ApiState>,
    scope: InProject,
    Params(params): Params<FileParams>,
    Body(body): Body<QueryBody>,
) -> Result<Response, ApiError> {
    scope.caller.may_read("query")?;
    let format = params.format()?;
    let mut question = question(scope.project, &scope.caller, body)?;
    let Some(format) = format else { return Ok(question.ask(&state).await?.into_response()) };
    question.refresh = question.refresh.now();
    match question.ask(&state).await? {
        Reply::Answered(answer) => format.file("query", &answer.answer().body),
        other => Ok(other.into_response()),
    }
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
    Ok(question(scope.project, &scope.caller, body)?.ask(&state).await?.into_response())
}

/// What a body asks, with what is put over its query.
fn question(project: Arc<Project>, caller: &Caller, mut body: QueryBody) -> Result<Question, ApiError> {
    let refresh = match Refresh::of(body.refresh.as_ref(), body.is_async)? {
        // Here a query is always computed where no exact answer is kept.
        Refresh::ForceCache => Refresh::Blocking,
        other => other,
    };
    let query_id = body.id()?.map(str::to_owned);
    if !body.query.is_object() {
        return Err(ApiError::field("query", "invalid_input", "Expected an object with \"kind\"."));
    }
    if let Some(filters) = &body.filters_override {
        apply_filters(&mut body.query, filters);
    }
    if let Some(variables) = &body.variables_override {
        apply_variables(&mut body.query, variables);
    }
    let mut question = Question::new(project, body.query, refresh, caller, ENDPOINT);
    question.query_id = query_id.unwrap_or(question.query_id);
    question.asker.name = body.name.or(question.asker.name);
    Ok(question)
}

const NO_QUERY: ApiError = ApiError::NotFound("Query not found.");

/// How a query in the background stands; its answer when it is done.
#[utoipa::path(get, path = "/api/projects/{project}/query/{id}/", tag = "query", params(("project" = String, Path), ("id" = String, Path)),
    responses((status = 200, description = "done", body = NoAnswerBody), (status = 202, description = "running", body = NoAnswerBody),
        (status = 400, description = "the query is at fault", body = NoAnswerBody),
        (status = 404, body = ErrorBody)))]
pub(crate) async fn poll(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<NoAnswerBody>), ApiError> {
    scope.caller.may_read("query")?;
    let project = scope.project.id;
    let status = state.jobs.status(project, &id, state.engine.progress(project, &id)).ok_or(NO_QUERY)?;
    let code = match &status.failure {
        None if status.complete => StatusCode::OK,
        None => StatusCode::ACCEPTED,
        // Limits, too: the user can ask for less, or again.
        Some(failure) if failure.status() != 500 => StatusCode::BAD_REQUEST,
        Some(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Ok((code, Json(NoAnswerBody { cache_key: None, query_status: Some(status) })))
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
    let message = if stop(&state, &scope.project, &id) { "Query cancelled." } else { "No such query is running." };
    Ok(Json(Cancelled { message }))
}

/// Which query to cancel.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CancelBody {
    /// Its id, as the client chose it.
    client_query_id: String,
}

/// Cancels the query of an insight, in the background or not.
#[utoipa::path(post, path = "/api/projects/{project}/insights/cancel/", tag = "insights", params(("project" = String, Path)), request_body = CancelBody,
    responses((status = 201, description = "no such query runs any more")))]
pub(crate) async fn cancel_named(
    State(state): State<ApiState>,
    scope: InProject,
    Body(body): Body<CancelBody>,
) -> Result<StatusCode, ApiError> {
    scope.caller.may_read("insight")?;
    stop(&state, &scope.project, &body.client_query_id);
    Ok(StatusCode::CREATED)
}

/// Stops a query, and says whether it ran.
fn stop(state: &ApiState, project: &Project, id: &str) -> bool {
    // One that was asked for in the background may not have reached the engine yet.
    state.jobs.cancel(project.id, id, &*state.clock) | state.engine.cancel(project.id, id)
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

/// What the query log knows of a query of today or yesterday, as the answer to a HogQLQuery.
#[utoipa::path(get, path = "/api/projects/{project}/query/{id}/log/", tag = "query", params(("project" = String, Path), ("id" = String, Path)),
    responses((status = 200, description = "rows of `query_log`", body = Object)))]
pub(crate) async fn log(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    scope.caller.may_read("query")?;
    let text = "select * from query_log where query_id = {query_id} and event_date >= yesterday()";
    let query = json!({"kind": "HogQLQuery", "query": text, "values": {"query_id": id}});
    let request = QueryRequest { project: facts(&scope.project), query, query_id: None };
    Ok(Json(state.engine.run(request).await?.body))
}
