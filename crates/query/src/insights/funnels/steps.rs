//! How many actors reach each step, and how long they take: funnels drawn as steps or as a flow.

use super::engine::{Attempt, Ordered, Rules, Unordered};
use super::operator::{Case, Study};
use super::plan::Plan;
use super::query::Order;
use crate::error::QueryError;
use crate::insights::statistic::Statistic;
use std::cmp::Reverse;

/// Finds the best attempt of an actor.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    ordered: Ordered,
    unordered: Unordered,
}

impl Attempts {
    pub(super) fn best(&mut self, order: Order, rules: &Rules, case: &Case<'_>) -> Option<Attempt<'_>> {
        match order {
            Order::Unordered => self.unordered.best(rules, case.events.sequence, case.pick),
            Order::Ordered | Order::Strict => self.ordered.best(rules, case.events.sequence, case.pick),
        }
    }
}

/// What one breakdown value came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reached {
    /// Actors that reached each step.
    pub(super) counts: Vec<u64>,
    /// For each step but the first, seconds from the step before. Nothing for actors that took no time.
    pub(super) seconds: Vec<Vec<f64>>,
}

impl Reached {
    fn new(steps: usize) -> Self {
        Self { counts: vec![0; steps], seconds: vec![Vec::new(); steps.saturating_sub(1)] }
    }

    fn absorb(&mut self, other: Reached) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        for (seconds, more) in self.seconds.iter_mut().zip(other.seconds) {
            seconds.extend(more);
        }
    }

    /// Mean and median seconds to step number `step` from the one before; `None` for the first step, or when nobody came.
    pub(super) fn times(&mut self, step: usize) -> (Option<f64>, Option<f64>) {
        match step.checked_sub(1).and_then(|place| self.seconds.get_mut(place)).filter(|seconds| !seconds.is_empty()) {
            Some(seconds) => (Some(Statistic::Avg.over(seconds)), Some(Statistic::Quantile(0.5).over(seconds))),
            None => (None, None),
        }
    }
}

/// Counts steps.
#[derive(Debug, Default)]
pub(super) struct StepCounts {
    attempts: Attempts,
    per_label: Vec<Reached>,
    /// Seconds from the first to the last step, of everybody who got there.
    total_seconds: Vec<f64>,
}

impl Study for StepCounts {
    fn see(&mut self, plan: &Plan, case: Case<'_>) -> Result<(), QueryError> {
        let Some(attempt) = self.attempts.best(plan.order, &plan.rules, &case) else { return Ok(()) };
        let steps = plan.rules.steps;
        let label = case.label as usize;
        if self.per_label.len() <= label {
            self.per_label.resize_with(label + 1, || Reached::new(steps));
        }
        let reached = &mut self.per_label[label];
        for (step, count) in reached.counts.iter_mut().enumerate() {
            *count += u64::from(attempt.steps >> step & 1);
        }
        for (at, seconds) in reached.seconds.iter_mut().enumerate().take(attempt.visits.len().saturating_sub(1)) {
            seconds.extend(attempt.seconds(at, at + 1).filter(|seconds| *seconds > 0.0));
        }
        if attempt.steps >> (steps - 1) & 1 == 1 {
            self.total_seconds.extend(attempt.seconds(0, attempt.visits.len() - 1));
        }
        Ok(())
    }

    fn absorb(&mut self, other: Self, labels: &[u32]) {
        self.total_seconds.extend(other.total_seconds);
        for (label, reached) in other.per_label.into_iter().enumerate() {
            let to = labels.get(label).map_or(label, |label| *label as usize);
            if self.per_label.len() <= to {
                self.per_label.resize_with(to + 1, || Reached::new(reached.counts.len()));
            }
            self.per_label[to].absorb(reached);
        }
    }
}

/// What all breakdown values came to.
#[derive(Clone, Debug, Default)]
pub(super) struct StepResult {
    /// Code of the value (`None` for "other"), what it came to; most converted first.
    pub(super) values: Vec<(Option<u32>, Reached)>,
    pub(super) has_more: bool,
    pub(super) total_median_seconds: Option<f64>,
}

impl StepCounts {
    /// Orders values by how many got furthest, keeps the first `limit`, and adds up the rest when `has_other`.
    pub(super) fn finish(mut self, texts: &[Vec<String>], limit: usize, has_other: bool) -> StepResult {
        let total = &mut self.total_seconds;
        let total_median_seconds = if total.is_empty() { None } else { Some(Statistic::Quantile(0.5).over(total)) };
        let seen = (0_u32..).zip(self.per_label).filter(|(_, reached)| reached.counts.iter().any(|count| *count > 0));
        let mut values: Vec<(Option<u32>, Reached)> = seen.map(|(label, reached)| (Some(label), reached)).collect();
        let size = |reached: &Reached| Reverse(reached.counts.iter().rev().copied().collect::<Vec<_>>());
        let text = |label: &Option<u32>| label.and_then(|label| texts.get(label as usize));
        values.sort_by(|(left_label, left), (right_label, right)| {
            size(left).cmp(&size(right)).then_with(|| text(left_label).cmp(&text(right_label)))
        });
        let has_more = values.len() > limit;
        if has_more {
            let rest = values.split_off(limit);
            if has_other {
                let mut other = Reached::new(rest[0].1.counts.len());
                rest.into_iter().for_each(|(_, reached)| other.absorb(reached));
                values.push((None, other));
                values.sort_by_key(|(_, reached)| size(reached));
            }
        }
        StepResult { values, has_more, total_median_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(per_label: &[[u64; 2]]) -> StepCounts {
        let reached =
            |counts: &[u64; 2]| Reached { counts: counts.to_vec(), seconds: vec![vec![1.0; usize::try_from(counts[1]).unwrap()]] };
        StepCounts { per_label: per_label.iter().map(reached).collect(), ..StepCounts::default() }
    }

    #[test]
    fn values_that_convert_most_come_first() {
        let texts: Vec<Vec<String>> = ["a", "b", "c", "d"].iter().map(|text| vec![(*text).to_owned()]).collect();
        let result = counts(&[[5, 1], [9, 0], [2, 2], [4, 1]]).finish(&texts, 2, true);
        let shown: Vec<_> = result.values.iter().map(|(label, reached)| (*label, reached.counts.clone())).collect();
        assert_eq!(shown, [(Some(2), vec![2, 2]), (None, vec![13, 1]), (Some(0), vec![5, 1])]);
        assert!(result.has_more);
    }

    #[test]
    fn halves_add_up_under_their_own_labels() {
        let mut whole = counts(&[[1, 0], [2, 2]]);
        whole.absorb(counts(&[[1, 1]]), &[1]);
        assert_eq!(whole.per_label[1].counts, [3, 3]);
        assert_eq!(whole.per_label[1].times(1), (Some(1.0), Some(1.0)));
    }
}
