//! Numbers as PostHog's result items.

use super::plan::SeriesPlan;
use crate::dates::QueryRange;
use crate::insights::breakdowns::BreakdownCohort;
use crate::insights::conditions::ALL_EVENTS;
use crate::insights::days;
use crate::insights::labels::{NULL_LABEL, OTHER_LABEL};
use jiff::Zoned;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// One line of the result: a series (or formula), a period, a combination of breakdown values.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Texts of the breakdown values; empty without breakdowns.
    pub(super) texts: Vec<String>,
    /// One value per bucket, or the one value of the whole range.
    pub(super) values: Vec<f64>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) range: &'a QueryRange,
    pub(super) is_total: bool,
    pub(super) is_cumulative: bool,
    /// Of a slope, which shows its ends alone: whether the last bucket is not over yet.
    pub(super) incomplete_end: Option<bool>,
    pub(super) breakdown_is_list: bool,
    /// The cohorts that lines are about; then their texts are the numbers of cohorts.
    pub(super) cohorts: &'a [BreakdownCohort],
    /// Several series: labels name them.
    pub(super) many_series: bool,
    pub(super) compare_label: Option<&'static str>,
}

impl Frame<'_> {
    /// Beginnings of the buckets that are shown.
    fn starts(&self) -> Vec<Zoned> {
        let all = self.range.buckets();
        if self.incomplete_end.is_some() { ends(all) } else { all }
    }
}

/// The first and the last.
pub(super) fn ends<T>(mut all: Vec<T>) -> Vec<T> {
    if all.len() > 2 {
        all.drain(1..all.len() - 1);
    }
    all
}

/// The largest first.
pub(super) fn by_size(lines: &mut [Line]) {
    let total = |line: &Line| line.values.iter().sum::<f64>();
    lines.sort_by(|a, b| total(b).partial_cmp(&total(a)).unwrap_or(Ordering::Equal).then_with(|| a.texts.cmp(&b.texts)));
}

/// The largest first; what has no value comes after all that has one, however large, and what is "other" comes last.
pub(super) fn sort(lines: &mut [Line]) {
    by_size(lines);
    let has = |line: &Line, label: &str| line.texts.iter().any(|text| text == label);
    lines.sort_by_key(|line| (has(line, OTHER_LABEL), has(line, NULL_LABEL)));
}

/// Keeps the first lines, adds up the rest as "other".
pub(super) fn limit(mut lines: Vec<Line>, limit: usize, hide_other: bool) -> (Vec<Line>, bool) {
    if lines.len() <= limit {
        return (lines, false);
    }
    let rest = lines.split_off(limit);
    if !hide_other {
        let mut other = Line { texts: vec![OTHER_LABEL.to_owned(); rest[0].texts.len()], values: vec![0.0; rest[0].values.len()] };
        for line in &rest {
            for (sum, value) in other.values.iter_mut().zip(&line.values) {
                *sum += value;
            }
        }
        lines.push(other);
    }
    (lines, true)
}

/// The trailing mean of up to `intervals` values, rounded down.
pub(super) fn smooth(values: &[f64], intervals: usize) -> Vec<f64> {
    if intervals <= 1 {
        return values.to_vec();
    }
    (0..values.len())
        .map(|at| {
            let window = &values[(at + 1).saturating_sub(intervals)..=at];
            #[expect(clippy::cast_precision_loss, reason = "a number of buckets")]
            let mean = window.iter().sum::<f64>() / window.len() as f64;
            mean.floor()
        })
        .collect()
}

/// Each value with all before it.
pub(super) fn cumulated(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        })
        .collect()
}

/// The item of a series.
pub(super) fn series_item(line: &Line, plan: &SeriesPlan, order: usize, frame: Frame<'_>) -> Value {
    let SeriesPlan { series, name, .. } = plan;
    let label = name.as_deref().unwrap_or(ALL_EVENTS);
    let action = json!({
        "days": day_starts(frame),
        "id": name,
        "type": "events",
        "order": order,
        "name": label,
        "custom_name": series.custom_name,
        "math": series.math.as_deref().unwrap_or("total"),
        "math_property": series.math_property,
        "math_hogql": series.math_hogql,
        "math_group_type_index": series.math_group_type_index,
        "properties": {},
    });
    item(line, label, action, frame)
}

