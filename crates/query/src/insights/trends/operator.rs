//! The trends operator: one pass over a project's rows, shards in parallel, no hash table of persons.
//!
//! Rows count where they lie unless the math is per person; then a person's rows are visited together (see [`crate::insights::actors`]).

use super::math::Math;
use super::rows::{Layout, NO_CELL, Rows};
use super::tally::{Lines, Tally};
use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, Kept};
use crate::insights::buckets::Buckets;
use crate::insights::labels::{Bins, SharedLabels};
use crate::insights::statistic::Statistic;
use crate::scan::{EVER, Pace, RowProgram};
use arrow::array::{Array, AsArray};
use smallvec::SmallVec;

/// A series, ready to run.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) math: Math,
    pub(super) program: RowProgram,
    pub(super) layout: Layout,
    pub(super) buckets: Buckets,
    pub(super) bins: Vec<Option<Bins>>,
    pub(super) labels: SharedLabels,
    /// Actors count in their first bucket alone.
    pub(super) first_bucket_only: bool,
    /// For [`Math::Active`]: from when (not included) until when (included) activity counts for each bucket, µs.
    pub(super) windows: Vec<(i64, i64)>,
}

/// A tally that others can be added to.
struct Half {
    tally: Tally,
    math: Math,
}

impl Absorb for Half {
    fn absorb(&mut self, other: Self) {
        self.tally.add(other.tally, self.math);
    }

    fn bytes(&self) -> usize {
        self.tally.bytes(self.math)
    }
}

/// Memory for the cells of the person at hand.
type Scratch = Vec<(u32, f64)>;

