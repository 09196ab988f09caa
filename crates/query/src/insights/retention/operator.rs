//! The retention operator: one pass over rows, actors one after the other.

use super::cohort::{BEGINS, Mark, NAMED, RETURNS, Rules, Sink};
use super::model::RetentionType;
use super::plain;
use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, Kept, PartRows, pick};
use crate::insights::buckets::{Buckets, NO_BUCKET};
use crate::insights::labels::SharedLabels;
use crate::scan::{RowProgram, RowProgramOnPart};
use aqueduct_store::Part;
use arrow::array::{AsArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
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

/// What is kept of rows that begin or return.
struct Rows {
    /// µs.
    times: Vec<i64>,
    buckets: Vec<u32>,
    flags: Vec<u8>,
    labels: Vec<u32>,
    values: Vec<f64>,
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        Self {
            times: pick(&self.times, rows),
            buckets: pick(&self.buckets, rows),
            flags: pick(&self.flags, rows),
            labels: pick(&self.labels, rows),
            values: pick(&self.values, rows),
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
    /// A label is the place here.
    by_label: Vec<Option<Grid>>,
    columns: usize,
    cells: usize,
    has_values: bool,
}

impl Grids {
    pub(super) fn new(rules: &Rules) -> Self {
        let columns = rules.columns.len();
        Self { by_label: Vec::new(), columns, cells: columns * rules.rows as usize, has_values: rules.is_aggregated }
    }

    fn grid(&mut self, label: u32) -> &mut Grid {
        let (cells, has_values, place) = (self.cells, self.has_values, label as usize);
        if place >= self.by_label.len() {
            self.by_label.resize(place + 1, None);
        }
        self.by_label[place]
            .get_or_insert_with(|| Grid { actors: vec![0; cells], values: if has_values { vec![0.0; cells] } else { Vec::new() } })
    }

    /// Those that there are, by label.
    pub(super) fn into_labelled(self) -> impl Iterator<Item = (u32, Grid)> {
        (0..).zip(self.by_label).filter_map(|(label, grid)| Some((label, grid?)))
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
        for (label, grid) in other.into_labelled() {
            let own = self.grid(label);
            own.actors.iter_mut().zip(grid.actors).for_each(|(sum, count)| *sum += count);
            own.values.iter_mut().zip(grid.values).for_each(|(sum, value)| *sum += value);
        }
    }

    fn bytes(&self) -> usize {
        let of_cell = size_of::<u64>() + if self.has_values { size_of::<f64>() } else { 0 };
        self.by_label.iter().flatten().count() * self.cells * of_cell + self.by_label.len() * size_of::<Option<Grid>>()
    }
}

impl Operator {
    /// The grids of actors.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn run(&self, context: &InsightContext<'_>) -> Result<Grids, QueryError> {
        if self.rules.are_plain() {
            return plain::run(self, context);
        }
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
        let first_label = |labels: &[u32]| labels.iter().copied().min_by_key(|label| self.labels.texts(*label)).unwrap_or(0);
        context.over_actors(
            &self.actor,
            self.span(),
            make,
            |part| self.read(part),
            |result, marks, actor, rows| {
                self.collect(rows, marks);
                if !marks.is_empty() {
                    note(result, actor, marks, &first_label);
                }
                Ok(())
            },
        )
    }

    /// The times that can tell. Who comes for the first time is known from all that was before.
    pub(super) fn span(&self) -> (i64, i64) {
        let (from, to) = self.buckets.range();
        if self.rules.kind == RetentionType::Recurring {
            return (from, to);
        }
        (i64::MIN, if self.rules.is_rolling() { i64::MAX } else { to })
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Kept<Rows>, QueryError> {
        let mut program = self.program.on(part);
        let (rows, flags) = self.marked(part.rows(), &mut program)?;
        let times = program.times(&rows)?;
        let buckets = times.iter().map(|time| self.buckets.of(*time)).collect();
        let labels = match self.layout.breakdown {
            Some(at) => self.labels.codes(&[program.evaluate(at, &rows)?], &[None], rows.len())?,
            None => Vec::new(),
        };
        let values = match self.layout.value {
            Some(at) => {
                let numbers = cast(&program.evaluate(at, &rows)?, &DataType::Float64)?;
                numbers.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(0.0)).collect()
            }
            None => Vec::new(),
        };
        let bytes =
            rows.len() * (2 * size_of::<u32>() + size_of::<i64>() + 1) + labels.len() * size_of::<u32>() + values.len() * size_of::<f64>();
        Ok(Kept { rows: Some(rows), of: Rows { times, buckets, flags, labels, values }, bytes })
    }

    /// The rows that begin, return, or are named like the target, and which of these they do.
    fn marked(&self, rows_of_part: usize, program: &mut RowProgramOnPart<'_>) -> Result<(UInt32Array, Vec<u8>), QueryError> {
        if self.rules.is_same_entity && self.layout.named.is_none() {
            let rows = program.select(0, self.span())?;
            let flags = vec![BEGINS | RETURNS; rows.len()];
            return Ok((rows, flags));
        }
        let mut flags = vec![0; rows_of_part];
        for (at, flag) in [(Some(0), BEGINS), (Some(1), RETURNS), (self.layout.named, NAMED)] {
            let Some(at) = at else { continue };
            program.select(at, self.span())?.values().iter().for_each(|row| flags[*row as usize] |= flag);
        }
        let rows: UInt32Array = (0_u32..).zip(&flags).filter(|(_, flags)| **flags != 0).map(|(row, _)| row).collect::<Vec<_>>().into();
        flags.retain(|flags| *flags != 0);
        Ok((rows, flags))
    }

    fn collect(&self, rows: ActorRows<'_, Rows>, marks: &mut Vec<Mark>) {
        marks.clear();
        for (part, row) in rows.iter() {
            let label = part.labels.get(row).copied().unwrap_or(0);
            let value = part.values.get(row).copied().unwrap_or(0.0);
            marks.push(Mark { time: part.times[row], bucket: part.buckets[row], label, flags: part.flags[row], value });
        }
        if rows.pieces() > 1 {
            marks.sort_by_key(|mark| mark.time);
        }
        debug_assert!(marks.iter().all(|mark| mark.bucket == NO_BUCKET || mark.bucket < self.rules.rows));
    }
}