/// The item of formula number `order`.
pub(super) fn formula_item(line: &Line, label: &str, order: usize, frame: Frame<'_>) -> Value {
    let mut item = item(line, label, Value::Null, frame);
    item["order"] = json!(order);
    item
}

fn item(line: &Line, label: &str, action: Value, frame: Frame<'_>) -> Value {
    let mut item = Map::new();
    if frame.is_total {
        item.insert("data".to_owned(), if action.is_null() { Value::Null } else { json!([]) });
        item.insert("days".to_owned(), json!([]));
        item.insert("count".to_owned(), json!(0));
        item.insert("aggregated_value".to_owned(), number(line.values.first().copied().unwrap_or(0.0)));
    } else {
        let count = if frame.is_cumulative { line.values.last().copied().unwrap_or(0.0) } else { line.values.iter().sum() };
        item.insert("data".to_owned(), line.values.iter().map(|value| number(*value)).collect());
        item.insert("labels".to_owned(), days::labels(&frame.starts(), frame.range));
        item.insert("days".to_owned(), days::days(&frame.starts(), frame.range.interval));
        item.insert("count".to_owned(), number(count));
    }
    let mut label = label.to_owned();
    if !line.texts.is_empty() {
        let cohort = frame.cohorts.iter().find(|cohort| line.texts.iter().eq([&cohort.id.to_string()]));
        let shown = cohort.map_or_else(|| line.texts.join("::"), |cohort| cohort.name.clone());
        // A formula keeps its own name; a single series is named by its breakdown value alone.
        label = match (frame.many_series, action.is_null()) {
            (_, true) => label,
            (true, false) => format!("{label} - {shown}"),
            (false, false) => shown,
        };
        let value = match cohort {
            Some(BreakdownCohort { id: 0, .. }) => json!("all"),
            Some(cohort) => json!(cohort.id),
            None if frame.breakdown_is_list => json!(line.texts),
            None => json!(line.texts[0]),
        };
        item.insert("breakdown_value".to_owned(), value);
    }
    item.insert("label".to_owned(), json!(label));
    item.insert("filter".to_owned(), json!({"insight": "TRENDS"}));
    item.insert("action".to_owned(), action);
    if let Some(incomplete_end) = frame.incomplete_end {
        item.insert("incomplete_end".to_owned(), json!(incomplete_end));
    }
    if let Some(compare_label) = frame.compare_label {
        item.insert("compare".to_owned(), json!(true));
        item.insert("compare_label".to_owned(), json!(compare_label));
    }
    Value::Object(item)
}

fn day_starts(frame: Frame<'_>) -> Value {
    if frame.is_total { json!([]) } else { days::texts(&frame.starts(), "%Y-%m-%dT%H:%M:%S") }
}

/// JSON has no infinity; what cannot be written is 0.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(json!(0), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, values: &[f64]) -> Line {
        Line { texts: vec![text.to_owned()], values: values.to_vec() }
    }

    #[test]
    fn the_rest_is_other() {
        let mut lines = vec![line("a", &[1.0, 0.0]), line("b", &[5.0, 5.0]), line("c", &[2.0, 1.0])];
        by_size(&mut lines);
        let (kept, more) = limit(lines.clone(), 1, false);
        assert!(more);
        assert_eq!(kept.iter().map(|line| line.texts[0].as_str()).collect::<Vec<_>>(), ["b", OTHER_LABEL]);
        assert_eq!(kept[1].values, [3.0, 1.0]);
        assert_eq!(limit(lines, 2, true).0.len(), 2);
    }

    #[test]
    fn what_has_no_value_comes_after_what_has_one() {
        let mut lines = vec![line(OTHER_LABEL, &[9.0]), line(NULL_LABEL, &[8.0]), line("a", &[1.0]), line("b", &[2.0])];
        sort(&mut lines);
        assert_eq!(lines.iter().map(|line| line.texts[0].as_str()).collect::<Vec<_>>(), ["b", "a", NULL_LABEL, OTHER_LABEL]);
    }

    #[test]
    fn smoothing_trails_and_rounds_down() {
        assert_eq!(smooth(&[1.0, 0.0, 2.0, 6.0], 3), [1.0, 0.0, 1.0, 2.0]);
        assert_eq!(smooth(&[1.5], 1), [1.5]);
        assert_eq!(cumulated(&[1.0, 0.0, 2.0]), [1.0, 1.0, 3.0]);
    }
}
