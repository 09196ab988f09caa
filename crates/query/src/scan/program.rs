//! Expressions over the columns of a part.
//!
//! An expression that depends on one dictionary column alone is computed on the dictionary's values and gathered: `lower(properties.$browser)`
//! costs a dozen calls per part, not a million. Filters are applied cheapest first, and what is expensive sees only the rows that are left.

use super::column::VirtualColumn;
use super::{PartColumns, RowValues, ScanContext};
use crate::error::QueryError;
use aqueduct_store::{EventColumn, Part};
use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::compute::{prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Int32Type, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::split_conjunction;
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
        let keys = match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => keys.clone(),
            Some(nulls) => {
                let known = keys.values().iter().zip(nulls.iter()).map(|(key, is_valid)| if is_valid { *key } else { null });
                Int32Array::from_iter_values(known)
            }
        };
        Ok(Some((keys, results)))
    }

    /// How many values the only column's dictionary has in this part, where the expression hangs on it.
    fn dictionary_len(&self, part: &mut PartColumns) -> Result<Option<usize>, QueryError> {
        if !self.on_dictionary {
            return Ok(None);
        }
        Ok(Some(part.get(&self.columns[0])?.as_dictionary::<Int32Type>().values().len()))
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

/// All times.
pub(crate) const EVER: (i64, i64) = (i64::MIN, i64::MAX);

impl RowFilter {
    pub(crate) fn new(mut conditions: Vec<Compiled>) -> Self {
        conditions.sort_by_key(Compiled::cost);
        Self { conditions }
    }

    /// The parts of one condition, each on its own.
    fn of(condition: &Compiled) -> Result<Self, QueryError> {
        let parts = split_conjunction(&condition.expr).into_iter().map(|part| Compiled::new(part, &condition.columns));
        Ok(Self::new(parts.collect::<Result<_, _>>()?))
    }

    /// The rows that pass, ascending, of those whose time lies within `span` (µs, both ends included); `None` when all rows of the part do.
    pub(crate) fn rows(&self, part: &mut PartColumns, span: (i64, i64)) -> Result<Option<Vec<u32>>, QueryError> {
        let (earliest, latest) = part.time_range();
        let mut conditions = self.conditions.iter();
        let mut rows = None;
        if earliest < span.0 || latest > span.1 {
            let times = part.times()?;
            let within = |time: i64| (time >= span.0) & (time <= span.1);
            let by_name = self.conditions.first().map(|first| first.verdicts(part)).transpose()?.flatten();
            rows = Some(match by_name {
                // Names and times are read in one go.
                Some((keys, verdicts)) => {
                    conditions.next();
                    choose(keys.values().iter().zip(times.iter()), |(key, time)| verdicts.pass(*key) & within(*time))
                }
                None => choose(times.iter(), |time| within(*time)),
            });
        }
        for condition in conditions {
            if rows.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
            rows = condition.narrow(part, rows)?;
        }
        Ok(rows)
    }
}

/// For each value of a dictionary whether it passes.
struct Verdicts(Vec<bool>);

impl Verdicts {
    #[inline]
    fn pass(&self, key: i32) -> bool {
        usize::try_from(key).ok().and_then(|key| self.0.get(key)).copied().unwrap_or(false)
    }
}

/// The places of the items that pass. A place is written in any case and kept by a sum: a branch would be mispredicted for every other row.
fn choose<T>(items: impl ExactSizeIterator<Item = T>, pass: impl Fn(T) -> bool) -> Vec<u32> {
    // Small pieces first, so that memory is touched for what is kept alone.
    let mut piece = [0_u32; CHOSEN_AT_ONCE];
    let mut rows = Vec::with_capacity(items.len() / 2);
    let (mut kept, mut next) = (0, CHOSEN_AT_ONCE);
    for (row, item) in items.enumerate() {
        if row == next {
            rows.extend_from_slice(&piece[..kept]);
            (kept, next) = (0, row + CHOSEN_AT_ONCE);
        }
        #[expect(clippy::cast_possible_truncation, reason = "rows of a part are counted in 32 bits")]
        let place = row as u32;
        piece[kept] = place;
        kept += usize::from(pass(item));
    }
    rows.extend_from_slice(&piece[..kept]);
    rows
}

/// Rows that are chosen before they are written down.
const CHOSEN_AT_ONCE: usize = 4096;

/// Keeps of `rows` those that pass.
fn keep(mut rows: Vec<u32>, pass: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        rows[kept] = row;
        kept += usize::from(pass(row as usize));
    }
    rows.truncate(kept);
    rows
}

