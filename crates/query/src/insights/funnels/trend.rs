//! The share that converts, by time of entry.

use super::engine::{OrderedTrend, UnorderedTrend};
use super::operator::{Case, Study};
use super::plan::Plan;
use super::query::Order;
use crate::error::QueryError;
use crate::insights::buckets::{Buckets, NO_BUCKET};

/// Actors of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entered {
    /// Entered in it and reached the step that is counted from.
    pub(super) from: u64,
    /// Went on to the step that is counted to.
    pub(super) to: u64,
}

impl Entered {
    /// Per cent, with two decimals.
    pub(super) fn rate(self) -> f64 {
        if self.from == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of actors")]
        let share = self.to as f64 / self.from as f64 * 100.0;
        (share * 100.0).round_ties_even() / 100.0
    }
}

/// Counts entries and conversions per bucket.
#[derive(Debug)]
pub(super) struct Trend<'b> {
    buckets: &'b Buckets,
    /// Steps, from 0.
    from: usize,
    to: usize,
    ordered: OrderedTrend,
    unordered: UnorderedTrend,
    /// By label times number of buckets plus bucket.
    cells: Vec<Entered>,
}

impl<'b> Trend<'b> {
    pub(super) fn new(buckets: &'b Buckets, from: usize, to: usize) -> Self {
        Self { buckets, from, to, ordered: OrderedTrend::default(), unordered: UnorderedTrend::default(), cells: Vec::new() }
    }

    /// The buckets of each label, in order of code.
    pub(super) fn finish(self) -> Vec<Vec<Entered>> {
        self.cells.chunks(self.buckets.len().max(1)).map(<[Entered]>::to_vec).collect()
    }

    fn grow(cells: &mut Vec<Entered>, label: usize, width: usize) {
        if cells.len() < (label + 1) * width {
            cells.resize((label + 1) * width, Entered::default());
        }
    }
}

impl Study for Trend<'_> {
    fn see(&mut self, plan: &Plan, case: Case<'_>) -> Result<(), QueryError> {
        let (label, width) = (case.label as usize, self.buckets.len());
        Self::grow(&mut self.cells, label, width);
        let cells = &mut self.cells[label * width..(label + 1) * width];
        let sequence = case.events.sequence;
        let bucket_of = |at: usize| self.buckets.of(sequence.times[at]);
        let count = |bucket: u32, converted: bool| {
            if bucket != NO_BUCKET {
                cells[bucket as usize].from += 1;
                cells[bucket as usize].to += u64::from(converted);
            }
        };
        match plan.order {
            // Without an order it is numbers of steps that count.
            Order::Unordered => self.unordered.run(&plan.rules, sequence, case.pick, (self.from + 1, self.to + 1), bucket_of, count),
            Order::Ordered | Order::Strict => self.ordered.run(&plan.rules, sequence, case.pick, (self.from, self.to), bucket_of, count),
        }
        Ok(())
    }

    fn absorb(&mut self, other: Self, labels: &[u32]) {
        let width = self.buckets.len().max(1);
        for (label, row) in other.cells.chunks(width).enumerate() {
            let to = labels.get(label).map_or(label, |label| *label as usize);
            Self::grow(&mut self.cells, to, width);
            for (cell, more) in self.cells[to * width..].iter_mut().zip(row) {
                cell.from += more.from;
                cell.to += more.to;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_two_decimals() {
        let rate = |from, to| Entered { from, to }.rate();
        assert_eq!([rate(3, 1), rate(0, 0), rate(2, 2), rate(32, 1)], [33.33, 0.0, 100.0, 3.12]);
    }
}
