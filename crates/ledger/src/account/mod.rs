//! The account: what came in against what became of it.
//!
//! ```text
//!  edge ── refused, dropped ─────────────────────────┐
//!  journal ── records ─▶ ahead ── position passed ─▶ received ──┐
//!  store ── fates at a position ────────────────────────────────┴─▶ residue = accepted before the position − fates before the position
//! ```
//! Both sides are taken at the same position of the journal (the *cut*: what the store has made visible), so that a moving stream shows no false residue. Records
//! after the cut are in flight.
//!
//! # Invariants
//! - Accepted events are counted from the journal's records alone. What is not saved is counted again from there after a crash: nothing twice, nothing missed.
//!   So the journal must not be trimmed past [`Account::durable`].
//! - What the edge refused is no record; a crash loses the last second of it, on both sides of the sum.
//! - A token may become known, or unknown, between receipt and processing. Such events are settled between project 0 and the project; events are never settled
//!   between two projects or two minutes.

mod balance;
mod book;
mod metrics;
mod report;
mod storage;

pub use balance::{Alarm, Health, State};
pub use book::{BookError, OpenBook};
pub use report::{Figures, Interval, Report, Row};

use crate::edge::{Content, Edge, Refused};
use aqueduct_event::record::Receipt;
use aqueduct_event::verdict::Refusal;
use aqueduct_event::{JournalPosition, Minute, PartitionId, ProjectId, TallyKey, Verdict};
use book::Book;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;
use thiserror::Error;

/// Records ahead of the cut that are remembered, 32 bytes each. While more wait to be processed, those beyond are not counted as received yet.
const AHEAD_RECORDS_MAX: usize = 1_000_000;

/// Finds projects by token, from memory.
pub trait Tokens: Send + Sync + Debug {
    /// The project; `None` for a token that no project has.
    fn project_of(&self, token: &str) -> Option<ProjectId>;
}

/// What came in, as the account keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Line {
    /// Events in the journal.
    Accepted,
    /// Events that ended at the edge.
    Ended(Verdict),
    /// Requests of which nobody knows how many events they held.
    Unreadable(Refusal),
    /// Requests that were refused by their heads alone.
    Unread(Refusal),
    /// Bytes of their bodies, as announced.
    UnreadBytes(Refusal),
}

/// What became of events in the store, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Fates {
    /// Every record before these positions is counted, and none after.
    pub cut: BTreeMap<PartitionId, JournalPosition>,
    /// Counts of the minutes asked for.
    pub rows: Vec<(TallyKey, i64)>,
    /// Counts of all time.
    pub totals: BTreeMap<(ProjectId, Verdict), i64>,
    /// Counts of minutes before this one are kept by the hour, under its first minute.
    pub hours_before: Minute,
    /// Bytes of all dead letters.
    pub letter_bytes: u64,
}

/// A record ahead of the cut.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    partition: PartitionId,
    position: JournalPosition,
    project: ProjectId,
    minute: Minute,
    events: u32,
}

type Key = (Minute, ProjectId, Line);

/// What is in memory.
#[derive(Debug, Default)]
struct Counts {
    /// Counts of all time, saved or not.
    totals: BTreeMap<(ProjectId, Line), i64>,
    /// Not saved yet.
    fresh: HashMap<Key, i64>,
    /// The cut: records before it are in the counts.
    cut: BTreeMap<PartitionId, JournalPosition>,
    /// Records after the cut, in order.
    ahead: VecDeque<Ahead>,
    /// Records that senders were told of, and that were not met in the journal yet.
    acknowledged: HashMap<(PartitionId, JournalPosition), u32>,
    /// Where reading stands.
    read: BTreeMap<PartitionId, JournalPosition>,
    /// Events that senders were told of and that the journal does not have.
    missing: u64,
    /// Events whose payload had been lost when this process first looked.
    payloads_lost_before: Option<i64>,
    hours_before: Minute,
    health: Health,
}

impl Counts {
    fn add(&mut self, minute: Minute, project: ProjectId, line: Line, count: i64) {
        *self.totals.entry((project, line)).or_default() += count;
        *self.fresh.entry((minute, project, line)).or_default() += count;
    }

    fn has_read(&self, partition: PartitionId, position: JournalPosition) -> bool {
        self.read.get(&partition).is_some_and(|read| position < *read)
    }
}

