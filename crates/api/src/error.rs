//! Errors as PostHog's clients read them: one table from what went wrong to status, type, code, detail and attr.

use aqueduct_catalog::CatalogError;
use aqueduct_query::QueryError;
use aqueduct_store::ReadError;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("Authentication credentials were not provided.")]
    NotAuthenticated,
    #[error("Personal API key found in request {place} is invalid.")]
    UnknownKey { place: &'static str },
    #[error("Invalid email or password.")]
    WrongPassword,
    #[error("API key missing required scope '{object}:{action}'")]
    MissingScope { object: &'static str, action: &'static str },
    #[error("Requests that change something need the header X-Requested-With or an Origin that is this server's.")]
    ForeignOrigin,
    #[error("{0}")]
    NotFound(&'static str),
    #[error("Method \"{0}\" not allowed.")]
    Method(http::Method),
    #[error("JSON parse error - {0}")]
    Parse(String),
    #[error("Unsupported media type, expected application/json.")]
    MediaType,
    #[error("The request body did not arrive in time.")]
    SlowBody,
    #[error("Request body is larger than {limit} bytes.")]
    TooLarge { limit: usize },
    #[error("{detail}")]
    Field { attr: Option<String>, code: &'static str, detail: String },
    #[error("{0}")]
    Throttled(&'static str),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("the store could not be read: {0}")]
    Store(#[from] ReadError),
    #[error(transparent)]
    Trace(#[from] aqueduct_trace::TraceError),
    #[error("the store could not be changed: {0}")]
    Commit(#[from] aqueduct_store::CommitError),
    #[error("notes for traces could not be erased: {0}")]
    Notes(std::io::Error),
    #[error(transparent)]
    Ledger(#[from] aqueduct_ledger::account::LedgerError),
    #[error("The journal does not take it now: {0}. Try again.")]
    NotDurable(String),
    #[error("a column of the store has another type than its contract says: {0}")]
    Column(&'static str),
    #[error("a handler died by a fault of the program")]
    Panic,
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// The body of every answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// `authentication_error`, `validation_error`, `invalid_request`, `throttled_error` or `server_error`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What went wrong, for programs.
    code: String,
    /// What went wrong, for people.
    detail: String,
    /// The field at fault.
    attr: Option<String>,
}

const SETUP_SECRET: &str =
    "The set-up token is wrong or of an earlier start. The server prints the address with the right one when it starts.";
const SERVER_ERROR: &str = "A server error occurred.";

impl ApiError {
    /// A field's value is wrong; without a name the whole body is.
    pub(crate) fn field(attr: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Field { attr: Some(attr).filter(|attr| !attr.is_empty()).map(str::to_owned), code, detail: detail.into() }
    }

    /// The table.
    fn reply(&self) -> (StatusCode, &'static str, &'static str, Option<String>) {
        use StatusCode as S;
        match self {
            Self::NotAuthenticated => (S::UNAUTHORIZED, "authentication_error", "not_authenticated", None),
            Self::UnknownKey { .. } => (S::UNAUTHORIZED, "authentication_error", "authentication_failed", None),
            Self::WrongPassword => (S::BAD_REQUEST, "validation_error", "invalid_credentials", None),
            Self::ForeignOrigin | Self::MissingScope { .. } => (S::FORBIDDEN, "authentication_error", "permission_denied", None),
            Self::NotFound(_) => (S::NOT_FOUND, "invalid_request", "not_found", None),
            Self::Method(_) => (S::METHOD_NOT_ALLOWED, "invalid_request", "method_not_allowed", None),
            Self::Parse(_) => (S::BAD_REQUEST, "invalid_request", "parse_error", None),
            Self::MediaType => (S::UNSUPPORTED_MEDIA_TYPE, "invalid_request", "unsupported_media_type", None),
            Self::SlowBody => (S::REQUEST_TIMEOUT, "invalid_request", "request_timeout", None),
            Self::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "invalid_request", "request_too_large", None),
            Self::Field { attr, code, .. } => (S::BAD_REQUEST, "validation_error", code, attr.clone()),
            Self::Throttled(_) => (S::TOO_MANY_REQUESTS, "throttled_error", "throttled", None),
            Self::Catalog(error) => catalog(error),
            Self::NotDurable(_) => (S::SERVICE_UNAVAILABLE, "server_error", "not_durable", None),
            Self::Store(_) | Self::Trace(_) | Self::Commit(_) | Self::Notes(_) | Self::Ledger(_) | Self::Column(_) | Self::Panic => {
                (S::INTERNAL_SERVER_ERROR, "server_error", "error", None)
            }
            Self::Query(error) => {
                let status = S::from_u16(error.status()).unwrap_or(S::INTERNAL_SERVER_ERROR);
                (status, error.kind(), error.code(), error.attr().map(str::to_owned))
            }
        }
    }

    fn detail(&self, status: StatusCode) -> String {
        match self {
            Self::Query(error) => error.detail(),
            // What broke inside is for the log; the caller can do nothing with it.
            _ if status == StatusCode::INTERNAL_SERVER_ERROR => SERVER_ERROR.to_owned(),
            Self::Catalog(CatalogError::Invalid { found, expected, .. }) => format!("Found {found}, expected {expected}."),
            Self::Catalog(CatalogError::Taken { value, .. }) => format!("{value:?} is taken."),
            Self::Catalog(CatalogError::NotFound { .. }) => "Not found.".to_owned(),
            Self::Catalog(CatalogError::WrongSetupSecret) => SETUP_SECRET.to_owned(),
            Self::Catalog(CatalogError::AlreadySetUp) => "The first user was made already. Sign in instead.".to_owned(),
            other => other.to_string(),
        }
    }
}

fn catalog(error: &CatalogError) -> (StatusCode, &'static str, &'static str, Option<String>) {
    use StatusCode as S;
    match error {
        CatalogError::Invalid { field, .. } => (S::BAD_REQUEST, "validation_error", "invalid_input", Some((*field).to_owned())),
        CatalogError::Taken { field, .. } => (S::BAD_REQUEST, "validation_error", "unique", Some((*field).to_owned())),
        CatalogError::NotFound { .. } => (S::NOT_FOUND, "invalid_request", "not_found", None),
        CatalogError::Forbidden { .. } | CatalogError::AlreadySetUp | CatalogError::WrongSetupSecret => {
            (S::FORBIDDEN, "authentication_error", "permission_denied", None)
        }
        CatalogError::Hash(_) | CatalogError::Row(_) | CatalogError::Database(_) => {
            (S::INTERNAL_SERVER_ERROR, "server_error", "error", None)
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, kind, code, attr) = self.reply();
        if status.is_server_error() {
            tracing::error!(failure = %self, "request failed");
        }
        let body = ErrorBody { kind, code: code.to_owned(), detail: self.detail(status), attr };
        let mut response = (status, Json(body)).into_response();
        if let Self::Query(error) = &self
            && let Some(seconds) = error.retry_seconds()
        {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"api\""));
        }
        response
    }
}
