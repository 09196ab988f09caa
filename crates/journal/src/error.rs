//! What can go wrong in the journal.

use aqueduct_event::{JournalPosition, PartitionId};
use std::path::PathBuf;
use thiserror::Error;

/// Why a record was not made durable. The record was not acknowledged and the caller may send it again.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// No room: the high-water mark is reached. Try again when the store has caught up.
    #[error("journal is full: {used_bytes} of {limit_bytes} bytes used, {free_bytes} bytes free on the disk, {reserve_bytes} kept free")]
    Full {
        /// Bytes that the journal holds.
        used_bytes: u64,
        /// The configured limit.
        limit_bytes: u64,
        /// Bytes left on the file system.
        free_bytes: u64,
        /// Bytes that appends leave free there.
        reserve_bytes: u64,
    },
    /// A sync or write failed before; the journal acknowledges nothing any more and the process must restart.
    #[error("journal is poisoned by an earlier failure: {cause}")]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// The journal is stopping.
    #[error("journal is closed")]
    Closed,
    /// The record is larger than a record may be.
    #[error("record of {found} bytes is larger than {limit} bytes")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why a journal could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file system said no.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried, for instance "cannot create".
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Another process has this directory.
    #[error("{path} is in use by another process")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A file is of a newer version, or no journal file.
    #[error("{path} has journal format {found}, this program reads format {expected}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// What is understood.
        expected: u32,
    },
    /// The journal ends before what the store has confirmed: it was lost, or is of another time than the store.
    #[error(
        "the journal in {path} ends at position {end}, yet the store has confirmed all before {confirmed}: records between and after may be lost"
    )]
    Behind {
        /// The directory.
        path: PathBuf,
        /// One past its last record.
        end: JournalPosition,
        /// What the store has confirmed.
        confirmed: JournalPosition,
    },
    /// Bytes before the end of the journal are damaged; nothing is skipped in silence.
    #[error("{path} is damaged from byte {from} to byte {to}: {what}; {positions}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// First damaged byte.
        from: u64,
        /// One past the last damaged byte, as far as can be told.
        to: u64,
        /// What is wrong, found and expected.
        what: String,
        /// Which positions are affected, in words.
        positions: String,
    },
}

/// Why records could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// They were trimmed.
    #[error("position {wanted} was trimmed, the journal begins at {first}")]
    Trimmed {
        /// What was asked for.
        wanted: JournalPosition,
        /// What is there.
        first: JournalPosition,
    },
    /// No record has this position yet, and the next one will have a lower one: the reader belongs to another journal, or this one lost its directory.
    #[error("position {wanted} lies beyond the journal, whose next position is {next}")]
    Beyond {
        /// What was asked for.
        wanted: JournalPosition,
        /// What the next record gets.
        next: JournalPosition,
    },
    /// This journal has no such partition.
    #[error("journal has no partition {}", wanted.0)]
    UnknownPartition {
        /// What was asked for.
        wanted: PartitionId,
    },
    /// The file system said no.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A frame is damaged.
    #[error("{path} is damaged from byte {from} to byte {to}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// First damaged byte.
        from: u64,
        /// One past the last damaged byte, as far as can be told.
        to: u64,
        /// What is wrong, found and expected.
        what: String,
    },
}

/// Why space could not be freed.
#[derive(Debug, Error)]
#[error("cannot remove {path}: {source}")]
pub struct TrimError {
    /// The file.
    pub path: PathBuf,
    /// The system's answer.
    pub source: std::io::Error,
}
