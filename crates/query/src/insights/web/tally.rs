//! Sums over visits.

use super::model::{Periods, within};
use super::visits::Visit;
use aqueduct_event::PersonId;
use rustc_hash::FxHashSet;
use uuid::Uuid;

/// What visits come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    visitors: FxHashSet<PersonId>,
    sessions: FxHashSet<Uuid>,
    converted: FxHashSet<PersonId>,
    pub(super) events: u64,
    pub(super) conversions: u64,
    seconds: (f64, u64),
    bounces: (f64, u64),
    measures: Vec<(f64, u64)>,
}

/// A number as answers have it.
#[expect(clippy::cast_precision_loss, reason = "numbers of events and people")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

fn mean((sum, count): (f64, u64)) -> Option<f64> {
    (count > 0).then(|| sum / float(count))
}

impl Tally {
    pub(super) fn of<'v>(visits: impl IntoIterator<Item = &'v Visit>) -> Self {
        let mut tally = Tally::default();
        visits.into_iter().for_each(|visit| tally.add(visit));
        tally
    }

    /// Those whose session began in the period.
    pub(super) fn began<'v>(visits: impl IntoIterator<Item = &'v Visit>, period: (i64, i64)) -> Self {
        Tally::of(visits.into_iter().filter(|visit| visit.start.is_some_and(|start| within(period, start))))
    }

    fn add(&mut self, visit: &Visit) {
        self.visitors.insert(visit.person());
        self.sessions.extend(visit.session);
        self.converted.extend(visit.converted());
        self.events += visit.events;
        self.conversions += visit.conversions;
        if let Some(seconds) = visit.seconds {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a session")]
            let seconds = seconds as f64;
            self.seconds = (self.seconds.0 + seconds, self.seconds.1 + 1);
        }
        if let Some(is_bounce) = visit.is_bounce {
            self.bounces = (self.bounces.0 + f64::from(u8::from(is_bounce)), self.bounces.1 + 1);
        }
        self.measures.resize(visit.measures.len().max(self.measures.len()), (0.0, 0));
        for (sum, (value, count)) in self.measures.iter_mut().zip(&visit.measures) {
            *sum = (sum.0 + value, sum.1 + count);
        }
    }

    pub(super) fn visitors(&self) -> u64 {
        self.visitors.len() as u64
    }

    pub(super) fn sessions(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// Persons who did what the goal asks for.
    pub(super) fn unique_conversions(&self) -> u64 {
        self.converted.len() as u64
    }

    /// Mean length of a session.
    pub(super) fn mean_seconds(&self) -> Option<f64> {
        mean(self.seconds)
    }

    /// The part of the sessions that were bounces.
    pub(super) fn bounce_rate(&self) -> Option<f64> {
        mean(self.bounces)
    }

    /// Unique conversions for each visitor.
    pub(super) fn conversion_rate(&self) -> Option<f64> {
        (self.visitors() > 0).then(|| float(self.unique_conversions()) / float(self.visitors()))
    }

    pub(super) fn mean_of(&self, measure: usize) -> Option<f64> {
        self.measures.get(measure).copied().and_then(mean)
    }

    pub(super) fn sum_of(&self, measure: usize) -> f64 {
        self.measures.get(measure).map_or(0.0, |(sum, _)| *sum)
    }
}

/// What the visits of one breakdown value come to, in the period and in the one that it is compared with.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) current: Tally,
    pub(super) previous: Option<Tally>,
}

impl Pair {
    /// By when sessions began. `always`: without a second period too; else then every visit counts, those without a session too.
    pub(super) fn of(visits: &[Visit], periods: &Periods, always: bool) -> Self {
        let previous = periods.previous.map(|previous| Tally::began(visits, previous));
        let current = if always || previous.is_some() { Tally::began(visits, periods.current) } else { Tally::of(visits) };
        Pair { current, previous }
    }

    /// A number of both periods.
    pub(super) fn map<T>(&self, f: impl Fn(&Tally) -> Option<T>) -> (Option<T>, Option<T>) {
        (f(&self.current), self.previous.as_ref().and_then(f))
    }
}
