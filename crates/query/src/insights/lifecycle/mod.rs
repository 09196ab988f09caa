//! LifecycleQuery: who is new in an interval, who returns, who comes back after a pause, who stays away.
//!
//! In: the query's JSON and a project. Out: PostHog's four result items. The counting is in [`operator`].
//! `toggledLifecycles` is about display: all four are always answered.
//!
//! Source of the rules: query reference, section 12.

mod operator;

use super::actor_source::{FoundActors, InsightActors};
use super::actors::Actor;
use super::buckets::Buckets;
use super::conditions::{ALL_EVENTS, Target};
use super::days;
use super::model::Series;
use super::options;
use super::{InsightContext, InsightResult};
use crate::dates::{Interval, QueryRange, RangeRequest, parse_moment};
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::{and, call, not_eq};
use jiff::{SignedDuration, Zoned};
use operator::{Operator, Status};
use serde::Deserialize;
use serde_json::{Value, json};

/// `LifecycleQuery`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct LifecycleQuery {
    series: Vec<Series>,
    #[serde(default)]
    interval: Option<Interval>,
    #[serde(default, rename = "dateRange")]
    date_range: Option<RangeRequest>,
    #[serde(default)]
    properties: Value,
    #[serde(default, rename = "filterTestAccounts")]
    filter_test_accounts: Option<bool>,
    #[serde(default)]
    aggregation_group_type_index: Option<u8>,
}

/// Answers a LifecycleQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &LifecycleQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let Some(series) = query.series.first() else {
        return Err(QueryError::Request { detail: "lifecycle needs a series".to_owned(), attr: Some("series") });
    };
    let request = query.date_range.clone().unwrap_or_default();
    let range = QueryRange::new(&request, query.interval.unwrap_or_default(), &context.calendar_of(&query.series, &request)?);
    let intervals = Intervals::of(&range);
    let counts = operator(query, &intervals, context)?.run(context)?;
    let shown: Vec<usize> = (1..intervals.starts.len()).filter(|at| intervals.is_shown(*at, &range)).collect();
    let starts: Vec<Zoned> = shown.iter().map(|at| intervals.starts[*at].clone()).collect();
    let (target, name) = (series.target()?, series.name(context)?);
    let name = name.as_deref().unwrap_or(ALL_EVENTS);
    let item = |status: Status| {
        #[expect(clippy::cast_precision_loss, reason = "a count of actors")]
        let count = |at: &usize| counts.of(status, *at) as f64 * if status == Status::Dormant { -1.0 } else { 1.0 };
        // 0 has no sign.
        let data: Vec<f64> = shown.iter().map(|at| count(at) + 0.0).collect();
        let (id, kind) = match target {
            Target::Action(id) => (json!(id.as_str().map_or_else(|| id.to_string(), str::to_owned)), "actions"),
            Target::Event(_) | Target::Group(_) | Target::Table => (json!(series.event), "events"),
        };
        let mut action = json!({"id": id, "name": name, "type": kind, "order": 0, "math": "total"});
        if let Some(name) = &series.custom_name {
            action["custom_name"] = json!(name);
        }
        json!({
            "action": action,
            "count": data.iter().sum::<f64>(),
            "data": data,
            "labels": days::labels(&starts, &range),
            "days": days::days(&starts, range.interval),
            "label": format!("{name} - {}", status.name()),
            "status": status.name(),
        })
    };
    let items = Status::ALL.into_iter().map(item).collect();
    Ok(InsightResult { results: Value::Array(items), range: Some(range), ..InsightResult::default() })
}

/// The fields of an InsightActorsQueryOptions answer that a lifecycle has.
///
/// # Errors
/// As for the lifecycle itself.
pub(super) fn options(query: &LifecycleQuery, context: &InsightContext<'_>) -> Result<Vec<(&'static str, Value)>, QueryError> {
    let request = query.date_range.clone().unwrap_or_default();
    let range = QueryRange::new(&request, query.interval.unwrap_or_default(), &context.calendar_of(&query.series, &request)?);
    let statuses = [("Dormant", "dormant"), ("New", "new"), ("Resurrecting", "resurrecting"), ("Returning", "returning")];
    let statuses = statuses.map(|(label, value)| options::item(label, json!(value)));
    Ok(vec![("day", options::days_of(&range.buckets(), &range)), ("status", json!(statuses))])
}

