//! RetentionQuery: of those who began in an interval, how many came back in the intervals after.
//!
//! In: the query's JSON and a project. Out: PostHog's rows, one per interval of beginning.
//! The way: [`model`] is what is asked, [`plan`] makes periods and conditions definite, [`operator`] walks actors (most queries the short way, [`plain`]), [`cohort`] says where an
//! actor began and came back, [`render`] writes the rows.
//!
//! Source of the rules: query reference, section 9.

mod cohort;
mod model;
mod operator;
mod plain;
mod plan;
mod render;

use super::actor_source::{ActorSource, Appearances, FoundActors, InsightActors};
use super::actors::Absorb;
use super::labels::NULL_LABEL;
use super::{InsightContext, InsightResult};
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use cohort::Sink;
pub(super) use model::RetentionQuery;
use plan::{Plan, Slice};
use render::Lines;
use serde_json::Value;

/// Answers a RetentionQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &RetentionQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let plan = Plan::new(query, context)?;
    let mut lines = Lines::default();
    // Cohorts are asked for one by one: a person may be in several.
    for slice in plan.slices() {
        let operator = plan.operator(&slice, context)?;
        lines.add(operator.run(context)?, &operator, &slice);
    }
    let items = render::items(&plan, lines);
    Ok(InsightResult { results: Value::Array(items), range: Some(plan.range), ..InsightResult::default() })
}

/// The actors that began in an interval (without one, in any) and have a breakdown value (likewise), with the columns that they are in.
///
/// # Errors
/// [`QueryError`] as for the query itself.
pub(super) fn actors(query: &RetentionQuery, asked: &InsightActors, context: &InsightContext<'_>) -> Result<ActorSource, QueryError> {
    let plan = Plan::new(query, context)?;
    let (slice, breakdown) = asked_slice(&plan, asked)?;
    let slice = &slice;
    let operator = plan.operator(slice, context)?;
    let none = FoundActors::of(&operator.actor, query.aggregation_group_type_index)?;
    let by_property = breakdown.as_deref().filter(|_| matches!(slice, Slice::ByProperty(_)));
    let has_value = |label: u32| {
        by_property.is_none_or(|asked| {
            let text = operator.labels.texts(label).swap_remove(0);
            text == asked || (text == NULL_LABEL && asked.is_empty())
        })
    };
    let found = operator.each(
        context,
        || Retained { found: none.none(), columns: Vec::new() },
        |retained, actor, marks, first| {
            let mut row = Row { start: asked.interval, has_value: &has_value, columns: Vec::new() };
            operator.rules.actor(marks, first, &mut row);
            if !row.columns.is_empty() {
                row.columns.sort_unstable();
                row.columns.dedup();
                retained.found.push(actor, i64::try_from(row.columns.len()).unwrap_or(i64::MAX));
                retained.columns.push(row.columns);
            }
        },
    )?;
    let appearances = Appearances { period: plan.period.interval().name(), intervals: operator.rules.columns.len(), lists: found.columns };
    Ok(ActorSource::Rows { found: found.found, appearances: Some(appearances) })
}

/// What the events behind the row of an interval fulfil, whoever did them. The actors of the row are those of [`actors`].
///
/// # Errors
/// [`QueryError::Request`] without an interval; else as for the actors.
pub(super) fn events(query: &RetentionQuery, asked: &InsightActors, context: &InsightContext<'_>) -> Result<Vec<Expr>, QueryError> {
    let plan = Plan::new(query, context)?;
    let (slice, _) = asked_slice(&plan, asked)?;
    let Some(interval) = asked.interval else { return Err(plan::bad("Interval is required for insight retention events query")) };
    Ok(vec![plan.events(interval, &slice, context)?])
}

/// The part of the answer that holds the breakdown value that is asked for, and that value's text.
fn asked_slice(plan: &Plan<'_>, asked: &InsightActors) -> Result<(Slice, Option<String>), QueryError> {
    let breakdown = match &asked.breakdown {
        Value::Null => None,
        Value::Array(values) if values.is_empty() => None,
        Value::Array(values) => Some(values.iter().map(text_of).collect::<Vec<_>>().join("::")),
        one => Some(text_of(one)),
    };
    let is_cohort = |slice: &Slice| matches!((slice, &breakdown), (Slice::Cohort(cohort), Some(asked)) if cohort.id.to_string() == *asked);
    match plan.slices().into_iter().find(|slice| !matches!(slice, Slice::Cohort(_)) || is_cohort(slice)) {
        Some(slice) => Ok((slice, breakdown)),
        None => Err(plan::bad("the actors of a cohort breakdown are those of one of its cohorts")),
    }
}

/// Actors, and beside each the columns that it is in.
struct Retained {
    found: FoundActors,
    columns: Vec<Vec<i64>>,
}

impl Absorb for Retained {
    fn absorb(&mut self, other: Self) {
        self.found.absorb(other.found);
        self.columns.extend(other.columns);
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// In which columns of a row an actor is.
struct Row<'a> {
    start: Option<u32>,
    has_value: &'a dyn Fn(u32) -> bool,
    columns: Vec<i64>,
}

impl Sink for Row<'_> {
    fn cohort(&mut self, label: u32, start: u32, columns: &[u32]) {
        if self.start.is_none_or(|asked| asked == start) && (self.has_value)(label) {
            self.columns.extend(columns.iter().map(|column| i64::from(*column)));
        }
    }

    fn value(&mut self, _: u32, _: u32, _: u32, _: f64) {}
}
