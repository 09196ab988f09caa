//! Visits: what one session did under one value of the breakdown, in one pass over the rows.
//!
//! In: conditions on events, a breakdown, a goal, measures. Out: a [`Visit`] for each session and value. Events without a session are one
//! visit for each value.

use super::model::Periods;
use crate::error::QueryError;
use crate::functions::datum::{Datum, read};
use crate::hogql::ast::Expr;
use crate::hogql::build::{and, call, or};
use crate::insights::InsightContext;
use crate::scan::{EVER, RowProgram, RowProgramOnPart};
use aqueduct_event::PersonId;
use aqueduct_store::Part;
use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use hashbrown::HashMap;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use uuid::Uuid;

/// What is asked of the rows.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// All must hold; times are looked at apart from them.
    pub(super) conditions: Vec<Expr>,
    /// Values that visits are told apart by.
    pub(super) breakdown: Vec<Expr>,
    /// Whether an event is what a visit is wanted to end in.
    pub(super) goal: Option<Expr>,
    /// Numbers that are added up; rows without one do not count.
    pub(super) measures: Vec<Expr>,
}

/// A part of a breakdown's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Atom {
    /// A number by its bits, in an order that is that of numbers.
    Number(u64),
    Text(String),
    Null,
}

impl Atom {
    fn of(value: &Datum<'_>) -> Self {
        match value {
            Datum::Null => Atom::Null,
            Datum::Text(text) => Atom::Text(text.as_ref().to_owned()),
            other => match other.as_float() {
                Some(number) => Atom::number(number),
                None => Atom::Null,
            },
        }
    }

    fn number(number: f64) -> Self {
        let bits = number.to_bits();
        Atom::Number(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
    }

    /// The number, if it is one.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Atom::Number(bits) => Some(f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })),
            _ => None,
        }
    }
}

/// The value of a breakdown.
pub(super) type Key = Vec<Atom>;

/// The value in a row.
pub(super) fn key_of(columns: &[ArrayRef], row: usize) -> Key {
    columns.iter().map(|column| Atom::of(&read(column.as_ref(), row))).collect()
}

/// What one session did under one value.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// The person of the earliest row, and when that was.
    first: (i64, PersonId),
    pub(super) session: Option<Uuid>,
    /// When the session began.
    pub(super) start: Option<i64>,
    pub(super) seconds: Option<i64>,
    pub(super) is_bounce: Option<bool>,
    /// Rows that pass.
    pub(super) events: u64,
    /// Rows that are what the goal asks for.
    pub(super) conversions: u64,
    converted: Option<(i64, PersonId)>,
    /// Sum and number of each measure.
    pub(super) measures: Vec<(f64, u64)>,
}

impl Visit {
    pub(super) fn person(&self) -> PersonId {
        self.first.1
    }

    /// Who did what the goal asks for.
    pub(super) fn converted(&self) -> Option<PersonId> {
        self.converted.map(|(_, person)| person)
    }

    fn absorb(&mut self, other: Visit) {
        self.first = self.first.min(other.first);
        self.events += other.events;
        self.conversions += other.conversions;
        self.converted = match (self.converted, other.converted) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        };
        for (sum, more) in self.measures.iter_mut().zip(other.measures) {
            sum.0 += more.0;
            sum.1 += more.1;
        }
    }
}

/// The visits of some rows.
#[derive(Debug, Default)]
pub(super) struct Visits {
    numbers: HashMap<Key, u32>,
    keys: Vec<Key>,
    visits: FxHashMap<(Option<Uuid>, u32), Visit>,
}

/// Columns of the program, in order; the breakdown's and the measures follow.
const CONDITION: usize = 0;
const PERSON: usize = 1;
const SESSION: usize = 2;
const START: usize = 3;
const SECONDS: usize = 4;
const BOUNCE: usize = 5;
const GOAL: usize = 6;
const BREAKDOWN: usize = 7;

impl Question {
    /// Reads all rows of the periods once.
    ///
    /// # Errors
    /// [`QueryError`] when an expression does not resolve, or reading fails.
    pub(super) fn visits(&self, context: &InsightContext<'_>, periods: &Periods) -> Result<Visits, QueryError> {
        let session = |name: &str| Expr::field(["session", name]);
        let mut exprs = vec![
            and(self.conditions.clone()),
            Expr::field(["person_id"]),
            session("session_id_v7"),
            session("$start_timestamp"),
            session("$session_duration"),
            session("$is_bounce"),
            self.goal.clone().map_or_else(|| Expr::lit(false), |goal| or(vec![goal, Expr::lit(false)])),
        ];
        exprs.extend(self.breakdown.iter().cloned());
        exprs.extend(self.measures.iter().map(|measure| call("toFloat", vec![measure.clone()])));
        let program = context.compile(&exprs)?;
        let shards = context.over_shards(EVER, |parts| {
            let mut visits = Visits::default();
            for part in parts.iter().filter(|part| periods.touch(part.time_range())) {
                context.check()?;
                self.read(part, &program, periods, &mut visits)?;
            }
            Ok(visits)
        })?;
        Ok(shards.into_iter().fold(Visits::default(), Visits::with))
    }