impl Compiled {
    /// For a condition that depends on one dictionary: the rows' keys and what each key comes to.
    fn verdicts(&self, part: &mut PartColumns) -> Result<Option<(Int32Array, Verdicts)>, QueryError> {
        let Some((keys, results)) = self.by_dictionary(part)? else { return Ok(None) };
        Ok(Some((keys, Verdicts(to_mask(&results)?.iter().collect()))))
    }

    /// Of `rows` (of all rows, when there is no list) those at which the condition holds; `None` when it holds at all rows of the part.
    fn narrow(&self, part: &mut PartColumns, rows: Option<Vec<u32>>) -> Result<Option<Vec<u32>>, QueryError> {
        if let Some((keys, verdicts)) = self.verdicts(part)? {
            if verdicts.0.iter().all(|pass| *pass) {
                return Ok(rows);
            }
            if !verdicts.0.contains(&true) {
                return Ok(Some(Vec::new()));
            }
            let keys = keys.values();
            return Ok(Some(match rows {
                None => choose(keys.iter(), |key| verdicts.pass(*key)),
                Some(rows) => keep(rows, |row| verdicts.pass(keys[row])),
            }));
        }
        let late = self.columns.iter().any(VirtualColumn::is_late);
        match rows {
            Some(rows) if late || rows.len() * 8 < part.rows() => {
                let rows = UInt32Array::from(rows);
                let passed = to_mask(&self.evaluate_rows(part, &rows)?)?;
                Ok(Some(passed.set_indices().map(|at| rows.value(at)).collect()))
            }
            Some(rows) => {
                let mask = to_mask(&self.evaluate(part)?)?;
                Ok(Some(keep(rows, |row| mask.value(row))))
            }
            None => {
                let mask = to_mask(&self.evaluate(part)?)?;
                let all = mask.count_set_bits() == part.rows();
                Ok(if all { None } else { Some(mask.set_indices().filter_map(|row| u32::try_from(row).ok()).collect()) })
            }
        }
    }
}

/// NULL does not pass.
fn to_mask(array: &ArrayRef) -> Result<BooleanBuffer, QueryError> {
    let Some(mask) = array.as_boolean_opt() else {
        return Err(QueryError::resolve(format!("Illegal type {} of a filter, expected a boolean", array.data_type())));
    };
    Ok(if mask.null_count() == 0 { mask.values().clone() } else { prep_null_mask_filter(mask).values().clone() })
}

/// HogQL expressions over the rows of a part, for the insight operators: filters, breakdowns, math.
///
/// Made by [`crate::resolve::compile_rows`].
#[derive(Clone, Debug)]
pub(crate) struct RowProgram {
    context: Arc<ScanContext>,
    exprs: Vec<Compiled>,
    /// For each expression its parts, to choose rows by it.
    conditions: Vec<RowFilter>,
}

impl RowProgram {
    pub(crate) fn new(context: Arc<ScanContext>, exprs: Vec<Compiled>) -> Result<Self, QueryError> {
        let conditions = exprs.iter().map(RowFilter::of).collect::<Result<_, _>>()?;
        Ok(Self { context, exprs, conditions })
    }

    /// The program over one part.
    pub(crate) fn on(&self, part: &Arc<dyn Part>) -> RowProgramOnPart<'_> {
        RowProgramOnPart { program: self, columns: PartColumns::new(&self.context, part) }
    }
}

/// A program and a part: expressions are asked one by one, for some rows; the columns that they need are made once.
#[derive(Debug)]
pub(crate) struct RowProgramOnPart<'p> {
    program: &'p RowProgram,
    columns: PartColumns,
}

