//! ORDER BY … WITH FILL: rows for the gaps between the values of a key.
//!
//! In: the sorted rows and where the key is. Out: the same rows, and between them one for each missing value, in which what is not ordered by is
//! empty. Keys before the filled one keep their value: each of their values has gaps of its own.

use super::ROWS_MAX;
use crate::error::QueryError;
use crate::hogql::ast::Fill;
use crate::resolve::{QueryContext, Scope, constant};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::{cast, concat, concat_batches, partition, take};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::sync::Arc;

/// Most rows with those that are added.
const FILLED_MAX: usize = 20 * ROWS_MAX;
const SECOND_MICROS: i64 = 1_000_000;

/// What `FROM`, `TO` and `STEP` say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gaps {
    from: Option<ScalarValue>,
    to: Option<ScalarValue>,
    step: Option<ScalarValue>,
}

/// Which key is filled, and how.
#[derive(Clone, Debug)]
pub(super) struct Filling {
    pub(super) gaps: Gaps,
    /// The column of the key, and those of the keys before it.
    pub(super) key: String,
    pub(super) before: Vec<String>,
    pub(super) descending: bool,
    /// For each column that is shown whether it may be NULL: then it is in an added row.
    pub(super) nullable: Vec<bool>,
}

impl Gaps {
    pub(super) fn of(fill: &Fill, scope: &mut Scope<'_>) -> Result<Self, QueryError> {
        let mut value = |expr: &Option<crate::hogql::ast::Expr>| match expr {
            Some(expr) => {
                let value = scope.expr(expr)?;
                constant(value).map(Some)
            }
            None => Ok(None),
        };
        Ok(Self { from: value(&fill.from)?, to: value(&fill.to)?, step: value(&fill.step)? })
    }
}

/// How far it is from one value to the next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many units of the key.
    By(i64),
    /// A time of the calendar.
    Calendar { months: i64, days: i64, micros: i64 },
}

/// What the numbers of a key mean.
#[derive(Clone, Debug)]
enum Unit {
    One,
    Day,
    /// A time since 1970 in units of so many microseconds; days are those of this zone.
    Time {
        zone: TimeZone,
        micros: i64,
    },
}

impl Filling {
    /// The rows of a plan that is sorted, with those for the gaps.
    ///
    /// # Errors
    /// [`QueryError`] of the plan; [`QueryError::Resolve`] for a key or step that cannot be stepped through, or that leads to too many rows.
    pub(super) fn apply(&self, plan: LogicalPlan, context: &QueryContext) -> Result<LogicalPlan, QueryError> {
        if context.is_check {
            return Ok(plan);
        }
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let batches = context.executor.execute_here(plan)?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let batch = concat_batches(&schema, &batches)?;
        let filled = self.filled(&batch, context)?;
        let provider = provider_as_source(Arc::new(MemTable::try_new(filled.schema(), vec![vec![filled]])?));
        Ok(LogicalPlanBuilder::scan(context.fresh_name(), provider, None)?.build()?)
    }

    fn filled(&self, batch: &RecordBatch, context: &QueryContext) -> Result<RecordBatch, QueryError> {
        let column = |name: &str| {
            let found = batch.column_by_name(name).cloned();
            found.ok_or_else(|| QueryError::Internal(format!("WITH FILL needs the column {name}")))
        };
        let key = column(&self.key)?;
        let unit = Unit::of(key.data_type(), context)?;
        let values = cast(&plain(&key)?, &DataType::Int64)?;
        let values = values.as_primitive::<Int64Type>();
        let walk = Walk {
            step: unit.step(self.gaps.step.as_ref(), self.descending)?,
            from: self.gaps.from.as_ref().map(|from| bound(from, key.data_type())).transpose()?,
            to: self.gaps.to.as_ref().map(|to| bound(to, key.data_type())).transpose()?,
            unit,
            descending: self.descending,
        };
        let before = self.before.iter().map(|name| column(name)).collect::<Result<Vec<_>, _>>()?;
        let rows = walk.rows(values, &before)?;
        // the place behind the last row is that of the empty row
        let empty = batch.num_rows() as u64;
        let places: UInt64Array = rows.iter().map(|row| if row.is_added { empty } else { row.like }).collect::<Vec<_>>().into();
        let likes: UInt64Array = rows.iter().map(|row| row.like).collect::<Vec<_>>().into();
        let keys: ArrayRef = Arc::new(rows.iter().map(|row| row.value).collect::<Int64Array>());
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (at, (field, array)) in batch.schema().fields().iter().zip(batch.columns()).enumerate() {
            let name = field.name();
            columns.push(if *name == self.key {
                cast(&keys, field.data_type())?
            } else if self.before.contains(name) && batch.num_rows() > 0 {
                take(array, &likes, None)?
            } else {
                let is_nullable = self.nullable.get(at).copied().unwrap_or(true);
                let none = || new_null_array(field.data_type(), 1);
                let value = if is_nullable { None } else { ScalarValue::new_default(field.data_type()).ok() };
                let value = value.and_then(|value| value.to_array().ok()).unwrap_or_else(none);
                take(&concat(&[array.as_ref(), value.as_ref()])?, &places, None)?
            });
        }
        let fields: Vec<_> = batch.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        Ok(RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns)?)
    }
}

/// Text of a dictionary as it is, the rest likewise.
fn plain(array: &ArrayRef) -> Result<ArrayRef, QueryError> {
    match array.data_type() {
        // dates and times have numbers of another width
        DataType::Date32 => Ok(cast(array, &DataType::Int32)?),
        _ => Ok(Arc::clone(array)),
    }
}

