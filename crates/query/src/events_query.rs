//! EventsQuery: the list of events, and small tables over them.
//!
//! In: `select`, `where`, filters, times. Out: rows in the order of `select`, where `*`, `person` and `person_display_name` are objects.
//! The query becomes one SELECT; the objects are put together from its columns.

use crate::actions;
use crate::actors::{SOURCE, Source};
use crate::elements::elements;
use crate::engine::{Listed, QueryResponse, Run, Timings, moment, request_filters};
use crate::error::QueryError;
use crate::filters::Scope;
use crate::functions;
use crate::hogql::ast::{CompareOp, Expr, ExprKind, GroupBy, Literal, OrderExpr, SelectQuery};
use crate::hogql::build::{array, asc, call, compare, desc, eq, subquery, table};
use crate::hogql::{parse_expr, parse_order_expr};
use crate::insights::{self, EventSource};
use crate::json::read_query;
use crate::plan::{Nesting, ROWS_MAX, plan_query};
use crate::resolve::{CteEnv, Output, QueryContext};
use aqueduct_catalog::ActionStep;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// The request, as PostHog names its fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventsQuery {
    #[serde(default = "everything")]
    select: Vec<String>,
    #[serde(default, rename = "where")]
    conditions: Option<Vec<String>>,
    #[serde(default)]
    properties: Json,
    #[serde(default)]
    fixed_properties: Json,
    filter_test_accounts: Option<bool>,
    event: Option<String>,
    events: Option<Vec<String>>,
    #[serde(default)]
    action_id: Json,
    action_steps: Option<Vec<ActionStep>>,
    person_id: Option<String>,
    before: Option<String>,
    after: Option<String>,
    order_by: Option<Vec<String>>,
    limit: Option<usize>,
    offset: Option<usize>,
    /// An actors request: only events behind the number that it names.
    source: Option<Json>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What stands at one place of a row, and which of the SELECT's columns it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Plain(usize),
    Event(usize),
    Person(usize),
    DisplayName(usize),
}

/// The columns of `*`.
const EVENT_FIELDS: [&str; 9] =
    ["uuid", "event", "properties", "timestamp", "team_id", "distinct_id", "elements_chain", "created_at", "person_mode"];

/// Properties that a person is called by, the first one that is there.
const NAME_PROPERTIES: [&str; 8] = ["email", "Email", "$email", "name", "Name", "username", "Username", "UserName"];

/// Rows of a page when the request says nothing.
const LIMIT_DEFAULT: usize = 100;

pub(crate) async fn answer(run: &Run, request: &Json) -> Result<QueryResponse, QueryError> {
    let mut timings = Timings::default();
    let query: EventsQuery = read_query(request)?;
    let source = query.source.as_ref().map(|source| behind(run, source)).transpose()?;
    let (conditions, actors) = source.unwrap_or_default();
    let (select, cells) = build(&query, conditions, &run.context)?;
    let printed = select.to_string();
    let names = query.select.iter().zip(&cells).map(|(text, cell)| Json::from(cell.name(text, &select))).collect();
    let timed = select.order_by.first().is_some_and(|order| order.expr.as_chain().as_deref() == Some(&["timestamp"]));
    let limit = limit(&query);
    timings.mark("./build");
    // The environment is not held over an await: it is not for other threads.
    let (plan, outputs) =
        plan_query(&select.into(), &run.context, &actors.map_or_else(CteEnv::default, Source::environment), Nesting::Outer)?;
    let (found, has_more) = run.page(plan, &outputs, limit, &mut timings).await?;
    let cursor = (has_more && timed && query.source.is_none()).then(|| cursor(&cells, &query.select, found.last())).flatten();
    let results: Vec<Json> = found.into_iter().map(|row| Json::Array(cells.iter().map(|cell| cell.show(&row)).collect())).collect();
    timings.mark("./show");
    let types = cells.iter().map(|cell| cell.type_name(&outputs, &run.context)).collect();
    let listed = Listed { results, columns: names, types, hogql: printed, has_more, limit, offset: query.offset.unwrap_or(0) };
    Ok(listed.respond(cursor.map(|cursor| ("nextCursor", cursor)), timings))
}

