//! What the edge tells the ledger.

use aqueduct_event::verdict::{DropReason, Refusal};
use aqueduct_event::{JournalPosition, PartitionId, UnixMicros};
use std::fmt;
use uuid::Uuid;

/// Events that the edge did not put into the journal, all of one request and for one reason.
#[derive(Clone, Debug)]
pub struct Refused<'a> {
    /// The token that they were sent with, as far as it could be read; empty when not.
    pub token: &'a str,
    /// When the request had arrived, or was given up.
    pub received_at: UnixMicros,
    /// Why.
    pub why: Why,
    /// What the sender was told, or why exactly; without the sender's data where that may be large.
    pub detail: &'a str,
    /// How many events; `None` when that cannot be known because the body was not read to its end.
    pub events: Option<u32>,
    /// The route, without a trailing slash.
    pub path: &'static str,
    /// Address of the client as text; empty when unknown.
    pub client_ip: &'a str,
    /// `User-Agent`; empty when absent.
    pub user_agent: &'a str,
    /// Some of the events, as far as they could be read: at most [`SAMPLE_MAX`].
    pub sample: &'a [RefusedEvent],
}

/// Events of one refusal that are named.
pub const SAMPLE_MAX: usize = 10;

/// The edge's two ways to keep an event out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its sender was told no.
    Refused(Refusal),
    /// Its sender was told yes.
    Dropped(DropReason),
}

/// One event that was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedEvent {
    /// Its id, when it had one.
    pub uuid: Option<Uuid>,
    /// Its name, cut; empty when it had none.
    pub event: Box<str>,
    /// Who did it, cut; empty when not said.
    pub distinct_id: Box<str>,
}

/// Takes note of what the edge decides. Called on the way of a request: an implementation takes a note and returns.
pub trait Edge: Send + Sync + fmt::Debug {
    /// Events were not accepted. Told once for each event of a request that is not in the journal.
    fn refused(&self, refused: &Refused<'_>);

    /// A sender was told that a record is durable.
    fn acknowledged(&self, partition: PartitionId, position: JournalPosition, events: u32);
}

/// Takes no note, for tests and tools that have no ledger.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unaccounted;

impl Edge for Unaccounted {
    fn refused(&self, _: &Refused<'_>) {}

    fn acknowledged(&self, _: PartitionId, _: JournalPosition, _: u32) {}
}
