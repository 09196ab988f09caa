//! Expressions over the columns of a part.
//!
//! An expression that depends on one dictionary column alone is computed on the dictionary's values and gathered: `lower(properties.$browser)`
//! costs a dozen calls per part, not a million. Filters are applied cheapest first, and what is expensive sees only the rows that are left.

use super::column::VirtualColumn;
use super::persons::kept_rows;
use super::{PartColumns, ScanContext};
use crate::error::QueryError;
use aqueduct_store::{EventColumn, Part};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Int32Type, Schema, SchemaRef};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::PhysicalExpr;
use std::sync::Arc;

/// One expression, ready to run over parts.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<VirtualColumn>,
    schema: SchemaRef,
    /// The only column is a dictionary, and equal inputs give equal results.
    on_dictionary: bool,
    is_column: bool,
}

impl Compiled {
    /// `expr` was planned over a schema whose field `i` is `all[i]`.
    pub(crate) fn new(expr: &Arc<dyn PhysicalExpr>, all: &[VirtualColumn]) -> Result<Self, QueryError> {
        let mut used: Vec<usize> = collect_columns(expr).iter().map(Column::index).collect();
        used.sort_unstable();
        let columns: Vec<VirtualColumn> = used.iter().map(|at| all[*at].clone()).collect();
        let schema: SchemaRef = Arc::new(Schema::new(columns.iter().map(VirtualColumn::field).collect::<Vec<_>>()));
        let expr = reassign_expr_columns(Arc::clone(expr), &schema)?;
        let is_dictionary = |column: &VirtualColumn| matches!(column.data_type(), DataType::Dictionary(..));
        let on_dictionary = matches!(columns.as_slice(), [column] if is_dictionary(column)) && !is_volatile(&expr);
        let is_column = expr.downcast_ref::<Column>().is_some();
        Ok(Self { expr, columns, schema, on_dictionary, is_column })
    }

    /// The value for every row of the part.
    pub(crate) fn evaluate(&self, part: &mut PartColumns) -> Result<ArrayRef, QueryError> {
        if self.is_column {
            return part.get(&self.columns[0]);
        }
        match self.by_dictionary(part)? {
            Some((keys, results)) => Ok(take(results.as_ref(), &keys, None)?),
            None => self.on_batch(&part.batch(&self.columns, &self.schema)?),
        }
    }

    /// As [`Compiled::evaluate`], but text stays a dictionary where it comes from one.
    pub(crate) fn evaluate_encoded(&self, part: &mut PartColumns) -> Result<ArrayRef, QueryError> {
        if self.is_column {
            return part.get(&self.columns[0]);
        }
        match self.by_dictionary(part)? {
            Some((keys, results)) if results.data_type() == &DataType::Utf8 => {
                Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, results)?))
            }
            Some((keys, results)) => Ok(take(results.as_ref(), &keys, None)?),
            None => self.on_batch(&part.batch(&self.columns, &self.schema)?),
        }
    }

    fn on_batch(&self, batch: &RecordBatch) -> Result<ArrayRef, QueryError> {
        Ok(self.expr.evaluate(batch)?.into_array(batch.num_rows())?)
    }

    /// The results for each value of the only column's dictionary (and for NULL, last), and for each row which of them it has.
    fn by_dictionary(&self, part: &mut PartColumns) -> Result<Option<(Int32Array, ArrayRef)>, QueryError> {
        if !self.on_dictionary {
            return Ok(None);
        }
        let array = part.get(&self.columns[0])?;
        let array = array.as_dictionary::<Int32Type>();
        let count = array.values().len();
        if count >= array.len() {
            return Ok(None);
        }
        let null = i32::try_from(count).unwrap_or(i32::MAX);
        let null_row = self.columns[0].nullable().then_some(None);
        let distinct: Int32Array = (0..null).map(Some).chain(null_row).collect();
        let distinct = DictionaryArray::<Int32Type>::try_new(distinct, Arc::clone(array.values()))?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![Arc::new(distinct)])?;
        let results = self.on_batch(&batch)?;
        let keys = array.keys();
        let keys = if keys.null_count() == 0 { keys.clone() } else { keys.iter().map(|key| Some(key.unwrap_or(null))).collect() };
        Ok(Some((keys, results)))
    }

    /// The value for some rows of the part; text stays a dictionary where it comes from one.
    fn evaluate_rows_encoded(&self, part: &mut PartColumns, rows: &UInt32Array) -> Result<ArrayRef, QueryError> {
        if self.is_column {
            return part.get_rows(&self.columns[0], rows);
        }
        let Some((keys, results)) = self.by_dictionary(part)? else { return self.evaluate_rows(part, rows) };
        let keys = take(&keys, rows, None)?.as_primitive::<Int32Type>().clone();
        match results.data_type() {
            DataType::Utf8 => Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, results)?)),
            _ => Ok(take(results.as_ref(), &keys, None)?),
        }
    }

    /// The value for some rows of the part.
    fn evaluate_rows(&self, part: &mut PartColumns, rows: &UInt32Array) -> Result<ArrayRef, QueryError> {
        let arrays = self.columns.iter().map(|column| part.get_rows(column, rows)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        self.on_batch(&RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }

    /// Cheap ones come first in a filter.
    fn cost(&self) -> usize {
        self.columns
            .iter()
            .map(|column| match column {
                VirtualColumn::Base(EventColumn::Timestamp | EventColumn::Event) => 0,
                column if column.is_late() => 1_000,
                _ if self.on_dictionary => 1,
                VirtualColumn::Session(_) => 100,
                _ => 10,
            })
            .sum()
    }
}

/// Conditions that all must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowFilter {
    conditions: Vec<Compiled>,
}

