//! What can go wrong in processing. A bad event is none of these: it is counted, logged and passed over.

use thiserror::Error;

/// Why records could not be turned into a commit. Nothing has happened; the same records may be tried again.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The state of persons and groups could not be read.
    #[error("cannot look up the state that records need: {0}")]
    State(#[from] aqueduct_store::ReadError),
    /// There was nothing to apply, so there is no position to commit.
    #[error("found no records, expected at least one")]
    NoRecords,
}

/// Why a step failed.
#[derive(Debug, Error)]
pub enum StepError {
    /// The records could not be turned into a commit. The next step tries the same ones again.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The store did not take the commit. The next step makes it again from the same records.
    #[error("the store did not take a commit: {0}")]
    Commit(#[from] aqueduct_store::CommitError),
    /// The journal could not be read; trying again does not help.
    #[error("cannot read the journal: {0}")]
    Journal(#[from] aqueduct_journal::ReadError),
    /// The thread could not be set up.
    #[error("cannot set up the processing thread: {0}")]
    Thread(std::io::Error),
}
