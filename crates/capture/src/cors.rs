//! Cross-origin rules: every browser page may send. Credentials are allowed, so the origin and the headers are mirrored, never `*`.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

/// What the answer needs to know of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors {
    origin: Option<HeaderValue>,
    /// The headers that a preflight asks for; `None` when this is no preflight.
    preflight: Option<Option<HeaderValue>>,
}

impl Cors {
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let asked = || headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        Self { origin: headers.get(ORIGIN).cloned(), preflight: (method == Method::OPTIONS).then(asked) }
    }

    /// Adds the headers to an answer, whatever its status: a page that cannot read an error retries for ever.
    pub(crate) fn apply(self, headers: &mut HeaderMap, methods: &'static str) {
        headers.append(VARY, HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"));
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        let Some(asked) = self.preflight else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        if let Some(asked) = asked {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
    }
}
