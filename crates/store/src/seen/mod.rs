//! Exactly once: which events were stored within the last days, by a key of 128 bits each.
//!
//! In: the arrivals of each commit's rows ([`Seen`]). Out: for a batch of arrivals, which were there before ([`SeenIndex::find`]).

mod memory;
mod rule;

pub use rule::{Seen, SeenRule};

use crate::ReadError;
use aqueduct_event::UnixMicros;
use memory::SeenMemory;
use parking_lot::Mutex;

/// The index.
#[derive(Debug)]
pub(crate) struct SeenIndex {
    rule: SeenRule,
    memory: Mutex<SeenMemory>,
}

impl SeenIndex {
    pub(crate) fn new(rule: SeenRule) -> Self {
        Self { rule, memory: Mutex::default() }
    }

    pub(crate) fn rule(&self) -> SeenRule {
        self.rule
    }

    pub(crate) fn insert(&self, seen: &[Seen]) {
        self.memory.lock().insert(seen);
    }

    /// For each arrival, an earlier one within the window.
    pub(crate) fn find(&self, again: &[Seen]) -> Result<Vec<Option<UnixMicros>>, ReadError> {
        let mut found = vec![None; again.len()];
        self.memory.lock().find(&self.rule, again, &mut found);
        Ok(found)
    }
}
