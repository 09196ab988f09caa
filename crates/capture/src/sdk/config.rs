//! Remote config: how a project wants its SDKs to behave. As JSON, as a script, and as a script with the browser bundle behind it.

use super::statics;
use crate::http::Route;
use crate::reply;
use crate::state::{CaptureState, ProjectFacts};
use axum::extract::Request;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const JAVASCRIPT: HeaderValue = HeaderValue::from_static("application/javascript");

/// `/array/<token>/config`
pub(crate) async fn config_json(state: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    match project(&state, &request) {
        Ok((token, facts)) => cached(reply::json(document(token, &facts).to_string())),
        Err(refusal) => refusal.response(),
    }
}

/// `/array/<token>/config.js`
pub(crate) async fn config_js(state: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    match project(&state, &request) {
        Ok((token, facts)) => script(assignment(token, &facts)),
        Err(refusal) => refusal.response(),
    }
}

/// `/array/<token>/array.js`
pub(crate) async fn array_js(state: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    let (token, facts) = match project(&state, &request) {
        Ok(found) => found,
        Err(refusal) => return refusal.response(),
    };
    match statics::text("array.js").await {
        Some(bundle) => script(format!("{}\n{bundle}", assignment(token, &facts))),
        None => statics::absent("array.js"),
    }
}

fn script(text: String) -> Response {
    let mut response = reply::json(text);
    response.headers_mut().insert(CONTENT_TYPE, JAVASCRIPT);
    cached(response)
}

fn cached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin, Referer"));
    response
}

/// Why a path names no project.
enum NoProject {
    Empty,
    Malformed,
    Unknown,
}

impl NoProject {
    fn response(&self) -> Response {
        let (status, text) = match self {
            Self::Empty => (StatusCode::UNAUTHORIZED, "the path holds no project token"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "a project token has letters, digits, _ and - only"),
            Self::Unknown => (StatusCode::NOT_FOUND, "no project has this token"),
        };
        reply::text(status, text)
    }
}

/// The token in the path and its project.
fn project<'r>(state: &CaptureState, request: &'r Request) -> Result<(&'r str, ProjectFacts), NoProject> {
    // INVARIANT: the routes of this module are `/array/{token}/…`.
    let token = request.uri().path().split('/').nth(2).unwrap_or_default();
    if token.is_empty() {
        return Err(NoProject::Empty);
    }
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Err(NoProject::Malformed);
    }
    let facts = state.projects.project_by_token(token).ok_or(NoProject::Unknown)?;
    Ok((token, facts))
}

/// Everything that the SDKs of all platforms look for.
fn document(token: &str, facts: &ProjectFacts) -> Value {
    let mut document = features(facts);
    document["token"] = Value::from(token);
    document
}

/// The part that does not name the project; `/flags` and `/decide` put it into their answers.
pub(super) fn features(facts: &ProjectFacts) -> Value {
    json!({
        "supportedCompression": ["gzip", "gzip-js"],
        // `true` although there are none: programs wait for the answer of `/flags` before they go on.
        "hasFeatureFlags": true,
        "captureDeadClicks": false,
        "capturePerformance": {"network_timing": false, "web_vitals": false, "web_vitals_allowed_metrics": null},
        "autocapture_opt_out": facts.autocapture_opt_out,
        "autocaptureExceptions": false,
        "analytics": {"endpoint": "/i/v0/e/"},
        "elementsChainAsString": true,
        "errorTracking": {"autocaptureExceptions": false, "suppressionRules": []},
        "logs": {"captureConsoleLogs": false},
        "sessionRecording": false,
        "heatmaps": false,
        "surveys": false,
        "productTours": false,
        "conversations": false,
        "defaultIdentifiedOnly": true,
        "siteApps": [],
    })
}

/// A script that puts the document where posthog-js looks for it first. The token was checked: it needs no escaping.
fn assignment(token: &str, facts: &ProjectFacts) -> String {
    let config = document(token, facts);
    format!(
        "(function() {{\n  window._POSTHOG_REMOTE_CONFIG = window._POSTHOG_REMOTE_CONFIG || {{}};\n  \
         window._POSTHOG_REMOTE_CONFIG['{token}'] = {{\n    config: {config},\n    siteApps: []\n  }};\n}})();"
    )
}
