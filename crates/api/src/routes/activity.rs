//! Who changed what: the log of a project, and PostHog's activity lists of single things and kinds.
//!
//! The catalog notes changes of saved work itself; changes of definitions and persons are noted by their handlers ([`note`]). Values of persons never enter the log:
//! it would keep what an erasure takes away.

use crate::auth::Caller;
use crate::body::Params;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::routes::works::{UserBasic, find};
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{ActionKind, Activity, ActivityDetail, ActivityFilter, CohortKind, FieldChange, NewActivity, Project, WorkKind};
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Entries of a page when the request says nothing: PostHog's number.
const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 1_000;

/// What has activity lists of its own.
#[derive(Debug)]
pub(crate) struct Logged {
    /// Its name in paths.
    pub(crate) path: &'static str,
    /// The scope that reads it.
    object: &'static str,
    /// What the log calls it.
    scope: &'static str,
    /// What the log calls the one that a path names.
    item: fn(&ApiState, &Project, &str) -> Result<String, ApiError>,
}

/// Everything that has activity lists of its own.
pub(crate) const LOGGED: &[Logged] = &[
    Logged { path: "actions", object: "action", scope: "Action", item: |state, project, id| item_of(state, project, ActionKind, id) },
    Logged {
        path: "annotations",
        object: "annotation",
        scope: "Annotation",
        item: |state, project, id| item_of(state, project, WorkKind::Annotation, id),
    },
    Logged { path: "cohorts", object: "cohort", scope: "Cohort", item: |state, project, id| item_of(state, project, CohortKind, id) },
    Logged {
        path: "dashboards",
        object: "dashboard",
        scope: "Dashboard",
        item: |state, project, id| item_of(state, project, WorkKind::Dashboard, id),
    },
    Logged { path: "event_definitions", object: "event_definition", scope: "EventDefinition", item: |_, _, id| Ok(id.to_owned()) },
    Logged { path: "feature_flags", object: "feature_flag", scope: "FeatureFlag", item: |_, _, _| Err(ApiError::NotFound("Not found.")) },
    Logged {
        path: "insights",
        object: "insight",
        scope: "Insight",
        item: |state, project, id| item_of(state, project, WorkKind::Insight, id),
    },
    Logged { path: "persons", object: "person", scope: "Person", item: person_of },
    Logged { path: "property_definitions", object: "property_definition", scope: "PropertyDefinition", item: |_, _, id| Ok(id.to_owned()) },
];

fn item_of<K: aqueduct_catalog::Kind>(state: &ApiState, project: &Project, kind: K, id: &str) -> Result<String, ApiError> {
    Ok(find(state, project.id, kind, id, true)?.id.to_string())
}

/// A person that is there, or any id: one that was deleted is not there any more.
fn person_of(state: &ApiState, project: &Project, id: &str) -> Result<String, ApiError> {
    match super::persons::find(state, project, id) {
        Ok(person) => Ok(person.id.to_string()),
        Err(ApiError::NotFound(missing)) => Uuid::try_parse(id).map(|id| id.to_string()).map_err(|_| ApiError::NotFound(missing)),
        Err(error) => Err(error),
    }
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityParams {
    /// Entries of a page, 1 to 1000. Default: 10.
    limit: Option<usize>,
    /// Number of the page, from 1.
    page: Option<usize>,
}

/// Which entries of the log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// What was changed: `Insight`, `Dashboard`, `Cohort`, `Action`, `Annotation`, `EventDefinition`, `PropertyDefinition` or `Person`.
    scope: Option<String>,
    /// Several of them, separated by commas.
    scopes: Option<String>,
    /// Which one was changed.
    item_id: Option<String>,
    /// Who changed it, by number or uuid.
    user: Option<String>,
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
    organization_id: Option<Uuid>,
    user: Option<UserBasic>,
    unread: bool,
    is_system: bool,
    was_impersonated: bool,
    /// `created`, `updated`, `deleted`, `restored`, `changed` or `split_person`.
    activity: String,
    scope: String,
    item_id: String,
    /// `name`, `short_id`, and `changes`: a list of `{type, action, field, before, after}`.
    #[schema(value_type = Object)]
    detail: Value,
    created_at: String,
}

