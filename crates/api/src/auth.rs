//! Who asks: a program with a personal API key, or a person with a session.
//!
//! The key comes as `Authorization: Bearer phx_…`, or as `personal_api_key` in the query string or in a JSON body; the session as a cookie.
//! A browser sends the cookie with requests of any page, so a session may change something only when the request shows that a page of
//! this server made it.

use crate::body::read;
use crate::error::ApiError;
use crate::state::ApiState;
use aqueduct_catalog::{CatalogError, Level, PersonalApiKey, User};
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, header};
use std::sync::Arc;

/// Name of the session's cookie.
pub(crate) const COOKIE: &str = "aqueduct_session";

/// Who asks, and what they may.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: Arc<User>,
    /// `None` for a session, which may do everything.
    key: Option<Arc<PersonalApiKey>>,
    /// Whether the request changes something.
    writes: bool,
}

impl Caller {
    /// Passes when the caller may do with `object` what the request's method does.
    pub(crate) fn may(&self, object: &'static str) -> Result<(), ApiError> {
        self.require(object, if self.writes { "write" } else { "read" })
    }

    /// Passes when the caller may read `object`, whatever the method.
    pub(crate) fn may_read(&self, object: &'static str) -> Result<(), ApiError> {
        self.require(object, "read")
    }

    /// Passes when the caller may change `object`, whatever the method.
    pub(crate) fn may_write(&self, object: &'static str) -> Result<(), ApiError> {
        self.require(object, "write")
    }

    fn require(&self, object: &'static str, action: &'static str) -> Result<(), ApiError> {
        let allowed = self.key.as_ref().is_none_or(|key| key.allows(object, action));
        if allowed { Ok(()) } else { Err(ApiError::MissingScope { object, action }) }
    }

    /// Passes when the caller has this level in the organization or a higher one.
    pub(crate) fn at_least(&self, level: Level) -> Result<(), ApiError> {
        let reason = "Your organization access level is insufficient.";
        if self.user.level >= level { Ok(()) } else { Err(CatalogError::Forbidden { reason }.into()) }
    }

    /// The key that the request came with.
    pub(crate) fn key(&self) -> Option<&Arc<PersonalApiKey>> {
        self.key.as_ref()
    }
}

/// A key found in a JSON body by [`key_from_body`].
#[derive(Clone, Debug)]
struct BodyKey(String);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    ApiState: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let catalog = ApiState::from_ref(state).catalog;
        let writes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if let Some((place, secret)) = key_of(parts) {
            let key = catalog.key_by_secret(&secret).ok_or(ApiError::UnknownKey { place })?;
            let user = catalog.user(key.user_id).ok_or(ApiError::UnknownKey { place })?;
            return Ok(Self { user, key: Some(key), writes });
        }
        let session = session_of(&parts.headers).and_then(|secret| catalog.user_by_session(secret));
        let user = session.ok_or(ApiError::NotAuthenticated)?;
        if writes && !is_own_page(&parts.headers) {
            return Err(ApiError::ForeignOrigin);
        }
        Ok(Self { user, key: None, writes })
    }
}

fn key_of(parts: &Parts) -> Option<(&'static str, String)> {
    if let Some(secret) = bearer(&parts.headers) {
        return Some(("Authorization header", secret.to_owned()));
    }
    if let Some(secret) = key_in_query(parts.uri.query()) {
        return Some(("query string", secret));
    }
    parts.extensions.get::<BodyKey>().map(|BodyKey(secret)| ("body", secret.clone()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

fn key_in_query(query: Option<&str>) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(name, _)| name == "personal_api_key").map(|(_, secret)| secret.into_owned())
}

/// The session's secret in the cookies.
pub(crate) fn session_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, secret)| secret)
}

/// Whether the request can only have been made by a page of this server: other sites can neither set this header without asking first
/// (and we never allow them to) nor forge the origin.
fn is_own_page(headers: &HeaderMap) -> bool {
    if headers.contains_key("x-requested-with") {
        return true;
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == text(header::HOST)
}

/// Looks for `personal_api_key` in a JSON body when the request brings no other credentials.
pub(crate) async fn key_from_body(State(_): State<ApiState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let known = bearer(&parts.headers).is_some() || session_of(&parts.headers).is_some() || key_in_query(parts.uri.query()).is_some();
    if reads || known {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let bytes = match read(body).await {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal.into_response(),
    };
    let key = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    if let Some(key) = key.as_ref().and_then(|body| body.get("personal_api_key")).and_then(serde_json::Value::as_str) {
        parts.extensions.insert(BodyKey(key.to_owned()));
    }
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn finds_bearer_and_cookie() {
        assert_eq!(bearer(&headers(&[("authorization", "bearer  phx_a ")])), Some("phx_a"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic phx_a")])), None);
        assert_eq!(session_of(&headers(&[("cookie", "a=b; aqueduct_session=s; c=d")])), Some("s"));
        assert_eq!(session_of(&headers(&[("cookie", "xaqueduct_session=s")])), None);
        assert_eq!(key_in_query(Some("a=1&personal_api_key=phx_%2B")), Some("phx_+".to_owned()));
    }

    #[test]
    fn knows_its_own_pages() {
        assert!(is_own_page(&headers(&[("x-requested-with", "aqueduct")])));
        assert!(is_own_page(&headers(&[("origin", "http://localhost:8000"), ("host", "localhost:8000")])));
        assert!(!is_own_page(&headers(&[("origin", "http://evil.example"), ("host", "localhost:8000")])));
        assert!(!is_own_page(&headers(&[("origin", "null"), ("host", "null")])));
        assert!(!is_own_page(&headers(&[("host", "localhost:8000")])));
    }
}