fn limit(query: &EventsQuery) -> usize {
    query.limit.unwrap_or(LIMIT_DEFAULT).min(ROWS_MAX)
}

/// The conditions that a source means, and the actors that they are about.
fn behind(run: &Run, source: &Json) -> Result<(Vec<Expr>, Option<Source>), QueryError> {
    // The operators are loops over columns: they hold this thread, and look at the flag to stop.
    let EventSource { mut conditions, actors } = run.context.executor.hold(|| insights::events(source, &run.context))?;
    let Some(found) = actors else { return Ok((conditions, None)) };
    let actors = Source::rows(found, None, &run.context)?;
    let who = actors.group.map_or_else(|| Expr::field(["person_id"]), |index| Expr::field([format!("$group_{index}")]));
    let ids = SelectQuery { select: vec![Expr::field([actors.id.as_str()])], from: Some(table(SOURCE)), ..SelectQuery::default() };
    conditions.push(compare(CompareOp::In, who, subquery(ids)));
    Ok((conditions, Some(actors)))
}

/// The SELECT, and how its columns become cells. `behind`: what rows fulfil beside what the query says.
fn build(query: &EventsQuery, behind: Vec<Expr>, context: &QueryContext) -> Result<(SelectQuery, Vec<Cell>), QueryError> {
    let (mut columns, mut cells) = (Vec::new(), Vec::new());
    for text in &query.select {
        let expression = without_label(text);
        let place = columns.len();
        cells.push(match expression {
            "*" => {
                columns.extend(EVENT_FIELDS.map(|name| Expr::field([name])));
                Cell::Event(place)
            }
            "person" => {
                columns.extend(
                    [vec!["distinct_id"], vec!["person", "id"], vec!["person", "created_at"], vec!["person", "properties"]]
                        .map(Expr::field),
                );
                Cell::Person(place)
            }
            "person_display_name" => {
                columns.extend([caller_name(), Expr::field(["person", "id"]), Expr::field(["distinct_id"])]);
                Cell::DisplayName(place)
            }
            expression => {
                columns.push(parse_expr(expression)?);
                Cell::Plain(place)
            }
        });
    }
    let aggregated = columns.iter().any(aggregates);
    let (mut filter, mut having) = (behind, Vec::new());
    for condition in conditions(query, context)? {
        if aggregates(&condition) { having.push(condition) } else { filter.push(condition) }
    }
    let group_by = aggregated.then(|| GroupBy::Exprs(columns.iter().filter(|column| !aggregates(column)).cloned().collect()));
    let order_by = order(query, &columns)?;
    let whole = |conditions: Vec<Expr>| (!conditions.is_empty()).then(|| crate::hogql::build::and(conditions));
    let count = |count: usize| i64::try_from(count).ok().map(Expr::lit);
    let select = SelectQuery {
        select: columns,
        from: Some(table("events")),
        filter: whole(filter),
        group_by: group_by.filter(|group| !matches!(group, GroupBy::Exprs(keys) if keys.is_empty())),
        having: whole(having),
        order_by,
        limit: count(limit(query)),
        offset: query.offset.filter(|offset| *offset > 0).and_then(count),
        ..SelectQuery::default()
    };
    Ok((select, cells))
}

/// `expr -- Label` is `expr`.
pub(crate) fn without_label(text: &str) -> &str {
    text.split_once("--").map_or(text, |(expression, _)| expression).trim()
}

/// What a person is called, by its properties: those of `person`, else `otherwise`.
pub(crate) fn display_name(person: &str, otherwise: Expr) -> Expr {
    let mut names: Vec<Expr> = NAME_PROPERTIES.iter().map(|name| text_property(person, name)).collect();
    names.push(otherwise);
    call("coalesce", names)
}

/// What the person of an event is called: a property, else the distinct id.
fn caller_name() -> Expr {
    display_name("person", Expr::field(["distinct_id"]))
}

/// A key of ORDER BY for a column whose direction may stand behind its label.
pub(crate) fn directed(text: &str, key: Expr) -> OrderExpr {
    let descending = text.split_whitespace().next_back().is_some_and(|last| last.eq_ignore_ascii_case("desc"));
    if descending { desc(key) } else { asc(key) }
}

