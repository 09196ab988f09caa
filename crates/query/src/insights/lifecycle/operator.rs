//! The lifecycle operator: the intervals in which each actor was active tell what it was in each of them, and in those after.

use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, Kept, PartRows, pick};
use crate::insights::buckets::{Buckets, NO_BUCKET};
use crate::scan::RowProgram;
use aqueduct_store::Part;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use std::sync::Arc;

/// What an actor is in an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Active for the first time in sight, in the interval in which it came to be.
    New,
    /// Active, as in the interval before.
    Returning,
    /// Active, but not in the interval before.
    Resurrecting,
    /// Not active, unlike in the interval before.
    Dormant,
}

impl Status {
    /// In the order of results.
    pub(super) const ALL: [Status; 4] = [Status::New, Status::Returning, Status::Resurrecting, Status::Dormant];

    pub(super) fn name(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Returning => "returning",
            Status::Resurrecting => "resurrecting",
            Status::Dormant => "dormant",
        }
    }
}

/// A query, ready to run.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) actor: Actor,
    /// Whether a row counts, and when its actor came to be.
    pub(super) program: RowProgram,
    /// The intervals; the first is the one before the range.
    pub(super) buckets: Buckets,
}

/// For each row that counts its interval, and the interval in which its actor came to be.
struct Rows {
    active: Vec<u32>,
    created: Vec<u32>,
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        Self { active: pick(&self.active, rows), created: pick(&self.created, rows) }
    }
}

/// Numbers of actors by status and interval.
#[derive(Debug)]
pub(super) struct Counts {
    intervals: usize,
    counts: Vec<u64>,
}

impl Counts {
    /// How many actors were that in an interval.
    pub(super) fn of(&self, status: Status, interval: usize) -> u64 {
        self.counts[status as usize * self.intervals + interval]
    }
}

impl Absorb for Counts {
    fn absorb(&mut self, other: Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
    }
}

impl Operator {
    /// The counts of actors.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn run(&self, context: &InsightContext<'_>) -> Result<Counts, QueryError> {
        let intervals = self.buckets.len();
        let make = || Counts { intervals, counts: vec![0; Status::ALL.len() * intervals] };
        self.each(context, make, |counts, _, status, interval| counts.counts[status as usize * intervals + interval] += 1)
    }

    /// Tells `note` what each actor is in which interval.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn each<T: Absorb>(
        &self,
        context: &InsightContext<'_>,
        make: impl Fn() -> T + Sync,
        note: impl Fn(&mut T, ActorId<'_>, Status, usize) + Sync,
    ) -> Result<T, QueryError> {
        context.over_actors(
            &self.actor,
            self.buckets.range(),
            make,
            |part| self.read(part),
            |result, active, actor, rows| {
                self.statuses(rows, active, |status, interval| note(result, actor, status, interval));
                Ok(())
            },
        )
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Kept<Rows>, QueryError> {
        let mut program = self.program.on(part);
        let rows = program.select(0, self.buckets.range())?;
        let active = program.times(&rows)?.into_iter().map(|time| self.buckets.of(time)).collect();
        let created = cast(&program.evaluate(1, &rows)?, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
        let created = created.as_primitive::<TimestampMicrosecondType>();
        let came = |row: usize| if created.is_valid(row) { self.buckets.of(created.value(row)) } else { NO_BUCKET };
        let created = (0..rows.len()).map(came).collect();
        let bytes = rows.len() * 3 * size_of::<u32>();
        Ok(Kept { rows: Some(rows), of: Rows { active, created }, bytes })
    }

    /// `active` is memory for the actor's intervals.
    fn statuses(&self, rows: ActorRows<'_, Rows>, active: &mut Vec<u32>, mut note: impl FnMut(Status, usize)) {
        let mut created = NO_BUCKET;
        active.clear();
        for (part, range) in rows.ranges() {
            for (bucket, came) in part.active[range.clone()].iter().zip(&part.created[range]) {
                if *bucket != NO_BUCKET && active.last() != Some(bucket) {
                    active.push(*bucket);
                    created = *came;
                }
            }
        }
        if rows.pieces() > 1 {
            active.sort_unstable();
            active.dedup();
        }
        let mut before = None;
        for (at, bucket) in active.iter().copied().enumerate() {
            let status = match before {
                None if bucket == created => Status::New,
                Some(before) if before + 1 == bucket => Status::Returning,
                _ => Status::Resurrecting,
            };
            note(status, bucket as usize);
            let next = bucket + 1;
            if active.get(at + 1) != Some(&next) && (next as usize) < self.buckets.len() {
                note(Status::Dormant, next as usize);
            }
            before = Some(bucket);
        }
    }
}
