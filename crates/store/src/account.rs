//! What the store keeps of events besides their rows: counts of verdicts, the fates of events without a row, and dead letters.
//!
//! In: [`Commit::verdicts`](crate::Commit), `fates` and `dead_letters`, durable in the same transaction as the journal position, so that a replay counts nothing twice.
//! Out: [`Accounts`], for the ledger, for traces and for those who look after dead letters.
//!
//! # Invariants
//! - Of each commit the verdicts `visible` are the rows themselves, counted here.
//! - Counts of verdicts are never lost: minutes older than [`StoreConfig::verdict_minutes_days`](crate::StoreConfig) are added up to hours.
//! - A dead letter goes only when it was replayed, discarded or erased. When their room is full a new one is counted as `dead_lettered:no_room`, and that is said aloud.

mod letter;

pub use letter::{DeadLetter, LetterChange};

use crate::{CommitError, ReadError, Store};
use aqueduct_event::{JournalPosition, LetterId, Minute, PartitionId, ProjectId, TallyKey, UnixMicros, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use uuid::Uuid;

/// What became of one event that has no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The project; 0 for none.
    pub project: ProjectId,
    /// The event's id.
    pub uuid: Uuid,
    /// Its name.
    pub event: Box<str>,
    /// Who did it, as sent.
    pub distinct_id: Box<str>,
    /// When its request was received.
    pub received_at: UnixMicros,
    /// Its journal record.
    pub position: JournalPosition,
    /// Its place in the record.
    pub index: u32,
    /// What became of it.
    pub verdict: Verdict,
    /// What the verdict leaves open, for instance which rule of several; empty for nothing.
    pub detail: Box<str>,
}

/// Counts of verdicts at one moment, and the journal positions that they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountView {
    /// What is visible: every record before these positions is in the counts, and none after.
    pub visible: BTreeMap<PartitionId, JournalPosition>,
    /// What is durable.
    pub durable: BTreeMap<PartitionId, JournalPosition>,
    /// Counts of the minutes asked for, in their order. Minutes before `hours_before` stand for their hour.
    pub rows: Vec<(TallyKey, i64)>,
    /// Counts of all time by project and verdict.
    pub totals: BTreeMap<(ProjectId, Verdict), i64>,
    /// Counts of minutes before this one are kept by the hour, under its first minute.
    pub hours_before: Minute,
    /// Bytes of all dead letters.
    pub letter_bytes: u64,
}

/// Reads accounts and looks after dead letters.
pub trait Accounts: Store {
    /// The counts of a range of minutes (and of the hours that begin in it), with all totals.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    fn account(&self, minutes: RangeInclusive<Minute>) -> Result<AccountView, ReadError>;

    /// What became of the events with this id that have no row, the newest last; the oldest are forgotten ([`StoreConfig::fates_max`](crate::StoreConfig)).
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    fn fates_of(&self, project: ProjectId, uuid: Uuid) -> Result<Vec<Fate>, ReadError>;

    /// The same by who did it; the newest `limit`, the newest last.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    fn fates_by(&self, project: ProjectId, distinct_id: &str, limit: usize) -> Result<Vec<Fate>, ReadError>;

    /// The dead letters of a project, the oldest first: how many there are, and `limit` of them after the first `offset`.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    fn dead_letters(&self, project: ProjectId, offset: usize, limit: usize) -> Result<(usize, Vec<DeadLetter>), ReadError>;

    /// Replaces the payload of a dead letter, durably. Answers the letter as it is then; `None` when there is none.
    ///
    /// # Errors
    /// [`CommitError`] when the change could not be made.
    fn amend_dead_letter(&self, project: ProjectId, id: LetterId, payload: &str) -> Result<Option<DeadLetter>, CommitError>;

    /// Removes a dead letter, durably; its events are `dropped:discarded` from then on. Answers whether there was one.
    ///
    /// # Errors
    /// [`CommitError`] when the change could not be made.
    fn discard_dead_letter(&self, project: ProjectId, id: LetterId) -> Result<bool, CommitError>;

    /// Erases what is kept of events without a row by who did it, durably: dead letters go, their events are `dropped:erased` from then on; fates no longer tell the
    /// event's name, nor who did it. Done again it changes nothing.
    ///
    /// # Errors
    /// [`CommitError`] when the change could not be made.
    fn erase_notes(&self, project: ProjectId, distinct_ids: &BTreeSet<Arc<str>>) -> Result<(), CommitError>;
}
