//! Grids as PostHog's rows.

use super::cohort::Columns;
use super::model::Aggregation;
use super::operator::{Grids, Operator};
use super::plan::{Plan, Slice};
use crate::engine::iso;
use crate::insights::labels::{NULL_LABEL, OTHER_LABEL};
use serde_json::{Value, json};

/// Numbers of one breakdown value.
#[derive(Clone, Debug)]
struct Line {
    value: Option<String>,
    actors: Vec<u64>,
    values: Vec<f64>,
}

/// The numbers of all breakdown values.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// Adds what an operator found.
    pub(super) fn add(&mut self, grids: Grids, operator: &Operator, slice: &Slice) {
        for (label, grid) in grids.into_labelled() {
            let value = match slice {
                Slice::All => None,
                Slice::ByProperty(_) => Some(operator.labels.texts(label).swap_remove(0)),
                Slice::Cohort(cohort) => Some(cohort.id.to_string()),
            };
            // No value is empty text here, unlike in trends.
            let value = value.map(|value| if value == NULL_LABEL { String::new() } else { value });
            self.0.push(Line { value, actors: grid.actors, values: grid.values });
        }
    }
}

impl Line {
    fn empty(plan: &Plan<'_>) -> Self {
        let cells = plan.starts.len() * plan.columns.len();
        Self { value: None, actors: vec![0; cells], values: if plan.aggregation().is_some() { vec![0.0; cells] } else { Vec::new() } }
    }

    /// Actors that began, in all rows together.
    fn size(&self, columns: usize) -> u64 {
        self.actors.iter().step_by(columns).sum()
    }
}

/// The rows of the answer: without breakdown one per period, else so many for each value, the largest first, the rest as "other".
pub(super) fn items(plan: &Plan<'_>, lines: Lines) -> Vec<Value> {
    let mut lines = lines.0;
    if plan.aggregation() == Some(Aggregation::Avg) {
        for line in &mut lines {
            for (value, actors) in line.values.iter_mut().zip(&line.actors).filter(|(_, actors)| **actors > 0) {
                #[expect(clippy::cast_precision_loss, reason = "a count of actors")]
                let actors = *actors as f64;
                *value /= actors;
            }
        }
    }
    if !plan.is_broken_down() {
        let line = lines.pop().unwrap_or_else(|| Line::empty(plan));
        return rows(plan, &line);
    }
    let columns = plan.columns.len();
    lines.sort_by(|a, b| b.size(columns).cmp(&a.size(columns)).then_with(|| a.value.cmp(&b.value)));
    if lines.len() > plan.breakdown_limit {
        let mut other = Line { value: Some(OTHER_LABEL.to_owned()), ..Line::empty(plan) };
        for line in lines.split_off(plan.breakdown_limit) {
            other.actors.iter_mut().zip(line.actors).for_each(|(sum, count)| *sum += count);
            other.values.iter_mut().zip(line.values).for_each(|(sum, value)| *sum += value);
        }
        lines.push(other);
    }
    lines.iter().flat_map(|line| rows(plan, line)).collect()
}

fn rows(plan: &Plan<'_>, line: &Line) -> Vec<Value> {
    let labels = labels(plan);
    let title = plan.period.title();
    let row = |(at, start): (usize, &jiff::Zoned)| {
        let cell = |(column, label): (usize, &String)| {
            let place = at * labels.len() + column;
            #[expect(clippy::cast_precision_loss, reason = "a count of actors")]
            let mut cell = json!({"count": line.actors[place] as f64, "label": label});
            if let Some(value) = line.values.get(place) {
                cell["aggregation_value"] = json!(value);
            }
            cell
        };
        json!({
            "values": labels.iter().enumerate().map(cell).collect::<Vec<_>>(),
            "label": format!("{title} {at}"),
            "date": iso(start.timestamp().as_microsecond(), start.time_zone()),
            "breakdown_value": line.value,
        })
    };
    plan.starts.iter().enumerate().map(row).collect()
}

/// `Day 0`, `Day 1`, …; brackets name their first and last day.
fn labels(plan: &Plan<'_>) -> Vec<String> {
    let title = plan.period.title();
    match &plan.columns {
        Columns::Periods(count) => (0..*count).map(|at| format!("{title} {at}")).collect(),
        Columns::Brackets(ends) => {
            let firsts = std::iter::once(1).chain(ends.iter().map(|end| end + 1));
            let bracket = |(first, end): (u32, &u32)| {
                if first == *end { format!("{title} {first}") } else { format!("{title} {first}-{end}") }
            };
            std::iter::once(format!("{title} 0")).chain(firsts.zip(ends).map(bracket)).collect()
        }
    }
}
