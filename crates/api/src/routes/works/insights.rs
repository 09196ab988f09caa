//! Insights: saved queries with their results.
//!
//! A saved query is as clients sent it: the query itself, or wrapped for display (`InsightVizNode`, `DataTableNode`, `DataVisualizationNode` with `source`). The
//! result is there when one insight is asked for, and in lists when `refresh` says so ([`super::results`]).

use super::results::{self, ResultParams};
use super::{Fields, Holds, UserBasic, deletion, find, is_found, is_set, known, shown, text};
use crate::body::{Body, Params};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::questions::Refresh;
use crate::routes::iso;
use crate::routes::works::dashboards;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Project, Work, WorkKind};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

const FIELDS: Fields = &[
    ("name", Holds::Text),
    ("derived_name", Holds::Text),
    ("query", Holds::Any),
    ("filters", Holds::Object),
    ("order", Holds::Number),
    ("description", Holds::Text),
    ("tags", Holds::List),
    ("favorited", Holds::Flag),
    ("saved", Holds::Flag),
];

/// Which insights to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InsightParams {
    /// The one with this short id.
    short_id: Option<String>,
    /// Only those that were saved by hand.
    saved: Option<String>,
    /// Only favourites.
    favorited: Option<String>,
    /// Words of name, description or tags.
    search: Option<String>,
    /// Those of a kind: `TRENDS`, `FUNNELS`, `RETENTION`, `PATHS`, `STICKINESS`, `LIFECYCLE`, `SQL` or `JSON`.
    insight: Option<String>,
    /// Those of a user, by number.
    created_by: Option<i64>,
    /// Field to sort by, with `-` in front descending: `created_at`, `last_modified_at`, `name`. Default: `-last_modified_at`.
    order: Option<String>,
}

/// The query that answers: what wrappers for display hold.
pub(crate) fn source_of(query: &Value) -> Option<&Value> {
    let mut query = query;
    for _ in 0..4 {
        match (query.get("kind").and_then(Value::as_str), query.get("source")) {
            (Some("InsightVizNode" | "DataTableNode" | "DataVisualizationNode" | "SavedInsightNode"), Some(source)) => query = source,
            (Some(_), _) => return Some(query),
            (None, _) => return None,
        }
    }
    None
}

/// What PostHog's lists call the kinds.
fn kind_of(work: &Work) -> &'static str {
    let kind = work.document.get("query").and_then(source_of).and_then(|query| query.get("kind")).and_then(Value::as_str);
    match kind {
        Some("TrendsQuery") => "TRENDS",
        Some("FunnelsQuery") => "FUNNELS",
        Some("RetentionQuery") => "RETENTION",
        Some("PathsQuery") => "PATHS",
        Some("StickinessQuery") => "STICKINESS",
        Some("LifecycleQuery") => "LIFECYCLE",
        Some("HogQLQuery") => "SQL",
        _ => "JSON",
    }
}

/// An insight without its result.
pub(crate) fn body(state: &ApiState, project: &Project, work: &Work) -> Map<String, Value> {
    let mut body = shown(FIELDS, work);
    let tiles = dashboards::tiles_of_insight(state, project.id, work.id);
    let modified = iso(work.updated_at);
    let user = |id| serde_json::to_value(UserBasic::of(state, id)).unwrap_or_default();
    let facts = json!({
        "id": work.id,
        "short_id": work.short_id,
        "deleted": work.is_deleted,
        "dashboards": tiles.iter().map(|tile| tile.dashboard).collect::<Vec<_>>(),
        "dashboard_tiles": tiles.iter().map(|tile| json!({"id": tile.id, "dashboard_id": tile.dashboard, "deleted": null})).collect::<Vec<_>>(),
        "created_at": iso(work.created_at),
        "created_by": user(work.created_by),
        "updated_at": modified,
        "last_modified_at": modified,
        "last_modified_by": user(work.last_modified_by),
        "is_sample": false,
        "effective_restriction_level": 21,
        "effective_privilege_level": 37,
        "user_access_level": "editor",
        "timezone": project.timezone,
        "result": null, "hasMore": null, "columns": null, "types": null, "hogql": null,
        "is_cached": false, "last_refresh": null, "cache_target_age": null, "next_allowed_client_refresh": null, "query_status": null,
    });
    if let Value::Object(facts) = facts {
        body.extend(facts);
    }
    body
}

