//! What PostHog has and this server does not: flags, experiments, surveys and recordings. Clients that look for them find what they find in a project without any.

use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::scope::InProject;
use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// No recordings, in the form of their list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoRecordings {
    #[schema(value_type = Vec<Object>)]
    results: [(); 0],
    has_next: bool,
    version: u32,
}

fn none(cursor: &Cursor) -> Json<Page<Value>> {
    Json(cursor.cut(std::iter::empty()))
}

/// Feature flags: there are none. SDKs hear the same from `/flags/`.
#[utoipa::path(get, path = "/api/projects/{project}/feature_flags/", tag = "feature flags", params(("project" = String, Path), PageParams),
    responses((status = 200, description = "an empty list", body = Page<Object>)))]
pub(crate) async fn flags(InProject { caller, .. }: InProject, cursor: Cursor) -> Result<Json<Page<Value>>, ApiError> {
    caller.may_read("feature_flag")?;
    Ok(none(&cursor))
}

/// One feature flag: it is not there.
#[utoipa::path(get, path = "/api/projects/{project}/feature_flags/{id}/", tag = "feature flags",
    params(("project" = String, Path), ("id" = String, Path)), responses((status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn flag(InProject { caller, .. }: InProject) -> Result<Json<Value>, ApiError> {
    caller.may_read("feature_flag")?;
    Err(ApiError::NotFound("Not found."))
}

/// The flags that the caller sees with their values: none.
#[utoipa::path(get, path = "/api/projects/{project}/feature_flags/my_flags/", tag = "feature flags", params(("project" = String, Path)),
    responses((status = 200, description = "an empty list", body = Vec<Object>)))]
pub(crate) async fn my_flags(InProject { caller, .. }: InProject) -> Result<Json<[Value; 0]>, ApiError> {
    caller.may_read("feature_flag")?;
    Ok(Json([]))
}

/// Experiments: there are none.
#[utoipa::path(get, path = "/api/projects/{project}/experiments/", tag = "experiments", params(("project" = String, Path), PageParams),
    responses((status = 200, description = "an empty list", body = Page<Object>)))]
pub(crate) async fn experiments(InProject { caller, .. }: InProject, cursor: Cursor) -> Result<Json<Page<Value>>, ApiError> {
    caller.may_read("experiment")?;
    Ok(none(&cursor))
}

/// Surveys: there are none.
#[utoipa::path(get, path = "/api/projects/{project}/surveys/", tag = "surveys", params(("project" = String, Path), PageParams),
    responses((status = 200, description = "an empty list", body = Page<Object>)))]
pub(crate) async fn surveys(InProject { caller, .. }: InProject, cursor: Cursor) -> Result<Json<Page<Value>>, ApiError> {
    caller.may_read("survey")?;
    Ok(none(&cursor))
}

/// Session recordings: there are none.
#[utoipa::path(get, path = "/api/projects/{project}/session_recordings/", tag = "session recordings", params(("project" = String, Path)),
    responses((status = 200, description = "an empty list", body = NoRecordings)))]
pub(crate) async fn recordings(InProject { caller, .. }: InProject) -> Result<Json<NoRecordings>, ApiError> {
    caller.may_read("session_recording")?;
    Ok(Json(NoRecordings { results: [], has_next: false, version: 4 }))
}
