//! SessionsQuery: the list of sessions, and small tables over them.
//!
//! In: `select`, `where`, filters, times, and what must have happened in a session. Out: rows in the order of `select`, where `*` and
//! `person_display_name` are objects. The query becomes one SELECT over `sessions`; persons are joined when something names one.

use crate::actions;
use crate::engine::{Listed, QueryResponse, Run, Timings, request_filters};
use crate::error::QueryError;
use crate::events_query::{aggregates, directed, display_name, has_column, order_of_its_own, within, without_label};
use crate::filters::Scope;
use crate::hogql::ast::{
    CompareOp, Expr, ExprKind, FromExpr, GroupBy, Join, JoinConstraint, JoinKind, OrderExpr, Segment, SelectQuery, Span,
};
use crate::hogql::build::{and, compare, eq, subquery, table, table_as};
use crate::hogql::{parse_expr, parse_order_expr};
use crate::json::read_query;
use crate::plan::{Nesting, ROWS_MAX, plan_query};
use crate::resolve::{CteEnv, QueryContext, children_mut};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The request, as PostHog names its fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SessionsQuery {
    select: Vec<String>,
    #[serde(rename = "where")]
    conditions: Option<Vec<String>>,
    properties: Json,
    fixed_properties: Json,
    filter_test_accounts: Option<bool>,
    /// Sessions with an event of this name, of this action, with these properties.
    event: Option<String>,
    action_id: Json,
    event_properties: Json,
    person_id: Option<String>,
    before: Option<String>,
    after: Option<String>,
    order_by: Option<Vec<String>>,
    limit: Option<usize>,
    offset: Option<usize>,
}

impl Default for SessionsQuery {
    fn default() -> Self {
        Self {
            select: vec!["*".to_owned()],
            conditions: None,
            properties: Json::Null,
            fixed_properties: Json::Null,
            filter_test_accounts: None,
            event: None,
            action_id: Json::Null,
            event_properties: Json::Null,
            person_id: None,
            before: None,
            after: None,
            order_by: None,
            limit: None,
            offset: None,
        }
    }
}

/// The columns of `*`.
const SESSION_FIELDS: [&str; 11] = [
    "session_id",
    "distinct_id",
    "$start_timestamp",
    "$end_timestamp",
    "$session_duration",
    "$entry_current_url",
    "$end_current_url",
    "$pageview_count",
    "$autocapture_count",
    "$screen_count",
    "$is_bounce",
];

/// What a person's name is called as a column.
const NAME: &str = "person_display_name";

/// What the joined table of persons is called.
const PERSON: &str = "person";

/// Rows of a page when the request says nothing.
const LIMIT_DEFAULT: usize = 100;

/// What stands at one place of a row, and where its columns begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Plain(usize),
    Session(usize),
    DisplayName(usize),
}

pub(crate) async fn answer(run: &Run, request: &Json) -> Result<QueryResponse, QueryError> {
    let mut timings = Timings::default();
    let mut query: SessionsQuery = read_query(request)?;
    if query.select.is_empty() {
        query.select = SessionsQuery::default().select;
    }
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).min(ROWS_MAX);
    let (select, cells) = build(&query, limit, &run.context)?;
    let printed = select.to_string();
    let columns: Json = query.select.iter().zip(&cells).map(|(text, cell)| Json::from(cell.name(text, &select))).collect();
    timings.mark("./build");
    let (plan, outputs) = plan_query(&select.into(), &run.context, &CteEnv::default(), Nesting::Outer)?;
    let (found, has_more) = run.page(plan, &outputs, limit, &mut timings).await?;
    let results = found.into_iter().map(|row| cells.iter().map(|cell| cell.show(&row)).collect::<Json>()).collect();
    timings.mark("./show");
    let type_of = |cell: &Cell| {
        let name = |at: usize| outputs[at].ty.name(&run.context.project.timezone);
        let tuple = |from: usize, width: usize| format!("Tuple({})", (from..from + width).map(name).collect::<Vec<_>>().join(", "));
        Json::from(match cell {
            Cell::Plain(at) => name(*at),
            Cell::Session(at) => tuple(*at, SESSION_FIELDS.len()),
            Cell::DisplayName(at) => tuple(*at, 3),
        })
    };
    let types = cells.iter().map(type_of).collect();
    let listed = Listed { results, columns, types, hogql: printed, has_more, limit, offset: query.offset.unwrap_or(0) };
    Ok(listed.respond([], timings))
}

/// The SELECT, and how its columns become cells.
fn build(query: &SessionsQuery, limit: usize, context: &QueryContext) -> Result<(SelectQuery, Vec<Cell>), QueryError> {
    let (mut select, mut cells) = (Vec::new(), Vec::new());
    for text in &query.select {
        let place = select.len();
        cells.push(match without_label(text) {
            "*" => {
                select.extend(SESSION_FIELDS.map(session));
                Cell::Session(place)
            }
            NAME => {
                select.extend([name_of_person(), Expr::field([PERSON, "id"]), session("distinct_id")]);
                Cell::DisplayName(place)
            }
            expression => {
                select.push(over_sessions(parse_expr(expression)?));
                Cell::Plain(place)
            }
        });
    }
    let aggregated = select.iter().any(aggregates);
    let (mut filter, mut having) = (Vec::new(), Vec::new());
    for condition in conditions(query, context)?.into_iter().map(over_sessions) {
        if aggregates(&condition) { having.push(condition) } else { filter.push(condition) }
    }
    let order_by = order(query, &select)?;
    let of_person =
        select.iter().chain(&filter).chain(&having).chain(order_by.iter().map(|key| &key.expr)).any(|expr| names_person(expr.clone()));
    let keys: Vec<Expr> = select.iter().filter(|column| !aggregates(column)).cloned().collect();
    let whole = |conditions: Vec<Expr>| (!conditions.is_empty()).then(|| and(conditions));
    let count = |count: usize| i64::try_from(count).ok().map(Expr::lit);
    let select = SelectQuery {
        select,
        from: Some(if of_person { with_persons() } else { table("sessions") }),
        filter: whole(filter),
        group_by: (aggregated && !keys.is_empty()).then_some(GroupBy::Exprs(keys)),
        having: whole(having),
        order_by,
        limit: count(limit),
        offset: query.offset.filter(|offset| *offset > 0).and_then(count),
        ..SelectQuery::default()
    };
    Ok((select, cells))
}