impl RowProgramOnPart<'_> {
    /// The rows at which expression number `condition` holds, ascending, of those whose time lies within `span` (µs, both ends included).
    pub(crate) fn select(&mut self, condition: usize, span: (i64, i64)) -> Result<UInt32Array, QueryError> {
        let rows = self.program.conditions[condition].rows(&mut self.columns, span)?;
        Ok(rows.unwrap_or_else(|| (0..u32::try_from(self.columns.rows()).unwrap_or(u32::MAX)).collect()).into())
    }

    /// For each row of the part which of some conditions hold: `(number, bits)`, the bits of those that do together. Rows whose time lies outside `span`
    /// (µs, both ends included) may have the bits of conditions that hold there, or none.
    pub(crate) fn marks(&mut self, conditions: &[(usize, u8)], span: (i64, i64)) -> Result<RowValues<u8>, QueryError> {
        if let Some(marks) = self.marks_by_key(conditions)? {
            return Ok(marks);
        }
        let mut marks = vec![0; self.columns.rows()];
        for (condition, bits) in conditions {
            self.select(*condition, span)?.values().iter().for_each(|row| marks[*row as usize] |= bits);
        }
        Ok(RowValues::ByRow(marks))
    }

    /// The marks, where all conditions depend on one dictionary alone, and on the same.
    fn marks_by_key(&mut self, conditions: &[(usize, u8)]) -> Result<Option<RowValues<u8>>, QueryError> {
        let mut marks: Option<(Int32Array, Vec<u8>)> = None;
        let mut column = None;
        for (condition, bits) in conditions {
            let [only] = self.program.conditions[*condition].conditions.as_slice() else { return Ok(None) };
            if column.replace(&only.columns).is_some_and(|other| *other != only.columns) {
                return Ok(None);
            }
            let Some((keys, verdicts)) = only.verdicts(&mut self.columns)? else { return Ok(None) };
            let (_, marks) = marks.get_or_insert_with(|| (keys, vec![0; verdicts.0.len()]));
            marks.iter_mut().zip(&verdicts.0).for_each(|(marks, holds)| *marks |= if *holds { *bits } else { 0 });
        }
        Ok(marks.map(|(keys, of_key)| RowValues::ByKey { keys: keys.values().clone(), of_key }))
    }

    /// For each row of the part a code, and for each code the value of expression number `expr`; where that depends on a dictionary of at most `max` values.
    pub(crate) fn by_key(&mut self, expr: usize, max: usize) -> Result<Option<(ScalarBuffer<i32>, ArrayRef)>, QueryError> {
        let expr = &self.program.exprs[expr];
        if expr.dictionary_len(&mut self.columns)?.is_none_or(|values| values > max) {
            return Ok(None);
        }
        Ok(expr.by_dictionary(&mut self.columns)?.map(|(keys, values)| (keys.values().clone(), values)))
    }

    /// The value of expression number `expr` for these rows. Text may come as a dictionary.
    pub(crate) fn evaluate(&mut self, expr: usize, rows: &UInt32Array) -> Result<ArrayRef, QueryError> {
        self.program.exprs[expr].evaluate_rows_encoded(&mut self.columns, rows)
    }

    /// Whether expression number `expr` holds at these rows; NULL does not.
    pub(crate) fn flags(&mut self, expr: usize, rows: &UInt32Array) -> Result<Vec<bool>, QueryError> {
        Ok(to_mask(&self.evaluate(expr, rows)?)?.iter().collect())
    }

    /// The times of all rows, µs.
    pub(crate) fn all_times(&mut self) -> Result<ScalarBuffer<i64>, QueryError> {
        self.columns.times()
    }

    /// The times of these rows, µs.
    pub(crate) fn times(&mut self, rows: &UInt32Array) -> Result<Vec<i64>, QueryError> {
        self.of_times(rows, |time| time)
    }

    /// What `of` makes of the times of these rows, µs.
    pub(crate) fn of_times<T>(&mut self, rows: &UInt32Array, of: impl Fn(i64) -> T) -> Result<Vec<T>, QueryError> {
        let times = self.columns.times()?;
        Ok(rows.values().iter().map(|row| of(times[*row as usize])).collect())
    }
}

impl PartColumns {
    /// The times of all rows, µs.
    fn times(&mut self) -> Result<ScalarBuffer<i64>, QueryError> {
        let times = self.get(&VirtualColumn::Base(EventColumn::Timestamp))?;
        Ok(times.as_primitive::<TimestampMicrosecondType>().values().clone())
    }
}