    fn read(&self, part: &Arc<dyn Part>, program: &RowProgram, periods: &Periods, visits: &mut Visits) -> Result<(), QueryError> {
        let mut part = program.on(part);
        let passing = part.select(CONDITION, EVER)?;
        let times = part.times(&passing)?;
        let in_time = passing.values().iter().copied().zip(times).filter(|(_, time)| periods.contain(*time));
        let (rows, times): (Vec<u32>, Vec<i64>) = in_time.unzip();
        if rows.is_empty() {
            return Ok(());
        }
        let rows = UInt32Array::from(rows);
        let columns = Columns::of(&mut part, &rows, self, visits)?;
        for (at, time) in times.into_iter().enumerate() {
            visits.add(columns.keys[at], columns.visit(at, time));
        }
        Ok(())
    }
}

/// The values of the rows that pass.
struct Columns {
    persons: ArrayRef,
    sessions: ArrayRef,
    starts: ArrayRef,
    seconds: ArrayRef,
    bounces: ArrayRef,
    goals: Vec<bool>,
    measures: Vec<ArrayRef>,
    /// For each row the number of its breakdown value.
    keys: Vec<u32>,
}

impl Columns {
    fn of(part: &mut RowProgramOnPart<'_>, rows: &UInt32Array, question: &Question, visits: &mut Visits) -> Result<Self, QueryError> {
        let measures = BREAKDOWN + question.breakdown.len();
        let breakdown = (BREAKDOWN..measures).map(|column| part.evaluate(column, rows)).collect::<Result<Vec<_>, _>>()?;
        let float = |array: ArrayRef| cast(&array, &DataType::Float64);
        Ok(Columns {
            persons: part.evaluate(PERSON, rows)?,
            sessions: part.evaluate(SESSION, rows)?,
            starts: part.evaluate(START, rows)?,
            seconds: part.evaluate(SECONDS, rows)?,
            bounces: part.evaluate(BOUNCE, rows)?,
            goals: part.flags(GOAL, rows)?,
            measures: (measures..measures + question.measures.len())
                .map(|column| Ok(float(part.evaluate(column, rows)?)?))
                .collect::<Result<_, QueryError>>()?,
            keys: visits.keys_of(&breakdown, rows.len()),
        })
    }

    /// One row as a visit of its own.
    fn visit(&self, at: usize, time: i64) -> Visit {
        let uuid = |array: &ArrayRef| Uuid::from_slice(array.as_fixed_size_binary().value(at)).unwrap_or_default();
        let given = |array: &ArrayRef| !array.is_null(at);
        let first = (time, uuid(&self.persons));
        Visit {
            first,
            session: given(&self.sessions).then(|| uuid(&self.sessions)),
            start: given(&self.starts).then(|| self.starts.as_primitive::<TimestampMicrosecondType>().value(at)),
            seconds: given(&self.seconds).then(|| self.seconds.as_primitive::<Int64Type>().value(at)),
            is_bounce: given(&self.bounces).then(|| self.bounces.as_boolean().value(at)),
            events: 1,
            conversions: u64::from(self.goals[at]),
            converted: self.goals[at].then_some(first),
            measures: self
                .measures
                .iter()
                .map(|array| if given(array) { (array.as_primitive::<Float64Type>().value(at), 1) } else { (0.0, 0) })
                .collect(),
        }
    }
}

impl Visits {
    /// Each value of the breakdown with its visits, in no order.
    pub(super) fn by_key(self) -> impl Iterator<Item = (Key, Vec<Visit>)> {
        let mut lists: Vec<Vec<Visit>> = self.keys.iter().map(|_| Vec::new()).collect();
        for ((_, key), visit) in self.visits {
            lists[key as usize].push(visit);
        }
        self.keys.into_iter().zip(lists)
    }

    /// All visits; to be asked where nothing tells them apart.
    pub(super) fn all(self) -> impl Iterator<Item = Visit> {
        self.visits.into_values()
    }

    fn number(&mut self, key: Key) -> u32 {
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            next
        })
    }

    /// For each row the number of its value. The values of a dictionary are looked at once.
    fn keys_of(&mut self, breakdown: &[ArrayRef], rows: usize) -> Vec<u32> {
        if let [only] = breakdown
            && let Some(dictionary) = only.as_dictionary_opt::<Int32Type>()
        {
            let mut known: FxHashMap<i32, u32> = FxHashMap::default();
            let mut null = None;
            return dictionary
                .keys()
                .iter()
                .enumerate()
                .map(|(row, key)| match key {
                    Some(key) => *known.entry(key).or_insert_with(|| self.number(vec![Atom::of(&read(only.as_ref(), row))])),
                    None => *null.get_or_insert_with(|| self.number(vec![Atom::Null])),
                })
                .collect();
        }
        (0..rows).map(|row| self.number(key_of(breakdown, row))).collect()
    }

    fn add(&mut self, key: u32, visit: Visit) {
        match self.visits.entry((visit.session, key)) {
            std::collections::hash_map::Entry::Occupied(mut known) => known.get_mut().absorb(visit),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(visit);
            }
        }
    }

    /// These and those of other rows.
    fn with(mut self, other: Visits) -> Self {
        let numbers: Vec<u32> = other.keys.into_iter().map(|key| self.number(key)).collect();
        for ((_, key), visit) in other.visits {
            self.add(numbers[key as usize], visit);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_and_value() {
        let numbers = [-5.5, -1.0, 0.0, 0.5, 9.5, 10.0];
        let atoms: Vec<Atom> = numbers.into_iter().map(Atom::number).collect();
        assert!(atoms.is_sorted());
        assert_eq!(atoms.iter().map(|atom| atom.as_number().expect("a number")).collect::<Vec<_>>(), numbers);
    }
}
