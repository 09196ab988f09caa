//! Dashboards: insights and texts, side by side.
//!
//! # Invariants
//! - A dashboard's document holds its tiles; which dashboards an insight is on is read from them, so both sides always agree.
//! - Tiles of deleted insights are not shown, and are there again when the insight is brought back.

use super::results::{self, ResultParams, Wanted};
use super::{Fields, Holds, UserBasic, deletion, find, insights, is_found, is_set, known, shown, text};
use crate::body::{Body, Params};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::questions::Refresh;
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Project, Work, WorkKind};
use aqueduct_event::ProjectId;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::IntoParams;

const FIELDS: Fields = &[
    ("name", Holds::Text),
    ("description", Holds::Text),
    ("pinned", Holds::Flag),
    ("filters", Holds::Object),
    ("variables", Holds::Object),
    ("breakdown_colors", Holds::List),
    ("data_color_theme_id", Holds::Number),
    ("tags", Holds::List),
    ("quick_filter_ids", Holds::List),
    ("restriction_level", Holds::Number),
    ("last_accessed_at", Holds::Time),
];
/// Tiles of one dashboard.
const TILES_MAX: usize = 200;

/// Which dashboards to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DashboardParams {
    /// Words of name, description or tags.
    search: Option<String>,
    /// Only pinned ones.
    pinned: Option<String>,
}

/// Where an insight is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) id: i64,
    pub(crate) dashboard: i64,
}