/// A key of ORDER BY; the direction may stand behind the label.
fn order_key(text: &str) -> Result<OrderExpr, QueryError> {
    let expression = without_label(text);
    if expression.split_whitespace().next() == Some("person_display_name") {
        return Ok(directed(text, caller_name()));
    }
    Ok(parse_order_expr(expression)?)
}

/// A person's property as text, whatever its definition says, NULL when empty.
fn text_property(person: &str, name: &str) -> Expr {
    call("nullIf", vec![call("toString", vec![Expr::field([person, "properties", name])]), Expr::lit("")])
}

fn conditions(query: &EventsQuery, context: &QueryContext) -> Result<Vec<Expr>, QueryError> {
    let mut all = Vec::new();
    if !query.action_id.is_null() {
        all.push(actions::condition(&*actions::find(&query.action_id, context)?, context)?);
    }
    if let Some(steps) = &query.action_steps {
        all.push(actions::any_step(steps, context)?);
    }
    for text in query.conditions.iter().flatten() {
        all.push(parse_expr(text)?);
    }
    all.extend(request_filters(&query.properties, Scope::Event, context)?);
    all.extend(request_filters(&query.fixed_properties, Scope::Event, context)?);
    if query.filter_test_accounts.unwrap_or(false) {
        all.extend(request_filters(&context.project.test_account_filters, Scope::Event, context)?);
    }
    if let Some(event) = query.event.as_deref().filter(|event| !event.is_empty()) {
        all.push(eq(Expr::field(["event"]), Expr::lit(event)));
    }
    if let Some(events) = query.events.as_ref().filter(|events| !events.is_empty()) {
        let names = events.iter().map(|event| Expr::lit(event.as_str())).collect();
        all.push(compare(CompareOp::In, Expr::field(["event"]), array(names)));
    }
    if let Some(person) = &query.person_id {
        all.push(eq(Expr::field(["person_id"]), Expr::lit(person.as_str())));
    }
    all.extend(within(&Expr::field(["timestamp"]), (query.after.as_deref(), query.before.as_deref()), context));
    Ok(all)
}

/// What holds of a time after `after` (without it, a day ago; `all` is ever) and before `before` (without it, the next seconds: clocks differ a little).
pub(crate) fn within(time: &Expr, (after, before): (Option<&str>, Option<&str>), context: &QueryContext) -> Vec<Expr> {
    let before = match before.filter(|text| !text.is_empty()) {
        Some(text) => moment(text, context),
        None => call("plus", vec![call("now", vec![]), call("toIntervalSecond", vec![Expr::lit(5)])]),
    };
    let mut both = vec![compare(CompareOp::Lt, time.clone(), before)];
    match after.filter(|text| !text.is_empty()).unwrap_or("-24h") {
        "all" => {}
        after => both.push(compare(CompareOp::Gt, time.clone(), moment(after, context))),
    }
    both
}

/// As asked; else by count, by the first aggregate, by time, by the first column.
fn order(query: &EventsQuery, columns: &[Expr]) -> Result<Vec<OrderExpr>, QueryError> {
    if let Some(asked) = query.order_by.as_ref().filter(|asked| !asked.is_empty()) {
        return asked.iter().map(|text| order_key(text)).collect();
    }
    let is_timed = has_column(&query.select, "*") || has_column(&query.select, "timestamp");
    Ok(order_of_its_own(&query.select, columns, is_timed.then(|| Expr::field(["timestamp"]))))
}

/// The order of rows when none is asked for: by count, by the first aggregate, by `time`, by the first column. `asked`: the columns as they were asked for.
pub(crate) fn order_of_its_own(asked: &[String], columns: &[Expr], time: Option<Expr>) -> Vec<OrderExpr> {
    if has_column(asked, "count()") {
        return vec![desc(call("count", vec![]))];
    }
    if let Some(aggregate) = columns.iter().find(|column| aggregates(column)) {
        return vec![desc(aggregate.without_alias().clone())];
    }
    match time {
        Some(time) => vec![desc(time)],
        None => columns.first().map(|first| asc(first.without_alias().clone())).into_iter().collect(),
    }
}

/// Whether a column of that name was asked for.
pub(crate) fn has_column(asked: &[String], name: &str) -> bool {
    asked.iter().any(|text| without_label(text) == name)
}

