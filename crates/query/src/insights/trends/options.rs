//! What may be chosen of a trend: its days, series, periods and breakdown values.

use super::{Display, QueryRange, run};
use crate::error::QueryError;
use crate::insights::conditions::ALL_EVENTS;
use crate::insights::model::TrendsQuery;
use crate::insights::{InsightContext, options};
use serde_json::{Value, json};

/// The fields of an InsightActorsQueryOptions answer that a trend has.
///
/// # Errors
/// As for the trend itself.
pub(in crate::insights) fn options(query: &TrendsQuery, context: &InsightContext<'_>) -> Result<Vec<(&'static str, Value)>, QueryError> {
    let mut fields = Vec::new();
    let filter = query.trends_filter.clone().unwrap_or_default();
    if Display::of(filter.display.as_deref().unwrap_or_default()) != Display::Total {
        let request = query.date_range.clone().unwrap_or_default();
        let range = QueryRange::new(&request, query.interval.unwrap_or_default(), &context.calendar_of(&query.series, &request)?);
        fields.push(("day", options::days_of(&range.buckets(), &range)));
    }
    let mut series = Vec::with_capacity(query.series.len());
    for (place, each) in query.series.iter().enumerate() {
        let name = each.name(context)?;
        series.push(options::item(name.as_deref().unwrap_or(ALL_EVENTS), json!(place)));
    }
    fields.push(("series", Value::Array(series)));
    if query.compare_filter.as_ref().is_some_and(|compare| compare.compare == Some(true)) {
        fields.push(("compare", options::periods()));
    }
    let breakdown = query.breakdown_filter.as_ref();
    let several = breakdown.and_then(|filter| filter.breakdowns.as_ref()).filter(|several| !several.is_empty());
    if several.is_some() || breakdown.is_some_and(|filter| !filter.breakdown.is_null()) {
        let items = broken_down(query, context)?;
        match several {
            Some(several) => {
                let of_each = (0..several.len()).map(|place| {
                    let values = items.iter().map(|item| item["breakdown_value"].get(place).unwrap_or(&Value::Null));
                    json!({"values": once(values.map(options::breakdown))})
                });
                fields.push(("breakdowns", of_each.collect()));
            }
            // Results call a value as people know it: a cohort by its name.
            None => {
                let named = items.iter().map(|item| json!({"label": item["label"], "value": item["breakdown_value"]}));
                fields.push(("breakdown", once(named)));
            }
        }
    }
    Ok(fields)
}

/// The result items of the last series in the current period.
fn broken_down(query: &TrendsQuery, context: &InsightContext<'_>) -> Result<Vec<Value>, QueryError> {
    let mut filter = query.trends_filter.clone().unwrap_or_default();
    (filter.formula, filter.formulas, filter.formula_nodes) = (None, None, None);
    let last = TrendsQuery {
        series: query.series.last().cloned().into_iter().collect(),
        compare_filter: None,
        trends_filter: Some(filter),
        ..query.clone()
    };
    match run(&last, context)?.results {
        Value::Array(items) => Ok(items),
        _ => Ok(Vec::new()),
    }
}

/// Each once, in order.
fn once(items: impl Iterator<Item = Value>) -> Value {
    let mut seen: Vec<Value> = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    Value::Array(seen)
}
