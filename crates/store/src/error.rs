//! What can go wrong in the store.

use std::path::PathBuf;
use thiserror::Error;

/// Why the store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file system said no.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The directory was written by a newer program.
    #[error("{path} has store format {found}, this program reads format {expected}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// What is understood.
        expected: u32,
    },
    /// A file is missing or damaged.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another process has the store open.
    #[error("{path} is in use by another process; stop it, or give this one a directory of its own")]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

/// Why a commit, a flush or a compaction failed.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The file system said no.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The manifest could not be written.
    #[error("cannot commit the manifest: {what}")]
    Manifest {
        /// The database's answer.
        what: String,
    },
    /// What was read back for a compaction is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Fresh rows fill the memory that they may take, and none could be written out while the commit waited. The same commit may be tried again.
    #[error("fresh rows take {found} bytes of memory, at most {max} are allowed, and nothing was written out meanwhile")]
    Full {
        /// Bytes taken.
        found: usize,
        /// The ceiling.
        max: usize,
    },
}

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file system said no.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The bytes are not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The manifest could not be read.
    #[error("cannot read the manifest: {what}")]
    Manifest {
        /// The database's answer.
        what: String,
    },
}

impl ReadError {
    /// The error of a read that several readers waited for, for each of them.
    pub(crate) fn of_shared(error: &Self) -> Self {
        match error {
            Self::Io { path, source } => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                Self::Io { path: path.clone(), source }
            }
            Self::Damaged { path, what } => Self::Damaged { path: path.clone(), what: what.clone() },
            Self::Manifest { what } => Self::Manifest { what: what.clone() },
        }
    }
}
