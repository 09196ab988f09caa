//! What protocol v1 says when it refuses a whole request: a status, a tag that programs read, and words for people.

use crate::decode::Encoding;
use crate::error::{CaptureError, DecodeError};
use crate::gate::Busy;
use crate::reply;
use aqueduct_event::verdict::Refusal;
use axum::response::Response;
use http::header::{ACCEPT, ACCEPT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use thiserror::Error;

const ERROR_URI: &str = "https://posthog.com/docs/api/capture";

/// One refusal of a whole request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum V1Error {
    #[error("the Authorization header is missing")]
    MissingAuthorization,
    #[error("request is missing required headers: {}", .0.join(", "))]
    MissingHeaders(Vec<&'static str>),
    #[error("invalid header value: {name} must be {expected}")]
    InvalidHeader { name: &'static str, expected: &'static str },
    #[error("the project token is not valid: {0}")]
    InvalidToken(crate::token::TokenError),
    #[error("content type {found} is not application/json")]
    ContentType { found: String },
    #[error("content encoding {found} is none of {}", Encoding::LISTED)]
    ContentEncoding { found: String },
    #[error("failed to decode the body: {0}")]
    Decode(DecodeError),
    #[error("failed to parse the body: {0}")]
    Parse(String),
    #[error("request body is empty")]
    EmptyBody,
    #[error("request batch is empty")]
    EmptyBatch,
    #[error("invalid batch: created_at is not RFC 3339")]
    InvalidBatch,
    #[error("event {index} of the batch has no uuid")]
    MissingUuid { index: usize },
    #[error("event {index} of the batch has a uuid that is not one")]
    InvalidUuid { index: usize },
    #[error("event {index} of the batch has the uuid of an earlier one")]
    DuplicateUuid { index: usize },
    #[error("body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("client stopped sending data")]
    BodyStalled,
    #[error("the batch could not be made durable, please retry")]
    NotDurable,
    #[error("{0}")]
    Overloaded(Busy),
    #[error("the request took too long")]
    Late,
}

impl V1Error {
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Self::MissingAuthorization => "missing_authorization",
            Self::MissingHeaders(_) => "missing_required_headers",
            Self::InvalidHeader { .. } => "invalid_header_value",
            Self::InvalidToken(_) => "invalid_api_token",
            Self::ContentType { .. } => "unsupported_content_type",
            Self::ContentEncoding { .. } => "unsupported_encoding",
            Self::Decode(_) => "request_decoding_error",
            Self::Parse(_) => "request_parsing_error",
            Self::EmptyBody => "empty_body",
            Self::EmptyBatch => "empty_batch",
            Self::InvalidBatch => "invalid_batch",
            Self::MissingUuid { .. } => "missing_event_uuid",
            Self::InvalidUuid { .. } => "invalid_event_uuid",
            Self::DuplicateUuid { .. } => "duplicate_event_uuid",
            Self::TooLarge { .. } => "payload_too_large",
            Self::BodyStalled => "body_read_timeout",
            Self::NotDurable | Self::Overloaded(_) => "service_unavailable",
            Self::Late => "gateway_timeout",
        }
    }

    /// The verdict over the request.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::MissingAuthorization => Refusal::MissingToken,
            Self::MissingHeaders(_) => Refusal::MissingHeaders,
            Self::InvalidHeader { .. } => Refusal::InvalidHeader,
            Self::InvalidToken(_) => Refusal::InvalidToken,
            Self::ContentType { .. } => Refusal::UnsupportedContentType,
            Self::ContentEncoding { .. } => Refusal::UnsupportedEncoding,
            Self::Decode(_) => Refusal::Undecodable,
            Self::Parse(_) => Refusal::Unparsable,
            Self::EmptyBody => Refusal::EmptyPayload,
            Self::EmptyBatch => Refusal::EmptyBatch,
            Self::InvalidBatch => Refusal::InvalidBatch,
            Self::MissingUuid { .. } => Refusal::MissingUuid,
            Self::InvalidUuid { .. } => Refusal::InvalidUuid,
            Self::DuplicateUuid { .. } => Refusal::RepeatedUuid,
            Self::TooLarge { .. } => Refusal::BodyTooLarge,
            Self::BodyStalled => Refusal::BodyStalled,
            Self::NotDurable => Refusal::NotDurable,
            Self::Overloaded(_) => Refusal::Overloaded,
            Self::Late => Refusal::Timeout,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::MissingAuthorization | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::ContentType { .. } | Self::ContentEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
            Self::NotDurable | Self::Overloaded(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn response(&self) -> Response {
        let body = serde_json::json!({"error": self.tag(), "error_description": self.to_string(), "error_uri": ERROR_URI});
        let mut response = reply::json(body.to_string());
        *response.status_mut() = self.status();
        advertise(response.headers_mut());
        match self {
            Self::Overloaded(busy) => reply::come_again(*busy, &mut response),
            Self::BodyStalled | Self::NotDurable | Self::Late => {
                response.headers_mut().insert(RETRY_AFTER, reply::RETRY_AFTER_SECONDS);
            }
            _ => {}
        }
        response
    }
}

/// Tells the client what it may send.
pub(super) fn advertise(headers: &mut HeaderMap) {
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(Encoding::LISTED));
}

/// What goes wrong before the protocols part: reading and unpacking a body.
impl From<CaptureError> for V1Error {
    fn from(error: CaptureError) -> Self {
        match error {
            CaptureError::BodyTooLarge { limit } | CaptureError::DecodedTooLarge { limit } => Self::TooLarge { limit },
            CaptureError::Decode(error) => Self::Decode(error),
            CaptureError::BodyStalled => Self::BodyStalled,
            CaptureError::Timeout => Self::Late,
            CaptureError::NotDurable => Self::NotDurable,
            CaptureError::Overloaded(busy) => Self::Overloaded(busy),
            other => Self::Parse(other.to_string()),
        }
    }
}
