//! The people behind a number of a trend: a SELECT over events that gives each actor with the number of its events. The events behind the same
//! number: the conditions that their rows fulfil.
//!
//! Source of the rules: query reference, section 15; how a bucket's times follow from its name was read in PostHog's builder of such queries.

use super::math::Math;
use super::plan::SeriesPlan;
use super::{Display, breakdowns, days_before, range_of, wider_than};
use crate::dates::{QueryRange, parse_moment};
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr, GroupBy, SelectQuery};
use crate::hogql::build::{and, call, compare, eq, from_query, not_eq, or, subquery, table, tuple};
use crate::insights::breakdowns::{BreakdownCohort, BreakdownExpr, Breakdowns};
use crate::insights::labels::{NULL_LABEL, OTHER_LABEL};
use crate::insights::model::TrendsQuery;
use crate::insights::{ActorSource, InsightActors, InsightContext};
use jiff::Zoned;
use serde_json::Value;

/// Times that count, the last one included or not.
struct Times {
    from: Zoned,
    to: Zoned,
    closed: bool,
}

/// What the rows behind a number have in common.
struct Behind {
    plan: SeriesPlan,
    /// Who is counted.
    actor: Expr,
    /// The type of the groups, when the actors are groups.
    group: Option<u8>,
    /// What rows fulfil beside the event and the times.
    conditions: Vec<Expr>,
    times: Times,
}

impl Behind {
    fn new(query: &TrendsQuery, asked: &InsightActors, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let number = asked.series.unwrap_or(0);
        let series = query.series.get(number).ok_or_else(|| bad(format!("there is no series {number}")))?;
        let plan = SeriesPlan::new(series, query, context)?;
        let filter = query.trends_filter.clone().unwrap_or_default();
        let display_name = filter.display.as_deref().unwrap_or("ActionsLineGraph");
        let display = Display::of(display_name);
        let breakdowns = breakdowns(query, display_name, filter.breakdown_histogram_bin_count, context)?;
        let range = range_of(query, display_name, context)?;
        let times = times(query, asked, &range, display, plan.math, context)?;

        let group = match plan.math {
            Math::Keys | Math::ActiveKeys { .. } => series.math_group_type_index,
            Math::First { group, .. } => group,
            _ => None,
        };
        let actor = group.map_or_else(|| Expr::field(["person_id"]), |index| Expr::field([format!("$group_{index}")]));
        let mut conditions: Vec<Expr> = plan.filter.clone().into_iter().collect();
        conditions.extend(group.map(|_| not_eq(actor.clone(), Expr::lit(""))));
        conditions.extend(broken_down(&breakdowns, &asked.breakdown)?);
        Ok(Self { plan, actor, group, conditions, times })
    }

    /// Event, filters and times of the rows.
    fn rows(&self) -> Vec<Expr> {
        let mut rows = vec![self.plan.event.clone()];
        rows.extend(self.conditions.iter().cloned());
        rows.extend(within(Expr::field(["timestamp"]), &self.times));
        rows
    }

    /// Each actor whose first row lies within the times, with the moment of that row.
    fn firsts(&self, matching: bool, columns: Vec<Expr>) -> SelectQuery {
        first_events(self.actor.clone(), &self.plan.event, and(self.conditions.clone()), matching, &self.times, columns)
    }
}

/// The actors of one series, bucket and breakdown value.
///
/// # Errors
/// [`QueryError`] as named there.
pub(in crate::insights) fn actors(
    query: &TrendsQuery,
    asked: &InsightActors,
    context: &InsightContext<'_>,
) -> Result<ActorSource, QueryError> {
    let behind = Behind::new(query, asked, context)?;
    let select = if let Math::First { matching, .. } = behind.plan.math {
        // One of several rows at that moment is enough.
        let ids = crate::hogql::build::array(vec![Expr::field(["first_distinct_id"])]);
        behind.firsts(matching, vec![Expr::field(["actor_id"]), Expr::lit(1).alias("event_count"), ids.alias("event_distinct_ids")])
    } else {
        counted(behind.actor.clone(), and(behind.rows()), behind.group.is_none())
    };
    Ok(ActorSource::Query { query: select.into(), group: behind.group })
}

/// What the events behind the same number fulfil.
///
/// # Errors
/// As for the actors.
pub(in crate::insights) fn events(
    query: &TrendsQuery,
    asked: &InsightActors,
    context: &InsightContext<'_>,
) -> Result<Vec<Expr>, QueryError> {
    let behind = Behind::new(query, asked, context)?;
    let mut rows = behind.rows();
    if let Math::First { matching, .. } = behind.plan.math {
        let firsts = behind.firsts(matching, vec![Expr::field(["actor_id"]), Expr::field(["first_seen"])]);
        let row = tuple(vec![behind.actor.clone(), Expr::field(["timestamp"])]);
        rows.push(compare(CompareOp::In, row, subquery(firsts)));
    }
    Ok(rows)
}

