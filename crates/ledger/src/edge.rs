//! What the edge tells the account.

use aqueduct_event::{JournalPosition, PartitionId, UnixMicros, Verdict};
use std::fmt;

/// What a request held that was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// So many events.
    Events(u32),
    /// Nobody knows: the body could not be read to its end.
    #[default]
    Unreadable,
    /// Nobody looked: it was refused by its head alone.
    Unread {
        /// Length of its body as announced; 0 when it was not.
        bytes: u64,
    },
}

/// Events that the edge did not put into the journal, all of one request and with one verdict.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The token that they were sent with, as far as it could be read; empty when not.
    pub token: &'a str,
    /// When the request had arrived, or was given up.
    pub received_at: UnixMicros,
    /// Refused or dropped, and why.
    pub verdict: Verdict,
    /// How many events, as far as that is known.
    pub content: Content,
}

/// Takes note of what the edge decides. Called on the way of a request: an implementation takes a note and returns.
pub trait Edge: Send + Sync + fmt::Debug {
    /// Events were not accepted. Told once for each event of a request that is not in the journal.
    fn refused(&self, refused: &Refused<'_>);

    /// A sender is about to be told that a record with so many events is durable.
    fn acknowledged(&self, partition: PartitionId, position: JournalPosition, events: u32);
}

/// Takes no note, for tests and tools that have no ledger.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unaccounted;

impl Edge for Unaccounted {
    fn refused(&self, _: &Refused<'_>) {}

    fn acknowledged(&self, _: PartitionId, _: JournalPosition, _: u32) {}
}