/// Gives the account of a period as it is now.
pub trait Ledger: Send + Sync + Debug {
    /// The account of a range of minutes, of one project or of all.
    ///
    /// # Errors
    /// [`LedgerError`] when one of the sides cannot be read now.
    fn report(&self, minutes: RangeInclusive<Minute>, interval: Interval, project: Option<ProjectId>) -> Result<Report, LedgerError>;

    /// How it stands, as of the last comparison.
    fn health(&self) -> Health;
}

/// One side of the ledger cannot be read.
#[derive(Debug, Error)]
#[error("the ledger cannot be read now: {0}")]
pub struct LedgerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The account of a deployment.
#[derive(Debug)]
pub struct Account {
    tokens: Arc<dyn Tokens>,
    counts: Mutex<Counts>,
    book: Mutex<Book>,
    /// What is saved: the journal may be trimmed up to here.
    durable: Mutex<BTreeMap<PartitionId, JournalPosition>>,
}

impl Account {
    /// Opens the account, or makes it.
    ///
    /// # Errors
    /// [`BookError`] when its file cannot be used, is damaged, or was written by a newer program.
    pub fn open(open: OpenBook, tokens: Arc<dyn Tokens>) -> Result<Self, BookError> {
        metrics::describe();
        let (book, loaded) = Book::open(open)?;
        let durable = loaded.positions.clone();
        let counts = Counts { totals: loaded.totals, cut: loaded.positions, hours_before: loaded.hours_before, ..Counts::default() };
        Ok(Self { tokens, counts: Mutex::new(counts), book: Mutex::new(book), durable: Mutex::new(durable) })
    }

    /// Lets `look` read the account's file while nothing is written to it. What it finds is like what a crash leaves: it opens, at the position last saved.
    pub fn while_still<T>(&self, look: impl FnOnce() -> T) -> T {
        let _still = self.book.lock();
        look()
    }

    /// Where the account stands in a partition: records from here on are to be told. `None` when it never saw the partition.
    #[must_use]
    pub fn position(&self, partition: PartitionId) -> Option<JournalPosition> {
        self.counts.lock().cut.get(&partition).copied()
    }

    /// The journal may be trimmed up to here.
    #[must_use]
    pub fn durable(&self, partition: PartitionId) -> JournalPosition {
        self.durable.lock().get(&partition).copied().unwrap_or_default()
    }

    /// Takes the store's word for everything before its cut: for an account that is new, or whose records are gone from the journal. `fates` has all minutes.
    ///
    /// # Errors
    /// [`BookError`] when that could not be saved.
    pub fn adopt(&self, fates: &Fates) -> Result<(), BookError> {
        let mut sums: BTreeMap<(Minute, ProjectId), i64> = BTreeMap::new();
        for (key, events) in &fates.rows {
            *sums.entry((key.minute, key.project)).or_default() += events;
        }
        let mut counts = self.counts.lock();
        let loaded = self.book.lock().adopt(&sums, &fates.cut)?;
        *counts = Counts { totals: loaded.totals, cut: loaded.positions, hours_before: loaded.hours_before, ..Counts::default() };
        self.durable.lock().clone_from(&counts.cut);
        Ok(())
    }

