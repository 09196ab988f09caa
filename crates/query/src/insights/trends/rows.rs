//! The rows of a part that matter as the operator wants them: for each row its cell (breakdown × bucket), and what its math computes with.

use super::math::Math;
use super::operator::Operator;
use crate::error::QueryError;
use crate::insights::actors::{Kept, PartRows, pick};
use crate::insights::buckets::NO_BUCKET;
use aqueduct_store::Part;
use arrow::array::{ArrayRef, AsArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float64Type};
use std::sync::Arc;

/// No cell: the row does not count.
pub(super) const NO_CELL: u32 = NO_BUCKET;

/// Where the results of the program of a series stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Conditions come first: one, or the event's and the filter's apart.
    pub(super) conditions: usize,
    /// Then the breakdowns, and last the operands.
    pub(super) breakdowns: usize,
    /// How many there are in all.
    pub(super) exprs: usize,
}

/// What the operator reads of rows that matter.
#[derive(Debug)]
pub(super) struct Rows {
    /// Times, µs; empty where the math does not ask for them.
    pub(super) times: Vec<i64>,
    /// For each row its label times the number of buckets plus its bucket, or [`NO_CELL`].
    pub(super) cells: Vec<u32>,
    /// For each row its label; empty without breakdowns.
    pub(super) labels: Vec<u32>,
    /// No cell is as large.
    pub(super) cells_end: usize,
    /// Operands as they were computed.
    pub(super) operands: Vec<ArrayRef>,
}

impl Operator {
    /// Evaluates the program over a part.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn read(&self, part: &Arc<dyn Part>) -> Result<Kept<Rows>, QueryError> {
        let mut program = self.program.on(part);
        // Of two conditions the first is the event alone: it says which row is the first, the other whether that one counts.
        let tests = self.layout.conditions > 1 && !matches!(self.math, Math::First { matching: true, .. });
        let rows = program.select(if tests { 0 } else { self.layout.conditions - 1 }, self.span())?;
        let after = self.layout.conditions + self.layout.breakdowns;
        let columns = (self.layout.conditions..after).map(|at| program.evaluate(at, &rows)).collect::<Result<Vec<_>, _>>()?;
        let operands = (after..self.layout.exprs).map(|at| program.evaluate(at, &rows)).collect::<Result<Vec<_>, _>>()?;
        let labels = if columns.is_empty() { Vec::new() } else { self.labels.codes(&columns, &self.bins, rows.len())? };
        let reads_times = matches!(self.math, Math::Active { .. } | Math::ActiveKeys { .. } | Math::First { .. });
        let times = if reads_times { program.times(&rows)? } else { Vec::new() };
        let buckets = program.of_times(&rows, |time| self.buckets.of(time))?;
        let width = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
        let cell = |bucket: u32, label: u32| {
            // A select, not a branch.
            if bucket == NO_BUCKET { NO_CELL } else { label.wrapping_mul(width).wrapping_add(bucket) }
        };
        let mut cells = buckets;
        cells.iter_mut().zip(&labels).for_each(|(bucket, label)| *bucket = cell(*bucket, *label));
        if tests {
            let passes = program.flags(1, &rows)?;
            cells.iter_mut().zip(passes).filter(|(_, passes)| !passes).for_each(|(cell, _)| *cell = NO_CELL);
        }
        let cells_end = self.labels.len().max(1) * self.buckets.len();
        let of_operands: usize = operands.iter().map(|operand| operand.get_array_memory_size()).sum();
        let bytes = rows.len() * 2 * size_of::<u32>() + times.len() * size_of::<i64>() + labels.len() * size_of::<u32>() + of_operands;
        Ok(Kept { rows: Some(rows), of: Rows { times, cells, labels, cells_end, operands }, bytes })
    }
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        let picked = UInt32Array::from(rows.to_vec());
        // INVARIANT: rows are places in the operands.
        let operands = self.operands.iter().filter_map(|operand| take(operand, &picked, None).ok()).collect();
        Self {
            times: pick(&self.times, rows),
            cells: pick(&self.cells, rows),
            labels: pick(&self.labels, rows),
            cells_end: self.cells_end,
            operands,
        }
    }
}

impl Rows {
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