impl Operator {
    /// The values of each bucket for each combination of breakdown values.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn run(&self, context: &InsightContext<'_>) -> Result<Lines, QueryError> {
        let make = || Half { tally: Tally::default(), math: self.math };
        let (mut total, mut held) = (make(), context.held());
        if self.is_per_person() {
            let visit = |half: &mut Half, scratch: &mut Scratch, _: ActorId<'_>, rows: ActorRows<'_, Rows>| {
                self.person(&mut half.tally, scratch, rows);
                Ok(())
            };
            total = context.over_actors(&self.actor(), self.span(), make, |part| self.read(part), visit)?;
        } else {
            let halves = context.over_shards(self.span(), |parts| {
                let (mut half, mut held) = (make(), context.held());
                for part in parts {
                    context.check()?;
                    let Kept { of: rows, .. } = self.read(part)?;
                    half.tally.grow(rows.cells_end, self.math);
                    half.tally.see(&rows, self.buckets.len());
                    self.count_rows(&rows, &mut half.tally, context)?;
                    held.is(half.bytes())?;
                }
                // What it holds counts until it is part of the whole.
                Ok((half, held))
            })?;
            for (half, _of_shard) in halves {
                total.absorb(half);
                held.is(total.bytes())?;
            }
        }
        held.is(total.bytes() + self.labels.bytes())?;
        if self.first_bucket_only {
            total.tally.keep_first_buckets(self.buckets.len());
        }
        Ok(total.tally.finish(&self.labels, self.buckets.len(), self.math))
    }

    /// Whose rows come together where the math asks for that.
    fn actor(&self) -> Actor {
        match self.math {
            Math::First { group, .. } => Actor::of_group(group),
            _ => Actor::Person,
        }
    }

    fn is_per_person(&self) -> bool {
        matches!(self.math, Math::Persons | Math::PerPerson(_) | Math::Active { .. } | Math::First { .. })
    }

    /// The times that can tell. What comes first is known from all that was before.
    pub(super) fn span(&self) -> (i64, i64) {
        let (from, to) = self.buckets.range();
        match self.math {
            Math::First { .. } => EVER,
            _ => (self.windows.first().map_or(from, |(first, _)| from.min(*first)), to),
        }
    }

    fn count_rows(&self, rows: &Rows, tally: &mut Tally, context: &InsightContext<'_>) -> Result<(), QueryError> {
        let counted = || rows.cells.iter().enumerate().filter(|(_, cell)| **cell != NO_CELL);
        match self.math {
            Math::Values(statistic) => {
                let numbers = rows.numbers(0)?;
                for (row, cell) in counted().filter(|(row, _)| !numbers[*row].is_nan()) {
                    tally.number(*cell, numbers[row], statistic);
                }
            }
            Math::Keys | Math::Sessions | Math::PerSession(_) | Math::ActiveKeys { .. } => self.count_keys(rows, tally, context)?,
            _ => tally.count_all(&rows.cells),
        }
        Ok(())
    }

    fn count_keys(&self, rows: &Rows, tally: &mut Tally, context: &InsightContext<'_>) -> Result<(), QueryError> {
        let keys = rows.keys(0)?;
        let keys = keys.as_string::<i32>();
        let durations = if matches!(self.math, Math::PerSession(_)) { rows.numbers(1)? } else { Vec::new() };
        let counts_empty = matches!(self.math, Math::Sessions | Math::PerSession(_));
        // A key costs a look into a table: a part of millions of rows takes a while.
        let mut pace = Pace::new(|| context.check());
        for (row, cell) in rows.cells.iter().enumerate() {
            pace.step()?;
            let key = if keys.is_null(row) { "" } else { keys.value(row) };
            if key.is_empty() && !counts_empty {
                continue;
            }
            match self.math {
                Math::ActiveKeys { .. } => {
                    let width = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
                    for bucket in self.active_buckets(rows.times[row]) {
                        tally.key(rows.label(row) * width + bucket, key);
                    }
                }
                // A session counts once per cell, however many shards have rows of it.
                Math::PerSession(_) if *cell != NO_CELL && !durations[row].is_nan() => tally.key_of(*cell, key, durations[row]),
                Math::Keys | Math::Sessions if *cell != NO_CELL => {
                    tally.key(*cell, key);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Buckets for which activity at `time` counts.
    fn active_buckets(&self, time: i64) -> impl Iterator<Item = u32> {
        let first = self.windows.partition_point(|(_, until)| *until < time);
        let last = self.windows.partition_point(|(after, _)| *after < time);
        (first..last).filter_map(|bucket| u32::try_from(bucket).ok())
    }

    /// One person's rows.
    fn person(&self, tally: &mut Tally, scratch: &mut Scratch, rows: ActorRows<'_, Rows>) {
        tally.next_actor();
        rows.ranges().for_each(|(part, _)| tally.grow(part.cells_end, self.math));
        match self.math {
            Math::Persons if self.first_bucket_only => self.first_buckets(tally, rows),
            Math::Persons => {
                for (part, range) in rows.ranges() {
                    part.cells[range].iter().filter(|cell| **cell != NO_CELL).for_each(|cell| tally.count_once(*cell));
                }
            }
            Math::PerPerson(statistic) => per_person(tally, scratch, rows, statistic),
            Math::Active { .. } => self.active(tally, rows),
            Math::First { .. } => first_ever(tally, rows),
            _ => {}
        }
    }

    /// A person counts in the first bucket of each label alone.
    fn first_buckets(&self, tally: &mut Tally, rows: ActorRows<'_, Rows>) {
        let width = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
        let mut first: SmallVec<[(u32, u32); 4]> = SmallVec::new();
        for cell in counted(rows) {
            let (label, bucket) = (cell / width, cell % width);
            match first.iter_mut().find(|(known, _)| *known == label) {
                Some((_, earliest)) => *earliest = (*earliest).min(bucket),
                None => first.push((label, bucket)),
            }
        }
        for (label, bucket) in first {
            tally.count(label * width + bucket);
        }
    }

    fn active(&self, tally: &mut Tally, rows: ActorRows<'_, Rows>) {
        let width = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
        for (part, row) in rows.iter() {
            for bucket in self.active_buckets(part.times[row]) {
                tally.count_once(part.label(row) * width + bucket);
            }
        }
    }
}

/// The cells of an actor's rows that have one.
fn counted(rows: ActorRows<'_, Rows>) -> impl Iterator<Item = u32> {
    rows.iter().map(|(part, row)| part.cells[row]).filter(|cell| *cell != NO_CELL)
}

fn per_person(tally: &mut Tally, counts: &mut Scratch, rows: ActorRows<'_, Rows>, statistic: Statistic) {
    counts.clear();
    counts.extend(counted(rows).map(|cell| (cell, 1.0)));
    counts.sort_unstable_by_key(|(cell, _)| *cell);
    counts.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    for (cell, count) in counts {
        tally.number(*cell, *count, statistic);
    }
}

/// The person's first row of the event, if it counts.
fn first_ever(tally: &mut Tally, rows: ActorRows<'_, Rows>) {
    let mut first: Option<(i64, u32)> = None;
    for (part, row) in rows.iter() {
        // Of several rows at that moment one that passes is as good as any.
        let (time, cell) = (part.times[row], part.cells[row]);
        if first.is_none_or(|(least, kept)| time < least || (time == least && kept == NO_CELL)) {
            first = Some((time, cell));
        }
    }
    if let Some((_, cell)) = first.filter(|(_, cell)| *cell != NO_CELL) {
        tally.count(cell);
    }
}