fn session(name: &str) -> Expr {
    Expr::field(["sessions", name])
}

/// What a session's person is called: a property, else the distinct id.
fn name_of_person() -> Expr {
    display_name(PERSON, session("distinct_id"))
}

/// A session is called `session` where it stands beside events; here it is a row of the table.
fn over_sessions(mut expr: Expr) -> Expr {
    fn rename(expr: &mut Expr) {
        if let ExprKind::Field(chain) = &mut expr.kind
            && chain.len() > 1
            && chain[0].as_name() == Some("session")
        {
            chain[0] = Segment::Name("sessions".to_owned());
        }
        children_mut(expr).into_iter().for_each(rename);
    }
    rename(&mut expr);
    expr
}

fn names_person(mut expr: Expr) -> bool {
    fn any(expr: &mut Expr) -> bool {
        let own = matches!(&expr.kind, ExprKind::Field(chain) if chain.len() > 1 && chain[0].as_name() == Some(PERSON));
        own || children_mut(expr).into_iter().any(any)
    }
    any(&mut expr)
}

fn with_persons() -> FromExpr {
    let same = eq(session("person_id"), Expr::field([PERSON, "id"]));
    FromExpr::Join(Box::new(Join {
        left: table("sessions"),
        right: table_as("persons", PERSON),
        kind: JoinKind::Left,
        strictness: None,
        constraint: Some(JoinConstraint::On(same)),
        span: Span::default(),
    }))
}

fn conditions(query: &SessionsQuery, context: &QueryContext) -> Result<Vec<Expr>, QueryError> {
    let mut all = Vec::new();
    for text in query.conditions.iter().flatten() {
        all.push(parse_expr(text)?);
    }
    all.extend(request_filters(&query.properties, Scope::Session, context)?);
    all.extend(request_filters(&query.fixed_properties, Scope::Session, context)?);
    if let Some(person) = query.person_id.as_deref().filter(|person| !person.is_empty()) {
        all.push(eq(session("person_id"), Expr::lit(person)));
    }
    let within = |time: Expr| within(&time, (query.after.as_deref(), query.before.as_deref()), context);
    let happened = of_events(query, context)?;
    if !happened.is_empty() {
        let events = SelectQuery {
            select: vec![Expr::field(["$session_id"])],
            from: Some(table("events")),
            filter: Some(and(happened.into_iter().chain(within(Expr::field(["timestamp"]))).collect())),
            ..SelectQuery::default()
        };
        all.push(compare(CompareOp::In, session("session_id"), subquery(events)));
    }
    all.extend(within(session("$start_timestamp")));
    Ok(all)
}

/// What an event of the session must be.
fn of_events(query: &SessionsQuery, context: &QueryContext) -> Result<Vec<Expr>, QueryError> {
    let mut all = Vec::new();
    if let Some(event) = query.event.as_deref().filter(|event| !event.is_empty()) {
        all.push(eq(Expr::field(["event"]), Expr::lit(event)));
    } else if !query.action_id.is_null() {
        all.push(actions::condition(&*actions::find(&query.action_id, context)?, context)?);
    }
    all.extend(request_filters(&query.event_properties, Scope::Event, context)?);
    if query.filter_test_accounts == Some(true) {
        // The project's filters are about events.
        all.extend(request_filters(&context.project.test_account_filters, Scope::Event, context)?);
    }
    Ok(all)
}

/// As asked; else by count, by the first aggregate, by time, by the first column.
fn order(query: &SessionsQuery, select: &[Expr]) -> Result<Vec<OrderExpr>, QueryError> {
    if let Some(asked) = query.order_by.as_ref().filter(|asked| !asked.is_empty()) {
        return asked.iter().map(|text| order_key(text)).collect();
    }
    let time = has_column(&query.select, "$start_timestamp").then(|| session("$start_timestamp"));
    Ok(order_of_its_own(&query.select, select, time))
}

/// A key of ORDER BY; the direction may stand behind the label.
fn order_key(text: &str) -> Result<OrderExpr, QueryError> {
    let expression = without_label(text);
    if expression.split_whitespace().next() == Some(NAME) {
        return Ok(directed(text, name_of_person()));
    }
    let mut key = parse_order_expr(expression)?;
    key.expr = over_sessions(key.expr);
    Ok(key)
}

impl Cell {
    /// What its column is called: as it was asked for, or by its alias.
    fn name(self, text: &str, select: &SelectQuery) -> String {
        match self {
            Cell::Plain(at) => match &select.select[at].kind {
                ExprKind::Alias { alias, .. } => alias.clone(),
                _ => text.to_owned(),
            },
            Cell::Session(_) | Cell::DisplayName(_) => text.to_owned(),
        }
    }

    fn show(self, row: &[Json]) -> Json {
        match self {
            Cell::Plain(at) => row[at].clone(),
            Cell::Session(at) => SESSION_FIELDS.iter().zip(&row[at..]).map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            Cell::DisplayName(at) => json!({"display_name": row[at], "id": row[at + 1], "distinct_id": row[at + 2]}),
        }
    }
}
