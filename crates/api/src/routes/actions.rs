//! Actions: names for events.

use crate::body::{Body, Params};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::routes::works::UserBasic;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Action, ActionPatch, ActionStep};
use aqueduct_event::ProjectId;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const NO_ACTION: ApiError = ApiError::NotFound("Not found.");

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
        Self {
            id: action.id,
            name: action.name.clone(),
            description: action.description.clone(),
            tags: action.tags.clone(),
            post_to_slack: action.post_to_slack,
            slack_message_format: action.slack_message_format.clone(),
            steps: action.steps.clone(),
            created_at: iso(action.created_at),
            created_by: UserBasic::of(state, action.created_by),
            updated_at: iso(action.updated_at),
            deleted: action.deleted,
            is_calculating: false,
            last_calculated_at: iso(action.updated_at),
            team_id: action.project.0,
            is_action: true,
            bytecode_error: None,
            pinned_at: action.pinned_at.map(iso),
            creation_context: None,
            user_access_level: "manager",
        }
    }
}

impl From<ActionInput> for ActionPatch {
    fn from(input: ActionInput) -> Self {
        Self {
            name: input.name,
            description: input.description,
            tags: input.tags,
            steps: input.steps,
            post_to_slack: input.post_to_slack,
            slack_message_format: input.slack_message_format,
            pinned: input.pinned_at.map(|at| at.is_some()),
            deleted: input.deleted,
        }
    }
}

fn find(state: &ApiState, project: ProjectId, id: &str) -> Result<Arc<Action>, ApiError> {
    id.parse().ok().and_then(|id| state.catalog.action(project, id)).ok_or(NO_ACTION)
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
    let words = params.search.unwrap_or_default().to_lowercase();
    let mut actions = state.catalog.actions(project.id);
    actions.retain(|action| !action.deleted && action.name.to_lowercase().contains(words.trim()));
    actions.sort_by_key(|action| Reverse((action.pinned_at, action.id)));
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
    if input.name.is_none() {
        return Err(ApiError::field("name", "required", "This field is required."));
    }
    let action = state.catalog.create_action(project.id, input.into(), Some(caller.user.id)).await?;
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
    Ok(Json(ActionBody::of(&*find(&state, project.id, &id)?, &state)))
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
    let action = find(&state, project.id, &id)?;
    let action = state.catalog.update_action(project.id, action.id, input.into()).await?;
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
    let action = find(&state, project.id, &id)?;
    state.catalog.update_action(project.id, action.id, ActionPatch { deleted: Some(true), ..ActionPatch::default() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