/// The actors of a status in an interval; without either, of any.
///
/// # Errors
/// [`QueryError`] as for the query itself; [`QueryError::Request`] when there is no such status.
pub(super) fn actors(query: &LifecycleQuery, asked: &InsightActors, context: &InsightContext<'_>) -> Result<FoundActors, QueryError> {
    let request = query.date_range.clone().unwrap_or_default();
    let range = QueryRange::new(&request, query.interval.unwrap_or_default(), &context.calendar_of(&query.series, &request)?);
    let intervals = Intervals::of(&range);
    let wanted = match asked.status.as_deref() {
        None => None,
        Some(name) => Some(Status::ALL.into_iter().find(|status| status.name() == name).ok_or_else(|| QueryError::Request {
            detail: format!("a status is new, returning, resurrecting or dormant, found '{name}'"),
            attr: Some("source"),
        })?),
    };
    let day = asked.day_text().map(|text| {
        let at = parse_moment(&text, &context.calendar.now, false).at;
        range.interval.floor(&at, range.week_start())
    });
    let operator = operator(query, &intervals, context)?;
    let none = FoundActors::of(&operator.actor, query.aggregation_group_type_index)?;
    let is_asked = |at: usize| match &day {
        Some(day) => intervals.starts[at] == *day,
        None => at > 0 && intervals.is_shown(at, &range),
    };
    operator.each(
        context,
        || none.none(),
        |found, actor, status, at| {
            if wanted.is_none_or(|wanted| wanted == status) && is_asked(at) {
                found.count(actor);
            }
        },
    )
}

/// The intervals that decide: those of the range, and one before.
#[derive(Debug)]
struct Intervals {
    starts: Vec<Zoned>,
    /// The last moment of the last.
    last: Zoned,
}

impl Intervals {
    fn of(range: &QueryRange) -> Self {
        let first = range.interval.floor(&range.from, range.week_start());
        let mut starts = vec![first.checked_sub(range.interval.span()).unwrap_or_else(|_| first.clone())];
        starts.extend(range.buckets());
        let end = starts.last().map_or_else(|| first.clone(), |last| range.interval.next(last).unwrap_or_else(|| last.clone()));
        let last = end.checked_sub(SignedDuration::from_micros(1)).unwrap_or(end);
        Self { starts, last }
    }

    /// Of a range to the letter, only intervals that begin in it are shown.
    fn is_shown(&self, at: usize, range: &QueryRange) -> bool {
        !range.is_explicit() || (self.starts[at] >= range.from && self.starts[at] <= range.to)
    }
}

fn operator(query: &LifecycleQuery, intervals: &Intervals, context: &InsightContext<'_>) -> Result<Operator, QueryError> {
    // Who has no profile has no life here.
    let has_profile = not_eq(call("toString", vec![Expr::field(["properties", "$process_person_profile"])]), Expr::lit("false"));
    let mut parts = vec![has_profile];
    for series in &query.series {
        parts.push(series.target()?.condition(context)?);
        parts.extend(context.filters(&[&series.properties, &series.fixed_properties], None)?);
    }
    parts.extend(context.filters(&[&query.properties], query.filter_test_accounts)?);
    let group = query.aggregation_group_type_index.filter(|index| *index < 5);
    let owner = group.map_or_else(|| "person".to_owned(), |index| format!("group_{index}"));
    Ok(Operator {
        actor: Actor::of_group(group),
        program: context.compile(&[and(parts), Expr::field([owner.as_str(), "created_at"])])?,
        buckets: Buckets::new(&intervals.starts, &intervals.starts[0], &intervals.last),
    })
}
