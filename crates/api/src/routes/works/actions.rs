//! Actions: names for events.

use super::{UserBasic, find, is_found, required, set};
use crate::body::{Body, Params};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Action, ActionDocument, ActionKind, ActionStep};
use aqueduct_event::UnixMicros;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use utoipa::{IntoParams, ToSchema};

/// An action.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionBody {
    id: i64,
    name: String,
    description: String,
    tags: Vec<String>,
    post_to_slack: bool,
    slack_message_format: String,
    /// An event that matches any of them is one of the action.
    #[schema(value_type = Vec<Object>)]
    steps: Vec<ActionStep>,
    created_at: String,
    created_by: Option<UserBasic>,
    updated_at: String,
    deleted: bool,
    /// Always false: events are matched when they are asked for.
    is_calculating: bool,
    last_calculated_at: String,
    team_id: u32,
    is_action: bool,
    bytecode_error: Option<String>,
    pinned_at: Option<String>,
    creation_context: Option<String>,
    user_access_level: &'static str,
}

/// What an action is made of; absent fields stay.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ActionInput {
    name: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    /// `{event, url, url_matching, selector, tag_name, text, text_matching, href, href_matching, properties}`, all optional; `…_matching` is
    /// `contains`, `regex` or `exact`.
    #[schema(value_type = Option<Vec<Object>>)]
    steps: Option<Vec<ActionStep>>,
    post_to_slack: Option<bool>,
    slack_message_format: Option<String>,
    deleted: Option<bool>,
    /// A time pins the action, null takes the pin away.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pinned_at: Option<Option<String>>,
}

/// Tells null from absent.
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Which actions to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActionParams {
    /// Words that the name must hold, whatever their case.
    search: Option<String>,
}

impl ActionBody {
    fn of(action: &Action, state: &ApiState) -> Self {
        let ActionDocument { name, description, tags, steps, post_to_slack, slack_message_format, pinned_at } = action.document.clone();
        Self {
            id: action.id,
            name,
            description,
            tags,
            post_to_slack,
            slack_message_format,
            steps,
            created_at: iso(action.created_at),
            created_by: UserBasic::of(state, action.created_by),
            updated_at: iso(action.updated_at),
            deleted: action.is_deleted,
            is_calculating: false,
            last_calculated_at: iso(action.updated_at),
            team_id: action.project.0,
            is_action: true,
            bytecode_error: None,
            pinned_at: pinned_at.map(iso),
            creation_context: None,
            user_access_level: "manager",
        }
    }
}

impl ActionInput {
    fn apply(self, to: &mut ActionDocument, now: UnixMicros) {
        set(&mut to.name, self.name);
        set(&mut to.description, self.description);
        set(&mut to.tags, self.tags);
        set(&mut to.steps, self.steps);
        set(&mut to.post_to_slack, self.post_to_slack);
        set(&mut to.slack_message_format, self.slack_message_format);
        // One that is pinned already stays pinned since then.
        let since = to.pinned_at.unwrap_or(now);
        set(&mut to.pinned_at, self.pinned_at.map(|at| at.map(|_| since)));
    }
}

/// Actions of a project, the newest first.
#[utoipa::path(get, path = "/api/projects/{project}/actions/", tag = "actions",
    params(("project" = String, Path), ActionParams, PageParams), responses((status = 200, body = Page<ActionBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ActionParams>,
    cursor: Cursor,
) -> Result<Json<Page<ActionBody>>, ApiError> {
    caller.may("action")?;
    let mut actions = state.catalog.works(project.id, ActionKind);
    actions.retain(|action| !action.is_deleted && is_found(params.search.as_deref(), &[&action.document.name]));
    actions.sort_by_key(|action| Reverse((action.document.pinned_at, action.id)));
    Ok(Json(cursor.cut(actions.iter().map(|action| ActionBody::of(action, &state)))))
}

/// Makes an action.
#[utoipa::path(post, path = "/api/projects/{project}/actions/", tag = "actions", params(("project" = String, Path)),
    request_body = ActionInput, responses((status = 201, body = ActionBody)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Body(input): Body<ActionInput>,
) -> Result<(StatusCode, Json<ActionBody>), ApiError> {
    caller.may("action")?;
    required(input.name.as_ref())?;
    let mut document = ActionDocument::default();
    input.apply(&mut document, state.clock.now());
    let action = state.catalog.create_work(project.id, ActionKind, caller.user.id, document).await?;
    Ok((StatusCode::CREATED, Json(ActionBody::of(&action, &state))))
}

/// One action.
#[utoipa::path(get, path = "/api/projects/{project}/actions/{id}/", tag = "actions", params(("project" = String, Path), ("id" = i64, Path)),
    responses((status = 200, body = ActionBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<ActionBody>, ApiError> {
    caller.may("action")?;
    Ok(Json(ActionBody::of(&*find(&state, project.id, ActionKind, &id, true)?, &state)))
}

/// Changes an action; `{"deleted": true}` deletes it, `false` brings it back.
#[utoipa::path(patch, path = "/api/projects/{project}/actions/{id}/", tag = "actions", params(("project" = String, Path), ("id" = i64, Path)),
    request_body = ActionInput, responses((status = 200, body = ActionBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(input): Body<ActionInput>,
) -> Result<Json<ActionBody>, ApiError> {
    caller.may("action")?;
    let (found, now) = (find(&state, project.id, ActionKind, &id, true)?, state.clock.now());
    let change = |action: &mut Action| {
        set(&mut action.is_deleted, input.deleted);
        input.apply(&mut action.document, now);
    };
    let action = state.catalog.update_work(project.id, ActionKind, found.id, caller.user.id, change).await?;
    Ok(Json(ActionBody::of(&action, &state)))
}

/// Deletes an action: it is not listed any more, and queries that name it are refused.
#[utoipa::path(delete, path = "/api/projects/{project}/actions/{id}/", tag = "actions", params(("project" = String, Path), ("id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    caller.may("action")?;
    super::delete(&state, &project, ActionKind, &id, caller.user.id).await
}