impl ActivityBody {
    fn of(state: &ApiState, entry: Activity) -> Self {
        let ActivityDetail { name, short_id, changes } = entry.detail;
        let change = |FieldChange { action, field, before, after }| json!({"type": entry.scope, "action": action, "field": field, "before": before, "after": after});
        let changes: Vec<Value> = changes.into_iter().map(change).collect();
        let changes = Some(changes).filter(|changes| !changes.is_empty());
        let user = UserBasic::of(state, entry.user);
        Self {
            id: entry.id,
            organization_id: state.catalog.organization().map(|organization| organization.id),
            unread: false,
            is_system: user.is_none(),
            user,
            was_impersonated: false,
            activity: entry.activity,
            item_id: entry.item_id,
            detail: json!({"id": null, "changes": changes, "merge": null, "trigger": null, "type": null, "name": name, "short_id": short_id}),
            created_at: iso(entry.created_at),
            scope: entry.scope,
        }
    }
}

/// Notes what a caller did to something that is no saved work.
pub(super) async fn note(
    state: &ApiState,
    project: &Project,
    caller: &Caller,
    (scope, activity): (&'static str, &'static str),
    items: impl IntoIterator<Item = (String, ActivityDetail)>,
) -> Result<(), ApiError> {
    let entry = |(item_id, detail)| NewActivity { scope, item_id, activity, user: caller.user.id, detail };
    let entries: Vec<NewActivity> = items.into_iter().map(entry).collect();
    Ok(state.catalog.note_activity(project.id, &entries).await?)
}

async fn page(
    state: &ApiState,
    project: &Project,
    filter: ActivityFilter,
    params: &ActivityParams,
    cursor: &Cursor,
) -> Result<Json<ActivityPage>, ApiError> {
    let limit = params.limit.filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let page = params.page.unwrap_or(1).max(1);
    let first = (page - 1).saturating_mul(limit);
    let (total_count, entries) = state.catalog.activities(project.id, &filter, limit, first).await?;
    Ok(Json(ActivityPage {
        next: (first.saturating_add(limit) < total_count).then(|| cursor.address_of_page(page + 1, limit)),
        previous: (page > 1).then(|| cursor.address_of_page(page - 1, limit)),
        results: entries.into_iter().map(|entry| ActivityBody::of(state, entry)).collect(),
        total_count,
    }))
}

/// What people did in a project, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/activity_log/", tag = "activity", params(("project" = String, Path), LogParams, PageParams),
    responses((status = 200, body = Page<ActivityBody>)))]
pub(crate) async fn log(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<LogParams>,
    cursor: Cursor,
) -> Result<Json<Page<ActivityBody>>, ApiError> {
    caller.may("activity_log")?;
    let scopes = [params.scope, params.scopes].into_iter().flatten();
    let user_of = |text: String| -> i64 {
        let by_uuid = || state.catalog.users().iter().find(|user| user.uuid.to_string() == text).map(|user| user.id);
        // No user has the number 0.
        text.parse().ok().or_else(by_uuid).unwrap_or(0)
    };
    let filter = ActivityFilter {
        scopes: scopes.flat_map(|list| list.split(',').map(|scope| scope.trim().to_owned()).collect::<Vec<_>>()).collect(),
        item_id: params.item_id,
        user: params.user.map(user_of),
    };
    let (count, entries) = state.catalog.activities(project.id, &filter, cursor.limit, cursor.offset).await?;
    Ok(Json(cursor.page(count, entries.into_iter().map(|entry| ActivityBody::of(&state, entry)).collect())))
}

/// What people did to things of a kind, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/{resource}/activity/", tag = "activity",
    params(("project" = String, Path), ("resource" = String, Path, description = "actions, annotations, cohorts, dashboards, event_definitions, feature_flags, insights, persons or property_definitions"), ActivityParams),
    responses((status = 200, body = ActivityPage)))]
pub(crate) async fn of_kind(
    logged: &'static Logged,
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ActivityParams>,
    cursor: Cursor,
) -> Result<Json<ActivityPage>, ApiError> {
    caller.may(logged.object)?;
    let filter = ActivityFilter { scopes: vec![logged.scope.to_owned()], ..ActivityFilter::default() };
    page(&state, &project, filter, &params, &cursor).await
}

/// What people did to one thing, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/{resource}/{id}/activity/", tag = "activity",
    params(("project" = String, Path), ("resource" = String, Path), ("id" = String, Path), ActivityParams),
    responses((status = 200, body = ActivityPage)))]
pub(crate) async fn of_one(
    logged: &'static Logged,
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Params(params): Params<ActivityParams>,
    cursor: Cursor,
) -> Result<Json<ActivityPage>, ApiError> {
    caller.may(logged.object)?;
    let item_id = Some((logged.item)(&state, &project, &id)?);
    let filter = ActivityFilter { scopes: vec![logged.scope.to_owned()], item_id, user: None };
    page(&state, &project, filter, &params, &cursor).await
}