/// Whether the expression holds an aggregate outside of a window.
pub(crate) fn aggregates(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call(call) => {
            let own = call.over.is_none() && functions::lookup(&call.name).is_some_and(|function| function.is_aggregate());
            own || call.args.iter().any(aggregates)
        }
        ExprKind::Compare { left, right, .. } | ExprKind::Arithmetic { left, right, .. } => aggregates(left) || aggregates(right),
        ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Array(items) | ExprKind::Tuple(items) => items.iter().any(aggregates),
        ExprKind::Not(inner) | ExprKind::Alias { expr: inner, .. } | ExprKind::Cast { expr: inner, .. } => aggregates(inner),
        ExprKind::Between { expr, low, high, .. } => aggregates(expr) || aggregates(low) || aggregates(high),
        ExprKind::ArrayAccess { array, index, .. } => aggregates(array) || aggregates(index),
        ExprKind::TupleAccess { tuple, .. } => aggregates(tuple),
        ExprKind::Lambda { body, .. } => aggregates(body),
        ExprKind::Literal(Literal::Null) => false,
        _ => false,
    }
}

impl Cell {
    /// What its column is called: as it was asked for, or by its alias.
    fn name(self, text: &str, select: &SelectQuery) -> String {
        match self {
            Cell::Plain(at) => match &select.select[at].kind {
                ExprKind::Alias { alias, .. } => alias.clone(),
                _ => text.to_owned(),
            },
            _ => text.to_owned(),
        }
    }

    /// The type of what it is made of.
    fn type_name(self, outputs: &[Output], context: &QueryContext) -> Json {
        let name = |output: &Output| output.ty.name(&context.project.timezone);
        let tuple = |outputs: &[Output]| format!("Tuple({})", outputs.iter().map(name).collect::<Vec<_>>().join(", "));
        Json::from(match self {
            // a person is found by the distinct id
            Cell::Plain(at) | Cell::Person(at) => name(&outputs[at]),
            Cell::Event(at) => tuple(&outputs[at..at + EVENT_FIELDS.len()]),
            Cell::DisplayName(at) => tuple(&outputs[at..at + 3]),
        })
    }

    fn show(self, row: &[Json]) -> Json {
        let parsed = |at: usize| row[at].as_str().and_then(|text| serde_json::from_str::<Json>(text).ok()).unwrap_or_else(|| json!({}));
        match self {
            Cell::Plain(at) => row[at].clone(),
            Cell::Event(at) => {
                let fields = EVENT_FIELDS.iter().enumerate().map(|(offset, name)| {
                    let value = if *name == "properties" { with_recording(parsed(at + offset)) } else { row[at + offset].clone() };
                    ((*name).to_owned(), value)
                });
                let mut event: Map<String, Json> = fields.collect();
                if let Some(chain) = event["elements_chain"].as_str().filter(|chain| !chain.is_empty()) {
                    let elements = elements(chain);
                    event.insert("elements".to_owned(), Json::Array(elements));
                }
                Json::Object(event)
            }
            Cell::Person(at) if row[at + 2].is_null() => json!({"distinct_id": row[at]}),
            Cell::Person(at) => {
                json!({"uuid": row[at + 1], "created_at": row[at + 2], "properties": parsed(at + 3), "distinct_id": row[at]})
            }
            Cell::DisplayName(at) => json!({"display_name": row[at], "id": row[at + 1], "distinct_id": row[at + 2]}),
        }
    }
}

/// The properties of an event, and for one in a session whether a recording of it is kept. Session replay is not.
fn with_recording(mut properties: Json) -> Json {
    let has_session = properties.get("$session_id").and_then(Json::as_str).is_some_and(|session| !session.is_empty());
    if has_session && let Some(properties) = properties.as_object_mut() {
        properties.insert("$has_recording".to_owned(), Json::Bool(false));
    }
    properties
}

/// Time of the last row, where the next page begins.
fn cursor(cells: &[Cell], select: &[String], last: Option<&Vec<Json>>) -> Option<Json> {
    let last = last?;
    cells.iter().zip(select).find_map(|(cell, text)| match cell {
        Cell::Event(at) => last.get(at + 3).cloned(),
        Cell::Plain(at) if without_label(text) == "timestamp" => last.get(*at).cloned(),
        _ => None,
    })
}