/// A bound as a number of the key's.
fn bound(value: &ScalarValue, key: &DataType) -> Result<i64, QueryError> {
    let of_key = value.cast_to(key)?;
    let array = plain(&of_key.to_array()?)?;
    let number = cast(&array, &DataType::Int64)?;
    let number = number.as_primitive::<Int64Type>();
    if number.is_null(0) {
        return Err(QueryError::resolve(format!("WITH FILL cannot begin or end at {value}")));
    }
    Ok(number.value(0))
}

impl Unit {
    fn of(key: &DataType, context: &QueryContext) -> Result<Self, QueryError> {
        match key {
            DataType::Date32 => Ok(Unit::Day),
            DataType::Timestamp(unit, _) if *unit != TimeUnit::Nanosecond => {
                let micros = match unit {
                    TimeUnit::Second => SECOND_MICROS,
                    TimeUnit::Millisecond => 1_000,
                    TimeUnit::Microsecond | TimeUnit::Nanosecond => 1,
                };
                Ok(Unit::Time { zone: context.scan.zone().clone(), micros })
            }
            key if key.is_integer() => Ok(Unit::One),
            other => Err(QueryError::resolve(format!("WITH FILL expects whole numbers, dates or times, found {other}"))),
        }
    }

    /// The step, which must lead in the direction of the order.
    fn step(&self, step: Option<&ScalarValue>, descending: bool) -> Result<Step, QueryError> {
        let sign = if descending { -1 } else { 1 };
        // a number is so many seconds of a time
        let scale = match self {
            Unit::Time { micros, .. } => SECOND_MICROS / micros,
            Unit::One | Unit::Day => 1,
        };
        let (step, forward) = match step {
            None => return Ok(Step::By(sign * scale)),
            Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
                let (months, days, micros) = (i64::from(interval.months), i64::from(interval.days), interval.nanoseconds / 1_000);
                (Step::Calendar { months, days, micros }, months + days + micros)
            }
            Some(number) => match number.cast_to(&DataType::Int64)? {
                ScalarValue::Int64(Some(number)) => (Step::By(number.saturating_mul(scale)), number),
                _ => return Err(QueryError::resolve("STEP of WITH FILL expects a whole number or an interval")),
            },
        };
        if forward.signum() == sign {
            return Ok(step);
        }
        let expected = if descending { "negative" } else { "positive" };
        Err(QueryError::resolve(format!("STEP of WITH FILL must be {expected} in this order")))
    }

    /// The value after one; `None` at the end of time.
    fn next(&self, value: i64, step: Step) -> Option<i64> {
        let (months, days, micros) = match step {
            Step::By(by) => return value.checked_add(by),
            Step::Calendar { months, days, micros } => (months, days, micros),
        };
        let span = calendar(months, days)?;
        match self {
            Unit::One => None,
            Unit::Day => {
                let epoch = Date::constant(1970, 1, 1);
                let date = epoch.checked_add(Span::new().try_days(value).ok()?).ok()?.checked_add(span).ok()?;
                Some(i64::from(date.since(epoch).ok()?.get_days()))
            }
            Unit::Time { zone, micros: of_unit } => {
                let at = Timestamp::from_microsecond(value.checked_mul(*of_unit)?).ok()?.to_zoned(zone.clone()).checked_add(span).ok()?;
                Some(at.timestamp().as_microsecond().checked_add(micros)? / of_unit)
            }
        }
    }
}

/// The months and days of an interval as a span.
fn calendar(months: i64, days: i64) -> Option<Span> {
    Span::new().try_months(months).and_then(|span| span.try_days(days)).ok()
}

/// A row of the result.
struct Row {
    value: Option<i64>,
    /// The row that it is, or whose keys before the filled one it has.
    like: u64,
    is_added: bool,
}

/// From value to value.
struct Walk {
    unit: Unit,
    step: Step,
    from: Option<i64>,
    to: Option<i64>,
    descending: bool,
}

impl Walk {
    /// The rows of each group of equal keys before the filled one, with those for its gaps.
    fn rows(&self, values: &Int64Array, before: &[ArrayRef]) -> Result<Vec<Row>, QueryError> {
        let groups = match before {
            [] => std::iter::once(0..values.len()).collect(),
            before => partition(before)?.ranges(),
        };
        let mut rows = Vec::with_capacity(values.len());
        for group in groups {
            let like = group.start as u64;
            let mut next = self.from;
            for at in group {
                let value = values.is_valid(at).then(|| values.value(at));
                if let Some(value) = value {
                    let grid = self.fill(next.unwrap_or(value), value, like, &mut rows)?;
                    next = if grid == Some(value) { self.unit.next(value, self.step) } else { grid };
                }
                rows.push(Row { value, like: at as u64, is_added: false });
            }
            if let (Some(next), Some(to)) = (next, self.to) {
                self.fill(next, to, like, &mut rows)?;
            }
        }
        Ok(rows)
    }

    /// Adds rows from `next` up to, not including, `end`; answers where the next one would be.
    fn fill(&self, mut next: i64, end: i64, like: u64, rows: &mut Vec<Row>) -> Result<Option<i64>, QueryError> {
        let is_before = |value: i64| if self.descending { value > end } else { value < end };
        while is_before(next) {
            if rows.len() >= FILLED_MAX {
                return Err(QueryError::resolve(format!("WITH FILL makes more than {FILLED_MAX} rows")));
            }
            rows.push(Row { value: Some(next), like, is_added: true });
            match self.unit.next(next, self.step) {
                Some(value) => next = value,
                None => return Ok(None),
            }
        }
        Ok(Some(next))
    }
}
