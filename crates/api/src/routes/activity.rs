//! Who changed what: PostHog's activity lists, of what is known here.
//!
//! There is no log of changes. Of saved work it is known who made it and who changed it last, and when; both are told. Persons are changed by events and
//! commands, whose senders are not kept: their lists are empty.

use crate::body::Params;
use crate::error::ApiError;
use crate::page::Cursor;
use crate::routes::iso;
use crate::routes::works::{UserBasic, find};
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Kind as _, Work, WorkKind};
use aqueduct_event::UnixMicros;
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cmp::Reverse;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Entries of a page when the request says nothing: PostHog's number.
const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 1_000;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityParams {
    /// Entries of a page, 1 to 1000. Default: 10.
    limit: Option<usize>,
    /// Number of the page, from 1.
    page: Option<usize>,
}

/// Entries, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActivityPage {
    results: Vec<ActivityBody>,
    /// Address of the next page.
    next: Option<String>,
    /// Address of the page before.
    previous: Option<String>,
    total_count: usize,
}

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActivityBody {
    id: Uuid,
    user: Option<UserBasic>,
    unread: bool,
    is_system: bool,
    was_impersonated: bool,
    /// `created`, `updated` or `deleted`.
    activity: &'static str,
    scope: &'static str,
    item_id: String,
    /// `name` and `short_id`; what exactly changed is not kept.
    #[schema(value_type = Object)]
    detail: Value,
    created_at: String,
}

/// What is known of a work: that it was made, and how it was changed last.
fn of_work(state: &ApiState, work: &Work) -> Vec<(UnixMicros, ActivityBody)> {
    let entry = |activity, at: UnixMicros, user| {
        let name = work.document.get("name").filter(|name| !name.is_null()).or_else(|| work.document.get("derived_name"));
        let body = ActivityBody {
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{} {} {activity} {}", work.kind.name(), work.short_id, at.0).as_bytes()),
            user: UserBasic::of(state, user),
            unread: false,
            is_system: false,
            was_impersonated: false,
            activity,
            scope: "Insight",
            item_id: work.id.to_string(),
            detail: json!({"id": null, "changes": null, "merge": null, "trigger": null, "type": null, "name": name, "short_id": work.short_id}),
            created_at: iso(at),
        };
        (at, body)
    };
    let made = entry("created", work.created_at, work.created_by);
    let change = if work.is_deleted { "deleted" } else { "updated" };
    let changed = (work.updated_at != work.created_at).then(|| entry(change, work.updated_at, work.last_modified_by));
    changed.into_iter().chain([made]).collect()
}

impl ActivityPage {
    fn cut(params: &ActivityParams, cursor: &Cursor, mut all: Vec<(UnixMicros, ActivityBody)>) -> Self {
        all.sort_by_key(|(at, _)| Reverse(*at));
        let limit = params.limit.filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        let (page, total_count) = (params.page.unwrap_or(1).max(1), all.len());
        let first = (page - 1).saturating_mul(limit);
        let address = |page: usize| cursor.address_of_page(page, limit);
        Self {
            next: (first.saturating_add(limit) < total_count).then(|| address(page + 1)),
            previous: (page > 1).then(|| address(page - 1)),
            results: all.into_iter().skip(first).take(limit).map(|(_, body)| body).collect(),
            total_count,
        }
    }
}

/// When the insights of a project were made and changed last, and by whom.
#[utoipa::path(get, path = "/api/projects/{project}/insights/activity/", tag = "insights", params(("project" = String, Path), ActivityParams),
    responses((status = 200, body = ActivityPage)))]
pub(crate) async fn insights(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ActivityParams>,
    cursor: Cursor,
) -> Result<Json<ActivityPage>, ApiError> {
    caller.may("insight")?;
    let works = state.catalog.works(project.id, WorkKind::Insight);
    Ok(Json(ActivityPage::cut(&params, &cursor, works.iter().flat_map(|work| of_work(&state, work)).collect())))
}

/// When an insight was made and changed last, and by whom.
#[utoipa::path(get, path = "/api/projects/{project}/insights/{id}/activity/", tag = "insights",
    params(("project" = String, Path), ("id" = String, Path), ActivityParams), responses((status = 200, body = ActivityPage)))]
pub(crate) async fn insight(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Params(params): Params<ActivityParams>,
    cursor: Cursor,
) -> Result<Json<ActivityPage>, ApiError> {
    caller.may("insight")?;
    let work = find(&state, project.id, WorkKind::Insight, &id, true)?;
    Ok(Json(ActivityPage::cut(&params, &cursor, of_work(&state, &work))))
}

/// Changes of persons by people: none are kept.
#[utoipa::path(get, path = "/api/projects/{project}/persons/activity/", tag = "persons", params(("project" = String, Path), ActivityParams),
    responses((status = 200, body = ActivityPage)))]
pub(crate) async fn persons(
    InProject { caller, .. }: InProject,
    Params(params): Params<ActivityParams>,
    cursor: Cursor,
) -> Result<Json<ActivityPage>, ApiError> {
    caller.may("person")?;
    Ok(Json(ActivityPage::cut(&params, &cursor, Vec::new())))
}

/// Changes of a person by people: none are kept.
#[utoipa::path(get, path = "/api/projects/{project}/persons/{id}/activity/", tag = "persons",
    params(("project" = String, Path), ("id" = String, Path), ActivityParams), responses((status = 200, body = ActivityPage)))]
pub(crate) async fn person(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Params(params): Params<ActivityParams>,
    cursor: Cursor,
) -> Result<Json<ActivityPage>, ApiError> {
    caller.may("person")?;
    super::persons::find(&state, &project, &id)?;
    Ok(Json(ActivityPage::cut(&params, &cursor, Vec::new())))
}
