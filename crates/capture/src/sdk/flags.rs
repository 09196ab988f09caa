//! Feature flags: there are none, told in each of the forms that SDKs of all ages ask for.

use super::{api_error, config, query_field};
use crate::decode::{Query, Wrapping, with_text};
use crate::error::CaptureError;
use crate::handle::arrive;
use crate::http::Route;
use crate::json::{Cursor, lenient};
use crate::reply;
use crate::request::Arrival;
use crate::state::{CaptureState, ProjectFacts};
use crate::{metrics, token, v1};
use axum::extract::Request;
use axum::response::Response;
use http::header::{AUTHORIZATION, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const DEFINITIONS: &str = r#"{"flags":[],"group_type_mapping":{},"cohorts":{}}"#;
/// Names the document above, which is always the same.
const DEFINITIONS_ETAG: HeaderValue = HeaderValue::from_static("\"no-flags\"");

/// `/flags`
pub(crate) async fn flags(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    let version = query_field(request.uri().query(), "v");
    let config = query_field(request.uri().query(), "config");
    let with_config = config.as_deref() == Some("true") || (version.is_none() && config.is_none());
    let base = || match version.as_deref() {
        Some("1") => json!({"errorsWhileComputingFlags": false, "featureFlags": {}, "featureFlagPayloads": {}}),
        _ => json!({"errorsWhileComputingFlags": false, "flags": {}}),
    };
    answer(&state, route, request, base, with_config).await
}

/// `/decide`
pub(crate) async fn decide(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    let version = query_field(request.uri().query(), "v").and_then(|version| version.parse().ok()).unwrap_or(1_u32);
    let base = || match version {
        0 | 1 => json!({"featureFlags": []}),
        2 => json!({"featureFlags": {}}),
        3 => json!({"featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": false}),
        _ => json!({"flags": {}, "errorsWhileComputingFlags": false}),
    };
    answer(&state, route, request, base, true).await
}

/// A document with no flags for a request that names a project; anything else is refused in text.
async fn answer(state: &CaptureState, route: &'static Route, request: Request, base: impl Fn() -> Value, with_config: bool) -> Response {
    let facts = if request.method() == Method::POST {
        let asked = async {
            let arrival = arrive(state, route, request, state.config.body_wire_bytes_max).await.map_err(|refused| refused.error)?;
            token_of(&arrival, state.config.body_decoded_bytes_max.min(state.config.body_wire_bytes_max))
        };
        match asked.await {
            Ok(token) => state.projects.project_by_token(&token).unwrap_or_default(),
            Err(error) => {
                metrics::refused(route.path, error.reason());
                return reply::refusal(&error);
            }
        }
    } else {
        ProjectFacts::default()
    };
    let mut document = base();
    document["requestId"] = Value::from(Uuid::from_u128(rand::random()).to_string());
    document["evaluatedAt"] = Value::from(state.clock.now().millis());
    if let (true, Value::Object(document), Value::Object(features)) = (with_config, &mut document, config::features(&facts)) {
        document.extend(features);
        document.insert("config".to_owned(), json!({"enable_collect_everything": true}));
        document.insert("toolbarParams".to_owned(), json!({}));
        document.insert("isAuthenticated".to_owned(), json!(false));
    }
    reply::json(document.to_string())
}

/// The token of a request for flags, which is packed as events are and may hold numbers that JSON does not have.
fn token_of(arrival: &Arrival, bytes_max: usize) -> Result<String, CaptureError> {
    let query = Query::read(arrival.parts.uri.query().unwrap_or_default());
    with_text(&arrival.body, &Wrapping::of(arrival, &query, true, bytes_max), |text| {
        let found = find_token(&lenient(text))?.ok_or(CaptureError::MissingToken)?;
        Ok(token::well_formed(&found)?.to_owned())
    })
}

fn find_token(text: &str) -> Result<Option<String>, CaptureError> {
    let mut cursor = Cursor::new(text);
    let mut found = None;
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        let value = cursor.value()?;
        if matches!(&*key, "token" | "$token" | "api_key") {
            found = value.text().map(|token| token.into_owned()).or(found);
        }
    }
    cursor.end()?;
    Ok(found)
}

/// `/flags/definitions` and its older name: what server SDKs evaluate by themselves.
pub(crate) async fn definitions(state: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    if let Err(denied) = may_read(&state, &request) {
        return denied.response();
    }
    let unchanged = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known == DEFINITIONS_ETAG);
    let mut response = if unchanged { reply::empty(StatusCode::NOT_MODIFIED) } else { reply::json(DEFINITIONS) };
    response.headers_mut().insert(ETAG, DEFINITIONS_ETAG);
    response
}

/// `/api/projects/@current/feature_flags/<key>/remote_config`: the payload of one flag.
pub(crate) async fn payload(state: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    match may_read(&state, &request) {
        Ok(()) => api_error(StatusCode::NOT_FOUND, "invalid_request", "not_found", "No feature flag has this key."),
        Err(denied) => denied.response(),
    }
}

/// Why definitions are not shown.
enum Denied {
    NoKey,
    WrongKey,
}

impl Denied {
    fn response(&self) -> Response {
        let (code, detail) = match self {
            Self::NoKey => ("not_authenticated", "Authentication credentials were not provided."),
            Self::WrongKey => ("authentication_failed", "The key in the Authorization header is not valid, or may not read feature flags."),
        };
        api_error(StatusCode::UNAUTHORIZED, "authentication_error", code, detail)
    }
}

fn may_read(state: &CaptureState, request: &Request) -> Result<(), Denied> {
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = authorization.and_then(v1::bearer).ok_or(Denied::NoKey)?;
    if state.projects.key_may_read_flags(secret) { Ok(()) } else { Err(Denied::WrongKey) }
}
