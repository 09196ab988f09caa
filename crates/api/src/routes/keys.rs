//! Personal API keys of the user who asks. A key's value is answered once, when it is made.

use crate::auth::Caller;
use crate::body::Body;
use crate::error::ApiError;
use crate::routes::iso;
use crate::state::ApiState;
use aqueduct_catalog::{KeyPatch, NewKey, PersonalApiKey};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const NO_KEY: ApiError = ApiError::NotFound("Not found.");
const SCOPE: &str = "personal_api_key";

/// A personal API key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyBody {
    id: String,
    user_id: i64,
    label: String,
    /// The secret, only in the answer that makes the key.
    value: Option<String>,
    /// Beginning and end of the secret.
    mask_value: String,
    /// `*` or `<object>:read|write`.
    scopes: Vec<String>,
    /// Empty: every project.
    scoped_teams: Vec<u32>,
    /// Empty: every organization.
    scoped_organizations: Vec<String>,
    created_at: String,
    last_used_at: Option<String>,
    last_rolled_at: Option<String>,
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct KeyCreate {
    /// 1 to 40 characters.
    label: String,
    /// `*` or `<object>:read|write`.
    scopes: Vec<String>,
}

/// Fields of a key that can be set.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct KeyChange {
    label: Option<String>,
    scopes: Option<Vec<String>>,
}

impl KeyBody {
    fn of(key: &PersonalApiKey, value: Option<String>) -> Self {
        Self {
            id: key.id.clone(),
            user_id: key.user_id,
            label: key.label.clone(),
            value,
            mask_value: key.mask.clone(),
            scopes: key.scopes.clone(),
            scoped_teams: Vec::new(),
            scoped_organizations: Vec::new(),
            created_at: iso(key.created_at),
            last_used_at: key.last_used_at.map(iso),
            last_rolled_at: None,
        }
    }
}

/// The keys, oldest first. (PostHog answers a plain list here.)
#[utoipa::path(get, path = "/api/personal_api_keys/", tag = "personal_api_keys", responses((status = 200, body = Vec<KeyBody>)))]
pub(crate) async fn list(State(state): State<ApiState>, caller: Caller) -> Result<Json<Vec<KeyBody>>, ApiError> {
    caller.may(SCOPE)?;
    Ok(Json(state.catalog.keys_of(caller.user.id).iter().map(|key| KeyBody::of(key, None)).collect()))
}

/// Makes a key; the only answer that holds its value.
#[utoipa::path(post, path = "/api/personal_api_keys/", tag = "personal_api_keys", request_body = KeyCreate, responses((status = 201, body = KeyBody)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(new): Body<KeyCreate>,
) -> Result<(StatusCode, Json<KeyBody>), ApiError> {
    caller.may(SCOPE)?;
    // A key must not make one that may do more than itself.
    if let Some(own) = caller.key() {
        let beyond = new.scopes.iter().find(|scope| !covers(own, scope));
        if let Some(scope) = beyond {
            return Err(ApiError::field("scopes", "invalid_input", format!("This key may not give away the scope {scope:?}.")));
        }
    }
    let (key, secret) = state.catalog.create_key(caller.user.id, NewKey { label: new.label, scopes: new.scopes }).await?;
    Ok((StatusCode::CREATED, Json(KeyBody::of(&key, Some(secret)))))
}

fn covers(own: &PersonalApiKey, scope: &str) -> bool {
    match scope.split_once(':') {
        None => own.scopes.iter().any(|mine| mine == "*"),
        Some((object, action)) => own.allows(object, action),
    }
}

/// One key; `@current` is the one that asks.
#[utoipa::path(get, path = "/api/personal_api_keys/{id}/", tag = "personal_api_keys", params(("id" = String, Path)), responses((status = 200, body = KeyBody)))]
pub(crate) async fn get(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> Result<Json<KeyBody>, ApiError> {
    if id == "@current" {
        return caller.key().map(|key| Json(KeyBody::of(key, None))).ok_or(NO_KEY);
    }
    caller.may(SCOPE)?;
    let keys = state.catalog.keys_of(caller.user.id);
    keys.iter().find(|key| key.id == id).map(|key| Json(KeyBody::of(key, None))).ok_or(NO_KEY)
}

/// Changes a key.
#[utoipa::path(patch, path = "/api/personal_api_keys/{id}/", tag = "personal_api_keys", params(("id" = String, Path)),
    request_body = KeyChange, responses((status = 200, body = KeyBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(change): Body<KeyChange>,
) -> Result<Json<KeyBody>, ApiError> {
    caller.may(SCOPE)?;
    if let (Some(own), Some(scopes)) = (caller.key(), &change.scopes)
        && !scopes.iter().all(|scope| covers(own, scope))
    {
        return Err(ApiError::field("scopes", "invalid_input", "This key may not give away scopes that it has not itself."));
    }
    let key = state.catalog.update_key(caller.user.id, &id, KeyPatch { label: change.label, scopes: change.scopes }).await?;
    Ok(Json(KeyBody::of(&key, None)))
}

/// Removes a key; it stops working at once.
#[utoipa::path(delete, path = "/api/personal_api_keys/{id}/", tag = "personal_api_keys", params(("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    caller.may(SCOPE)?;
    state.catalog.delete_key(caller.user.id, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
