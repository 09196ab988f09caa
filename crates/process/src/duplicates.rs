//! Exactly once: an event that was stored before is known again by its project, id, name and distinct id as sent, and passed over before it has any effect.
//!
//! In: the events of the records of a commit, looked up in the store in one go. Out: for each, whether it came before, in an earlier commit or in this one.
//!
//! # Invariants
//! - Only events that became rows count: one that was dropped may come again.
//! - Records alone decide, by when they were received. Splitting them over other commits gives the same answers.

use aqueduct_event::{ProjectId, RawBatch, UnixMicros};
use aqueduct_store::{ReadError, Seen, SeenRule, Store};
use hashbrown::HashTable;

/// What is known of the events of the records at hand.
#[derive(Debug)]
pub(crate) struct Duplicates {
    rule: SeenRule,
    /// Arrivals of all of them, in order.
    arrivals: Vec<Seen>,
    /// When the stored event of each was received.
    stored: Vec<Option<UnixMicros>>,
    /// Arrivals of this commit's rows, and their places by key.
    rows: Vec<Seen>,
    by_key: HashTable<usize>,
}

impl Duplicates {
    pub(crate) fn new(rule: SeenRule) -> Self {
        Self { rule, arrivals: Vec::new(), stored: Vec::new(), rows: Vec::new(), by_key: HashTable::new() }
    }

    /// Forgets all events.
    pub(crate) fn clear(&mut self) {
        self.arrivals.clear();
        self.stored.clear();
        self.rows.clear();
        self.by_key.clear();
    }

    /// Adds the events of a record. Answers the place of the first of them.
    pub(crate) fn add(&mut self, project: ProjectId, batch: &RawBatch<'_>) -> usize {
        let first = self.arrivals.len();
        self.arrivals.extend(batch.events.iter().map(|event| {
            let key = self.rule.key(project, event.uuid, event.event, event.distinct_id);
            Seen { key, received_at: batch.received_at }
        }));
        first
    }

    /// Asks the store about all events that were added.
    pub(crate) fn look_up(&mut self, store: &dyn Store) -> Result<(), ReadError> {
        self.stored = store.seen(&self.arrivals)?;
        Ok(())
    }

    /// When the event was received of which the one at `place` is a duplicate.
    pub(crate) fn original(&self, place: usize) -> Option<UnixMicros> {
        let again = self.arrivals[place];
        let is_it = |row: &usize| {
            let row = &self.rows[*row];
            row.key == again.key && self.rule.covers(row.received_at, again.received_at)
        };
        let in_commit = || self.by_key.find(hash(again.key), is_it).map(|row| self.rows[*row].received_at);
        self.stored[place].or_else(in_commit)
    }

    /// Notes that the event at `place` became a row.
    pub(crate) fn is_row(&mut self, place: usize) {
        let seen = self.arrivals[place];
        self.by_key.insert_unique(hash(seen.key), self.rows.len(), |row| hash(self.rows[*row].key));
        self.rows.push(seen);
    }

    /// The arrivals of the rows, for the commit.
    pub(crate) fn take_rows(&mut self) -> Vec<Seen> {
        self.by_key.clear();
        std::mem::take(&mut self.rows)
    }
}

/// Keys are hashes already.
fn hash(key: u128) -> u64 {
    key as u64
}
