//! Buckets as texts: the `days` and `labels` of results.

use crate::dates::Interval;
use jiff::Zoned;
use serde_json::Value;

/// Beginnings of buckets for programs: `2020-01-10`, with the time of day for buckets within a day.
pub(crate) fn days(starts: &[Zoned], interval: Interval) -> Value {
    texts(starts, if interval.is_within_day() { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d" })
}

/// Beginnings of buckets for people: `10-Jan-2020`.
pub(crate) fn labels(starts: &[Zoned], interval: Interval) -> Value {
    texts(starts, if interval.is_within_day() { "%-d-%b-%Y %H:%M" } else { "%-d-%b-%Y" })
}

/// Beginnings of buckets in a format of `strftime`.
pub(crate) fn texts(starts: &[Zoned], format: &str) -> Value {
    starts.iter().map(|start| Value::String(start.strftime(format).to_string())).collect()
}
