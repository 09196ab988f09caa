//! What PostHog has and this server does not: flags, experiments, surveys, recordings, notebooks and more. Clients that look for them find what they find in a project without any.

use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::organizations::InOrganization;
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

/// Flags for evaluation in a client: there are none. SDKs ask `/api/feature_flag/local_evaluation`.
#[utoipa::path(get, path = "/api/projects/{project}/feature_flags/local_evaluation/", tag = "feature flags", params(("project" = String, Path)),
    responses((status = 200, description = "no flags", body = Object)))]
pub(crate) async fn local_evaluation(InProject { caller, .. }: InProject) -> Result<Json<Value>, ApiError> {
    caller.may_read("feature_flag")?;
    Ok(Json(serde_json::json!({"flags": [], "group_type_mapping": {}, "cohorts": {}})))
}

/// What else a project of PostHog has lists of, by path, with the scope that reads it.
pub(crate) const LISTS: &[(&str, &str)] = &[
    ("alerts", "alert"),
    ("batch_exports", "batch_export"),
    ("comments", "comment"),
    ("dashboard_templates", "dashboard_template"),
    ("datasets", "dataset"),
    ("early_access_feature", "early_access_feature"),
    ("endpoints", "endpoint"),
    ("error_tracking/issues", "error_tracking"),
    ("error_tracking/symbol_sets", "error_tracking"),
    ("external_data_sources", "external_data_source"),
    ("file_system", "file_system"),
    ("health_issues", "health_issue"),
    ("hog_functions", "hog_function"),
    ("insight_variables", "insight_variable"),
    ("integrations", "integration"),
    ("links", "link"),
    ("notebooks", "notebook"),
    ("plugin_configs", "plugin"),
    ("product_tours", "product_tour"),
    ("query_tab_state", "query"),
    ("saved", "heatmap"),
    ("scheduled_changes", "feature_flag"),
    ("session_recording_playlists", "session_recording_playlist"),
    ("subscriptions", "subscription"),
    ("tasks", "task"),
    ("warehouse_saved_queries", "warehouse_view"),
    ("warehouse_tables", "warehouse_table"),
    ("warehouse_view_links", "warehouse_view"),
    ("web_experiments", "web_experiment"),
];

/// An empty list of one of these.
#[utoipa::path(get, path = "/api/projects/{project}/{resource}/", tag = "none of these",
    params(("project" = String, Path), PageParams,
        ("resource" = String, Path, description = "alerts, batch_exports, comments, dashboard_templates, datasets, early_access_feature, endpoints, error_tracking/issues, error_tracking/symbol_sets, external_data_sources, file_system, health_issues, hog_functions, insight_variables, integrations, links, notebooks, plugin_configs, product_tours, query_tab_state, saved, scheduled_changes, session_recording_playlists, subscriptions, tasks, warehouse_saved_queries, warehouse_tables, warehouse_view_links or web_experiments")),
    responses((status = 200, description = "an empty list", body = Page<Object>)))]
pub(crate) async fn list(scope: &'static str, InProject { caller, .. }: InProject, cursor: Cursor) -> Result<Json<Page<Value>>, ApiError> {
    caller.may_read(scope)?;
    Ok(none(&cursor))
}

/// Roles in the organization: there are none.
#[utoipa::path(get, path = "/api/organizations/{organization}/roles/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`"), PageParams),
    responses((status = 200, description = "an empty list", body = Page<Object>)))]
pub(crate) async fn roles(InOrganization { caller, .. }: InOrganization, cursor: Cursor) -> Result<Json<Page<Value>>, ApiError> {
    caller.may_read("organization")?;
    Ok(none(&cursor))
}
