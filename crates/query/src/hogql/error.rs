//! What is wrong with a text that is not HogQL.

use super::ast::Span;

/// A text that cannot be parsed, in plain words, with the place that is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What was found and what was expected.
    pub message: String,
    /// First byte of the place.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

impl SyntaxError {
    pub(crate) fn new(message: impl Into<String>, span: Span) -> Self {
        SyntaxError { message: message.into(), start: span.start as usize, end: span.end as usize }
    }
}
