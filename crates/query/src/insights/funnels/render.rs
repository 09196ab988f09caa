//! Numbers as PostHog's result items.

use super::plan::{Breakdown, Plan};
use super::query::{FunnelsQuery, Order, Step};
use super::steps::{Reached, StepResult};
use super::trend::Entered;
use crate::dates::QueryRange;
use crate::insights::breakdowns::BreakdownCohort;
use crate::insights::days;
use serde_json::{Map, Value, json};

/// What stands for all values beyond the limit.
pub(super) const OTHER: &str = "Other";

/// A breakdown value as results show it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    /// For people.
    pub(super) name: Value,
    /// For programs.
    pub(super) value: Value,
}

impl Plan {
    /// The value of a label; `None` for "other". `texts`: those of all labels.
    pub(super) fn shown(&self, label: Option<u32>, texts: &[Vec<String>]) -> Option<Shown> {
        let texts = label.and_then(|label| texts.get(label as usize));
        match &self.breakdown {
            Breakdown::None => None,
            Breakdown::Cohorts(cohorts) => label.and_then(|label| cohorts.get(label as usize)).map(shown_cohort),
            Breakdown::Values { .. } => {
                let texts = texts.map_or_else(|| vec![OTHER.to_owned()], Clone::clone);
                let value = if self.shape.is_list { json!(texts) } else { json!(texts.first()) };
                Some(Shown { name: value.clone(), value })
            }
        }
    }
}

fn shown_cohort(cohort: &BreakdownCohort) -> Shown {
    Shown { name: json!(cohort.name), value: json!(cohort.id) }
}

/// Steps, or with a breakdown one list of steps per value.
pub(super) fn steps(query: &FunnelsQuery, plan: &Plan, result: StepResult, texts: &[Vec<String>]) -> Vec<Value> {
    if matches!(plan.breakdown, Breakdown::None) {
        let mut reached = result.values.into_iter().next().map_or_else(Reached::default, |(_, reached)| reached);
        return step_items(query, plan, &mut reached, None);
    }
    let per_value = result.values.into_iter().map(|(label, mut reached)| {
        let shown = plan.shown(label, texts);
        Value::Array(step_items(query, plan, &mut reached, shown.as_ref()))
    });
    per_value.collect()
}

fn step_items(query: &FunnelsQuery, plan: &Plan, reached: &mut Reached, shown: Option<&Shown>) -> Vec<Value> {
    let item = |(at, step): (usize, &Step)| {
        let (average, median) = reached.times(at);
        let mut item = head(step, at, plan);
        let count = reached.counts.get(at).copied().unwrap_or(0);
        let fields = [
            ("order", json!(at)),
            ("people", json!([])),
            ("count", json!(count)),
            ("average_conversion_time", json!(average)),
            ("median_conversion_time", json!(median)),
            ("converted_people_url", Value::Null),
            ("dropped_people_url", Value::Null),
        ];
        item.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        if let Some(shown) = shown {
            item.insert("breakdown".to_owned(), shown.name.clone());
            item.insert("breakdown_value".to_owned(), shown.value.clone());
        }
        Value::Object(item)
    };
    query.series.iter().enumerate().map(item).collect()
}

/// What a step is called. Without an order it is only the number of steps that has a name.
fn head(step: &Step, at: usize, plan: &Plan) -> Map<String, Value> {
    let series = &step.series;
    let (id, name, custom_name) = if plan.order == Order::Unordered {
        let plural = if at == 0 { "" } else { "s" };
        (Value::Null, json!(format!("Completed {} step{plural}", at + 1)), Value::Null)
    } else {
        let id = if step.is_action() { series.id.clone() } else { json!(series.event) };
        (id, json!(plan.names.get(at)), json!(series.custom_name))
    };
    let kind = if step.is_action() { "actions" } else { "events" };
    let fields = [("action_id", id), ("name", name), ("custom_name", custom_name), ("type", json!(kind))];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One line per breakdown value, in order of the value; without a breakdown one line in any case.
pub(super) fn trends(plan: &Plan, per_label: &[Vec<Entered>], texts: &[Vec<String>], range: &QueryRange) -> (Vec<Value>, bool) {
    if matches!(plan.breakdown, Breakdown::None) {
        let nothing = vec![Entered::default(); range.buckets().len()];
        return (vec![Value::Object(line(per_label.first().unwrap_or(&nothing), range))], false);
    }
    let entries = |line: &[Entered]| line.iter().map(|entered| entered.from).sum::<u64>();
    let mut lines: Vec<(u32, &Vec<Entered>)> = (0_u32..).zip(per_label).filter(|(_, line)| entries(line) > 0).collect();
    // Those with the most entries are shown.
    lines.sort_by_key(|(label, line)| (std::cmp::Reverse(entries(line)), std::cmp::Reverse(texts.get(*label as usize))));
    let has_more = lines.len() > plan.shape.limit;
    lines.truncate(plan.shape.limit);
    lines.sort_by_key(|(label, _)| texts.get(*label as usize));
    let item = |(label, entered): (u32, &Vec<Entered>)| {
        let mut item = line(entered, range);
        item.insert("breakdown_value".to_owned(), plan.shown(Some(label), texts).map_or(Value::Null, |shown| shown.name));
        Value::Object(item)
    };
    (lines.into_iter().map(item).collect(), has_more)
}

fn line(entered: &[Entered], range: &QueryRange) -> Map<String, Value> {
    let rates: Vec<f64> = entered.iter().map(|entered| entered.rate()).collect();
    let starts = range.buckets();
    let fields = [
        ("count", json!(rates.len())),
        ("data", json!(rates)),
        ("days", days::days(&starts, range.interval)),
        ("labels", days::labels(&starts, range)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Marks items with the period that they belong to. A breakdown's steps are marked one by one.
pub(super) fn mark(items: &mut [Value], period: &str) {
    for item in items {
        match item {
            Value::Array(steps) => mark(steps, period),
            Value::Object(item) => {
                item.insert("compare_label".to_owned(), json!(period));
            }
            _ => {}
        }
    }
}

/// Steps of nobody, in the shape of those that are given.
pub(super) fn zeroed(items: &Value) -> Value {
    let mut items = items.clone();
    for step in items.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        for (name, value) in [("count", json!(0)), ("average_conversion_time", Value::Null), ("median_conversion_time", Value::Null)] {
            step.insert(name.to_owned(), value);
        }
    }
    items
}
