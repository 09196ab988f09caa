//! Actors and their rows: all rows of a person, of a group or of any other key together, whatever parts they lie in.
//!
//! Persons need no table: parts are sorted by them ([`super::people`]). Keys do: rows that matter are sorted by key within their part,
//! then the parts are walked side by side like parts sorted by person.
//!
//! # Invariants
//! - An actor is visited once, with all its rows. Rows of one piece are in order of time.
//! - Nothing of an answer depends on the order of visits: shards are visited side by side.

use super::people::{Merged, Piece, walk_merged, walk_shard};
use super::{InsightContext, times_of};
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use crate::scan::Held;
use aqueduct_event::PersonId;
use aqueduct_store::{Part, PersonRuns};
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use std::sync::Arc;

/// Actors between two looks at whether anybody still waits.
const CHECK_EVERY: u32 = 4_096;

/// Whose rows come together.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    /// A person, merges applied.
    Person,
    /// Everybody with the same value of an expression; rows without one are nobody's.
    Key {
        /// The value.
        expr: Expr,
        /// Empty text is no value either, as for group keys.
        skips_empty: bool,
    },
}

/// One actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActorId<'a> {
    Person(PersonId),
    Key(&'a str),
}

/// What an operator keeps of a part's rows.
pub(crate) trait PartRows: Send + Sync + Sized {
    /// Whether the row can change the answer.
    fn matters(&self, row: usize) -> bool;

    /// These rows alone, in this order.
    fn pick(&self, rows: &[u32]) -> Self;
}

/// Results of some actors, to which those of others can be added.
pub(crate) trait Absorb: Send {
    fn absorb(&mut self, other: Self);

    /// Memory that it holds beyond what the number of actors bounds, about.
    fn bytes(&self) -> usize {
        0
    }
}

/// All rows of one actor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActorRows<'a, R> {
    parts: &'a [&'a R],
    pieces: &'a [Piece],
}

impl<'a, R> ActorRows<'a, R> {
    /// The rows, piece by piece: what the operator kept of the part, and the row's place in it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a R, usize)> + use<'a, R> {
        let parts = self.parts;
        self.pieces.iter().flat_map(move |piece| {
            let rows = parts[piece.part];
            piece.rows.clone().map(move |row| (rows, row))
        })
    }

    /// In how many pieces the rows lie; each is in order of time.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }
}

impl Actor {
    /// Persons, or the groups of a type.
    pub(crate) fn of_group(index: Option<u8>) -> Self {
        match index {
            None => Actor::Person,
            Some(index) => Actor::Key { expr: Expr::field([format!("$group_{index}")]), skips_empty: true },
        }
    }
}

/// A part's rows sorted by key.
struct Keyed<R> {
    rows: R,
    keys: Vec<String>,
    /// Where the rows of each key begin, and the end.
    starts: Vec<u32>,
}

