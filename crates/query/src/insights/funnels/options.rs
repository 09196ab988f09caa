//! What may be chosen of a funnel: its periods and its breakdown values.

use super::query::{FunnelsQuery, Viz};
use super::render::OTHER;
use super::run;
use crate::error::QueryError;
use crate::insights::breakdowns::{BreakdownCohort, breakdown_cohorts};
use crate::insights::labels::{NULL_LABEL, OTHER_LABEL};
use crate::insights::{InsightContext, options};
use serde_json::{Value, json};

/// The fields of an InsightActorsQueryOptions answer that a funnel has.
///
/// # Errors
/// As for the funnel itself.
pub(in crate::insights) fn options(query: &FunnelsQuery, context: &InsightContext<'_>) -> Result<Vec<(&'static str, Value)>, QueryError> {
    let mut fields = Vec::new();
    let viz = query.funnels_filter.as_ref().map_or(Viz::Steps, super::FunnelsFilter::viz);
    let is_compared = query.compare_filter.as_ref().is_some_and(|compare| compare.compare == Some(true));
    if is_compared && matches!(viz, Viz::Steps | Viz::TimeToConvert) {
        fields.push(("compare", options::periods()));
    }
    let Some(breakdown) = &query.breakdown_filter else { return Ok(fields) };
    if breakdown.breakdown.is_null() && breakdown.breakdowns.as_ref().is_none_or(Vec::is_empty) {
        return Ok(fields);
    }
    let cohorts = breakdown_cohorts(breakdown, context.query)?.unwrap_or_default();
    let results = run(query, context)?.results;
    let mut values: Vec<&Value> = Vec::new();
    for item in results.as_array().into_iter().flatten() {
        let value = &item.get(0).unwrap_or(item)["breakdown_value"];
        if !value.is_null() && !values.contains(&value) {
            values.push(value);
        }
    }
    fields.push(("breakdown", values.into_iter().map(|value| choice(value, &cohorts)).collect()));
    Ok(fields)
}

/// One value: of several breakdowns as JSON, so that it is one text.
fn choice(value: &Value, cohorts: &[BreakdownCohort]) -> Value {
    if let Some(cohort) = value.as_i64().and_then(|id| cohorts.iter().find(|cohort| cohort.id == id)) {
        return options::item(&cohort.name, json!(cohort.id));
    }
    match value.as_array().map(Vec::as_slice) {
        Some([one]) => choice(one, cohorts),
        Some(several) => {
            let labels: Vec<String> = several.iter().map(|value| label(value)["label"].as_str().unwrap_or_default().to_owned()).collect();
            options::item(&labels.join(", "), json!(value.to_string()))
        }
        None => json!({"label": label(value)["label"], "value": value}),
    }
}

/// A value as people know it.
fn label(value: &Value) -> Value {
    options::breakdown(&match value.as_str() {
        Some("") => json!(NULL_LABEL),
        Some(OTHER) => json!(OTHER_LABEL),
        _ => value.clone(),
    })
}
