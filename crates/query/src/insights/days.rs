//! Buckets as texts: the `days` and `labels` of results.

use crate::dates::QueryRange;
use serde_json::Value;

/// Beginnings of the buckets for programs: `2020-01-10`, with the time of day for buckets within a day.
pub(crate) fn days(range: &QueryRange) -> Value {
    texts(range, if range.interval.is_within_day() { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d" })
}

/// Beginnings of the buckets for people: `10-Jan-2020`.
pub(crate) fn labels(range: &QueryRange) -> Value {
    texts(range, if range.interval.is_within_day() { "%-d-%b-%Y %H:%M" } else { "%-d-%b-%Y" })
}

/// Beginnings of the buckets in a format of `strftime`.
pub(crate) fn texts(range: &QueryRange, format: &str) -> Value {
    range.buckets().iter().map(|start| Value::String(start.strftime(format).to_string())).collect()
}
