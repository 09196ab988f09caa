//! The table of all routes. One line is one route, with and without its trailing slash.

use super::{Methods, Route, late_text};
use crate::admit::Admission;
use crate::handle;
use crate::v0::Dialect;

const LEGACY: Dialect = Dialect { legacy_base64: true, engage: false, admission: Admission::Any };
const ENGAGE: Dialect = Dialect { engage: true, ..LEGACY };
const CURRENT: Dialect = Dialect { legacy_base64: false, ..LEGACY };
const AI: Dialect = Dialect { admission: Admission::AiOnly, ..CURRENT };

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

/// Every route of the edge.
pub(super) const ROUTES: &[Route] = &[
    events!("/e", Events, LEGACY),
    events!("/capture", Events, LEGACY),
    events!("/track", Events, LEGACY),
    events!("/engage", Events, ENGAGE),
    events!("/i/v0/e", Events, CURRENT),
    events!("/batch", Events, CURRENT),
    events!("/i/v0/ai/batch", PostEvents, AI),
];
