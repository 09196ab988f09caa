//! What can go wrong with a query, in the form that PostHog answers it.

use crate::hogql::SyntaxError;
use aqueduct_store::ReadError;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use std::sync::Arc;
use thiserror::Error;

/// Why a query has no answer.
///
/// [`QueryError::status`], [`QueryError::kind`], [`QueryError::code`] and the text make the body
/// `{type, code, detail, attr}` that PostHog's clients read.
#[derive(Clone, Debug, Error)]
pub enum QueryError {
    /// The request is not one: a field is missing or has the wrong shape.
    #[error("{detail}")]
    Request {
        /// What is wrong, found and expected.
        detail: String,
        /// The field of the request.
        attr: Option<&'static str>,
    },
    /// The query cannot be read.
    #[error("{0}")]
    Syntax(String),
    /// The query names what does not exist, or combines what cannot be combined.
    #[error("{0}")]
    Resolve(String),
    /// The query is clear but asks for what is not offered here.
    #[error("{0}")]
    Unsupported(String),
    /// A value made the computation impossible (division of types, bad cast, …).
    #[error("{0}")]
    Evaluation(String),
    /// It took longer than it may.
    #[error("query has hit the max execution time of {seconds} seconds")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// It needed more memory than it may take.
    #[error("query needs more memory than it may use: {0}")]
    Memory(String),
    /// It found no place to run in time.
    #[error(
        "too many queries of this project at the same time: {running} run and {waiting} wait; try again in {retry_seconds} seconds, or ask for less at once"
    )]
    Busy {
        /// Queries of the project that run.
        running: usize,
        /// Queries of the project that wait.
        waiting: usize,
        /// When to try again.
        retry_seconds: u64,
    },
    /// Somebody cancelled it.
    #[error("query was cancelled")]
    Cancelled,
    /// The store could not be read. Not the user's fault.
    #[error("the store could not be read: {0}")]
    Read(#[source] Arc<ReadError>),
    /// A fault of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl QueryError {
    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            QueryError::Timeout { .. } => 504,
            QueryError::Memory(_) => 503,
            QueryError::Busy { .. } => 429,
            QueryError::Cancelled => 499,
            QueryError::Read(_) | QueryError::Internal(_) => 500,
            _ => 400,
        }
    }

    /// PostHog's `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.status() {
            429 => "throttled_error",
            status if status < 500 => "validation_error",
            _ => "server_error",
        }
    }

    /// PostHog's `code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            QueryError::Request { .. } => "invalid_input",
            QueryError::Syntax(_) => "syntax_error",
            QueryError::Resolve(_) | QueryError::Unsupported(_) | QueryError::Evaluation(_) => "hogql_error",
            QueryError::Timeout { .. } => "query_timeout",
            QueryError::Memory(_) => "memory_limit_exceeded",
            QueryError::Busy { .. } => "throttled",
            QueryError::Cancelled => "query_cancelled",
            QueryError::Read(_) | QueryError::Internal(_) => "error",
        }
    }

    /// PostHog's `detail`. Internal faults are not told to the user; they are in the log.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            QueryError::Read(_) | QueryError::Internal(_) => "A server error occurred.".to_owned(),
            other => other.to_string(),
        }
    }

    /// PostHog's `attr`.
    #[must_use]
    pub fn attr(&self) -> Option<&'static str> {
        match self {
            QueryError::Request { attr, .. } => *attr,
            _ => None,
        }
    }

    /// After how many seconds the same query may succeed, where that is known.
    #[must_use]
    pub fn retry_seconds(&self) -> Option<u64> {
        match self {
            QueryError::Busy { retry_seconds, .. } => Some(*retry_seconds),
            _ => None,
        }
    }

    /// Whether the user can mend it.
    #[must_use]
    pub fn is_user_error(&self) -> bool {
        self.status() < 500
    }

    pub(crate) fn resolve(text: impl Into<String>) -> Self {
        QueryError::Resolve(text.into())
    }

    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        QueryError::Unsupported(text.into())
    }

    /// Carries the error through DataFusion; [`From<DataFusionError>`] takes it out again.
    pub(crate) fn into_datafusion(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

impl From<ReadError> for QueryError {
    fn from(error: ReadError) -> Self {
        QueryError::Read(Arc::new(error))
    }
}

impl From<SyntaxError> for QueryError {
    fn from(error: SyntaxError) -> Self {
        QueryError::Syntax(error.to_string())
    }
}

/// How the engine below says that the disk space for spilling is used up; it has no kind of its own for it.
const SPILL_FULL: &str = "used disk space during the spilling process";

/// What nobody foresaw, but for the one limit that is told by its words.
fn unforeseen(text: String) -> QueryError {
    if text.contains(SPILL_FULL) {
        QueryError::Memory("what it spilled is more than may be spilled".to_owned())
    } else {
        QueryError::Internal(text)
    }
}

/// An error in a box: ours, one of the engine below, or a stranger's.
fn unboxed(inner: Box<dyn std::error::Error + Send + Sync>) -> QueryError {
    match inner.downcast::<QueryError>() {
        Ok(ours) => *ours,
        Err(other) => match other.downcast::<DataFusionError>() {
            Ok(theirs) => (*theirs).into(),
            Err(other) => unforeseen(other.to_string()),
        },
    }
}

impl From<ArrowError> for QueryError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => unboxed(inner),
            ArrowError::DivideByZero => QueryError::Evaluation("Division by zero".to_owned()),
            ArrowError::CastError(text) | ArrowError::ParseError(text) | ArrowError::ComputeError(text) => QueryError::Evaluation(text),
            ArrowError::ArithmeticOverflow(text) => QueryError::Evaluation(text),
            other => unforeseen(other.to_string()),
        }
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => unboxed(inner),
            DataFusionError::ArrowError(inner, _) => (*inner).into(),
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => (*inner).into(),
            DataFusionError::Shared(inner) => shared(&inner),
            DataFusionError::ResourcesExhausted(text) => QueryError::Memory(text),
            DataFusionError::Plan(text) => QueryError::Resolve(text),
            DataFusionError::Execution(text) => QueryError::Evaluation(text),
            DataFusionError::NotImplemented(text) => QueryError::Unsupported(text),
            DataFusionError::SchemaError(error, _) => QueryError::Resolve(error.to_string()),
            other => unforeseen(other.to_string()),
        }
    }
}

/// An error that several streams hold together cannot be moved out, so its root is looked at.
fn shared(error: &DataFusionError) -> QueryError {
    match error.find_root() {
        DataFusionError::External(inner) => match inner.downcast_ref::<QueryError>() {
            Some(ours) => ours.clone(),
            None => unforeseen(inner.to_string()),
        },
        DataFusionError::ResourcesExhausted(text) => QueryError::Memory(text.clone()),
        DataFusionError::Execution(text) | DataFusionError::Plan(text) => QueryError::Evaluation(text.clone()),
        DataFusionError::ArrowError(inner, _) => match &**inner {
            ArrowError::IoError(text, _) => unforeseen(text.clone()),
            other => QueryError::Evaluation(other.to_string()),
        },
        other => unforeseen(other.to_string()),
    }
}
