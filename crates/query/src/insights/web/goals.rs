//! WebGoalsQuery: for each of a few actions how many people did what it stands for, how often, and the share of all visitors that they are.

use super::model::{VIEWS, WebQuery, named, sampling_rate, within};
use super::tally::float;
use super::visits::{Question, Visit};
use crate::actions;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{and, call, compare, or};
use crate::insights::{InsightContext, InsightResult};
use aqueduct_catalog::Action;
use aqueduct_event::PersonId;
use rustc_hash::FxHashSet;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::sync::Arc;

/// More actions than this are not shown: pinned ones are first, then the newest.
const GOALS_MAX: usize = 5;

/// Columns of a row; those that can be ordered by with their names in `orderBy`.
const COLUMNS: [(&str, &str); 4] = [
    ("context.columns.action_name", ""),
    ("context.columns.converting_users", "ConvertingUsers"),
    ("context.columns.total_conversions", "TotalConversions"),
    ("context.columns.conversion_rate", "ConversionRate"),
];

/// Who did how much in a period.
#[derive(Default)]
struct Done {
    persons: FxHashSet<PersonId>,
    events: f64,
}

impl Done {
    /// What the visits' measure says.
    fn of(visits: &[Visit], measure: usize) -> Self {
        let mut done = Done::default();
        for visit in visits {
            let (events, _) = visit.measures[measure];
            if events > 0.0 {
                done.persons.insert(visit.person());
                done.events += events;
            }
        }
        done
    }

    fn users(&self) -> f64 {
        float(self.persons.len() as u64)
    }
}

/// Answers the query.
///
/// # Errors
/// [`QueryError`] when a filter or an action cannot be understood.
pub(in crate::insights) fn run(query: &WebQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let range = query.range(context);
    let periods = query.periods(&range);
    let mut more = Map::from_iter([("samplingRate".to_owned(), sampling_rate())]);
    let goals = goals(context);
    if goals.is_empty() {
        return Ok(InsightResult { results: json!([]), more, range: Some(range), ..InsightResult::default() });
    }
    let conditions = goals.iter().map(|action| actions::condition(action, context.query)).collect::<Result<Vec<_>, _>>()?;
    // each goal in the period, then in the one that it is compared with
    let measures = conditions.iter().flat_map(|goal| {
        let none = || Expr::lit(0.0);
        let counted = |period| call("if", vec![and(vec![goal.clone(), during(period)]), Expr::lit(1.0), none()]);
        [counted(periods.current), periods.previous.map_or_else(none, counted)]
    });
    let mut events = vec![named(&VIEWS)];
    events.extend(conditions.iter().cloned());
    let question = Question {
        conditions: std::iter::once(or(events)).chain(query.filters(context)?).collect(),
        breakdown: Vec::new(),
        goal: None,
        measures: measures.collect(),
    };
    let begins = |visit: &Visit| visit.session.is_some() && visit.start.is_some_and(|start| periods.contain(start));
    let visits: Vec<Visit> = question.visits(context, &periods)?.all().filter(begins).collect();
    let visitors = |period: (i64, i64)| {
        let began = visits.iter().filter(|visit| visit.start.is_some_and(|start| within(period, start)));
        float(began.map(Visit::person).collect::<FxHashSet<_>>().len() as u64)
    };
    let (current, previous) = (visitors(periods.current), periods.previous.map(visitors));
    let share = |users: f64, visitors: f64| if visitors > 0.0 { users / visitors } else { 0.0 };
    let mut rows: Vec<Row> = Vec::with_capacity(goals.len());
    for (at, action) in goals.iter().enumerate() {
        let (now, before) = (Done::of(&visits, 2 * at), previous.map(|visitors| (Done::of(&visits, 2 * at + 1), visitors)));
        let pair = |now: f64, of: fn(&Done) -> f64| (now, before.as_ref().map(|(done, _)| of(done)));
        let rate = (share(now.users(), current), before.as_ref().map(|(done, visitors)| share(done.users(), *visitors)));
        rows.push((json!(action.document.name), [pair(now.users(), Done::users), pair(now.events, |done| done.events), rate]));
    }
    sort(&mut rows, query);
    let row =
        |(name, cells): Row| std::iter::once(name).chain(cells.map(|(current, previous)| json!([current, previous]))).collect::<Value>();
    more.insert("columns".to_owned(), COLUMNS.iter().map(|(name, _)| *name).collect());
    Ok(InsightResult { results: rows.into_iter().map(row).collect(), more, range: Some(range), ..InsightResult::default() })
}

/// The actions that are shown.
fn goals(context: &InsightContext<'_>) -> Vec<Arc<Action>> {
    let mut all = context.query.definitions.actions(context.query.project.id);
    all.retain(|action| !action.is_deleted && !action.document.steps.is_empty());
    all.sort_by_key(|action| {
        (action.document.pinned_at.is_none(), action.document.pinned_at, Reverse(action.created_at), Reverse(action.id))
    });
    all.truncate(GOALS_MAX);
    all
}

/// Whether an event lies in a period.
fn during((from, to): (i64, i64)) -> Expr {
    let bound = |op, micros: i64| compare(op, Expr::field(["timestamp"]), call("fromUnixTimestamp64Micro", vec![Expr::lit(micros)]));
    and(vec![bound(CompareOp::GtEq, from), bound(CompareOp::LtEq, to)])
}

/// A goal's name with what is counted for it, in the period and in the one before.
type Row = (Value, [(f64, Option<f64>); 3]);

fn sort(rows: &mut [Row], query: &WebQuery) {
    let Some([field, direction, ..]) = query.order_by.as_deref() else { return };
    let Some(place) = COLUMNS.iter().position(|(_, name)| !name.is_empty() && name == field) else { return };
    let key = |cells: &[(f64, Option<f64>); 3]| (cells[place - 1].0, cells[place - 1].1.unwrap_or_default());
    rows.sort_by(|(_, a), (_, b)| {
        let (a, b) = (key(a), key(b));
        let order = a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
        if direction == "DESC" { order.reverse() } else { order }
    });
}