fn times(
    query: &TrendsQuery,
    asked: &InsightActors,
    range: &QueryRange,
    display: Display,
    math: Math,
    context: &InsightContext<'_>,
) -> Result<Times, QueryError> {
    let days = match math {
        Math::Active { days } | Math::ActiveKeys { days } => Some(days),
        _ => None,
    };
    let compare = query.compare_filter.as_ref().filter(|compare| compare.compare == Some(true));
    let previous =
        compare.filter(|_| asked.compare.as_deref() == Some("previous")).map(|compare| range.compared(compare.compare_to.as_deref()));
    let period = previous.as_ref().unwrap_or(range);
    if display == Display::Total {
        let from = days.map_or_else(|| period.lower_bound(), |days| days_before(&period.to, days));
        return Ok(Times { from, to: period.to.clone(), closed: true });
    }
    let Some(day) = asked.day_text() else { return Err(bad("a trend over time needs the day of the number".to_owned())) };
    let mut start = parse_moment(&day, &context.calendar.now, false).at;
    if let Some(previous) = &previous {
        // The bucket of the same place.
        let place = range.buckets().iter().position(|bucket| *bucket == start);
        start = place.and_then(|place| previous.buckets().get(place).cloned()).unwrap_or(start);
    }
    let mut to = range.interval.next(&start).unwrap_or_else(|| start.clone());
    let mut from = start;
    let mut closed = false;
    if range.is_explicit() {
        from = from.max(period.from.clone());
        closed = period.to < to;
        to = to.min(period.to.clone());
    }
    if let Some(days) = days.filter(|days| !wider_than(range.interval, *days)) {
        from = days_before(&to, days);
    }
    Ok(Times { from, to, closed })
}

fn within(time: Expr, times: &Times) -> [Expr; 2] {
    let at = |moment: &Zoned| call("fromUnixTimestamp64Micro", vec![Expr::lit(moment.timestamp().as_microsecond())]);
    let end = if times.closed { CompareOp::LtEq } else { CompareOp::Lt };
    [compare(CompareOp::GtEq, time.clone(), at(&times.from)), compare(end, time, at(&times.to))]
}

/// Each actor with the number of its rows.
fn counted(actor: Expr, condition: Expr, is_person: bool) -> SelectQuery {
    let mut select = vec![actor.clone().alias("actor_id"), call("count", Vec::new()).alias("event_count")];
    if is_person {
        select.push(call("groupUniqArray", vec![Expr::field(["distinct_id"])]).alias("event_distinct_ids"));
    }
    select.push(call("max", vec![Expr::field(["timestamp"])]).alias("last_seen"));
    SelectQuery {
        select,
        from: Some(table("events")),
        filter: Some(condition),
        group_by: Some(GroupBy::Exprs(vec![actor])),
        ..SelectQuery::default()
    }
}

/// `columns` of each actor whose first row of the event lies within the times. `matching`: the filters choose that row; else they test it.
fn first_events(actor: Expr, event: &Expr, filter: Expr, matching: bool, times: &Times, columns: Vec<Expr>) -> SelectQuery {
    let time = || Expr::field(["timestamp"]);
    let (chosen, tested) = if matching { (and(vec![event.clone(), filter]), Expr::lit(true)) } else { (event.clone(), filter) };
    let inner = SelectQuery {
        select: vec![
            actor.clone().alias("actor_id"),
            call("min", vec![time()]).alias("first_seen"),
            call("minIf", vec![time(), tested]).alias("first_counted"),
            call("argMin", vec![Expr::field(["distinct_id"]), time()]).alias("first_distinct_id"),
        ],
        from: Some(table("events")),
        filter: Some(chosen),
        group_by: Some(GroupBy::Exprs(vec![actor])),
        ..SelectQuery::default()
    };
    let mut conditions = vec![eq(Expr::field(["first_seen"]), Expr::field(["first_counted"]))];
    conditions.extend(within(Expr::field(["first_seen"]), times));
    SelectQuery { select: columns, from: Some(from_query(inner, None)), filter: Some(and(conditions)), ..SelectQuery::default() }
}

/// The rows of the breakdown value that was asked for; "other" stands for values that its text does not name.
fn broken_down(breakdowns: &Breakdowns, asked: &Value) -> Result<Vec<Expr>, QueryError> {
    let values = match asked {
        Value::Null => return Ok(Vec::new()),
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    };
    if !breakdowns.cohorts.is_empty() {
        let is_asked = |cohort: &&BreakdownCohort| match values.as_slice() {
            [Value::String(text)] if text == "all" => cohort.id == 0,
            [Value::String(text)] => cohort.id.to_string() == *text,
            [id] => id.as_i64() == Some(cohort.id),
            _ => false,
        };
        let cohort = breakdowns.cohorts.iter().find(is_asked);
        return cohort.map(|cohort| vec![cohort.is_member()]).ok_or_else(|| bad(format!("{asked} is no cohort of the breakdown")));
    }
    if values.len() != breakdowns.exprs.len() {
        return Err(bad(format!("{} breakdown values expected, {} found", breakdowns.exprs.len(), values.len())));
    }
    Ok(breakdowns.exprs.iter().zip(&values).filter_map(|(each, value)| has_value(each, value)).collect())
}

fn has_value(breakdown: &BreakdownExpr, value: &Value) -> Option<Expr> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let expr = || breakdown.expr.clone();
    match text.as_str() {
        OTHER_LABEL => None,
        NULL_LABEL => Some(or(vec![eq(expr(), Expr::null()), eq(call("toString", vec![expr()]), Expr::lit(""))])),
        _ if breakdown.bins.is_some() => {
            let (low, high) = text.trim_matches(['[', ']']).split_once(',')?;
            let number = || call("toFloat", vec![expr()]);
            let edge = |text: &str| text.trim().parse::<f64>().ok().map(Expr::lit);
            Some(and(vec![compare(CompareOp::GtEq, number(), edge(low)?), compare(CompareOp::Lt, number(), edge(high)?)]))
        }
        _ => Some(eq(call("toString", vec![expr()]), Expr::lit(text))),
    }
}

fn bad(detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some("source") }
}
