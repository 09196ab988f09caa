//! The table of all routes. One line is one route, with and without its trailing slash.

use super::{Methods, Route, late_text, late_v1};
use crate::admit::Admission;
use crate::v0::Dialect;
use crate::{handle, sdk};

const LEGACY: Dialect = Dialect { legacy_base64: true, engage: false, admission: Admission::Any };
const ENGAGE: Dialect = Dialect { engage: true, ..LEGACY };
const CURRENT: Dialect = Dialect { legacy_base64: false, ..LEGACY };
const AI: Dialect = Dialect { admission: Admission::AiOnly, ..CURRENT };

/// A route of protocol v0.
macro_rules! events {
    ($path:literal, $methods:ident, $dialect:ident) => {
        Route {
            path: $path,
            methods: Methods::$methods,
            handler: |state, route, request| Box::pin(handle::events(state, route, request, $dialect)),
            late: late_text,
        }
    };
}

/// Any other route.
macro_rules! route {
    ($path:literal, $methods:ident, $handler:path) => {
        route!($path, $methods, $handler, late_text)
    };
    ($path:literal, $methods:ident, $handler:path, $late:ident) => {
        Route {
            path: $path,
            methods: Methods::$methods,
            handler: |state, route, request| Box::pin($handler(state, route, request)),
            late: $late,
        }
    };
}

/// Every route of the edge.
pub(super) const ROUTES: &[Route] = &[
    // events
    events!("/e", Events, LEGACY),
    events!("/capture", Events, LEGACY),
    events!("/track", Events, LEGACY),
    events!("/engage", Events, ENGAGE),
    events!("/i/v0/e", Events, CURRENT),
    events!("/batch", Events, CURRENT),
    events!("/i/v0/ai/batch", PostEvents, AI),
    route!("/i/v1/analytics/events", PostEvents, handle::events_v1, late_v1),
    // taken and not kept
    route!("/s", Events, handle::replay),
    route!("/i/v1/logs", PostEvents, sdk::discard),
    route!("/i/v1/metrics", PostEvents, sdk::discard),
    route!("/i/v1/traces", PostEvents, sdk::discard),
    route!("/api/push_subscriptions", PostDelete, sdk::discard),
    // feature flags
    route!("/flags", GetPost, sdk::flags),
    route!("/decide", GetPost, sdk::decide),
    route!("/flags/definitions", Get, sdk::definitions),
    route!("/api/feature_flag/local_evaluation", Get, sdk::definitions),
    route!("/api/projects/@current/feature_flags/{key}/remote_config", Get, sdk::payload),
    // remote config
    route!("/array/{token}/config", Get, sdk::config_json),
    route!("/array/{token}/config.js", Get, sdk::config_js),
    route!("/array/{token}/array.js", Get, sdk::array_js),
    // lists
    route!("/api/surveys", Get, sdk::surveys),
    route!("/api/early_access_features", Get, sdk::early_access),
    route!("/api/web_experiments", Get, sdk::web_experiments),
    route!("/api/product_tours", Get, sdk::tours),
    // browser bundles
    route!("/static/{file}", Get, sdk::static_file),
    route!("/static/{version}/{file}", Get, sdk::static_file),
];
