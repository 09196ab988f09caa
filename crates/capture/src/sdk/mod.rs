//! The documents that SDKs fetch. No flags, surveys, experiments or tours exist yet, so the documents say so, in the forms that every SDK reads.
//!
//! # Invariants
//! - Nothing here touches the journal.
//! - A document is either complete for its readers or an error that they handle; none makes an SDK stop.

mod config;
mod flags;
mod lists;
mod statics;

pub(crate) use config::{array_js, config_js, config_json};
pub(crate) use flags::{decide, definitions, flags, payload};
pub(crate) use lists::{discard, early_access, surveys, tours, web_experiments};
pub(crate) use statics::static_file;

use crate::reply;
use axum::response::Response;
use http::StatusCode;

/// An error in the form of PostHog's REST API, which SDKs show by its `detail`.
fn api_error(status: StatusCode, kind: &str, code: &str, detail: &str) -> Response {
    let body = serde_json::json!({"type": kind, "code": code, "detail": detail, "attr": null});
    let mut response = reply::json(body.to_string());
    *response.status_mut() = status;
    response
}

/// A field of a query string.
fn query_field(query: Option<&str>, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
