//! Arrivals that are not in a run yet: hash tables, one for what commits go to, one for what a flush is writing out.

use super::rule::{Seen, SeenRule};
use aqueduct_event::UnixMicros;
use hashbrown::HashTable;

/// An arrival in 24 bytes: a `u128` would be aligned to 16 and take 32.
#[derive(Clone, Copy, Debug)]
struct Slot {
    high: u64,
    low: u64,
    received_at: i64,
}

impl Slot {
    fn of(seen: &Seen) -> Self {
        Self { high: (seen.key >> 64) as u64, low: seen.key as u64, received_at: seen.received_at.0 }
    }
}

/// Arrivals by key. A key may be there several times, with arrivals that are further apart than the window.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenTable(HashTable<Slot>);

impl SeenTable {
    fn insert_all(&mut self, seen: &[Seen]) {
        self.0.reserve(seen.len(), |slot| slot.low);
        for seen in seen {
            let slot = Slot::of(seen);
            self.0.insert_unique(slot.low, slot, |slot| slot.low);
        }
    }

    fn find(&self, rule: &SeenRule, again: &Seen) -> Option<UnixMicros> {
        let wanted = Slot::of(again);
        let is_it = |slot: &Slot| {
            slot.low == wanted.low && slot.high == wanted.high && rule.covers(UnixMicros(slot.received_at), again.received_at)
        };
        self.0.find(wanted.low, is_it).map(|slot| UnixMicros(slot.received_at))
    }
}

/// The tables in memory. They follow the generations of the store: what is frozen there is frozen here.
#[derive(Debug, Default)]
pub(crate) struct SeenMemory {
    active: SeenTable,
}

impl SeenMemory {
    pub(crate) fn insert(&mut self, seen: &[Seen]) {
        self.active.insert_all(seen);
    }

    /// Sets the place of each arrival that is there within the window.
    pub(crate) fn find(&self, rule: &SeenRule, again: &[Seen], found: &mut [Option<UnixMicros>]) {
        for (seen, found) in again.iter().zip(found) {
            *found = found.or_else(|| self.active.find(rule, seen));
        }
    }
}
