//! The stickiness operator: for each actor the number of intervals in which it was active.

use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, Kept, PartRows, pick};
use crate::insights::buckets::{Buckets, NO_BUCKET};
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

/// For each row that counts its interval.
struct Rows {
    buckets: Vec<u32>,
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        Self { buckets: pick(&self.buckets, rows) }
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
        context.over_actors(
            &self.actor,
            self.buckets.range(),
            make,
            |part| self.read(part),
            |result, scratch, actor, rows| {
                let intervals = self.intervals(rows, scratch);
                if intervals > 0 {
                    note(result, actor, intervals);
                }
                Ok(())
            },
        )
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Kept<Rows>, QueryError> {
        let mut program = self.program.on(part);
        let rows = program.select(0, self.buckets.range())?;
        let buckets = program.times(&rows)?.into_iter().map(|time| self.buckets.of(time)).collect();
        let bytes = rows.len() * 2 * size_of::<u32>();
        Ok(Kept { rows: Some(rows), of: Rows { buckets }, bytes })
    }

    /// In how many intervals the actor was active.
    fn intervals(&self, rows: ActorRows<'_, Rows>, scratch: &mut Vec<u32>) -> usize {
        let buckets = rows.ranges().flat_map(|(rows, range)| rows.buckets[range].iter().copied()).filter(|bucket| *bucket != NO_BUCKET);
        if rows.pieces() == 1 {
            // Rows of a piece are in order of time.
            return self.runs(buckets);
        }
        scratch.clear();
        scratch.extend(buckets);
        scratch.sort_unstable();
        self.runs(scratch.iter().copied())
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
