//! Recent records in memory, so that a reader that keeps up never touches a file.
//!
//! # Invariants
//! - Every durable record at or after `floor` is here, in order, without a gap between neighbours.
//! - At most `budget_bytes` of payload are kept, and nothing that all readers have taken.

use crate::Entry;
use aqueduct_event::JournalPosition;
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
pub(super) struct Recent {
    entries: VecDeque<Entry>,
    bytes: u64,
    budget_bytes: u64,
    floor: u64,
    /// What each open reader wants next.
    readers: BTreeMap<u64, u64>,
    reader_ids: u64,
}

impl Recent {
    pub(super) fn new(budget_bytes: u64, floor: u64) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, budget_bytes, floor, readers: BTreeMap::new(), reader_ids: 0 }
    }

    pub(super) fn push(&mut self, entries: impl Iterator<Item = Entry>) {
        for entry in entries {
            self.bytes += entry.payload.len() as u64;
            self.entries.push_back(entry);
        }
        while self.bytes > self.budget_bytes {
            self.evict();
        }
    }

    /// A reader begins at `from`. The answer is its id.
    pub(super) fn enter(&mut self, from: u64) -> u64 {
        self.reader_ids += 1;
        self.readers.insert(self.reader_ids, from);
        self.reader_ids
    }

    pub(super) fn leave(&mut self, reader: u64) {
        self.readers.remove(&reader);
    }

    /// A reader has taken all before `from`.
    pub(super) fn taken(&mut self, reader: u64, from: u64) {
        self.readers.insert(reader, from);
        let slowest = self.readers.values().min().copied().unwrap_or(0);
        while self.entries.front().is_some_and(|entry| entry.position.0 < slowest) {
            self.evict();
        }
    }

    fn evict(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.payload.len() as u64;
            self.floor = entry.position.0 + 1;
        }
    }

    /// About `bytes_max` bytes of records from `from` on, at least one if there is one. `None` when older ones than those here are wanted.
    pub(super) fn read(&self, from: u64, bytes_max: usize) -> Option<Vec<Entry>> {
        if from < self.floor {
            return None;
        }
        let first = self.entries.front().map_or(0, |entry| entry.position.0);
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let fits = bytes == 0 || bytes + entry.payload.len() <= bytes_max;
            bytes += entry.payload.len().max(1);
            fits
        };
        Some(self.entries.iter().skip(skip).take_while(fits).cloned().collect())
    }
}

/// One entry, for the places that count positions.
pub(super) fn entry(position: u64, payload: bytes::Bytes) -> Entry {
    Entry { position: JournalPosition(position), payload }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn filled(budget_bytes: u64) -> Recent {
        let mut recent = Recent::new(budget_bytes, 5);
        recent.push((10..15).map(|position| entry(position, Bytes::from_static(b"0123456789"))));
        recent
    }

    fn positions(recent: &Recent, from: u64, bytes_max: usize) -> Option<Vec<u64>> {
        Some(recent.read(from, bytes_max)?.iter().map(|entry| entry.position.0).collect())
    }

    #[test]
    fn reads_from_the_floor_across_a_skip_of_positions() {
        let recent = filled(1000);
        assert_eq!(positions(&recent, 4, 1000), None);
        assert_eq!(positions(&recent, 5, 1000), Some(vec![10, 11, 12, 13, 14]));
        assert_eq!(positions(&recent, 12, 1000), Some(vec![12, 13, 14]));
        assert_eq!(positions(&recent, 15, 1000), Some(vec![]));
    }

    #[test]
    fn gives_at_least_one_and_about_what_was_asked() {
        let recent = filled(1000);
        assert_eq!(positions(&recent, 10, 0), Some(vec![10]));
        assert_eq!(positions(&recent, 10, 25), Some(vec![10, 11]));
        assert_eq!(positions(&recent, 10, 30), Some(vec![10, 11, 12]));
    }

    #[test]
    fn forgets_what_is_over_budget_and_what_all_readers_took() {
        let mut recent = filled(30);
        assert_eq!(positions(&recent, 11, 1000), None);
        assert_eq!(positions(&recent, 12, 1000), Some(vec![12, 13, 14]));
        let (slow, fast) = (recent.enter(12), recent.enter(12));
        recent.taken(fast, 15);
        assert_eq!(positions(&recent, 12, 1000), Some(vec![12, 13, 14]));
        recent.leave(slow);
        recent.taken(fast, 15);
        assert_eq!(positions(&recent, 14, 1000), None);
        assert_eq!(recent.bytes, 0);
    }
}
