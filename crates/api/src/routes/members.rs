//! Members of the organization: all users, each with a level.

use crate::body::Body;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::routes::organizations::InOrganization;
use crate::routes::works::UserBasic;
use crate::state::ApiState;
use aqueduct_catalog::{Level, User};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// A user as a member of the organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberBody {
    id: Uuid,
    user: Option<UserBasic>,
    /// 1 member, 8 admin, 15 owner.
    level: u8,
    joined_at: String,
    updated_at: String,
    is_2fa_enabled: bool,
    has_social_auth: bool,
    last_login: Option<String>,
}

/// Fields of a member that can be set.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct MemberChange {
    /// 1 member, 8 admin, 15 owner.
    level: Option<i64>,
}

impl MemberBody {
    fn of(state: &ApiState, user: &User) -> Self {
        Self {
            id: user.uuid,
            user: UserBasic::of(state, Some(user.id)),
            level: user.level.number(),
            joined_at: iso(user.created_at),
            updated_at: iso(user.created_at),
            is_2fa_enabled: false,
            has_social_auth: false,
            last_login: None,
        }
    }
}

/// The level that a request names.
pub(super) fn level_of(number: i64) -> Result<Level, ApiError> {
    Level::from_number(number).ok_or_else(|| ApiError::field("level", "invalid_choice", format!("\"{number}\" is not a valid choice.")))
}

/// A member by uuid, or `@me`.
fn find(state: &ApiState, scope: &InOrganization, id: &str) -> Result<Arc<User>, ApiError> {
    if id == "@me" {
        return Ok(Arc::clone(&scope.caller.user));
    }
    let found = state.catalog.users().into_iter().find(|user| id.parse() == Ok(user.uuid));
    found.ok_or(ApiError::NotFound("Not found."))
}

/// Members of the organization.
#[utoipa::path(get, path = "/api/organizations/{organization}/members/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`"), PageParams), responses((status = 200, body = Page<MemberBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InOrganization { caller, .. }: InOrganization,
    cursor: Cursor,
) -> Result<Json<Page<MemberBody>>, ApiError> {
    caller.may("organization_member")?;
    Ok(Json(cursor.cut(state.catalog.users().iter().map(|user| MemberBody::of(&state, user)))))
}

/// One member.
#[utoipa::path(get, path = "/api/organizations/{organization}/members/{user}/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`"), ("user" = String, Path, description = "uuid of a user or `@me`")),
    responses((status = 200, body = MemberBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    scope: InOrganization,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<MemberBody>, ApiError> {
    scope.caller.may("organization_member")?;
    Ok(Json(MemberBody::of(&state, &*find(&state, &scope, &id)?)))
}

/// Gives a member another level. Takes an admin; nobody changes their own.
#[utoipa::path(patch, path = "/api/organizations/{organization}/members/{user}/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`"), ("user" = String, Path, description = "uuid of a user")),
    request_body = MemberChange, responses((status = 200, body = MemberBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    scope: InOrganization,
    Path((_, id)): Path<(String, String)>,
    Body(change): Body<MemberChange>,
) -> Result<Json<MemberBody>, ApiError> {
    scope.caller.may("organization_member")?;
    let found = find(&state, &scope, &id)?;
    let Some(level) = change.level.map(level_of).transpose()?.filter(|level| *level != found.level) else {
        return Ok(Json(MemberBody::of(&state, &found)));
    };
    let changed = state.catalog.set_level(&scope.caller.user, found.id, level).await?;
    Ok(Json(MemberBody::of(&state, &changed)))
}

/// Removes a member, who cannot sign in any more and whose keys stop working. Everybody may leave; removing others takes an admin. The last owner stays.
#[utoipa::path(delete, path = "/api/organizations/{organization}/members/{user}/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`"), ("user" = String, Path, description = "uuid of a user or `@me`")),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    scope: InOrganization,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    scope.caller.may("organization_member")?;
    let found = find(&state, &scope, &id)?;
    state.catalog.remove_member(&scope.caller.user, found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