/// Insights of a project.
#[utoipa::path(get, path = "/api/projects/{project}/insights/", tag = "insights",
    params(("project" = String, Path), InsightParams, ResultParams, PageParams), responses((status = 200, body = Page<Object>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<InsightParams>,
    Params(results): Params<ResultParams>,
    cursor: Cursor,
) -> Result<Json<Page<Map<String, Value>>>, ApiError> {
    caller.may("insight")?;
    let wanted = results.wanted(&caller, None)?;
    let asked = |flag: &Option<String>| flag.as_deref().is_some_and(|text| matches!(text, "true" | "True" | "1" | ""));
    let mut works = state.catalog.works(project.id, WorkKind::Insight);
    works.retain(|work| {
        let tags = work.document.get("tags").map(Value::to_string).unwrap_or_default();
        !work.is_deleted
            && params.short_id.as_ref().is_none_or(|short_id| work.short_id == *short_id)
            && (!asked(&params.saved) || is_set(work, "saved"))
            && (!asked(&params.favorited) || is_set(work, "favorited"))
            && params.created_by.is_none_or(|user| work.created_by == Some(user))
            && params.insight.as_ref().is_none_or(|kind| kind_of(work) == kind)
            && is_found(params.search.as_deref(), &[text(work, "name"), text(work, "derived_name"), text(work, "description"), &tags])
    });
    let order = params.order.as_deref().unwrap_or("-last_modified_at");
    match order.trim_start_matches('-') {
        "created_at" | "id" => works.sort_by_key(|work| work.id),
        "name" => works.sort_by_cached_key(|work| text(work, "name").to_lowercase()),
        _ => works.sort_by_key(|work| (work.updated_at, work.id)),
    }
    if order.starts_with('-') {
        works.reverse();
    }
    let mut bodies = Vec::new();
    for work in works.iter().skip(cursor.offset).take(cursor.limit) {
        let mut body = body(&state, &project, work);
        if let Some(wanted) = &wanted {
            results::add(&state, &project, &mut body, wanted).await;
        }
        bodies.push(body);
    }
    Ok(Json(cursor.page(works.len(), bodies)))
}

/// The fields of a request, its query checked as far as it has to be one.
fn checked(request: &Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let fields = known(FIELDS, request)?;
    match fields.get("query") {
        None | Some(Value::Null) => Ok(fields),
        Some(query) if source_of(query).is_some() => Ok(fields),
        Some(_) => Err(ApiError::field("query", "invalid_input", "Expected an object with \"kind\".")),
    }
}

/// Numbers of the dashboards that the request puts the insight on.
fn dashboards_of(request: &Map<String, Value>) -> Result<Option<Vec<i64>>, ApiError> {
    let wrong = || ApiError::field("dashboards", "invalid_input", "Expected a list of dashboard ids.");
    match request.get("dashboards") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => list.iter().map(Value::as_i64).collect::<Option<_>>().map(Some).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

/// Saves an insight.
#[utoipa::path(post, path = "/api/projects/{project}/insights/", tag = "insights", params(("project" = String, Path), ResultParams),
    request_body = Object, responses((status = 201, body = Object)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(results): Params<ResultParams>,
    Body(request): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Map<String, Value>>), ApiError> {
    caller.may("insight")?;
    let wanted = results.wanted(&caller, None)?;
    let (fields, on) = (checked(&request)?, dashboards_of(&request)?.unwrap_or_default());
    dashboards::all_exist(&state, project.id, &on)?;
    let work = state.catalog.create_work(project.id, WorkKind::Insight, caller.user.id, fields).await?;
    dashboards::put_insight(&state, project.id, caller.user.id, work.id, &on).await?;
    let mut body = body(&state, &project, &work);
    if let Some(wanted) = wanted {
        results::add(&state, &project, &mut body, &wanted).await;
    }
    Ok((StatusCode::CREATED, Json(body)))
}

/// One insight by number or short id, with its result.
#[utoipa::path(get, path = "/api/projects/{project}/insights/{id}/", tag = "insights",
    params(("project" = String, Path), ("id" = String, Path), ResultParams), responses((status = 200, body = Object)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Params(results): Params<ResultParams>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    caller.may("insight")?;
    let work = find(&state, project.id, WorkKind::Insight, &id, false)?;
    let mut body = body(&state, &project, &work);
    if let Some(wanted) = results.wanted(&caller, Some(Refresh::Blocking))? {
        results::add(&state, &project, &mut body, &wanted).await;
    }
    Ok(Json(body))
}

/// Changes an insight; `{"deleted": true}` deletes it, and `false` brings it back.
#[utoipa::path(patch, path = "/api/projects/{project}/insights/{id}/", tag = "insights",
    params(("project" = String, Path), ("id" = String, Path), ResultParams), request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Params(results): Params<ResultParams>,
    Body(request): Body<Map<String, Value>>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    caller.may("insight")?;
    let found = find(&state, project.id, WorkKind::Insight, &id, true)?;
    let wanted = results.wanted(&caller, None)?;
    let (fields, on) = (checked(&request)?, dashboards_of(&request)?);
    if let Some(on) = &on {
        dashboards::all_exist(&state, project.id, on)?;
    }
    let change = |work: &mut Work| {
        work.document.extend(fields);
        work.is_deleted = deletion(&request).unwrap_or(work.is_deleted);
    };
    let work = state.catalog.update_work(project.id, WorkKind::Insight, found.id, caller.user.id, change).await?;
    if let Some(on) = on {
        dashboards::put_insight(&state, project.id, caller.user.id, work.id, &on).await?;
    }
    let mut body = body(&state, &project, &work);
    if let Some(wanted) = wanted {
        results::add(&state, &project, &mut body, &wanted).await;
    }
    Ok(Json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_inside_is_found() {
        let inner = json!({"kind": "TrendsQuery", "series": []});
        let wrapped = json!({"kind": "InsightVizNode", "source": inner});
        assert_eq!(source_of(&wrapped), Some(&inner));
        assert_eq!(source_of(&json!({"kind": "DataTableNode", "source": wrapped})), Some(&inner));
        assert_eq!(source_of(&inner), Some(&inner));
        assert_eq!(source_of(&json!({"query": 1})), None);
    }
}
