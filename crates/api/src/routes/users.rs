//! The user who asks.

use crate::auth::Caller;
use crate::body::Body;
use crate::error::ApiError;
use crate::page::{Cursor, Page};
use crate::routes::iso;
use crate::routes::organizations::{OrganizationBasic, OrganizationBody};
use crate::routes::projects::ProjectBody;
use crate::scope;
use crate::state::ApiState;
use aqueduct_catalog::{User, UserPatch};
use aqueduct_event::ProjectId;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// A user with the project and organization they work in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserBody {
    id: i64,
    uuid: Uuid,
    distinct_id: Uuid,
    email: String,
    first_name: String,
    last_name: String,
    date_joined: String,
    is_email_verified: Option<bool>,
    is_staff: bool,
    has_password: bool,
    is_2fa_enabled: bool,
    anonymize_data: bool,
    theme_mode: Option<String>,
    notification_settings: Value,
    hedgehog_config: Option<Value>,
    role_at_organization: Option<String>,
    has_seen_product_intro_for: Option<Value>,
    /// Scopes of the key that asks; absent for a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    team: Option<ProjectBody>,
    organization: Option<OrganizationBody>,
    organizations: Vec<OrganizationBasic>,
}

/// Fields of a user that can be set.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct UserChange {
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    /// Number of the project to work in: what `@current` means from then on.
    set_current_team: Option<u32>,
}

impl UserBody {
    pub(crate) fn of(state: &ApiState, user: &User, scopes: Option<Vec<String>>) -> Self {
        let organization = state.catalog.organization();
        let group_types = |project| state.snapshots.project(project).map(|view| view.group_types().to_vec()).unwrap_or_default();
        let team = scope::current(&state.catalog, user).map(|project| ProjectBody::of(&project, &group_types(project.id)));
        Self {
            id: user.id,
            uuid: user.uuid,
            distinct_id: user.uuid,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            date_joined: iso(user.created_at),
            is_email_verified: None,
            is_staff: false,
            has_password: user.has_password,
            is_2fa_enabled: false,
            anonymize_data: false,
            theme_mode: None,
            notification_settings: json!({}),
            hedgehog_config: None,
            role_at_organization: None,
            has_seen_product_intro_for: None,
            scopes,
            team,
            organization: organization.as_ref().map(|organization| OrganizationBody::of(state, organization, user)),
            organizations: organization.iter().map(|organization| OrganizationBasic::of(organization, user)).collect(),
        }
    }
}

fn me_of(state: &ApiState, caller: &Caller, user: &User) -> Json<UserBody> {
    Json(UserBody::of(state, user, caller.key().map(|key| key.scopes.clone())))
}

/// Who asks.
#[utoipa::path(get, path = "/api/users/@me/", tag = "users", responses((status = 200, body = UserBody)))]
pub(crate) async fn me(State(state): State<ApiState>, caller: Caller) -> Result<Json<UserBody>, ApiError> {
    caller.may("user")?;
    Ok(me_of(&state, &caller, &caller.user))
}

/// Changes who asks.
#[utoipa::path(patch, path = "/api/users/@me/", tag = "users", request_body = UserChange, responses((status = 200, body = UserBody)))]
pub(crate) async fn update_me(
    State(state): State<ApiState>,
    caller: Caller,
    Body(change): Body<UserChange>,
) -> Result<Json<UserBody>, ApiError> {
    caller.may("user")?;
    let current_project = change.set_current_team.map(ProjectId);
    let patch = UserPatch { first_name: change.first_name, last_name: change.last_name, email: change.email, current_project };
    let user = state.catalog.update_user(caller.user.id, patch).await?;
    Ok(me_of(&state, &caller, &user))
}

/// All users of the installation.
#[utoipa::path(get, path = "/api/users/", tag = "users", responses((status = 200, body = Page<UserBody>)))]
pub(crate) async fn list(State(state): State<ApiState>, caller: Caller, cursor: Cursor) -> Result<Json<Page<UserBody>>, ApiError> {
    caller.may("user")?;
    let users = state.catalog.users();
    Ok(Json(cursor.cut(users.iter().map(|user| UserBody::of(&state, user, None)))))
}
