//! Actors and their rows: all rows of a person, of a group or of any other key together, whatever parts they lie in.
//!
//! Of a part only the rows that matter are kept, as short columns. Persons need no table: parts are sorted by them ([`crate::scan`]). Keys do:
//! kept rows are sorted by key within their part, then the parts are walked side by side like parts sorted by person.
//!
//! # Invariants
//! - An actor is visited once, with all its rows. Rows of one piece are in order of time.
//! - Nothing of an answer depends on the order of visits: shards are visited side by side.

use super::InsightContext;
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
pub(crate) use crate::scan::{Absorb, ActorRows, Kept};
use crate::scan::{Pace, Piece, over_persons};
use aqueduct_event::PersonId;
use aqueduct_store::Part;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parking_lot::Mutex;
use std::sync::Arc;

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

/// What an operator keeps of rows.
pub(crate) trait PartRows: Send + Sync + Sized {
    /// These of the kept rows alone, in this order.
    fn pick(&self, rows: &[u32]) -> Self;
}

/// Of a column that may not be kept, some values.
pub(crate) fn pick<T: Copy>(all: &[T], rows: &[u32]) -> Vec<T> {
    if all.is_empty() { Vec::new() } else { rows.iter().map(|row| all[*row as usize]).collect() }
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
    /// Visits every actor that has rows within `span` (µs, both ends included). `make` begins a result, `read` keeps what matters of a part,
    /// `visit` adds an actor to a result; the `S` that it is given is memory that serves for one actor after the other.
    ///
    /// # Errors
    /// What `read` and `visit` answer, and that the query was stopped.
    pub(crate) fn over_actors<R: PartRows, T: Absorb, S: Default>(
        &self,
        actor: &Actor,
        span: (i64, i64),
        make: impl Fn() -> T + Sync,
        read: impl Fn(&Arc<dyn Part>) -> Result<Kept<R>, QueryError> + Sync,
        visit: impl Fn(&mut T, &mut S, ActorId<'_>, ActorRows<'_, R>) -> Result<(), QueryError> + Sync,
    ) -> Result<T, QueryError> {
        let read = |part: &Arc<dyn Part>| self.check().and_then(|()| read(part));
        match actor {
            Actor::Person => {
                let visit =
                    |result: &mut T, scratch: &mut S, person, rows: ActorRows<'_, R>| visit(result, scratch, ActorId::Person(person), rows);
                over_persons(&self.query.scan, span, || self.check(), make, read, visit)
            }
            Actor::Key { expr, skips_empty } => self.over_keys((expr, *skips_empty), span, make, read, visit),
        }
    }

    fn over_keys<R: PartRows, T: Absorb, S: Default>(
        &self,
        (expr, skips_empty): (&Expr, bool),
        span: (i64, i64),
        make: impl Fn() -> T + Sync,
        read: impl Fn(&Arc<dyn Part>) -> Result<Kept<R>, QueryError> + Sync,
        visit: impl Fn(&mut T, &mut S, ActorId<'_>, ActorRows<'_, R>) -> Result<(), QueryError> + Sync,
    ) -> Result<T, QueryError> {
        let program = self.compile(&[call("toString", vec![expr.clone()])])?;
        let held = Mutex::new((0, self.held()));
        let keyed = self.over_shards(span, |parts| {
            let by_key = |part: &&Arc<dyn Part>| {
                let Kept { rows, of, bytes } = read(part)?;
                let rows = rows.unwrap_or_else(|| (0..u32::try_from(part.rows()).unwrap_or(u32::MAX)).collect());
                let mut program = program.on(part);
                let times = program.times(&rows)?;
                let keys = cast(&program.evaluate(0, &rows)?, &DataType::Utf8)?;
                let keys = keys.as_string::<i32>();
                let is_somebody = |at: &u32| keys.is_valid(*at as usize) && (!skips_empty || !keys.value(*at as usize).is_empty());
                let mut order: Vec<u32> = (0..u32::try_from(rows.len()).unwrap_or(u32::MAX)).filter(is_somebody).collect();
                // Within a key in order of time, as within a person.
                order.sort_by_key(|at| (keys.value(*at as usize), times[*at as usize]));
                let text: usize = order.iter().map(|at| keys.value(*at as usize).len()).sum();
                let (sum, held) = &mut *held.lock();
                *sum += bytes + text + order.len() * size_of::<u32>();
                held.is(*sum)?;
                let mut sorted = Keyed { rows: of.pick(&order), keys: Vec::new(), starts: Vec::new() };
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
            parts.iter().map(by_key).collect::<Result<Vec<_>, QueryError>>()
        })?;
        let parts: Vec<Keyed<R>> = keyed.into_iter().flatten().collect();
        let (mut total, mut scratch, mut pace, mut of_result) = (make(), S::default(), Pace::new(|| self.check()), self.held());
        Self::walk_keys(&parts, |key, rows| {
            if pace.step()? {
                of_result.is(total.bytes())?;
            }
            visit(&mut total, &mut scratch, ActorId::Key(key), rows)
        })?;
        of_result.is(total.bytes())?;
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
            each(key, ActorRows::new(&borrowed, &pieces))?;
        }
        Ok(())
    }
}
