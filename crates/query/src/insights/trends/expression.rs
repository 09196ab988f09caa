//! Series whose math is an aggregate expression of the user's own, such as `sum(properties.price) / count()`: one SELECT gives a value for each
//! bucket of each combination of breakdown values.
//!
//! In: the series, its breakdowns and their bins, the buckets. Out: [`Lines`], as the operator's.
//!
//! Source of the rules: query reference, section 6.

use super::plan::SeriesPlan;
use super::tally::Lines;
use crate::dates::Interval;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr, GroupBy, SelectQuery};
use crate::hogql::build::{and, call, compare, table};
use crate::insights::InsightContext;
use crate::insights::breakdowns::Breakdowns;
use crate::insights::buckets::Buckets;
use crate::insights::conditions::row_expr;
use crate::insights::labels::{Bins, NULL_LABEL};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// The buckets of a series, by their beginnings; without an interval there is one for everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid<'a> {
    pub(super) buckets: &'a Buckets,
    pub(super) interval: Option<Interval>,
}

/// The expression's value in each bucket of each combination of breakdown values that has rows.
///
/// # Errors
/// [`QueryError`] when the expression is missing, cannot be read or is no aggregate.
pub(super) fn lines(
    plan: &SeriesPlan,
    breakdowns: &Breakdowns,
    bins: &[Option<Bins>],
    grid: Grid<'_>,
    context: &InsightContext<'_>,
) -> Result<Lines, QueryError> {
    let text = plan.series.math_hogql.as_deref().unwrap_or_default();
    let value = call("toFloat", vec![row_expr(text)?]);
    let mut keys: Vec<Expr> = breakdowns.exprs.iter().zip(bins).map(|(each, bins)| label(&each.expr, bins.as_ref())).collect();
    keys.extend(grid.interval.map(|interval| call(start_of(interval), vec![Expr::field(["timestamp"])])));
    let at = |micros: i64| call("fromUnixTimestamp64Micro", vec![Expr::lit(micros)]);
    let (from, to) = grid.buckets.range();
    let time = || Expr::field(["timestamp"]);
    let condition = [plan.condition(), compare(CompareOp::GtEq, time(), at(from)), compare(CompareOp::LtEq, time(), at(to))];
    let query = SelectQuery {
        select: keys.iter().cloned().chain([value]).collect(),
        from: Some(table("events")),
        filter: Some(and(condition.into())),
        group_by: (!keys.is_empty()).then_some(GroupBy::Exprs(keys)),
        ..SelectQuery::default()
    };
    let mut lines = Lines::new();
    for batch in context.select(&query.into())? {
        add(&batch, breakdowns.exprs.len(), grid, context.calendar.now.time_zone(), &mut lines)?;
    }
    if lines.is_empty() && breakdowns.is_empty() {
        lines.push((Vec::new(), vec![0.0; grid.buckets.len()]));
    }
    Ok(lines)
}

/// A breakdown's value as its text.
fn label(expr: &Expr, bins: Option<&Bins>) -> Expr {
    let text = match bins {
        Some(bins) => bins.expr(&call("toFloat", vec![expr.clone()])),
        None => call("nullIf", vec![call("toString", vec![expr.clone()]), Expr::lit("")]),
    };
    call("ifNull", vec![text, Expr::lit(NULL_LABEL)])
}

fn start_of(interval: Interval) -> &'static str {
    match interval {
        Interval::Second => "toStartOfSecond",
        Interval::Minute => "toStartOfMinute",
        Interval::Hour => "toStartOfHour",
        Interval::Day => "toStartOfDay",
        // From the project's first day of a week on.
        Interval::Week => "toStartOfWeek",
        Interval::Month => "toStartOfMonth",
        Interval::Quarter => "toStartOfQuarter",
        Interval::Year => "toStartOfYear",
    }
}

fn add(batch: &RecordBatch, labels: usize, grid: Grid<'_>, zone: &TimeZone, lines: &mut Lines) -> Result<(), QueryError> {
    let texts = batch.columns()[..labels].iter().map(|column| cast(column, &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
    let starts = grid.interval.map(|_| starts(batch.column(labels), zone)).transpose()?;
    let values = cast(batch.column(batch.num_columns() - 1), &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    for row in 0..batch.num_rows() {
        let bucket = match &starts {
            None => Some(0),
            Some(starts) => starts[row].and_then(|start| grid.buckets.starting_at(start)),
        };
        let value = Some(values.value(row)).filter(|value| values.is_valid(row) && value.is_finite()).unwrap_or(0.0);
        let texts: Vec<String> = texts.iter().map(|column| column.as_string::<i32>().value(row).to_owned()).collect();
        let line = match lines.iter().position(|(known, _)| *known == texts) {
            Some(line) => line,
            None => {
                lines.push((texts, vec![0.0; grid.buckets.len()]));
                lines.len() - 1
            }
        };
        if let Some(cell) = bucket.and_then(|bucket| lines[line].1.get_mut(bucket)) {
            *cell = value;
        }
    }
    Ok(())
}

/// Beginnings of buckets, µs; some functions answer dates, which begin at midnight of the project's zone.
fn starts(column: &ArrayRef, zone: &TimeZone) -> Result<Vec<Option<i64>>, QueryError> {
    if let DataType::Date32 = column.data_type() {
        let midnight = |days: i32| {
            let date = Date::constant(1970, 1, 1).checked_add(i64::from(days).days()).ok()?;
            Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
        };
        return Ok(column.as_primitive::<Date32Type>().iter().map(|days| days.and_then(midnight)).collect());
    }
    let times = cast(&Arc::clone(column), &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(times.as_primitive::<TimestampMicrosecondType>().iter().collect())
}
