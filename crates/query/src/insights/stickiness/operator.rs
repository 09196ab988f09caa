//! The stickiness operator: for each actor the number of intervals in which it was active.

use crate::error::QueryError;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, PartRows};
use crate::insights::buckets::{Buckets, NO_BUCKET};
use crate::insights::{InsightContext, times_of, truth};
use crate::scan::RowProgram;
use aqueduct_store::Part;
use serde::Deserialize;
use std::sync::Arc;

/// One series in one period, ready to run.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) actor: Actor,
    /// Whether a row counts.
    pub(super) program: RowProgram,
    pub(super) buckets: Buckets,
    /// How many intervals results tell apart.
    pub(super) columns: usize,
    /// How often an actor must have done it for an interval to count.
    pub(super) criteria: Option<Criteria>,
}

/// `stickinessCriteria`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Criteria {
    operator: CriteriaOperator,
    value: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CriteriaOperator {
    Gte,
    Lte,
    Exact,
}

impl Criteria {
    /// Whether the criteria can be met.
    ///
    /// # Errors
    /// [`QueryError::Request`] when it asks for less than nothing, or for intervals without any event.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        let least = if self.operator == CriteriaOperator::Gte { 0 } else { 1 };
        if self.value < least {
            let detail = format!("the value of stickinessCriteria is at least {least} with this operator, found {}", self.value);
            return Err(QueryError::Request { detail, attr: Some("stickinessFilter") });
        }
        Ok(())
    }

    fn holds(&self, events: i64) -> bool {
        match self.operator {
            CriteriaOperator::Gte => events >= self.value,
            CriteriaOperator::Lte => events <= self.value,
            CriteriaOperator::Exact => events == self.value,
        }
    }
}

/// For each row of a part its interval.
struct Rows {
    buckets: Vec<u32>,
}

impl PartRows for Rows {
    fn matters(&self, row: usize) -> bool {
        self.buckets[row] != NO_BUCKET
    }

    fn pick(&self, rows: &[u32]) -> Self {
        Self { buckets: rows.iter().map(|row| self.buckets[*row as usize]).collect() }
    }
}

/// How many actors were active in one interval, in two, ….
#[derive(Debug)]
pub(super) struct Counts(pub(super) Vec<u64>);

impl Absorb for Counts {
    fn absorb(&mut self, other: Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }
}

impl Operator {
    /// The counts of actors.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn run(&self, context: &InsightContext<'_>) -> Result<Counts, QueryError> {
        let make = || Counts(vec![0; self.columns]);
        self.each(context, make, |counts, _, intervals| {
            if let Some(count) = counts.0.get_mut(intervals - 1) {
                *count += 1;
            }
        })
    }

    /// Tells `note` of each active actor and in how many intervals it was active.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn each<T: Absorb>(
        &self,
        context: &InsightContext<'_>,
        make: impl Fn() -> T + Sync,
        note: impl Fn(&mut T, ActorId<'_>, usize) + Sync,
    ) -> Result<T, QueryError> {
        let (from, to) = self.buckets.range();
        let wants = |part: &dyn Part| part.time_range().0 <= to && part.time_range().1 >= from;
        context.over_actors(
            &self.actor,
            wants,
            make,
            |part| self.read(part),
            |result, actor, rows| {
                let intervals = self.intervals(rows);
                if intervals > 0 {
                    note(result, actor, intervals);
                }
                Ok(())
            },
        )
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Rows, QueryError> {
        let passes = truth(&self.program.evaluate(part)?[0])?;
        let times = times_of(part)?;
        let bucket = |(time, passes): (&i64, bool)| if passes { self.buckets.of(*time) } else { NO_BUCKET };
        Ok(Rows { buckets: times.iter().zip(passes).map(bucket).collect() })
    }

    /// In how many intervals the actor was active.
    fn intervals(&self, rows: ActorRows<'_, Rows>) -> usize {
        let buckets = rows.iter().map(|(rows, row)| rows.buckets[row]).filter(|bucket| *bucket != NO_BUCKET);
        if rows.pieces() == 1 {
            // Rows of a piece are in order of time.
            return self.runs(buckets);
        }
        let mut all: Vec<u32> = buckets.collect();
        all.sort_unstable();
        self.runs(all.into_iter())
    }

    fn runs(&self, buckets: impl Iterator<Item = u32>) -> usize {
        let holds = |events: i64| events > 0 && self.criteria.as_ref().is_none_or(|criteria| criteria.holds(events));
        let (mut current, mut events, mut intervals) = (NO_BUCKET, 0_i64, 0);
        for bucket in buckets {
            if bucket != current {
                intervals += usize::from(holds(events));
                (current, events) = (bucket, 0);
            }
            events += 1;
        }
        intervals + usize::from(holds(events))
    }
}