impl RowFilter {
    pub(crate) fn new(mut conditions: Vec<Compiled>) -> Self {
        conditions.sort_by_key(Compiled::cost);
        Self { conditions }
    }

    /// The rows that pass; `None` when all do.
    pub(crate) fn rows(&self, part: &mut PartColumns) -> Result<Option<UInt32Array>, QueryError> {
        let mut mask: Option<BooleanBuffer> = None;
        for condition in &self.conditions {
            let kept = mask.as_ref().map_or(part.rows(), BooleanBuffer::count_set_bits);
            if kept == 0 {
                break;
            }
            let late = condition.columns.iter().any(VirtualColumn::is_late);
            let next = match &mask {
                Some(mask) if late || (kept * 8 < part.rows() && !condition.on_dictionary) => {
                    let rows = kept_rows(&BooleanArray::new(mask.clone(), None));
                    let passed = to_mask(&condition.evaluate_rows(part, &rows)?)?;
                    scatter(&rows, &passed, part.rows())
                }
                Some(mask) => mask & &to_mask(&condition.evaluate(part)?)?,
                None => to_mask(&condition.evaluate(part)?)?,
            };
            mask = Some(next);
        }
        Ok(mask.filter(|mask| mask.count_set_bits() < part.rows()).map(|mask| kept_rows(&BooleanArray::new(mask, None))))
    }
}

/// NULL does not pass.
fn to_mask(array: &ArrayRef) -> Result<BooleanBuffer, QueryError> {
    let Some(mask) = array.as_boolean_opt() else {
        return Err(QueryError::resolve(format!("Illegal type {} of a filter, expected a boolean", array.data_type())));
    };
    Ok(if mask.null_count() == 0 { mask.values().clone() } else { prep_null_mask_filter(mask).values().clone() })
}

fn scatter(rows: &UInt32Array, passed: &BooleanBuffer, length: usize) -> BooleanBuffer {
    let mut mask = arrow::array::BooleanBufferBuilder::new(length);
    mask.append_n(length, false);
    for at in passed.set_indices() {
        mask.set_bit(rows.value(at) as usize, true);
    }
    mask.finish()
}

/// HogQL expressions over the rows of a part, for the insight operators: filters, breakdowns, math.
///
/// Made by [`crate::resolve::compile_rows`].
#[derive(Clone, Debug)]
pub(crate) struct RowProgram {
    context: Arc<ScanContext>,
    exprs: Vec<Compiled>,
}

impl RowProgram {
    pub(crate) fn new(context: Arc<ScanContext>, exprs: Vec<Compiled>) -> Self {
        Self { context, exprs }
    }

    /// The value of each expression for every row of the part. Text may come as a dictionary.
    pub(crate) fn evaluate(&self, part: &Arc<dyn Part>) -> Result<Vec<ArrayRef>, QueryError> {
        let mut columns = PartColumns::new(&self.context, part);
        self.exprs.iter().map(|expr| expr.evaluate_encoded(&mut columns)).collect()
    }
}

/// A program and a part: expressions are asked one by one, for some rows; the columns that they need are made once.
#[derive(Debug)]
pub(crate) struct RowProgramOnPart<'p> {
    program: &'p RowProgram,
    columns: PartColumns,
}

impl RowProgram {
    /// The program over one part.
    pub(crate) fn on(&self, part: &Arc<dyn Part>) -> RowProgramOnPart<'_> {
        RowProgramOnPart { program: self, columns: PartColumns::new(&self.context, part) }
    }
}

impl RowProgramOnPart<'_> {
    /// The value of expression number `expr` for these rows. Text may come as a dictionary.
    pub(crate) fn evaluate(&mut self, expr: usize, rows: &UInt32Array) -> Result<ArrayRef, QueryError> {
        self.program.exprs[expr].evaluate_rows_encoded(&mut self.columns, rows)
    }
}
