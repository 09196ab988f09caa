//! What happened in a run: a short history for people, a hash of all of it for the determinism test, and counts.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// Lines that a failing seed prints.
const HISTORY_LINES: usize = 200;

/// What a run, or many of them, did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Adds to a count.
    pub(crate) fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    /// One count; 0 when it never happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Adds those of another run.
    pub fn absorb(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            self.add(what, *count);
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (what, count)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {what}")?;
        }
        Ok(())
    }
}

/// The trace of one run. Clones are the same trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    hasher: DefaultHasher,
    lines: VecDeque<String>,
    number: u64,
    counts: Counts,
}

impl Trace {
    /// Notes a line.
    pub(crate) fn say(&self, line: String) {
        let mut inner = self.0.lock();
        inner.hasher.write(line.as_bytes());
        inner.number += 1;
        let line = format!("{:>5} {line}", inner.number);
        if inner.lines.len() == HISTORY_LINES {
            inner.lines.pop_front();
        }
        inner.lines.push_back(line);
    }

    /// Adds to a count.
    pub(crate) fn count(&self, what: &'static str, count: u64) {
        self.0.lock().counts.add(what, count);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().counts.clone()
    }

    pub(crate) fn hash(&self) -> u64 {
        self.0.lock().hasher.finish()
    }

    /// The last lines.
    pub(crate) fn history(&self) -> String {
        Vec::from(self.0.lock().lines.clone()).join("\n")
    }
}
