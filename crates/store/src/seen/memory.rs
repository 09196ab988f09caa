//! Arrivals that are not in a run yet: hash tables, one for what commits go to, one for what a flush is writing out.

use super::rule::{Seen, SeenRule};
use aqueduct_event::UnixMicros;
use hashbrown::HashTable;
use std::sync::Arc;

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

    fn seen(&self) -> Seen {
        Seen { key: (u128::from(self.high) << 64) | u128::from(self.low), received_at: UnixMicros(self.received_at) }
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

    /// All arrivals, in order.
    pub(crate) fn sorted(&self) -> Vec<Seen> {
        let mut all: Vec<Seen> = self.0.iter().map(Slot::seen).collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> usize {
        self.0.allocation_size()
    }
}

/// The tables in memory. They follow the generations of the store: what is frozen there is frozen here.
#[derive(Debug, Default)]
pub(crate) struct SeenMemory {
    active: SeenTable,
    frozen: Option<Arc<SeenTable>>,
}

impl SeenMemory {
    pub(crate) fn insert(&mut self, seen: &[Seen]) {
        self.active.insert_all(seen);
    }

    /// What a flush is to write: what an earlier one could not, or all that is active.
    pub(crate) fn freeze(&mut self) -> Arc<SeenTable> {
        let active = &mut self.active;
        Arc::clone(self.frozen.get_or_insert_with(|| Arc::new(std::mem::take(active))))
    }

    /// What was frozen lies in a run.
    pub(crate) fn flushed(&mut self) {
        self.frozen = None;
    }

    /// Sets the place of each arrival that is there within the window.
    pub(crate) fn find(&self, rule: &SeenRule, again: &[Seen], found: &mut [Option<UnixMicros>]) {
        for table in [Some(&self.active), self.frozen.as_deref()].into_iter().flatten().filter(|table| table.len() > 0) {
            for (seen, found) in again.iter().zip(&mut *found) {
                *found = found.or_else(|| table.find(rule, seen));
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.active.bytes() + self.frozen.as_ref().map_or(0, |frozen| frozen.bytes())
    }
}
