//! The trends operator: one pass over a project's rows, shards in parallel, no hash table of persons.
//!
//! Rows count where they lie unless the math is per person; then a person's pieces are walked together (see [`crate::insights::people`]).
//! Persons that merges involve are walked last, over rows kept from the pass.

use super::math::Math;
use super::rows::{Layout, NO_CELL, Rows};
use super::tally::{Lines, Tally};
use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::buckets::Buckets;
use crate::insights::labels::Bins;
use crate::insights::people::{Merged, Piece, walk_merged, walk_shard};
use crate::insights::statistic::Statistic;
use crate::scan::{Held, RowProgram};
use aqueduct_event::PersonId;
use aqueduct_store::{Part, PersonRuns};
use arrow::array::{Array, AsArray};
use smallvec::SmallVec;
use std::sync::Arc;

/// A series, ready to run.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) math: Math,
    pub(super) program: RowProgram,
    pub(super) layout: Layout,
    pub(super) buckets: Buckets,
    pub(super) bins: Vec<Option<Bins>>,
    /// Actors count in their first bucket alone.
    pub(super) first_bucket_only: bool,
    /// For [`Math::Active`]: from when (not included) until when (included) activity counts for each bucket, µs.
    pub(super) windows: Vec<(i64, i64)>,
}

/// Rows of a part that holds persons whom merges involve.
struct Kept {
    rows: Rows,
    runs: Arc<PersonRuns>,
}

