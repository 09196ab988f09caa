//! StickinessQuery: how many actors were active in exactly one, two, three … intervals.
//!
//! In: the query's JSON and a project. Out: PostHog's result items. The counting is in [`operator`].
//!
//! Source of the rules: query reference, section 11.

mod operator;

use super::actors::Actor;
use super::buckets::Buckets;
use super::conditions::{ALL_EVENTS, row_expr};
use super::model::{CompareFilter, Series};
use super::{FoundActors, InsightActors, InsightContext, InsightResult};
use crate::dates::{Interval, QueryRange, RangeRequest};
use crate::error::QueryError;
use crate::hogql::build::and;
use jiff::Zoned;
use operator::{Counts, Criteria, Operator};
use serde::Deserialize;
use serde_json::{Value, json};

/// More intervals than this are not put together.
const INTERVAL_COUNT_MAX: u32 = 365;

/// `StickinessQuery`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StickinessQuery {
    series: Vec<Series>,
    #[serde(default)]
    interval: Option<Interval>,
    /// So many intervals count as one, reckoned back from the end of the range.
    #[serde(default, rename = "intervalCount")]
    interval_count: Option<i64>,
    #[serde(default, rename = "dateRange")]
    date_range: Option<RangeRequest>,
    #[serde(default)]
    properties: Value,
    #[serde(default, rename = "filterTestAccounts")]
    filter_test_accounts: Option<bool>,
    #[serde(default, rename = "stickinessFilter")]
    stickiness_filter: Option<StickinessFilter>,
    #[serde(default, rename = "compareFilter")]
    compare_filter: Option<CompareFilter>,
}

/// `stickinessFilter`, as far as it is about numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct StickinessFilter {
    #[serde(rename = "computedAs")]
    computed_as: Option<String>,
    #[serde(rename = "stickinessCriteria")]
    criteria: Option<Criteria>,
}

/// Answers a StickinessQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &StickinessQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    check(query)?;
    let current = range(query, context)?;
    let mut periods = vec![(current.clone(), None)];
    if let Some(compare) = query.compare_filter.as_ref().filter(|compare| compare.compare == Some(true)) {
        periods = vec![(current.clone(), Some("current")), (current.compared(compare.compare_to.as_deref()), Some("previous"))];
    }
    let mut items = Vec::new();
    for (order, series) in query.series.iter().enumerate() {
        let name = series.name(context)?;
        for (range, compare_label) in &periods {
            let operator = operator(query, series, range, context)?;
            let Counts(data) = operator.run(context)?;
            items.push(item(query, (series, name.as_deref()), order, range.interval, &data, *compare_label));
        }
    }
    Ok(InsightResult { results: Value::Array(items), range: Some(current), ..InsightResult::default() })
}

/// The actors behind a column: active in exactly so many intervals, or in at least or at most so many.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn actors(query: &StickinessQuery, asked: &InsightActors, context: &InsightContext<'_>) -> Result<FoundActors, QueryError> {
    let bad = |detail: String| QueryError::Request { detail, attr: Some("source") };
    check(query)?;
    let number = asked.series.unwrap_or(0);
    let series = query.series.get(number).ok_or_else(|| bad(format!("there is no series {number}")))?;
    let current = range(query, context)?;
    let compare = query.compare_filter.as_ref().filter(|_| asked.compare.as_deref() == Some("previous"));
    let range = compare.map_or_else(|| current.clone(), |compare| current.compared(compare.compare_to.as_deref()));
    let wanted = match asked.day_text() {
        None => None,
        Some(text) => Some(text.parse::<usize>().map_err(|_| bad(format!("a number of intervals expected as day, found {text:?}")))?),
    };
    // A column of cumulative counts is of those active in so many intervals or more.
    let usual = if is_cumulative(query) { "gte" } else { "exact" };
    let holds: fn(&usize, &usize) -> bool = match asked.operator.as_deref().unwrap_or(usual) {
        "exact" => usize::eq,
        "gte" => usize::ge,
        "lte" => usize::le,
        other => return Err(bad(format!("the operator of stickiness is exact, gte or lte, found {other:?}"))),
    };
    let operator = operator(query, series, &range, context)?;
    let none = FoundActors::of(&operator.actor, series.math_group_type_index)?;
    operator.each(
        context,
        || none.none(),
        |found, actor, intervals| {
            if wanted.is_none_or(|wanted| holds(&intervals, &wanted)) {
                found.push(actor, i64::try_from(intervals).unwrap_or(i64::MAX));
            }
        },
    )
}

