//! WebOverviewQuery: a handful of numbers, each with that of the period before.

use super::model::{WebQuery, sampling_rate};
use super::tally::{Pair, Tally, float};
use super::visits::Visit;
use crate::error::QueryError;
use crate::insights::{InsightContext, InsightResult};
use serde_json::{Map, Value, json};

/// Answers the query.
///
/// # Errors
/// [`QueryError`] when a filter or goal cannot be understood.
pub(in crate::insights) fn run(query: &WebQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let range = query.range(context);
    let periods = query.periods(&range);
    let question = query.question(context)?;
    let visits: Vec<Visit> = question.visits(context, &periods)?.all().filter(|visit| visit.session.is_some()).collect();
    let pair = Pair::of(&visits, &periods, true);
    let unit = |key, value: (Option<u64>, Option<u64>)| item(key, "unit", (value.0.map(float), value.1.map(float)));
    let percent = |(current, previous): (Option<f64>, Option<f64>)| (current.map(|rate| rate * 100.0), previous.map(|rate| rate * 100.0));
    let visitors = unit("visitors", pair.map(|tally| Some(tally.visitors())));
    let mut items = if query.conversion_goal.is_some() {
        vec![
            visitors,
            unit("total conversions", pair.map(|tally| Some(tally.conversions))),
            unit("unique conversions", pair.map(|tally| Some(tally.unique_conversions()))),
            item("conversion rate", "percentage", percent(pair.map(Tally::conversion_rate))),
        ]
    } else {
        let mut bounce = item("bounce rate", "percentage", percent(pair.map(Tally::bounce_rate)));
        bounce["isIncreaseBad"] = json!(true);
        vec![
            visitors,
            unit("views", pair.map(|tally| Some(tally.events))),
            unit("sessions", pair.map(|tally| Some(tally.sessions()))),
            item("session duration", "duration_s", pair.map(Tally::mean_seconds)),
            bounce,
        ]
    };
    if query.include_revenue == Some(true) {
        // no event is known to be a sale
        let key = if query.conversion_goal.is_some() { "conversion revenue" } else { "revenue" };
        items.push(item(key, "currency", (None, None)));
    }
    let mut more = Map::new();
    more.insert("samplingRate".to_owned(), sampling_rate());
    more.insert("dateFrom".to_owned(), json!(range.from.strftime("%Y-%m-%d %H:%M:%S").to_string()));
    more.insert("dateTo".to_owned(), json!(range.to.strftime("%Y-%m-%d %H:%M:%S").to_string()));
    more.insert("usedPreAggregatedTables".to_owned(), json!(false));
    Ok(InsightResult { results: Value::Array(items), more, range: Some(range), ..InsightResult::default() })
}

fn item(key: &str, kind: &str, (value, previous): (Option<f64>, Option<f64>)) -> Value {
    let change = match (value, previous) {
        (Some(value), Some(previous)) if previous != 0.0 => Some((100.0 * (value - previous) / previous).round_ties_even()),
        _ => None,
    };
    json!({
        "key": key,
        "kind": kind,
        "isIncreaseBad": null,
        "value": value,
        "previous": previous,
        "changeFromPreviousPct": change.map(crate::functions::datum::saturating_int),
    })
}
