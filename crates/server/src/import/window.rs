//! What is under way: which records are settled, and up to where all are, so that a restart knows where to go on.
//!
//! # Invariants
//! - The position moves over a record when all of its events are settled (durable and, where asked, stored; or refused), and only after those before it.
//! - Counts and the file of rejects belong to the position: both are as they were when it was noted.

use super::event::Unfit;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Up to where everything is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Place of the input among those named.
    pub(super) input: usize,
    /// One past the last settled byte of its text.
    pub(super) byte: u64,
}

/// How many events had which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Acknowledged: durable at the server.
    pub(super) accepted: u64,
    /// Of those, found stored.
    pub(super) stored: u64,
    /// Of those, left out by a rule or kept as a dead letter.
    pub(super) dropped: u64,
    /// Of those, neither stored nor accounted for.
    pub(super) missing: u64,
    /// Records and events that could not be sent, or were refused.
    pub(super) rejected: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.stored += other.stored;
        self.dropped += other.dropped;
        self.missing += other.missing;
        self.rejected += other.rejected;
    }
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Durable; whether it is stored was not asked.
    Accepted,
    Stored,
    Dropped,
    Missing,
    Rejected(Unfit),
}

/// A record that cannot be imported as it is, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reject {
    pub(super) input: usize,
    pub(super) line: u64,
    pub(super) unfit: Unfit,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    line: u64,
    /// Events that are not settled yet.
    left: usize,
    counts: Counts,
    rejects: Vec<Reject>,
}

/// Records that are not settled, in their order.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Number of the first entry.
    first: u64,
    entries: VecDeque<Entry>,
    pub(super) position: Position,
    pub(super) counts: Counts,
    /// Of settled records; whoever notes the position writes them first.
    pub(super) rejects: Vec<Reject>,
}

impl Window {
    pub(super) fn new(position: Position, counts: Counts) -> Self {
        Self { position, counts, ..Self::default() }
    }

    /// A record of `events` events begins its way; the answer is its number. One without events is settled at once.
    pub(super) fn enter(&mut self, position: Position, line: u64, events: usize) -> u64 {
        self.entries.push_back(Entry { position, line, left: events, counts: Counts::default(), rejects: Vec::new() });
        let number = self.first + self.entries.len() as u64 - 1;
        self.advance();
        number
    }

    /// One event of a record has come to its end.
    pub(super) fn settle(&mut self, number: u64, fate: Fate) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        // INVARIANT: an entry stays until all of its events are settled, each once.
        let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) else { return };
        entry.left = entry.left.saturating_sub(1);
        let counts = &mut entry.counts;
        match fate {
            Fate::Accepted => counts.accepted += 1,
            Fate::Stored => (counts.accepted, counts.stored) = (counts.accepted + 1, counts.stored + 1),
            Fate::Dropped => (counts.accepted, counts.dropped) = (counts.accepted + 1, counts.dropped + 1),
            Fate::Missing => (counts.accepted, counts.missing) = (counts.accepted + 1, counts.missing + 1),
            Fate::Rejected(unfit) => {
                counts.rejected += 1;
                entry.rejects.push(Reject { input: entry.position.input, line: entry.line, unfit });
            }
        }
        self.advance();
    }

    /// Records that are not settled.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn advance(&mut self) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.left == 0) {
            self.first += 1;
            self.position = entry.position;
            self.counts.add(entry.counts);
            self.rejects.extend(entry.rejects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(byte: u64) -> Position {
        Position { input: 0, byte }
    }

    #[test]
    fn the_position_waits_for_the_slowest() {
        let mut window = Window::default();
        let (a, b) = (window.enter(at(10), 1, 2), window.enter(at(20), 2, 1));
        window.enter(at(30), 3, 0);
        window.settle(b, Fate::Stored);
        window.settle(a, Fate::Accepted);
        assert_eq!((window.position, window.counts), (at(0), Counts::default()));
        let unfit = Unfit { why: "because".to_owned(), text: "{}".to_owned() };
        window.settle(a, Fate::Rejected(unfit.clone()));
        assert_eq!((window.position, window.len()), (at(30), 0));
        assert_eq!(window.counts, Counts { accepted: 2, stored: 1, rejected: 1, ..Counts::default() });
        assert_eq!(window.rejects, [Reject { input: 0, line: 1, unfit }]);
        let c = window.enter(at(40), 4, 1);
        window.settle(c, Fate::Missing);
        assert_eq!((window.position, window.counts.missing), (at(40), 1));
    }
}
