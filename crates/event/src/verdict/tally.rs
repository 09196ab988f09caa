//! Counts of verdicts.

use super::Verdict;
use crate::ids::ProjectId;
use crate::time::UnixMicros;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

const MINUTE_MICROS: i64 = 60_000_000;

/// A minute of receipt: minutes since 1970-01-01 00:00 UTC. Times before are minute 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(pub u32);

impl Minute {
    /// The minute in which a time lies.
    #[must_use]
    pub fn of(time: UnixMicros) -> Self {
        Self(u32::try_from(time.0.div_euclid(MINUTE_MICROS).max(0)).unwrap_or(u32::MAX))
    }

    /// Its first moment.
    #[must_use]
    pub fn start(self) -> UnixMicros {
        UnixMicros(i64::from(self.0) * MINUTE_MICROS)
    }
}

/// What is counted: a verdict over the events of a project that were received in a minute. Project 0 stands for events of no project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey {
    /// The minute of receipt.
    pub minute: Minute,
    /// The project.
    pub project: ProjectId,
    /// The verdict.
    pub verdict: Verdict,
}

/// Counts of verdicts. A count below zero takes back: a replayed dead letter leaves its old verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: FxHashMap<TallyKey, i64>,
}

impl Tally {
    /// Counts `events` more events; fewer when it is below zero.
    pub fn add(&mut self, key: TallyKey, events: i64) {
        if events != 0 {
            *self.counts.entry(key).or_default() += events;
        }
    }

    /// Adds all counts of another tally.
    pub fn absorb(&mut self, other: &Self) {
        for (key, events) in &other.counts {
            self.add(*key, *events);
        }
    }

    /// The counts, in no order; some may be 0.
    pub fn iter(&self) -> impl Iterator<Item = (TallyKey, i64)> + '_ {
        self.counts.iter().map(|(key, events)| (*key, *events))
    }

    /// The counts, in the order of minute, project and verdict.
    #[must_use]
    pub fn sorted(&self) -> Vec<(TallyKey, i64)> {
        let mut all: Vec<_> = self.iter().filter(|(_, events)| *events != 0).collect();
        all.sort_unstable();
        all
    }

    /// Events of all keys together.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.counts.values().sum()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Keys that were counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(minute: u32, project: u32, verdict: Verdict) -> TallyKey {
        TallyKey { minute: Minute(minute), project: ProjectId(project), verdict }
    }

    #[test]
    fn minutes() {
        assert_eq!(Minute::of(UnixMicros(59_999_999)), Minute(0));
        assert_eq!(Minute::of(UnixMicros(60_000_000)), Minute(1));
        assert_eq!(Minute::of(UnixMicros(-1)), Minute(0));
        assert_eq!(Minute::of(UnixMicros(i64::MAX)), Minute(u32::MAX));
        assert_eq!(Minute(2).start(), UnixMicros(120_000_000));
    }

    #[test]
    fn tallies_add_up() {
        let mut tally = Tally::default();
        tally.add(key(2, 1, Verdict::Visible), 3);
        tally.add(key(1, 1, Verdict::Visible), 1);
        let mut more = Tally::default();
        more.add(key(2, 1, Verdict::Visible), -3);
        more.add(key(2, 1, Verdict::Duplicate), 3);
        tally.absorb(&more);
        assert_eq!(tally.sorted(), [(key(1, 1, Verdict::Visible), 1), (key(2, 1, Verdict::Duplicate), 3)]);
        assert_eq!(tally.total(), 4);
    }
}
