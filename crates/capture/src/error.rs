//! Why a request of protocol v0 is refused, and what its sender is told. The texts are PostHog's where SDKs or people know them.

use crate::gate::Busy;
use crate::json::JsonError;
use crate::token::TokenError;
use aqueduct_event::verdict::Refusal;
use http::StatusCode;
use thiserror::Error;

/// One refusal. [`CaptureError::status`] and [`CaptureError::reason`] are the whole table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CaptureError {
    #[error("request missing data payload")]
    EmptyPayload,
    #[error("failed to decode request: {0}")]
    Decode(#[from] DecodeError),
    #[error("failed to parse request: {0}")]
    Parse(#[from] ParseError),
    #[error("failed to hydrate events from request: non-engage request missing event name attribute")]
    MissingEvent,
    #[error("request holds no event")]
    EmptyBatch,
    #[error("event submitted with an empty event name")]
    EmptyEventName,
    #[error("event submitted without a distinct_id")]
    MissingDistinctId,
    #[error("event submitted with invalid cookieless mode")]
    InvalidCookielessMode,
    #[error("event {event} is not an AI event")]
    NotAi { event: String },
    #[error("event submitted without an api_key")]
    MissingToken,
    #[error("batch submitted with inconsistent api_key values")]
    InconsistentTokens,
    #[error("API key is not valid: {0}")]
    InvalidToken(#[from] TokenError),
    #[error("client stopped sending data")]
    BodyStalled,
    #[error("maximum event size exceeded: request body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("maximum event size exceeded: request body is larger than {limit} bytes after decompression")]
    DecodedTooLarge { limit: usize },
    #[error("maximum event size exceeded: an event has {found} bytes, at most {limit} are taken")]
    EventTooLarge { found: usize, limit: usize },
    #[error("transient error, please retry")]
    NotDurable,
    #[error("{0}")]
    Overloaded(Busy),
    #[error("Request timeout")]
    Timeout,
}

/// Why bytes are not the text that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    #[error("expected form data in POST request payload")]
    NotForm,
    #[error("invalid GZIP data")]
    Gzip,
    #[error("invalid lz64 data")]
    Lz64,
    #[error("invalid {0} data")]
    Encoding(&'static str),
    #[error("invalid UTF-8 at byte {at}")]
    Utf8 { at: usize },
    #[error("the body broke off")]
    BrokenBody,
}

/// Why a text is not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ParseError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("expected an object or an array of objects at byte {at}")]
    Shape { at: usize },
    #[error("{field} at byte {at} must be {expected}")]
    Field { field: &'static str, expected: &'static str, at: usize },
    #[error("uuid at byte {at} is not a UUID")]
    Uuid { at: usize },
}

impl From<JsonError> for CaptureError {
    fn from(error: JsonError) -> Self {
        Self::Parse(error.into())
    }
}

impl CaptureError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::EmptyPayload
            | Self::Decode(_)
            | Self::Parse(_)
            | Self::MissingEvent
            | Self::EmptyBatch
            | Self::EmptyEventName
            | Self::MissingDistinctId
            | Self::InvalidCookielessMode
            | Self::NotAi { .. } => StatusCode::BAD_REQUEST,
            Self::MissingToken | Self::InconsistentTokens | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } | Self::DecodedTooLarge { .. } | Self::EventTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotDurable | Self::Overloaded(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The verdict over the request.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::EmptyPayload => Refusal::EmptyPayload,
            Self::Decode(_) => Refusal::Undecodable,
            Self::Parse(_) => Refusal::Unparsable,
            Self::MissingEvent | Self::EmptyEventName => Refusal::MissingEventName,
            Self::EmptyBatch => Refusal::EmptyBatch,
            Self::MissingDistinctId => Refusal::MissingDistinctId,
            Self::InvalidCookielessMode => Refusal::InvalidCookielessMode,
            Self::NotAi { .. } => Refusal::NotAi,
            Self::MissingToken => Refusal::MissingToken,
            Self::InconsistentTokens => Refusal::InconsistentTokens,
            Self::InvalidToken(_) => Refusal::InvalidToken,
            Self::BodyStalled => Refusal::BodyStalled,
            Self::BodyTooLarge { .. } | Self::DecodedTooLarge { .. } => Refusal::BodyTooLarge,
            Self::EventTooLarge { .. } => Refusal::EventTooLarge,
            Self::NotDurable => Refusal::NotDurable,
            Self::Overloaded(_) => Refusal::Overloaded,
            Self::Timeout => Refusal::Timeout,
        }
    }

    /// The reason as a metric's label: bounded, without the sender's data.
    pub(crate) fn reason(&self) -> &'static str {
        self.refusal().code()
    }
}
