//! Why a trace or an audit has no answer.

use thiserror::Error;

/// What could not be read.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The store.
    #[error("the store could not be read: {0}")]
    Store(#[from] aqueduct_store::ReadError),
    /// The journal.
    #[error("the journal could not be read: {0}")]
    Journal(#[from] aqueduct_journal::ReadError),
    /// What the recorder keeps.
    #[error("receipts could not be read: {0}")]
    Receipts(#[from] std::io::Error),
    /// A column of the store has another type than its contract says.
    #[error("column {0} of the store has another type than its contract says")]
    Column(&'static str),
}
