//! InsightActorsQueryOptions: between which numbers of an insight somebody may choose who looks at the people behind one of them.
//!
//! In: an actors request. Out: the days, series, breakdown values, statuses and periods of its insight; `null` for what it does not have.

use super::days;
use super::labels::{NULL_LABEL, OTHER_LABEL};
use super::{InsightContext, InsightResult, funnels, lifecycle, trends};
use crate::dates::QueryRange;
use crate::error::QueryError;
use crate::json::read_query;
use jiff::Zoned;
use serde_json::{Map, Value, json};

/// Every field of the answer.
const FIELDS: [&str; 7] = ["day", "status", "interval", "breakdown", "breakdowns", "series", "compare"];

/// Answers an InsightActorsQueryOptions.
///
/// # Errors
/// [`QueryError`] as for the insight itself.
pub(super) fn run(query: &Value, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let source = query.get("source").and_then(|actors| actors.get("source")).unwrap_or(&Value::Null);
    let found = match source.get("kind").and_then(Value::as_str).unwrap_or_default() {
        "TrendsQuery" => trends::options(&read_query(source)?, context)?,
        "FunnelsQuery" => funnels::options(&read_query(source)?, context)?,
        "LifecycleQuery" => lifecycle::options(&read_query(source)?, context)?,
        _ => Vec::new(),
    };
    let mut more: Map<String, Value> = FIELDS.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
    more.extend(found.into_iter().map(|(field, values)| (field.to_owned(), values)));
    Ok(InsightResult { more, ..InsightResult::default() })
}

/// One thing to choose.
pub(super) fn item(label: &str, value: Value) -> Value {
    json!({"label": label, "value": value})
}

/// The days of a range, called as its results call them.
pub(super) fn days_of(starts: &[Zoned], range: &QueryRange) -> Value {
    let labels = days::labels(starts, range);
    let values = starts.iter().map(|start| start.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    let labels = labels.as_array().cloned().unwrap_or_default();
    labels.into_iter().zip(values).map(|(label, value)| json!({"label": label, "value": value})).collect()
}

/// The current period and the one before.
pub(super) fn periods() -> Value {
    json!([item("Current", json!("current")), item("Previous", json!("previous"))])
}

/// One of several breakdowns' values, called as people know it.
pub(super) fn breakdown(value: &Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let label = match text.as_str() {
        OTHER_LABEL => "Other (i.e. all remaining values)",
        NULL_LABEL => "None (i.e. no value)",
        text => text,
    };
    item(label, value.clone())
}
