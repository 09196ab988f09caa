//! The route table, and what every route has in common: methods, trailing slashes, the deadline, CORS, metrics.
//!
//! A route is one line of [`routes::ROUTES`]: path, methods, handler. It answers with and without a trailing slash.

mod routes;

use crate::cors::Cors;
use crate::error::CaptureError;
use crate::metrics;
use crate::remark;
use crate::reply;
use crate::state::CaptureState;
use crate::v1::V1Error;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::ALLOW;
use std::sync::Arc;

/// Answers a request of one route.
pub(crate) type Handler = fn(Arc<CaptureState>, &'static Route, Request) -> BoxFuture<'static, Response>;

/// One line of the table.
pub(crate) struct Route {
    /// Without a trailing slash; `{name}` takes one segment, `{*name}` the rest.
    pub(crate) path: &'static str,
    pub(crate) methods: Methods,
    pub(crate) handler: Handler,
    /// The answer when the deadline passes.
    pub(crate) late: fn() -> Response,
}

/// The methods of a route. `OPTIONS` is always answered, `HEAD` wherever `GET` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// `GET POST OPTIONS`, the event routes: `OPTIONS` answers as a success does.
    Events,
    /// `POST OPTIONS`, as above.
    PostEvents,
    /// `GET POST OPTIONS HEAD`: `OPTIONS` answers 204.
    GetPost,
    /// `GET OPTIONS HEAD`: `OPTIONS` answers 204.
    Get,
    /// `POST DELETE OPTIONS`: `OPTIONS` answers 204.
    PostDelete,
}

impl Methods {
    fn filter(self) -> MethodFilter {
        let filter = match self {
            Self::Events | Self::GetPost => MethodFilter::GET.or(MethodFilter::POST),
            Self::PostEvents => MethodFilter::POST,
            Self::Get => MethodFilter::GET,
            Self::PostDelete => MethodFilter::POST.or(MethodFilter::DELETE),
        };
        filter.or(MethodFilter::OPTIONS)
    }

    fn take_events(self) -> bool {
        matches!(self, Self::Events | Self::PostEvents)
    }

    fn listed(self) -> &'static str {
        match self {
            Self::Events => "GET, POST, OPTIONS",
            Self::PostEvents => "POST, OPTIONS",
            Self::GetPost => "GET, POST, OPTIONS, HEAD",
            Self::Get => "GET, OPTIONS, HEAD",
            Self::PostDelete => "POST, DELETE, OPTIONS",
        }
    }

    fn preflight(self) -> Response {
        if matches!(self, Self::Events | Self::PostEvents) {
            return reply::ok();
        }
        let mut response = reply::empty(StatusCode::NO_CONTENT);
        response.headers_mut().insert(ALLOW, http::HeaderValue::from_static(self.listed()));
        response
    }
}

/// Everything of the edge: event routes, documents for SDKs, browser bundles. Has no fallback, so that it can be merged with other routers.
pub fn router(state: CaptureState) -> Router {
    metrics::describe();
    let state = Arc::new(state);
    let mut router = Router::new();
    for route in routes::ROUTES {
        let state = Arc::clone(&state);
        let service = on(route.methods.filter(), move |request: Request| serve(Arc::clone(&state), route, request));
        router = router.route(route.path, service.clone());
        if !route.path.ends_with('}') {
            router = router.route(&format!("{}/", route.path), service);
        }
    }
    // Bodies are capped by `body`, which knows the caps of the routes.
    router.layer(axum::extract::DefaultBodyLimit::disable())
}

async fn serve(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    let cors = Cors::of(request.method(), request.headers());
    let mut response = if request.method() == http::Method::OPTIONS {
        route.methods.preflight()
    } else {
        let deadline = state.config.request_timeout();
        let late_state = Arc::clone(&state);
        let answered = tokio::time::timeout(deadline, (route.handler)(state, route, request)).await;
        answered.unwrap_or_else(|_| {
            metrics::refused(route.path, CaptureError::Timeout.reason());
            if route.methods.take_events() {
                remark::account(&late_state, CaptureError::Timeout.refusal(), Some(&remark::Lost::default()));
            }
            remark::late(&late_state, route.path, CaptureError::Timeout.to_string());
            (route.late)()
        })
    };
    cors.apply(response.headers_mut(), route.methods.listed());
    metrics::answered(route.path, response.status());
    response
}

/// The deadline's answer in plain text.
pub(crate) fn late_text() -> Response {
    reply::refusal(&CaptureError::Timeout)
}

/// The deadline's answer in the form of protocol v1.
pub(crate) fn late_v1() -> Response {
    V1Error::Late.response()
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("path", &self.path).field("methods", &self.methods).finish_non_exhaustive()
    }
}