    /// Whether further records are wanted.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.counts.lock().ahead.len() < AHEAD_RECORDS_MAX
    }

    /// Takes note of a record of the journal. Records of a partition come in order.
    pub fn record(&self, partition: PartitionId, position: JournalPosition, payload: &[u8]) {
        let (project, minute, events) = match Receipt::read(payload) {
            Receipt::Batch(head) => (self.tokens.project_of(head.token).unwrap_or(ProjectId(0)), Minute::of(head.received_at), head.events),
            Receipt::Replay | Receipt::Command => (ProjectId(0), Minute(0), 0),
            Receipt::Unreadable => (ProjectId(0), Minute(0), 1),
        };
        let mut counts = self.counts.lock();
        if let Some(told) = counts.acknowledged.remove(&(partition, position)) {
            let lost = told.saturating_sub(events);
            counts.missing += u64::from(lost);
        }
        counts.read.insert(partition, position.next());
        counts.ahead.push_back(Ahead { partition, position, project, minute, events });
    }

    /// Everything durable before `upto` was told by [`Account::record`]: what a sender was told of and did not come is not in the journal.
    pub fn read_to(&self, partition: PartitionId, upto: JournalPosition) {
        let mut counts = self.counts.lock();
        let read = counts.read.entry(partition).or_default();
        *read = (*read).max(upto);
        let mut missing = 0;
        counts.acknowledged.retain(|(of, position), events| {
            let gone = *of == partition && *position < upto;
            missing += if gone { u64::from(*events) } else { 0 };
            !gone
        });
        counts.missing += missing;
    }

    /// Moves the cut to where the store is and compares. All records before it were told.
    pub fn balance(&self, fates: &Fates) -> Health {
        let mut counts = self.counts.lock();
        counts.hours_before = counts.hours_before.max(fates.hours_before);
        while let Some(first) = counts.ahead.front().copied() {
            if fates.cut.get(&first.partition).is_none_or(|cut| first.position >= *cut) {
                break;
            }
            counts.ahead.pop_front();
            counts.add(first.minute, first.project, Line::Accepted, i64::from(first.events));
        }
        for (partition, position) in &fates.cut {
            let cut = counts.cut.entry(*partition).or_default();
            *cut = (*cut).max(*position);
        }
        let health = balance::check(&counts, fates, &mut self.book.lock());
        if health.state != State::Replaying {
            counts.payloads_lost_before.get_or_insert(health.payloads_lost);
        }
        balance::tell(&counts.health, &health);
        counts.health.clone_from(&health);
        metrics::stands(&counts, &health, fates.letter_bytes);
        health
    }

    /// How it stands, as of the last comparison.
    #[must_use]
    pub fn health(&self) -> Health {
        self.counts.lock().health.clone()
    }

    /// Makes what was counted durable.
    ///
    /// # Errors
    /// [`BookError`]; what was counted stays due.
    pub fn save(&self) -> Result<(), BookError> {
        let (fresh, cut, hours_before) = {
            let mut counts = self.counts.lock();
            (std::mem::take(&mut counts.fresh), counts.cut.clone(), counts.hours_before)
        };
        if fresh.is_empty() && *self.durable.lock() == cut {
            return Ok(());
        }
        let saved = self.book.lock().write(&fresh, &cut, hours_before);
        if saved.is_ok() {
            *self.durable.lock() = cut;
        } else {
            let mut counts = self.counts.lock();
            for (key, count) in fresh {
                *counts.fresh.entry(key).or_default() += count;
            }
        }
        saved
    }

    /// The account of a period; `fates` are those of the same minutes. Figures of all time stand beside it.
    ///
    /// # Errors
    /// [`BookError`] when the file cannot be read.
    pub fn report(
        &self,
        minutes: RangeInclusive<Minute>,
        interval: Interval,
        project: Option<ProjectId>,
        fates: &Fates,
    ) -> Result<Report, BookError> {
        let counts = self.counts.lock();
        report::report(&counts, &mut self.book.lock(), report::Asked { minutes, interval, project }, fates)
    }
}

impl Edge for Account {
    fn refused(&self, refused: &Refused<'_>) {
        let project = self.tokens.project_of(refused.token).unwrap_or(ProjectId(0));
        let lines = match (refused.content, refused.verdict) {
            (Content::Events(events), verdict) => [Some((Line::Ended(verdict), i64::from(events))), None],
            (Content::Unreadable, Verdict::Refused(refusal)) => [Some((Line::Unreadable(refusal), 1)), None],
            (Content::Unread { bytes }, Verdict::Refused(refusal)) => {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                [Some((Line::Unread(refusal), 1)), Some((Line::UnreadBytes(refusal), bytes))]
            }
            // What a rule drops was read.
            _ => return,
        };
        metrics::refused(refused.verdict, refused.content);
        let mut counts = self.counts.lock();
        for (line, count) in lines.into_iter().flatten() {
            counts.add(Minute::of(refused.received_at), project, line, count);
        }
    }

    fn acknowledged(&self, partition: PartitionId, position: JournalPosition, events: u32) {
        let mut counts = self.counts.lock();
        if !counts.has_read(partition, position) {
            counts.acknowledged.insert((partition, position), events);
        }
    }
}

#[cfg(test)]
mod tests;