fn check(query: &StickinessQuery) -> Result<(), QueryError> {
    let bad = |detail: String, attr| Err(QueryError::Request { detail, attr: Some(attr) });
    if let Some(count) = query.interval_count.filter(|count| !(1..=i64::from(INTERVAL_COUNT_MAX)).contains(count)) {
        return bad(format!("intervalCount is between 1 and {INTERVAL_COUNT_MAX}, found {count}"), "intervalCount");
    }
    match query.stickiness_filter.as_ref().and_then(|filter| filter.criteria.as_ref()) {
        Some(criteria) => criteria.check(),
        None => Ok(()),
    }
}

fn range(query: &StickinessQuery, context: &InsightContext<'_>) -> Result<QueryRange, QueryError> {
    let request = query.date_range.clone().unwrap_or_default();
    Ok(QueryRange::new(&request, query.interval.unwrap_or_default(), &context.calendar_of(&query.series, &request)?))
}

fn is_cumulative(query: &StickinessQuery) -> bool {
    query.stickiness_filter.as_ref().and_then(|filter| filter.computed_as.as_deref()) == Some("cumulative")
}

fn operator(query: &StickinessQuery, series: &Series, range: &QueryRange, context: &InsightContext<'_>) -> Result<Operator, QueryError> {
    let mut parts = vec![series.target()?.condition(context)?];
    parts.extend(context.filters(&[&series.properties, &series.fixed_properties, &query.properties], query.filter_test_accounts)?);
    let actor = match (series.math.as_deref(), &series.math_hogql) {
        (Some("hogql"), Some(text)) => Actor::Key { expr: row_expr(text)?, skips_empty: false },
        (Some("unique_group"), _) if series.math_group_type_index.is_some() => Actor::of_group(series.math_group_type_index),
        _ => Actor::Person,
    };
    let starts = range.buckets();
    let (lower, columns) = (range.lower_bound(), starts.len());
    let (buckets, columns) = match query.interval_count.and_then(|count| u32::try_from(count).ok()) {
        None => (Buckets::new(&starts, &lower, &range.to), columns),
        Some(count) => {
            let starts = counted_back(range, count, &lower);
            (Buckets::new(&starts, &lower, &range.to), columns.div_ceil(count as usize))
        }
    };
    let criteria = query.stickiness_filter.as_ref().and_then(|filter| filter.criteria.clone());
    Ok(Operator { actor, program: context.compile(&[and(parts)])?, buckets, columns, criteria })
}

/// Beginnings of intervals that are reckoned back from the end of the range, `count` at a time.
fn counted_back(range: &QueryRange, count: u32, lower: &Zoned) -> Vec<Zoned> {
    let mut starts = Vec::new();
    for back in 1_i64.. {
        let end = range.interval.span().checked_mul(back * i64::from(count)).and_then(|span| range.to.checked_sub(span));
        // What ends at 23:59:59.999999 is followed by what begins at midnight.
        let start = end.and_then(|end| end.checked_add(jiff::SignedDuration::from_micros(1)));
        let Ok(start) = start else { break };
        let is_last = start <= *lower;
        starts.push(start);
        if is_last {
            break;
        }
    }
    starts.reverse();
    starts
}

/// The item of a series, given with its name.
fn item(
    query: &StickinessQuery,
    (series, name): (&Series, Option<&str>),
    order: usize,
    interval: Interval,
    data: &[u64],
    compare_label: Option<&str>,
) -> Value {
    let label_of_series = name.unwrap_or(ALL_EVENTS);
    let count: u64 = data.iter().sum();
    let is_cumulative = is_cumulative(query);
    let data = if is_cumulative { (0..data.len()).map(|at| data[at..].iter().sum()).collect() } else { data.to_vec() };
    let label = |number: usize| {
        let plural = if number == 1 { "" } else { "s" };
        let more = if is_cumulative { " or more" } else { "" };
        format!("{number} {}{plural}{more}", interval.name())
    };
    let mut item = json!({
        "count": count,
        "data": data,
        "days": (1..=data.len()).collect::<Vec<_>>(),
        "label": label_of_series,
        "labels": (1..=data.len()).map(label).collect::<Vec<_>>(),
        "action": {"order": order, "type": "events", "name": label_of_series, "id": name, "custom_name": series.custom_name},
    });
    if let Some(compare_label) = compare_label {
        item["compare"] = json!(true);
        item["compare_label"] = json!(compare_label);
    }
    item
}