impl InsightContext<'_> {
    /// Visits every actor that has rows in the parts that `wants` keeps. `make` begins a result, `read` keeps what matters of a part,
    /// `visit` adds an actor to a result.
    ///
    /// # Errors
    /// What `read` and `visit` answer, and that the query was stopped.
    pub(crate) fn over_actors<R: PartRows, T: Absorb>(
        &self,
        actor: &Actor,
        wants: impl Fn(&dyn Part) -> bool + Sync,
        make: impl Fn() -> T + Sync,
        read: impl Fn(&Arc<dyn Part>) -> Result<R, QueryError> + Sync,
        visit: impl Fn(&mut T, ActorId<'_>, ActorRows<'_, R>) -> Result<(), QueryError> + Sync,
    ) -> Result<T, QueryError> {
        let read = |part: &Arc<dyn Part>| self.check().and_then(|()| read(part));
        let wanted = |parts: &[Arc<dyn Part>]| parts.iter().filter(|part| wants(part.as_ref())).map(Arc::clone).collect::<Vec<_>>();
        match actor {
            Actor::Person => self.over_persons(wanted, make, read, visit),
            Actor::Key { expr, skips_empty } => self.over_keys(expr, *skips_empty, wanted, make, read, visit),
        }
    }

    fn over_persons<R: PartRows, T: Absorb>(
        &self,
        wanted: impl Fn(&[Arc<dyn Part>]) -> Vec<Arc<dyn Part>> + Sync,
        make: impl Fn() -> T + Sync,
        read: impl Fn(&Arc<dyn Part>) -> Result<R, QueryError> + Sync,
        visit: impl Fn(&mut T, ActorId<'_>, ActorRows<'_, R>) -> Result<(), QueryError> + Sync,
    ) -> Result<T, QueryError> {
        let merged = Merged::of(self.view().as_ref());
        let halves = self.over_shards(|parts| {
            let mut result = make();
            let (mut rows, mut runs): (Vec<R>, Vec<Arc<PersonRuns>>) = (Vec::new(), Vec::new());
            for part in wanted(parts) {
                rows.push(read(&part)?);
                runs.push(part.person_runs()?);
            }
            let borrowed: Vec<&R> = rows.iter().collect();
            let mut pace = Pace::new(self);
            walk_shard(&runs, &merged, |person, pieces| {
                pace.step(&result)?;
                visit(&mut result, ActorId::Person(person), ActorRows { parts: &borrowed, pieces })
            })?;
            pace.held.is(result.bytes())?;
            // Persons that merges involve may have rows in several shards.
            let kept: Vec<_> = rows.into_iter().zip(runs).filter(|(_, runs)| merged.touches(runs)).collect();
            // What it holds counts until it is part of the whole.
            Ok((result, kept, pace.held))
        })?;
        let (mut total, mut held) = (make(), self.held());
        let (mut rows, mut runs) = (Vec::new(), Vec::new());
        for (result, kept, _of_shard) in halves {
            total.absorb(result);
            held.is(total.bytes())?;
            for (part_rows, part_runs) in kept {
                rows.push(part_rows);
                runs.push(part_runs);
            }
        }
        let borrowed: Vec<&R> = rows.iter().collect();
        walk_merged(&runs, &merged, |person, pieces| visit(&mut total, ActorId::Person(person), ActorRows { parts: &borrowed, pieces }))?;
        Ok(total)
    }

    fn over_keys<R: PartRows, T: Absorb>(
        &self,
        expr: &Expr,
        skips_empty: bool,
        wanted: impl Fn(&[Arc<dyn Part>]) -> Vec<Arc<dyn Part>> + Sync,
        make: impl Fn() -> T + Sync,
        read: impl Fn(&Arc<dyn Part>) -> Result<R, QueryError> + Sync,
        visit: impl Fn(&mut T, ActorId<'_>, ActorRows<'_, R>) -> Result<(), QueryError> + Sync,
    ) -> Result<T, QueryError> {
        let program = self.compile(&[call("toString", vec![expr.clone()])])?;
        let keyed = self.over_shards(|parts| {
            let by_key = |part: &Arc<dyn Part>| {
                let rows = read(part)?;
                let keys = program.evaluate(part)?.swap_remove(0);
                let times = times_of(part)?;
                let keys = cast(&keys, &DataType::Utf8)?;
                let keys = keys.as_string::<i32>();
                let is_somebody = |row: usize| keys.is_valid(row) && (!skips_empty || !keys.value(row).is_empty());
                let mut order: Vec<u32> = (0..part.rows())
                    .filter(|row| rows.matters(*row) && is_somebody(*row))
                    .filter_map(|row| u32::try_from(row).ok())
                    .collect();
                // Within a key in order of time, as within a person.
                order.sort_by_key(|row| (keys.value(*row as usize), times[*row as usize]));
                let mut sorted = Keyed { rows: rows.pick(&order), keys: Vec::new(), starts: Vec::new() };
                for (at, row) in (0_u32..).zip(&order) {
                    let key = keys.value(*row as usize);
                    if sorted.keys.last().is_none_or(|last| last != key) {
                        sorted.keys.push(key.to_owned());
                        sorted.starts.push(at);
                    }
                }
                sorted.starts.push(u32::try_from(order.len()).unwrap_or(u32::MAX));
                Ok(sorted)
            };
            wanted(parts).iter().map(by_key).collect::<Result<Vec<_>, QueryError>>()
        })?;
        let parts: Vec<Keyed<R>> = keyed.into_iter().flatten().collect();
        let (mut total, mut pace) = (make(), Pace::new(self));
        Self::walk_keys(&parts, |key, rows| {
            pace.step(&total)?;
            visit(&mut total, ActorId::Key(key), rows)
        })?;
        pace.held.is(total.bytes())?;
        Ok(total)
    }

    /// Walks keys in order, all pieces of a key at once.
    fn walk_keys<R>(parts: &[Keyed<R>], mut each: impl FnMut(&str, ActorRows<'_, R>) -> Result<(), QueryError>) -> Result<(), QueryError> {
        let borrowed: Vec<&R> = parts.iter().map(|part| &part.rows).collect();
        let mut at = vec![0_usize; parts.len()];
        let mut pieces = Vec::with_capacity(parts.len());
        while let Some(key) = parts.iter().zip(&at).filter_map(|(part, at)| part.keys.get(*at)).min() {
            pieces.clear();
            for (part, keyed) in parts.iter().enumerate() {
                let here = at[part];
                if keyed.keys.get(here) == Some(key) {
                    pieces.push(Piece { part, rows: keyed.starts[here] as usize..keyed.starts[here + 1] as usize });
                    at[part] += 1;
                }
            }
            each(key, ActorRows { parts: &borrowed, pieces: &pieces })?;
        }
        Ok(())
    }
}

/// Looks now and then whether anybody still waits for the answer, and what it holds.
struct Pace<'c> {
    context: &'c InsightContext<'c>,
    held: Held,
    steps: u32,
}

impl<'c> Pace<'c> {
    fn new(context: &'c InsightContext<'c>) -> Self {
        Self { context, held: context.held(), steps: 0 }
    }

    #[inline]
    fn step(&mut self, result: &impl Absorb) -> Result<(), QueryError> {
        self.steps += 1;
        if !self.steps.is_multiple_of(CHECK_EVERY) {
            return Ok(());
        }
        self.context.check()?;
        self.held.is(result.bytes())
    }
}
