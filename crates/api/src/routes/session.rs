//! The first user, users who take an invite, sign-in and sign-out.
//!
//! These routes take no caller. They take JSON only: a form on somebody else's page cannot send it without asking first.

use crate::auth::{COOKIE, session_of};
use crate::body::StrictBody;
use crate::error::ApiError;
use crate::routes::users::UserBody;
use crate::state::ApiState;
use aqueduct_catalog::{NewUser, User};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU32, Ordering};
use utoipa::ToSchema;
use uuid::Uuid;

const NO_INVITE: ApiError = ApiError::NotFound("This invite is wrong, was taken, or expired.");

/// Passwords that are checked at the same time: each costs memory and tens of milliseconds of a core.
const CHECKS_MAX: u32 = 4;
static CHECKS: AtomicU32 = AtomicU32::new(0);

/// The first user.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SetUp {
    /// The token of the address that the server printed.
    token: String,
    email: String,
    /// At least 8 characters.
    password: String,
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignIn {
    email: String,
    password: String,
}

/// An empty object.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// A plain success.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Success {
    success: bool,
}

/// One check of a password under way.
struct Check;

impl Check {
    fn begin() -> Result<Self, ApiError> {
        if CHECKS.fetch_add(1, Ordering::SeqCst) >= CHECKS_MAX {
            CHECKS.fetch_sub(1, Ordering::SeqCst);
            return Err(ApiError::Throttled("Too many sign-ins at the same time. Try again in a moment."));
        }
        Ok(Self)
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        CHECKS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Makes the first user and signs them in. Works once, with the token that the server printed.
#[utoipa::path(post, path = "/api/setup/", tag = "session", request_body = SetUp, responses((status = 201, body = UserBody)))]
pub(crate) async fn set_up(
    State(state): State<ApiState>,
    headers: HeaderMap,
    StrictBody(new): StrictBody<SetUp>,
) -> Result<Response, ApiError> {
    let _check = Check::begin()?;
    let user = state.catalog.set_up_first_user(&new.token, &new.email, &new.password).await?;
    signed_in(&state, &headers, &user, StatusCode::CREATED).await
}

/// Who takes an invite.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignUp {
    /// May be left out where the invite says it.
    #[serde(default)]
    email: String,
    /// May be left out where the invite says it.
    #[serde(default)]
    first_name: String,
    /// At least 8 characters.
    password: String,
}

/// An invite, as the one who takes it sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invited {
    id: Uuid,
    /// For whom it is; empty for anybody.
    target_email: String,
    first_name: String,
    organization_name: String,
}

fn invite_of(id: &str) -> Result<Uuid, ApiError> {
    id.parse().map_err(|_| NO_INVITE)
}

/// Whom an invite is for.
#[utoipa::path(get, path = "/api/signup/{invite}/", tag = "session", params(("invite" = Uuid, Path)), security(()),
    responses((status = 200, body = Invited)))]
pub(crate) async fn invited(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Invited>, ApiError> {
    let invite = state.catalog.invite(invite_of(&id)?).await?;
    if invite.is_expired {
        return Err(NO_INVITE);
    }
    let organization_name = state.catalog.organization().map(|organization| organization.name.clone()).unwrap_or_default();
    Ok(Json(Invited { id: invite.id, target_email: invite.target_email, first_name: invite.first_name, organization_name }))
}

/// Takes an invite: makes the user and signs them in.
#[utoipa::path(post, path = "/api/signup/{invite}/", tag = "session", params(("invite" = Uuid, Path)), security(()), request_body = SignUp,
    responses((status = 201, body = UserBody)))]
pub(crate) async fn sign_up(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictBody(new): StrictBody<SignUp>,
) -> Result<Response, ApiError> {
    let id = invite_of(&id)?;
    // A password is hashed for those alone who know an invite.
    state.catalog.invite(id).await?;
    let _check = Check::begin()?;
    let new = NewUser { email: new.email, first_name: new.first_name, password: new.password };
    let user = state.catalog.accept_invite(id, &new).await?;
    signed_in(&state, &headers, &user, StatusCode::CREATED).await
}

/// Begins a session: the answer sets its cookie.
#[utoipa::path(post, path = "/api/login/", tag = "session", request_body = SignIn, responses((status = 200, body = UserBody)))]
pub(crate) async fn sign_in(
    State(state): State<ApiState>,
    headers: HeaderMap,
    StrictBody(who): StrictBody<SignIn>,
) -> Result<Response, ApiError> {
    let _check = Check::begin()?;
    let user = state.catalog.user_by_password(&who.email, &who.password).await.ok_or(ApiError::WrongPassword)?;
    signed_in(&state, &headers, &user, StatusCode::OK).await
}

/// Ends the session and removes its cookie.
#[utoipa::path(post, path = "/api/logout/", tag = "session", responses((status = 200, body = Success)))]
pub(crate) async fn sign_out(State(state): State<ApiState>, headers: HeaderMap, _: StrictBody<Nothing>) -> Result<Response, ApiError> {
    if let Some(secret) = session_of(&headers) {
        state.catalog.end_session(secret).await?;
    }
    let cookie = cookie(&headers, "", 0);
    Ok(([(header::SET_COOKIE, cookie)], Json(Success { success: true })).into_response())
}

async fn signed_in(state: &ApiState, headers: &HeaderMap, user: &User, status: StatusCode) -> Result<Response, ApiError> {
    let (secret, seconds) = state.catalog.begin_session(user.id).await?;
    let cookie = cookie(headers, &secret, seconds);
    Ok((status, [(header::SET_COOKIE, cookie)], Json(UserBody::of(state, user, None))).into_response())
}

fn cookie(headers: &HeaderMap, secret: &str, seconds: i64) -> HeaderValue {
    // Behind a proxy that speaks TLS the cookie must never travel in clear.
    let tls = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let secure = if tls { "; Secure" } else { "" };
    let text = format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