impl Operator {
    /// The values of each bucket for each combination of breakdown values.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn run(&self, context: &InsightContext<'_>) -> Result<Lines, QueryError> {
        let merged = Merged::of(context.view().as_ref());
        let width = self.buckets.len();
        let halves = context.over_shards(|parts| self.shard(parts, &merged, context))?;
        let (mut total, mut held) = (Tally::default(), context.held());
        total.grow(width, self.math);
        let mut kept = Vec::new();
        for (tally, rows, _of_shard) in halves {
            let to = total.absorb(tally, width, self.math);
            held.is(total.bytes(width, self.math))?;
            kept.extend(rows.into_iter().map(|mut kept| {
                kept.rows.relabel(&to, u32::try_from(width).unwrap_or(u32::MAX));
                kept
            }));
        }
        if !kept.is_empty() {
            let mut walk = Walk::new(self, &mut total);
            let runs: Vec<_> = kept.iter().map(|kept| Arc::clone(&kept.runs)).collect();
            let rows: Vec<_> = kept.iter().map(|kept| &kept.rows).collect();
            walk_merged(&runs, &merged, |_, pieces| walk.person(&rows, pieces))?;
        }
        if self.first_bucket_only {
            total.keep_first_buckets(width);
        }
        Ok(total.finish(width, self.math))
    }

    fn is_per_person(&self) -> bool {
        matches!(self.math, Math::Persons | Math::PerPerson(_) | Math::Active { .. } | Math::First { .. })
    }

    /// The parts of a shard that can hold rows that count.
    fn parts<'p>(&self, parts: &'p [Arc<dyn Part>]) -> impl Iterator<Item = &'p Arc<dyn Part>> {
        let (mut from, to) = self.buckets.range();
        if let Some((first, _)) = self.windows.first() {
            from = from.min(*first);
        }
        let everything = matches!(self.math, Math::First { .. });
        parts.iter().filter(move |part| {
            let (min, max) = part.time_range();
            everything || (min <= to && max >= from)
        })
    }

    fn shard(
        &self,
        parts: &[Arc<dyn Part>],
        merged: &Merged,
        context: &InsightContext<'_>,
    ) -> Result<(Tally, Vec<Kept>, Held), QueryError> {
        let (mut tally, mut held) = (Tally::default(), context.held());
        let mut rows = Vec::new();
        let mut runs = Vec::new();
        for part in self.parts(parts) {
            context.check()?;
            let of_part = Rows::of(part, &self.program, self.layout, &self.buckets, &self.bins, &mut tally.labels)?;
            held.is(tally.bytes(self.buckets.len(), self.math))?;
            tally.grow(self.buckets.len(), self.math);
            tally.see(&of_part, self.buckets.len());
            if self.is_per_person() {
                runs.push(part.person_runs()?);
                rows.push(of_part);
            } else {
                self.count_rows(&of_part, &mut tally)?;
            }
        }
        tally.grow(self.buckets.len(), self.math);
        held.is(tally.bytes(self.buckets.len(), self.math))?;
        if rows.is_empty() {
            return Ok((tally, Vec::new(), held));
        }
        let mut walk = Walk::new(self, &mut tally);
        let borrowed: Vec<_> = rows.iter().collect();
        walk_shard(&runs, merged, |_: PersonId, pieces| walk.person(&borrowed, pieces))?;
        let kept = rows.into_iter().zip(runs).filter(|(_, runs)| merged.touches(runs)).map(|(rows, runs)| Kept { rows, runs });
        let kept = kept.collect();
        held.is(tally.bytes(self.buckets.len(), self.math))?;
        Ok((tally, kept, held))
    }

    fn count_rows(&self, rows: &Rows, tally: &mut Tally) -> Result<(), QueryError> {
        let counted = || rows.cells.iter().enumerate().filter(|(_, cell)| **cell != NO_CELL);
        match self.math {
            Math::Values(statistic) => {
                let numbers = rows.numbers(0)?;
                for (row, cell) in counted().filter(|(row, _)| !numbers[*row].is_nan()) {
                    tally.number(*cell, numbers[row], statistic);
                }
            }
            Math::Keys | Math::Sessions | Math::SessionDuration(_) | Math::ActiveKeys { .. } => self.count_keys(rows, tally)?,
            _ => counted().for_each(|(_, cell)| tally.count(*cell)),
        }
        Ok(())
    }

    fn count_keys(&self, rows: &Rows, tally: &mut Tally) -> Result<(), QueryError> {
        let keys = rows.keys(0)?;
        let keys = keys.as_string::<i32>();
        let durations = if matches!(self.math, Math::SessionDuration(_)) { rows.numbers(1)? } else { Vec::new() };
        let counts_empty = matches!(self.math, Math::Sessions | Math::SessionDuration(_));
        for (row, cell) in rows.cells.iter().enumerate() {
            let key = if keys.is_null(row) { "" } else { keys.value(row) };
            if key.is_empty() && !counts_empty {
                continue;
            }
            match self.math {
                Math::ActiveKeys { .. } if rows.passes[row] => {
                    let width = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
                    for bucket in self.active_buckets(rows.times[row]) {
                        tally.key(rows.label(row) * width + bucket, key);
                    }
                }
                // A session counts once per cell, however many shards have rows of it.
                Math::SessionDuration(_) if *cell != NO_CELL && !durations[row].is_nan() => tally.key_of(*cell, key, durations[row]),
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
}

/// A walk over persons, one after the other.
struct Walk<'o> {
    operator: &'o Operator,
    tally: &'o mut Tally,
    next_actor: u32,
    counts: Vec<(u32, f64)>,
}

impl<'o> Walk<'o> {
    fn new(operator: &'o Operator, tally: &'o mut Tally) -> Self {
        Self { operator, tally, next_actor: 0, counts: Vec::new() }
    }

    fn person(&mut self, parts: &[&Rows], pieces: &[Piece]) -> Result<(), QueryError> {
        let actor = self.next_actor;
        self.next_actor = self.next_actor.wrapping_add(1);
        match self.operator.math {
            Math::Persons if self.operator.first_bucket_only => self.first_buckets(parts, pieces),
            Math::Persons => {
                for piece in pieces {
                    for cell in &parts[piece.part].cells[piece.rows.clone()] {
                        if *cell != NO_CELL {
                            self.tally.count_once(*cell, actor);
                        }
                    }
                }
            }
            Math::PerPerson(statistic) => self.per_person(parts, pieces, statistic),
            Math::Active { .. } => self.active(parts, pieces, actor),
            Math::First { matching } => self.first_ever(parts, pieces, matching),
            _ => {}
        }
        Ok(())
    }

    /// A person counts in the first bucket of each label alone.
    fn first_buckets(&mut self, parts: &[&Rows], pieces: &[Piece]) {
        let width = u32::try_from(self.operator.buckets.len()).unwrap_or(u32::MAX);
        let mut first: SmallVec<[(u32, u32); 4]> = SmallVec::new();
        for piece in pieces {
            for cell in parts[piece.part].cells[piece.rows.clone()].iter().filter(|cell| **cell != NO_CELL) {
                let (label, bucket) = (cell / width, cell % width);
                match first.iter_mut().find(|(known, _)| *known == label) {
                    Some((_, earliest)) => *earliest = (*earliest).min(bucket),
                    None => first.push((label, bucket)),
                }
            }
        }
        for (label, bucket) in first {
            self.tally.count(label * width + bucket);
        }
    }

    fn per_person(&mut self, parts: &[&Rows], pieces: &[Piece], statistic: Statistic) {
        self.counts.clear();
        for piece in pieces {
            for cell in parts[piece.part].cells[piece.rows.clone()].iter().filter(|cell| **cell != NO_CELL) {
                self.counts.push((*cell, 1.0));
            }
        }
        self.counts.sort_unstable_by_key(|(cell, _)| *cell);
        self.counts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        for (cell, count) in &self.counts {
            self.tally.number(*cell, *count, statistic);
        }
    }

    fn active(&mut self, parts: &[&Rows], pieces: &[Piece], actor: u32) {
        let width = u32::try_from(self.operator.buckets.len()).unwrap_or(u32::MAX);
        for piece in pieces {
            let rows = parts[piece.part];
            for row in piece.rows.clone().filter(|row| rows.passes[*row]) {
                for bucket in self.operator.active_buckets(rows.times[row]) {
                    self.tally.count_once(rows.label(row) * width + bucket, actor);
                }
            }
        }
    }

    /// The person's first row of the event, if it counts.
    fn first_ever(&mut self, parts: &[&Rows], pieces: &[Piece], matching: bool) {
        let mut first: Option<(i64, u32)> = None;
        for piece in pieces {
            let rows = parts[piece.part];
            for row in piece.rows.clone() {
                let is_candidate = if matching { rows.passes[row] } else { rows.is_event.as_ref().is_none_or(|events| events[row]) };
                // Of several rows at that moment one that passes is as good as any.
                let (time, cell) = (rows.times[row], rows.cells[row]);
                if is_candidate && first.is_none_or(|(least, kept)| time < least || (time == least && kept == NO_CELL)) {
                    first = Some((time, cell));
                }
            }
        }
        if let Some((_, cell)) = first.filter(|(_, cell)| *cell != NO_CELL) {
            self.tally.count(cell);
        }
    }
}
