//! Invites to the organization. Nothing is sent by mail: who invites passes `/api/signup/<id>/` on.
//!
//! The id is what lets somebody in, so it is shown to admins only, and none of them sees invites to a level above their own.

use crate::auth::Caller;
use crate::body::{Body, ListBody};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::routes::members::level_of;
use crate::routes::organizations::InOrganization;
use crate::routes::works::UserBasic;
use crate::state::ApiState;
use aqueduct_catalog::{Invite, Level, NewInvite};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Invites that one request may make: PostHog's limit.
const BULK_MAX: usize = 20;

/// An invite.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteBody {
    id: Uuid,
    /// For whom it is; empty for anybody.
    target_email: String,
    first_name: String,
    /// 1 member, 8 admin, 15 owner.
    level: u8,
    message: Option<String>,
    /// Nothing is sent by mail.
    emailing_attempt_made: bool,
    /// Three days after it was made.
    is_expired: bool,
    created_by: Option<UserBasic>,
    created_at: String,
    updated_at: String,
}

/// An invite to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct InviteInput {
    /// For whom it is; nothing for anybody who knows the link.
    target_email: Option<String>,
    first_name: Option<String>,
    /// 1 member, 8 admin, 15 owner. Default: 1.
    level: Option<i64>,
    message: Option<String>,
}

impl InviteBody {
    fn of(state: &ApiState, invite: Invite) -> Self {
        Self {
            id: invite.id,
            target_email: invite.target_email,
            first_name: invite.first_name,
            level: invite.level.number(),
            message: invite.message,
            emailing_attempt_made: false,
            is_expired: invite.is_expired,
            created_by: UserBasic::of(state, invite.created_by),
            created_at: iso(invite.created_at),
            updated_at: iso(invite.created_at),
        }
    }
}

impl InviteInput {
    async fn make(self, state: &ApiState, caller: &Caller) -> Result<InviteBody, ApiError> {
        let new = NewInvite {
            target_email: self.target_email.unwrap_or_default(),
            first_name: self.first_name.unwrap_or_default(),
            level: self.level.map_or(Ok(Level::Member), level_of)?,
            message: self.message,
        };
        Ok(InviteBody::of(state, state.catalog.create_invite(&caller.user, new).await?))
    }
}

fn admin(scope: &InOrganization) -> Result<&Caller, ApiError> {
    scope.caller.may("organization_member")?;
    scope.caller.at_least(Level::Admin)?;
    Ok(&scope.caller)
}

/// Invites that nobody took yet.
#[utoipa::path(get, path = "/api/organizations/{organization}/invites/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`"), PageParams), responses((status = 200, body = Page<InviteBody>)))]
pub(crate) async fn list(State(state): State<ApiState>, scope: InOrganization, cursor: Cursor) -> Result<Json<Page<InviteBody>>, ApiError> {
    let level = admin(&scope)?.user.level;
    let mut invites = state.catalog.invites().await?;
    invites.retain(|invite| invite.level <= level);
    Ok(Json(cursor.cut(invites.into_iter().map(|invite| InviteBody::of(&state, invite)))))
}

/// Makes an invite, in place of an older one to the same address.
#[utoipa::path(post, path = "/api/organizations/{organization}/invites/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`")), request_body = InviteInput,
    responses((status = 201, body = InviteBody)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    scope: InOrganization,
    Body(input): Body<InviteInput>,
) -> Result<(StatusCode, Json<InviteBody>), ApiError> {
    let caller = admin(&scope)?;
    Ok((StatusCode::CREATED, Json(input.make(&state, caller).await?)))
}

/// Makes up to twenty invites. Those before one that is refused are made.
#[utoipa::path(post, path = "/api/organizations/{organization}/invites/bulk/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`")), request_body = Vec<InviteInput>,
    responses((status = 201, body = Vec<InviteBody>)))]
pub(crate) async fn create_many(
    State(state): State<ApiState>,
    scope: InOrganization,
    ListBody(inputs): ListBody<InviteInput>,
) -> Result<(StatusCode, Json<Vec<InviteBody>>), ApiError> {
    let caller = admin(&scope)?;
    if inputs.len() > BULK_MAX {
        return Err(ApiError::field("", "max_length", "A maximum of 20 invites can be sent in a single request."));
    }
    let mut made = Vec::new();
    for input in inputs {
        made.push(input.make(&state, caller).await?);
    }
    Ok((StatusCode::CREATED, Json(made)))
}

/// Takes an invite back.
#[utoipa::path(delete, path = "/api/organizations/{organization}/invites/{id}/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`"), ("id" = Uuid, Path)), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    scope: InOrganization,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let level = admin(&scope)?.user.level;
    let id = id.parse().map_err(|_| ApiError::NotFound("Not found."))?;
    if state.catalog.invite(id).await?.level > level {
        return Err(ApiError::NotFound("Not found."));
    }
    state.catalog.delete_invite(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