fn tiles(work: &Work) -> &[Value] {
    work.document.get("tiles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn id_of(tile: &Value) -> Option<i64> {
    tile.get("id").and_then(Value::as_i64)
}

fn insight_of(tile: &Value) -> Option<i64> {
    tile.get("insight").and_then(Value::as_i64)
}

/// Where an insight is shown, on dashboards that are not deleted.
pub(crate) fn tiles_of_insight(state: &ApiState, project: ProjectId, insight: i64) -> Vec<Tile> {
    let dashboards = state.catalog.works(project, WorkKind::Dashboard);
    let mut found = Vec::new();
    for dashboard in dashboards.iter().filter(|dashboard| !dashboard.is_deleted) {
        let of_insight = tiles(dashboard).iter().filter(|tile| insight_of(tile) == Some(insight));
        found.extend(of_insight.filter_map(|tile| Some(Tile { id: id_of(tile)?, dashboard: dashboard.id })));
    }
    found
}

/// Whether all of these are dashboards of the project.
pub(crate) fn all_exist(state: &ApiState, project: ProjectId, dashboards: &[i64]) -> Result<(), ApiError> {
    for id in dashboards {
        if state.catalog.work(project, WorkKind::Dashboard, *id).is_none_or(|work| work.is_deleted) {
            return Err(ApiError::field("dashboards", "does_not_exist", format!("Dashboard {id} does not exist.")));
        }
    }
    Ok(())
}

/// Shows an insight on these dashboards and on no others.
pub(crate) async fn put_insight(state: &ApiState, project: ProjectId, user: i64, insight: i64, on: &[i64]) -> Result<(), ApiError> {
    let now: Vec<i64> = tiles_of_insight(state, project, insight).iter().map(|tile| tile.dashboard).collect();
    let (added, removed) = (on.iter().filter(|id| !now.contains(id)), now.iter().filter(|id| !on.contains(id)));
    for id in added {
        let change = |work: &mut Work| {
            let tile = json!({"insight": insight, "layouts": {}, "color": null});
            put_tile(work, tile);
        };
        state.catalog.update_work(project, WorkKind::Dashboard, *id, user, change).await?;
    }
    for id in removed {
        let change = |work: &mut Work| {
            if let Some(Value::Array(tiles)) = work.document.get_mut("tiles") {
                tiles.retain(|tile| insight_of(tile) != Some(insight));
            }
        };
        state.catalog.update_work(project, WorkKind::Dashboard, *id, user, change).await?;
    }
    Ok(())
}

/// Adds a tile under a number of its own: that of the dashboard and a count that only rises.
fn put_tile(work: &mut Work, mut tile: Value) {
    let count = work.document.get("tiles_made").and_then(Value::as_i64).unwrap_or(0) + 1;
    work.document.insert("tiles_made".to_owned(), Value::from(count));
    tile["id"] = Value::from(work.id.saturating_mul(100_000).saturating_add(count));
    if let Value::Array(tiles) = work.document.entry("tiles").or_insert_with(|| json!([]))
        && tiles.len() < TILES_MAX
    {
        tiles.push(tile);
    }
}

/// A dashboard without its tiles, as lists have it.
fn basic(state: &ApiState, work: &Work) -> Map<String, Value> {
    let mut body = shown(FIELDS, work);
    let is_shared = state.catalog.shared_link(WorkKind::Dashboard, work.id).is_some_and(|link| link.is_enabled);
    let level = work.document.get("restriction_level").and_then(Value::as_i64).unwrap_or(21);
    let facts = json!({
        "id": work.id,
        "deleted": work.is_deleted,
        "created_at": iso(work.created_at),
        "created_by": UserBasic::of(state, work.created_by),
        "last_modified_at": iso(work.updated_at),
        "last_viewed_at": null, "last_refresh": null,
        "is_shared": is_shared,
        "creation_mode": "default",
        "restriction_level": level, "effective_restriction_level": level, "effective_privilege_level": 37,
        "user_access_level": "editor", "access_control_version": "v2",
        "persisted_filters": work.document.get("filters"), "persisted_variables": work.document.get("variables"),
        "team_id": work.project.0,
    });
    if let Value::Object(facts) = facts {
        body.extend(facts);
    }
    body
}

/// A dashboard with its tiles, and their results if wanted.
pub(crate) async fn whole(state: &ApiState, project: &Arc<Project>, work: &Work, wanted: Option<Wanted>) -> Map<String, Value> {
    let mut body = basic(state, work);
    let wanted = wanted.map(|wanted| wanted.on_dashboard(work.document.get("filters"), work.document.get("variables")));
    let mut shown = Vec::new();
    for (order, tile) in tiles(work).iter().enumerate() {
        let insight = match insight_of(tile).map(|id| state.catalog.work(project.id, WorkKind::Insight, id)) {
            None => Value::Null,
            Some(None) => continue,
            Some(Some(insight)) if insight.is_deleted => continue,
            Some(Some(insight)) => {
                let mut insight = insights::body(state, project, &insight);
                if let Some(wanted) = &wanted {
                    results::add(state, project, &mut insight, wanted).await;
                }
                Value::Object(insight)
            }
        };
        shown.push(json!({
            "id": tile.get("id"), "layouts": tile.get("layouts").cloned().unwrap_or_else(|| json!({})), "color": tile.get("color"), "order": order,
            "last_refresh": insight.get("last_refresh"), "is_cached": false, "insight": insight, "text": tile.get("text"), "button_tile": null, "show_description": tile.get("show_description"),
        }));
    }
    body.insert("tiles".to_owned(), Value::Array(shown));
    body
}

/// Dashboards of a project: pinned ones first, then by name.
#[utoipa::path(get, path = "/api/projects/{project}/dashboards/", tag = "dashboards",
    params(("project" = String, Path), DashboardParams, PageParams), responses((status = 200, body = Page<Object>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<DashboardParams>,
    cursor: Cursor,
) -> Result<Json<Page<Map<String, Value>>>, ApiError> {
    caller.may("dashboard")?;
    let pinned = params.pinned.as_deref().is_some_and(|text| matches!(text, "true" | "True" | "1"));
    let mut works = state.catalog.works(project.id, WorkKind::Dashboard);
    works.retain(|work| {
        let tags = work.document.get("tags").map(Value::to_string).unwrap_or_default();
        !work.is_deleted
            && (!pinned || is_set(work, "pinned"))
            && is_found(params.search.as_deref(), &[text(work, "name"), text(work, "description"), &tags])
    });
    works.sort_by_cached_key(|work| (!is_set(work, "pinned"), text(work, "name").to_lowercase(), work.id));
    Ok(Json(cursor.cut(works.iter().map(|work| basic(&state, work)))))
}

/// Makes a dashboard; with `use_dashboard` a copy of that one.
#[utoipa::path(post, path = "/api/projects/{project}/dashboards/", tag = "dashboards", params(("project" = String, Path)),
    request_body = Object, responses((status = 201, body = Object)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Body(request): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Map<String, Value>>), ApiError> {
    caller.may("dashboard")?;
    let mut document = match request.get("use_dashboard").and_then(Value::as_i64) {
        None => Map::new(),
        Some(id) => find(&state, project.id, WorkKind::Dashboard, &id.to_string(), false)?.document.clone(),
    };
    let copied = document.remove("tiles");
    document.remove("tiles_made");
    document.extend(known(FIELDS, &request)?);
    let mut work = state.catalog.create_work(project.id, WorkKind::Dashboard, caller.user.id, document).await?;
    if let Some(Value::Array(copied)) = copied {
        let change = |work: &mut Work| copied.into_iter().for_each(|tile| put_tile(work, tile));
        work = state.catalog.update_work(project.id, WorkKind::Dashboard, work.id, caller.user.id, change).await?;
    }
    Ok((StatusCode::CREATED, Json(whole(&state, &project, &work, None).await)))
}

/// One dashboard with the results of its tiles.
#[utoipa::path(get, path = "/api/projects/{project}/dashboards/{id}/", tag = "dashboards",
    params(("project" = String, Path), ("id" = i64, Path), ResultParams), responses((status = 200, body = Object)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Params(results): Params<ResultParams>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    caller.may("dashboard")?;
    let wanted = results.wanted(&caller, Some(Refresh::Blocking))?;
    let work = find(&state, project.id, WorkKind::Dashboard, &id, false)?;
    Ok(Json(whole(&state, &project, &work, wanted).await))
}

/// Changes a dashboard and its tiles; `{"deleted": true}` deletes it, with `delete_insights` also the insights that are on no other.
#[utoipa::path(patch, path = "/api/projects/{project}/dashboards/{id}/", tag = "dashboards",
    params(("project" = String, Path), ("id" = i64, Path)), request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(request): Body<Map<String, Value>>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    caller.may("dashboard")?;
    let found = find(&state, project.id, WorkKind::Dashboard, &id, true)?;
    let fields = known(FIELDS, &request)?;
    let edits = match request.get("tiles") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(tiles)) if tiles.len() <= TILES_MAX && tiles.iter().all(Value::is_object) => tiles.clone(),
        Some(_) => return Err(ApiError::field("tiles", "invalid_input", format!("Expected a list of at most {TILES_MAX} tiles."))),
    };
    let change = |work: &mut Work| {
        work.document.extend(fields);
        work.is_deleted = deletion(&request).unwrap_or(work.is_deleted);
        edits.iter().for_each(|edit| edit_tile(work, edit));
    };
    let user = caller.user.id;
    let work = state.catalog.update_work(project.id, WorkKind::Dashboard, found.id, user, change).await?;
    if work.is_deleted && request.get("delete_insights").and_then(Value::as_bool) == Some(true) {
        for insight in tiles(&work).iter().filter_map(insight_of) {
            if tiles_of_insight(&state, project.id, insight).is_empty() {
                state.catalog.update_work(project.id, WorkKind::Insight, insight, user, |work| work.is_deleted = true).await?;
            }
        }
    }
    Ok(Json(whole(&state, &project, &work, None).await))
}

/// Changes the tile that an edit names, removes it, or adds a text.
fn edit_tile(work: &mut Work, edit: &Value) {
    let Some(id) = id_of(edit) else {
        if let Some(text) = edit.get("text").filter(|text| text.is_object()) {
            let layouts = edit.get("layouts").cloned().unwrap_or_else(|| json!({}));
            put_tile(work, json!({"text": text, "layouts": layouts, "color": edit.get("color")}));
        }
        return;
    };
    let Some(Value::Array(tiles)) = work.document.get_mut("tiles") else { return };
    if edit.get("deleted").and_then(Value::as_bool) == Some(true) {
        tiles.retain(|tile| id_of(tile) != Some(id));
        return;
    }
    if let Some(Value::Object(tile)) = tiles.iter_mut().find(|tile| id_of(tile) == Some(id)) {
        let is_text = tile.contains_key("text");
        for name in ["layouts", "color", "show_description", "text"].iter().filter(|name| is_text || **name != "text") {
            if let Some(value) = edit.get(*name) {
                tile.insert((*name).to_owned(), value.clone());
            }
        }
    }
}
