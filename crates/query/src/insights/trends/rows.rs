//! One part's rows as the operator wants them: for each row its cell (breakdown × bucket), and what its math computes with.

use crate::error::QueryError;
use crate::insights::buckets::{Buckets, NO_BUCKET};
use crate::insights::labels::{Bins, Labels};
use crate::insights::{times_of, truth};
use crate::scan::RowProgram;
use aqueduct_store::Part;
use arrow::array::{ArrayRef, AsArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use std::sync::Arc;

/// No cell: the row does not count.
pub(super) const NO_CELL: u32 = u32::MAX;

/// Where the results of the program of a series stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Conditions come first: one, or the event's and the filter's apart.
    pub(super) conditions: usize,
    /// Then the breakdowns, and last the operands.
    pub(super) breakdowns: usize,
}

/// What the operator reads of a part.
#[derive(Debug)]
pub(super) struct Rows {
    /// Times, µs.
    pub(super) times: ScalarBuffer<i64>,
    /// For each row its label times the number of buckets plus its bucket, or [`NO_CELL`].
    pub(super) cells: Vec<u32>,
    /// For each row its label; empty without breakdowns.
    pub(super) labels: Vec<u32>,
    /// The first condition, when two are kept apart.
    pub(super) is_event: Option<Vec<bool>>,
    /// The last condition.
    pub(super) passes: Vec<bool>,
    /// Operands as they were computed.
    pub(super) operands: Vec<ArrayRef>,
}

impl Rows {
    /// Evaluates the program over a part.
    pub(super) fn of(
        part: &Arc<dyn Part>,
        program: &RowProgram,
        layout: Layout,
        buckets: &Buckets,
        bins: &[Option<Bins>],
        labels: &mut Labels,
    ) -> Result<Self, QueryError> {
        let mut results = program.evaluate(part)?;
        let operands = results.split_off(layout.conditions + layout.breakdowns);
        let columns = results.split_off(layout.conditions);
        let times = times_of(part)?;
        let row_labels = if layout.breakdowns == 0 { Vec::new() } else { labels.codes(&columns, bins, times.len())? };
        let passes = truth(&results[layout.conditions - 1])?;
        let is_event = if layout.conditions > 1 { Some(truth(&results[0])?) } else { None };
        let width = u32::try_from(buckets.len()).unwrap_or(u32::MAX);
        let mut cells = Vec::with_capacity(times.len());
        for (row, time) in times.iter().enumerate() {
            let bucket = buckets.of(*time);
            let label = row_labels.get(row).copied().unwrap_or(0);
            // One branch that the compiler turns into a select: a test of the condition would be mispredicted half the time.
            let counts = passes[row] & (bucket != NO_BUCKET);
            cells.push(if counts { label.wrapping_mul(width).wrapping_add(bucket) } else { NO_CELL });
        }
        Ok(Self { times, cells, labels: row_labels, is_event, passes, operands })
    }

    /// Moves cells and labels to other numbers of labels.
    pub(super) fn relabel(&mut self, to: &[u32], width: u32) {
        if self.labels.is_empty() {
            return;
        }
        for label in &mut self.labels {
            *label = to[*label as usize];
        }
        for cell in self.cells.iter_mut().filter(|cell| **cell != NO_CELL) {
            *cell = to[(*cell / width) as usize] * width + *cell % width;
        }
    }

    /// Label of a row.
    pub(super) fn label(&self, row: usize) -> u32 {
        self.labels.get(row).copied().unwrap_or(0)
    }

    /// An operand as numbers, NULL as NaN.
    pub(super) fn numbers(&self, operand: usize) -> Result<Vec<f64>, QueryError> {
        let numbers = cast(&self.operands[operand], &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        Ok(numbers.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    /// An operand as texts; NULL and empty text are no key.
    pub(super) fn keys(&self, operand: usize) -> Result<ArrayRef, QueryError> {
        Ok(cast(&self.operands[operand], &DataType::Utf8)?)
    }
}
