//! The retention operator: one pass over rows, actors one after the other.

use super::cohort::{BEGINS, Mark, NAMED, RETURNS, Rules, Sink};
use super::model::RetentionType;
use crate::error::QueryError;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, PartRows};
use crate::insights::buckets::{Buckets, NO_BUCKET};
use crate::insights::labels::SharedLabels;
use crate::insights::{InsightContext, times_of, truth};
use crate::scan::RowProgram;
use aqueduct_store::Part;
use arrow::array::AsArray;
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use hashbrown::HashMap;
use std::sync::Arc;

/// Where the results of the program stand: first two conditions (begins, returns), then these.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    /// Whether the row is of the target's event.
    pub(super) named: Option<usize>,
    pub(super) breakdown: Option<usize>,
    pub(super) value: Option<usize>,
}

/// A query, ready to run.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) actor: Actor,
    pub(super) program: RowProgram,
    pub(super) layout: Layout,
    pub(super) buckets: Buckets,
    pub(super) labels: SharedLabels,
    pub(super) rules: Rules,
}

/// What is kept of a part's rows.
struct Rows {
    times: ScalarBuffer<i64>,
    flags: Vec<u8>,
    labels: Vec<u32>,
    values: Vec<f64>,
}

impl PartRows for Rows {
    fn matters(&self, row: usize) -> bool {
        self.flags[row] != 0
    }

    fn pick(&self, rows: &[u32]) -> Self {
        fn of<T: Copy>(all: &[T], rows: &[u32]) -> Vec<T> {
            if all.is_empty() { Vec::new() } else { rows.iter().map(|row| all[*row as usize]).collect() }
        }
        Self {
            times: of(&self.times, rows).into(),
            flags: of(&self.flags, rows),
            labels: of(&self.labels, rows),
            values: of(&self.values, rows),
        }
    }
}

/// Actors and values of the cells of one breakdown value; cell `row * columns + column`.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) actors: Vec<u64>,
    pub(super) values: Vec<f64>,
}

/// The grids by label.
#[derive(Debug)]
pub(super) struct Grids {
    pub(super) by_label: HashMap<u32, Grid>,
    columns: usize,
    cells: usize,
    has_values: bool,
}

impl Grids {
    fn new(rules: &Rules) -> Self {
        let columns = rules.columns.len();
        Self { by_label: HashMap::new(), columns, cells: columns * rules.rows as usize, has_values: rules.is_aggregated }
    }

    fn grid(&mut self, label: u32) -> &mut Grid {
        let (cells, has_values) = (self.cells, self.has_values);
        self.by_label
            .entry(label)
            .or_insert_with(|| Grid { actors: vec![0; cells], values: if has_values { vec![0.0; cells] } else { Vec::new() } })
    }
}

impl Sink for Grids {
    fn cohort(&mut self, label: u32, start: u32, columns: &[u32]) {
        let row = start as usize * self.columns;
        let grid = self.grid(label);
        for column in columns {
            grid.actors[row + *column as usize] += 1;
        }
    }

    fn value(&mut self, label: u32, start: u32, column: u32, value: f64) {
        let cell = start as usize * self.columns + column as usize;
        self.grid(label).values[cell] += value;
    }
}

impl Absorb for Grids {
    fn absorb(&mut self, other: Self) {
        for (label, grid) in other.by_label {
            let own = self.grid(label);
            own.actors.iter_mut().zip(grid.actors).for_each(|(sum, count)| *sum += count);
            own.values.iter_mut().zip(grid.values).for_each(|(sum, value)| *sum += value);
        }
    }

    fn bytes(&self) -> usize {
        let of_cell = size_of::<u64>() + if self.has_values { size_of::<f64>() } else { 0 };
        self.by_label.len() * self.cells * of_cell
    }
}

/// A result, and room for the marks of the actor at hand.
struct Walk<T> {
    result: T,
    marks: Vec<Mark>,
}

impl<T: Absorb> Absorb for Walk<T> {
    fn absorb(&mut self, other: Self) {
        self.result.absorb(other.result);
    }

    fn bytes(&self) -> usize {
        self.result.bytes()
    }
}

impl Operator {
    /// The grids of actors.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn run(&self, context: &InsightContext<'_>) -> Result<Grids, QueryError> {
        self.each(context, || Grids::new(&self.rules), |grids, _, marks, first| self.rules.actor(marks, first, grids))
    }

    /// Gives each actor's marks, in order of time, to `note`.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn each<T: Absorb>(
        &self,
        context: &InsightContext<'_>,
        make: impl Fn() -> T + Sync,
        note: impl Fn(&mut T, ActorId<'_>, &mut [Mark], &dyn Fn(&[u32]) -> u32) + Sync,
    ) -> Result<T, QueryError> {
        let (from, to) = self.buckets.range();
        let (is_recurring, is_rolling) = (self.rules.kind == RetentionType::Recurring, self.rules.is_rolling());
        // Who comes for the first time is known from all that was before.
        let wants = |part: &dyn Part| {
            let (first, last) = part.time_range();
            (first <= to || (is_rolling && !is_recurring)) && (last >= from || !is_recurring)
        };
        let first_label = |labels: &[u32]| labels.iter().copied().min_by_key(|label| self.labels.texts(*label)).unwrap_or(0);
        let make = || Walk { result: make(), marks: Vec::new() };
        let walk = context.over_actors(
            &self.actor,
            wants,
            make,
            |part| self.read(part),
            |walk, actor, rows| {
                self.collect(rows, &mut walk.marks);
                if !walk.marks.is_empty() {
                    note(&mut walk.result, actor, &mut walk.marks, &first_label);
                }
                Ok(())
            },
        )?;
        Ok(walk.result)
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Rows, QueryError> {
        let results = self.program.evaluate(part)?;
        let times = times_of(part)?;
        let mut flags = vec![0; times.len()];
        for (at, flag) in [(Some(0), BEGINS), (Some(1), RETURNS), (self.layout.named, NAMED)] {
            let Some(at) = at else { continue };
            flags.iter_mut().zip(truth(&results[at])?).for_each(|(flags, holds)| *flags |= u8::from(holds) * flag);
        }
        let labels = match self.layout.breakdown {
            Some(at) => self.labels.codes(&results[at..=at], times.len())?,
            None => Vec::new(),
        };
        let values = match self.layout.value {
            Some(at) => {
                let numbers = cast(&results[at], &DataType::Float64)?;
                numbers.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(0.0)).collect()
            }
            None => Vec::new(),
        };
        Ok(Rows { times, flags, labels, values })
    }

    fn collect(&self, rows: ActorRows<'_, Rows>, marks: &mut Vec<Mark>) {
        marks.clear();
        for (part, row) in rows.iter() {
            let flags = part.flags[row];
            if flags != 0 {
                let time = part.times[row];
                let label = part.labels.get(row).copied().unwrap_or(0);
                let value = part.values.get(row).copied().unwrap_or(0.0);
                marks.push(Mark { time, bucket: self.buckets.of(time), label, flags, value });
            }
        }
        if rows.pieces() > 1 {
            marks.sort_by_key(|mark| mark.time);
        }
        debug_assert!(marks.iter().all(|mark| mark.bucket == NO_BUCKET || mark.bucket < self.rules.rows));
    }
}
