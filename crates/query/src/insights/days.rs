//! Buckets as texts: the `days` and `labels` of results.

use crate::dates::{Interval, QueryRange};
use jiff::civil::Date;
use jiff::{ToSpan, Zoned};
use serde_json::Value;

/// Beginnings of buckets for programs: `2020-01-10`, with the time of day for buckets within a day.
pub(crate) fn days(starts: &[Zoned], interval: Interval) -> Value {
    texts(starts, if interval.is_within_day() { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d" })
}

/// Buckets for people: `10-Jan-2020`, `10-Jan 13:00`, `Jan 2020`; of a week the days that lie in the range, `5–11 Jan`.
pub(crate) fn labels(starts: &[Zoned], range: &QueryRange) -> Value {
    match range.interval {
        Interval::Second | Interval::Minute | Interval::Hour => texts(starts, "%-d-%b %H:%M"),
        Interval::Month => texts(starts, "%b %Y"),
        Interval::Week => starts.iter().map(|start| Value::String(week(start, range))).collect(),
        Interval::Day | Interval::Quarter | Interval::Year => texts(starts, "%-d-%b-%Y"),
    }
}

fn week(start: &Zoned, range: &QueryRange) -> String {
    let last = start.date().saturating_add(6.days());
    let from = start.date().max(range.from.date());
    let to = last.min(range.to.date()).max(from);
    let whole = |date: Date| date.strftime("%-d-%b-%Y").to_string();
    if from == to {
        whole(from)
    } else if from.year() != to.year() {
        format!("{} – {}", whole(from), whole(to))
    } else if from.month() != to.month() {
        format!("{} – {}", from.strftime("%-d-%b"), to.strftime("%-d-%b"))
    } else {
        format!("{}–{}", from.day(), to.strftime("%-d %b"))
    }
}

/// Beginnings of buckets in a format of `strftime`.
pub(crate) fn texts(starts: &[Zoned], format: &str) -> Value {
    starts.iter().map(|start| Value::String(start.strftime(format).to_string())).collect()
}
