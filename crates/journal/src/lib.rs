//! The journal: where an accepted event becomes durable.
//!
//! In: records (one encoded `RawBatch` each) from `capture`. Out: the same records, in order, to `process`.
//! Durable when [`Journal::append`] returns (write-ahead log: synced to disk; Kafka: acknowledged by all in-sync replicas).
//!
//! # Invariants
//! - A partition is a total order. A position is never reused, not even after recovery.
//! - Nothing is dropped here. A full journal makes `append` fail with [`AppendError::Full`]; `capture` then answers 503.
//! - Only [`Journal::trim`] frees space, and only what the store has confirmed.
//! - A failed sync poisons the journal for good: what the kernel dropped cannot be known, so nothing is acknowledged after it.
//!
//! Read next: `wal/mod.rs` (the bytes), `wal/recovery.rs` (what a crash leaves), `conformance.rs`.

mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod disk;
mod error;
mod memory;
mod metrics;
mod wal;

pub use config::WalConfig;
pub use disk::{Disk, DiskFile, DiskLock, RealDisk, Space};
#[cfg(any(test, feature = "faulty"))]
pub use disk::{FaultyDisk, Misread, Op};
pub use error::{AppendError, OpenError, ReadError, TrimError};
pub use memory::MemoryJournal;
pub use wal::{JournalCheck, RepairError, Repaired, TrimHold, Turn, WalArgs, WalJournal, WalWriter, check, repair};

use aqueduct_event::{JournalPosition, PartitionId};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;

/// A future of a trait object's method.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How durable an acknowledged record is; sent to clients as `Aqueduct-Durability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced to this machine's disk.
    Fsync,
    /// Acknowledged by all in-sync replicas of a cluster.
    Replicated,
}

impl Durability {
    /// The header's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Replicated => "replicated",
        }
    }
}

/// Where a record was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The partition.
    pub partition: PartitionId,
    /// The record's own position.
    pub position: JournalPosition,
}

/// A record read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The record's own position; reading goes on at `position.next()`.
    pub position: JournalPosition,
    /// The bytes that were appended.
    pub payload: Bytes,
}

/// The durable log between `capture` and `process`.
///
/// ```text
///  append ──▶ [ group commit ] ──▶ durable ──▶ reader ──▶ … store confirms … ──▶ trim
/// ```
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// Appends one record of at most [`aqueduct_event::limits::RECORD_BYTES_MAX`] bytes.
    /// When this returns `Ok`, the record survives power loss. Records of one caller that waits keep their order.
    /// Dropping the future does not take the record back: it may or may not become durable.
    ///
    /// `key` says which records must keep their order among each other (token and distinct id); a journal with one partition ignores it.
    fn append(&self, key: u64, payload: Bytes) -> BoxFuture<'_, Result<Receipt, AppendError>>;

    /// What an `Ok` of `append` means.
    fn durability(&self) -> Durability;

    /// Partitions that this process reads.
    fn partitions(&self) -> Vec<PartitionId>;

    /// Reads a partition from a position on (the first record returned has `position >= from`).
    ///
    /// # Errors
    /// [`ReadError::Trimmed`] when records from `from` on were trimmed already; [`ReadError::Beyond`] when the next record would come before `from`;
    /// [`ReadError`] otherwise as named.
    fn reader(&self, partition: PartitionId, from: JournalPosition) -> Result<Box<dyn JournalReader>, ReadError>;

    /// Frees what lies before `upto`, in pieces of the journal's choosing. The caller says by this that the store has confirmed all of it.
    ///
    /// # Errors
    /// [`TrimError`] when files cannot be removed; nothing is lost by it.
    fn trim(&self, partition: PartitionId, upto: JournalPosition) -> Result<(), TrimError>;

    /// One past the last durable record: what lies before it can be read. A reader that has come here has read everything.
    /// The next record gets this position, or a higher one after a recovery that skipped some.
    fn end(&self, partition: PartitionId) -> JournalPosition;

    /// Bytes of all records that became durable since this journal was opened: with what became visible meanwhile it tells the backlog.
    /// 0 where they are not counted, because others append too.
    fn appended_bytes(&self) -> u64 {
        0
    }

    /// Why nothing is acknowledged any more, once a write or sync has failed. The process then has to stop: only a new start can know what was kept.
    fn poisoned(&self) -> Option<String> {
        None
    }

    /// Returns the cause when the journal becomes poisoned; waits for ever while it is sound.
    fn until_poisoned(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    /// Stops taking records, finishes those under way, syncs. `append` then fails with [`AppendError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A cursor over one partition.
pub trait JournalReader: Send + std::fmt::Debug {
    /// The next durable records in order: at least one, and about `bytes_max` bytes at most. Waits while there is none.
    /// Returns an empty list only when the journal was closed and everything has been read.
    fn next(&mut self, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>>;
}
