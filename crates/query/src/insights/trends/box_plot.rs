//! Trends shown as box plots: how the values of a property are spread in each bucket.
//!
//! In: a TrendsQuery whose series have a property. Out: a row for each bucket of each series; a bucket without values is zeros.
//!
//! Source of the rules: query reference, section 7.

use super::math::{Math, SESSION_DURATION};
use super::operator::Operator;
use super::plan::SeriesPlan;
use super::{Breakdowns, Display, operator};
use crate::dates::QueryRange;
use crate::error::QueryError;
use crate::insights::conditions::ALL_EVENTS;
use crate::insights::statistic::Statistic;
use crate::insights::{InsightContext, days};
use serde_json::{Map, Value, json};

/// What a row says of its bucket.
const SPREAD: [(&str, Statistic); 6] = [
    ("min", Statistic::Min),
    ("p25", Statistic::Quantile(0.25)),
    ("median", Statistic::Quantile(0.5)),
    ("p75", Statistic::Quantile(0.75)),
    ("max", Statistic::Max),
    ("mean", Statistic::Avg),
];

/// The rows of all series, in their order.
///
/// # Errors
/// [`QueryError::Request`] when a series has no property; what reading and evaluating answers.
pub(super) fn rows(plans: &[SeriesPlan], range: &QueryRange, context: &InsightContext<'_>) -> Result<Value, QueryError> {
    if plans.iter().any(|plan| plan.series.math_property.is_none()) {
        let detail = "A numeric property must be selected for box plot.".to_owned();
        return Err(QueryError::Request { detail, attr: Some("series") });
    }
    let buckets = range.buckets();
    let list = |value: Value| value.as_array().cloned().unwrap_or_default();
    let (names, labels) = (list(days::days(&buckets, range.interval)), list(days::labels(&buckets, range)));
    let mut rows = Vec::with_capacity(plans.len() * buckets.len());
    for (index, plan) in plans.iter().enumerate() {
        let spread = SPREAD.iter().map(|(_, statistic)| values(plan, *statistic, range, context)).collect::<Result<Vec<_>, _>>()?;
        let series = label(plan);
        for (at, (day, label)) in names.iter().zip(&labels).enumerate() {
            let mut row = Map::new();
            row.insert("day".to_owned(), day.clone());
            row.insert("label".to_owned(), label.clone());
            for ((name, _), values) in SPREAD.iter().zip(&spread) {
                row.insert((*name).to_owned(), json!(values.get(at).copied().unwrap_or(0.0)));
            }
            row.insert("series_index".to_owned(), json!(index));
            row.insert("series_label".to_owned(), json!(series));
            rows.push(Value::Object(row));
        }
    }
    Ok(Value::Array(rows))
}

/// One statistic of each bucket.
fn values(plan: &SeriesPlan, statistic: Statistic, range: &QueryRange, context: &InsightContext<'_>) -> Result<Vec<f64>, QueryError> {
    let by_session = plan.series.math_property.as_deref() == Some(SESSION_DURATION) || matches!(plan.math, Math::PerSession(_));
    let plan = plan.with_math(if by_session { Math::PerSession(statistic) } else { Math::Values(statistic) })?;
    let operator: Operator = operator(&plan, &Breakdowns::default(), range, Display::Series, context)?;
    Ok(operator.run(context)?.into_iter().next().map(|(_, values)| values).unwrap_or_default())
}

/// `event - property`.
fn label(plan: &SeriesPlan) -> String {
    let name = plan.series.custom_name.as_deref().or(plan.name.as_deref()).unwrap_or(ALL_EVENTS);
    format!("{name} - {}", plan.series.math_property.as_deref().unwrap_or_default())
}
