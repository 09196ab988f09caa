//! The first user, sign-in and sign-out.
//!
//! These routes take no caller. They take JSON only: a form on somebody else's page cannot send it without asking first.

use crate::auth::{COOKIE, session_of};
use crate::body::StrictBody;
use crate::error::ApiError;
use crate::routes::users::UserBody;
use crate::state::ApiState;
use aqueduct_catalog::User;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU32, Ordering};
use utoipa::ToSchema;

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
