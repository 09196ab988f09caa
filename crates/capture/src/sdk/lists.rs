//! Lists that SDKs fetch and that are empty, and things that SDKs send and that are not kept.

use super::{api_error, query_field};
use crate::handle::arrive;
use crate::http::Route;
use crate::remark::Refused;
use crate::state::CaptureState;
use crate::{metrics, reply, token};
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use std::sync::Arc;

/// `/api/surveys/?token=`
pub(crate) async fn surveys(_: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    list(&request, r#"{"surveys":[]}"#)
}

/// `/api/early_access_features/?token=&stage=`
pub(crate) async fn early_access(_: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    list(&request, r#"{"earlyAccessFeatures":[]}"#)
}

/// `/api/web_experiments/?token=`
pub(crate) async fn web_experiments(_: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    list(&request, r#"{"experiments":[]}"#)
}

/// `/api/product_tours/?token=`
pub(crate) async fn tours(_: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    list(&request, r#"{"product_tours":[]}"#)
}

/// The list, for a request whose query holds a well-formed token.
fn list(request: &Request, empty: &'static str) -> Response {
    let token = query_field(request.uri().query(), "token").unwrap_or_default();
    match token::well_formed(&token) {
        Ok(_) => reply::json(empty),
        Err(error) => {
            let detail = format!("Project API key invalid: {error}. It is in your project's settings.");
            api_error(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key", &detail)
        }
    }
}

/// Logs, metrics, traces, push registrations: read to the end and not kept. The empty object is OTLP's full success.
pub(crate) async fn discard(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    match arrive(&state, route, request, state.config.telemetry_wire_bytes_max).await {
        Ok(_) => reply::json("{}"),
        Err(Refused { error, .. }) => {
            metrics::refused(route.path, error.reason());
            reply::refusal(&error)
        }
    }
}
