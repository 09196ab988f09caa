//! What senders are told: the answers of protocol v0 and the table from refusals to responses.

use crate::error::CaptureError;
use crate::gate::Busy;
use aqueduct_journal::Durability;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

/// Says what a success means: `fsync` or `replicated`.
const DURABILITY: HeaderName = HeaderName::from_static("aqueduct-durability");
/// After how many seconds it is worth trying again.
pub(crate) const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// 200 with JSON.
pub(crate) fn json(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A status with plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

/// 200 `{"status":"Ok"}`: all that SDKs look at.
pub(crate) fn ok() -> Response {
    json(r#"{"status":"Ok"}"#)
}

/// The success of an event route: how durable it is, and no body for a beacon.
pub(crate) fn accepted(durability: Durability, beacon: bool) -> Response {
    durable(if beacon { empty(StatusCode::NO_CONTENT) } else { ok() }, durability)
}

/// Marks a success with what it means.
pub(crate) fn durable(mut response: Response, durability: Durability) -> Response {
    response.headers_mut().insert(DURABILITY, HeaderValue::from_static(durability.as_str()));
    response
}

/// The answer to a refused request: plain text, as every SDK of protocol v0 expects.
pub(crate) fn refusal(error: &CaptureError) -> Response {
    let mut response = text(error.status(), error.to_string());
    match error {
        CaptureError::Overloaded(busy) => come_again(*busy, &mut response),
        CaptureError::NotDurable => drop(response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS)),
        _ => {}
    }
    response
}

/// Tells a sender when to come again.
pub(crate) fn come_again(busy: Busy, response: &mut Response) {
    response.headers_mut().insert(RETRY_AFTER, busy.retry_after.into());
    if busy.close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}
