//! Calendar heatmaps: how much happens at which hour of which day of the week.
//!
//! In: a CalendarHeatmapQuery, or a TrendsQuery that is shown as one; its first series counts. Out: a cell for each day (1 Monday … 7 Sunday) and
//! hour with anything in it, the sums of days and of hours, the sum of all. Persons are counted once in each of them, so they do not add up.
//!
//! Source of the rules: query reference, section 7.

use super::plan::SeriesPlan;
use crate::dates::{Interval, QueryRange};
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr, GroupBy, SelectQuery};
use crate::hogql::build::{and, asc, call, compare, eq, table};
use crate::insights::conditions::{ALL_EVENTS, Target};
use crate::insights::model::{ConversionGoal, TrendsQuery};
use crate::insights::{InsightContext, InsightResult};
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde_json::{Value, json};

/// Answers a CalendarHeatmapQuery: the cells alone.
///
/// # Errors
/// [`QueryError`] as named there.
pub(in crate::insights) fn run(query: &TrendsQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let (_, range, results) = heatmap(query, context)?;
    Ok(InsightResult { results, range: Some(range), ..InsightResult::default() })
}

/// Answers a TrendsQuery that is shown as a heatmap: one item that holds the cells.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn item(query: &TrendsQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let (plan, range, cells) = heatmap(query, context)?;
    let name = plan.name.as_deref().unwrap_or(ALL_EVENTS);
    let math = plan.series.math.as_deref().unwrap_or("total");
    let total = cells["allAggregations"].clone();
    let item = json!({
        "action": {"id": plan.name, "type": "events", "order": 0, "name": name, "math": math},
        "label": name,
        "data": [],
        "count": total,
        "aggregated_value": total,
        "calendar_heatmap_data": cells,
    });
    Ok(InsightResult { results: json!([item]), range: Some(range), ..InsightResult::default() })
}

/// What is counted, and when: an expression over rows of `events`, and the rows.
struct Counted {
    number: Expr,
    time: Expr,
    condition: Expr,
}

fn heatmap(query: &TrendsQuery, context: &InsightContext<'_>) -> Result<(SeriesPlan, QueryRange, Value), QueryError> {
    let bad = |detail: String| QueryError::Request { detail, attr: Some("series") };
    let series = query.series.first().ok_or_else(|| bad("a calendar heatmap needs a series".to_owned()))?;
    let mut plan = SeriesPlan::new(series, query, context)?;
    if let Some(goal) = &query.conversion_goal {
        plan.event = goal_condition(goal, context)?;
    }
    let by_person = match series.math.as_deref() {
        None | Some("total") => false,
        Some("dau") => true,
        Some(other) => return Err(bad(format!("a calendar heatmap takes the math total or dau, found '{other}'"))),
    };
    let request = query.date_range.clone().unwrap_or_default();
    let range = QueryRange::new(&request, Interval::Day, &context.calendar_of(&query.series, &request)?);
    // Persons may be counted when their session began.
    let by_session = by_person && query.calendar_heatmap_filter.as_ref().is_some_and(|filter| filter.bucket_by_session_start == Some(true));
    let time = if by_session { Expr::field(["session", "$start_timestamp"]) } else { Expr::field(["timestamp"]) };
    let number = if by_person { call("uniqExact", vec![Expr::field(["person_id"])]) } else { call("count", Vec::new()) };
    let at = |moment: &jiff::Zoned| call("fromUnixTimestamp64Micro", vec![Expr::lit(moment.timestamp().as_microsecond())]);
    let condition = and(vec![
        plan.condition(),
        compare(CompareOp::GtEq, time.clone(), at(&range.from)),
        compare(CompareOp::LtEq, time.clone(), at(&range.to)),
    ]);
    let counted = Counted { number, time, condition };
    let (day, hour) = ("toDayOfWeek", "toHour");
    let cells = counted.by(&[day, hour], context)?.into_iter().map(|row| json!({"row": row[0], "column": row[1], "value": row[2]}));
    let days = counted.by(&[day], context)?.into_iter().map(|row| json!({"row": row[0], "value": row[1]}));
    let hours = counted.by(&[hour], context)?.into_iter().map(|row| json!({"column": row[0], "value": row[1]}));
    let all = counted.by(&[], context)?.first().map_or(0, |row| row[0]);
    let results = json!({
        "data": cells.collect::<Vec<Value>>(),
        "rowAggregations": days.collect::<Vec<Value>>(),
        "columnAggregations": hours.collect::<Vec<Value>>(),
        "allAggregations": all,
    });
    Ok((plan, range, results))
}

/// The rows that are the goal.
fn goal_condition(goal: &ConversionGoal, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
    match &goal.custom_event_name {
        Some(name) => Ok(eq(Expr::field(["event"]), Expr::lit(name.as_str()))),
        None => Target::Action(&goal.action_id).condition(context),
    }
}

impl Counted {
    /// The numbers for each value of some functions of the time, in order of these; each row holds the values, then the number.
    fn by(&self, functions: &[&str], context: &InsightContext<'_>) -> Result<Vec<Vec<i64>>, QueryError> {
        let keys: Vec<Expr> = functions.iter().map(|function| call(function, vec![self.time.clone()])).collect();
        let query = SelectQuery {
            select: keys.iter().cloned().chain([self.number.clone()]).collect(),
            from: Some(table("events")),
            filter: Some(self.condition.clone()),
            order_by: keys.iter().cloned().map(asc).collect(),
            group_by: (!keys.is_empty()).then_some(GroupBy::Exprs(keys)),
            ..SelectQuery::default()
        };
        let mut rows = Vec::new();
        for batch in context.select(&query.into())? {
            let columns = batch.columns().iter().map(|column| cast(column, &DataType::Int64)).collect::<Result<Vec<_>, _>>()?;
            let row = |at: usize| columns.iter().map(|column| column.as_primitive::<Int64Type>().value(at)).collect();
            rows.extend((0..batch.num_rows()).map(row));
        }
        Ok(rows)
    }
}
