//! SessionsTimelineQuery: what somebody (or everybody) did lately, session by session.
//!
//! In: a person, and the times between which something must have happened. Out: entries of events, the most recently begun entry first, the
//! newest event of an entry first. A session that has an event between the times is there with all its events. Events without a session are
//! entries too: those of one person with pauses of at most half an hour.

use crate::elements::elements;
use crate::engine::{QueryResponse, Run, Timings, moment, moment_now, rows};
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr, SelectQuery};
use crate::hogql::build::{and, call, compare, desc, eq, or, subquery, table};
use crate::json::read_query;
use crate::plan::{Nesting, plan_query};
use crate::resolve::{CteEnv, QueryContext};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;

/// The request, as PostHog names its fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimelineQuery {
    person_id: Option<String>,
    after: Option<String>,
    before: Option<String>,
}

/// Events at most; the oldest are left out.
const EVENTS_MAX: usize = 1_000;

/// A longer pause begins a new entry.
const PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// Columns of the SELECT, in order.
const COLUMNS: [&str; 8] = ["uuid", "timestamp", "event", "properties", "distinct_id", "elements_chain", "$session_id", "person_id"];

pub(crate) async fn answer(run: &Run, request: &Json) -> Result<QueryResponse, QueryError> {
    let mut timings = Timings::default();
    let query: TimelineQuery = read_query(request)?;
    let select = select(&query, &run.context);
    let printed = select.to_string();
    let (plan, outputs) = plan_query(&select.into(), &run.context, &CteEnv::default(), Nesting::Inner)?;
    timings.mark("./plan");
    let batches = run.execute(plan).await?;
    timings.mark("./execute");
    let mut found = rows(&batches, &outputs, run.context.scan.zone())?;
    let has_more = found.len() > EVENTS_MAX;
    found.truncate(EVENTS_MAX);
    let mut body = Map::new();
    body.insert("results".to_owned(), entries(found));
    body.insert("hasMore".to_owned(), Json::from(has_more));
    body.insert("hogql".to_owned(), Json::from(printed));
    body.insert("timings".to_owned(), timings.finish());
    Ok(QueryResponse { body })
}

/// The newest events of the sessions in question, and those without a session.
fn select(query: &TimelineQuery, context: &QueryContext) -> SelectQuery {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let after = moment(given(&query.after).as_deref().unwrap_or("-24h"), context);
    let before = match given(&query.before) {
        Some(text) => moment(&text, context),
        // clocks differ a little
        None => {
            let soon = moment_now(context).saturating_add(SignedDuration::from_secs(5));
            moment(&soon.timestamp().to_string(), context)
        }
    };
    let between = || {
        let time = || Expr::field(["timestamp"]);
        and(vec![compare(CompareOp::Gt, time(), after.clone()), compare(CompareOp::LtEq, time(), before.clone())])
    };
    let person = || query.person_id.as_deref().map(|person| eq(Expr::field(["person_id"]), Expr::lit(person)));
    let session = || Expr::field(["$session_id"]);
    let all = |conditions: Vec<Expr>| and(conditions.into_iter().chain(person()).collect());
    let sessions = SelectQuery {
        select: vec![session()],
        distinct: true,
        from: Some(table("events")),
        filter: Some(all(vec![between(), call("notEmpty", vec![session()])])),
        ..SelectQuery::default()
    };
    let without = call("empty", vec![call("ifNull", vec![session(), Expr::lit("")])]);
    let wanted = or(vec![compare(CompareOp::In, session(), subquery(sessions)), and(vec![without, between()])]);
    SelectQuery {
        select: COLUMNS.map(|name| Expr::field([name])).to_vec(),
        from: Some(table("events")),
        filter: Some(all(vec![wanted])),
        order_by: vec![desc(Expr::field(["timestamp"])), desc(Expr::field(["uuid"]))],
        limit: i64::try_from(EVENTS_MAX + 1).ok().map(Expr::lit),
        ..SelectQuery::default()
    }
}

/// Rows, the newest first, as entries.
fn entries(rows: Vec<Vec<Json>>) -> Json {
    /// An entry that may still grow, by its place among all.
    struct Open {
        place: usize,
        last: Option<Timestamp>,
    }
    let mut open: HashMap<String, Open> = HashMap::new();
    let mut all: Vec<(Json, Vec<Json>)> = Vec::new();
    // from the oldest on, so that an entry's place is that of its beginning
    for row in rows.into_iter().rev() {
        let session = row[6].as_str().filter(|session| !session.is_empty()).map(str::to_owned);
        let time = row[1].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let (key, has_session) = match &session {
            Some(session) => (format!("session {session}"), true),
            None => (format!("person {}", row[7]), false),
        };
        let paused = |open: &Open| match (open.last, time) {
            (Some(last), Some(time)) => !has_session && time.duration_since(last) > PAUSE,
            _ => false,
        };
        let place = match open.get(&key).filter(|open| !paused(open)) {
            Some(open) => open.place,
            None => {
                all.push((json!(session), Vec::new()));
                all.len() - 1
            }
        };
        open.insert(key, Open { place, last: time });
        all[place].1.push(event(row));
    }
    let entry = |(session, mut events): (Json, Vec<Json>)| {
        events.reverse();
        json!({"sessionId": session, "events": events, "recording_duration_s": null})
    };
    Json::Array(all.into_iter().rev().map(entry).collect())
}

fn event(row: Vec<Json>) -> Json {
    let mut row = row.into_iter();
    let mut next = || row.next().unwrap_or(Json::Null);
    let (uuid, timestamp, event, properties, distinct_id, chain) = (next(), next(), next(), next(), next(), next());
    let properties = properties.as_str().and_then(|text| serde_json::from_str::<Json>(text).ok()).unwrap_or_else(|| json!({}));
    let chain = chain.as_str().filter(|chain| !chain.is_empty()).map(str::to_owned);
    json!({
        "id": uuid,
        "timestamp": timestamp.as_str().map(|text| text.strip_suffix('Z').map_or(text.to_owned(), |text| format!("{text}+00:00"))),
        "event": event,
        "properties": properties,
        "distinct_id": distinct_id,
        "elements": chain.as_deref().map(elements).unwrap_or_default(),
        "elements_chain": chain,
    })
}
