//! ActorsQuery: persons or groups, those of the project or those behind a number of an insight.
//!
//! In: `select`, `search`, filters, and a `source` that names the actors. Out: rows in the order of `select`, where `person`, `actor` and `group` are objects.
//! The query becomes one SELECT over `persons` or `groups`, joined with the source's rows when there is one.
//!
//! Source of the rules: query reference, section 15.

mod show;
mod source;

use crate::engine::{Listed, QueryResponse, Run, Timings, request_filters, types};
use crate::error::QueryError;
use crate::events_query::{aggregates, directed, display_name, without_label};
use crate::filters::Scope;
use crate::hogql::ast::{CompareOp, Expr, FromExpr, GroupBy, Join, JoinConstraint, JoinKind, OrderExpr, SelectQuery, Span};
use crate::hogql::build::{and, asc, call, compare, desc, eq, or, subquery, table, tuple};
use crate::hogql::{parse_expr, parse_order_expr};
use crate::json::read_query;
use crate::plan::{Nesting, ROWS_MAX, plan_query};
use crate::resolve::{CteEnv, QueryContext};
use serde::Deserialize;
use serde_json::Value as Json;
use show::{Actors, Cell};
pub(crate) use source::{SOURCE, Source};

/// The request, as PostHog names its fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActorsQuery {
    source: Option<Json>,
    select: Option<Vec<String>>,
    search: Option<String>,
    #[serde(default)]
    properties: Json,
    #[serde(default)]
    fixed_properties: Json,
    order_by: Option<Vec<String>>,
    limit: Option<usize>,
    offset: Option<usize>,
}

/// Rows of a page when the request says nothing.
const LIMIT_DEFAULT: usize = 100;

/// Which table the actors are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Persons,
    /// Groups of a type.
    Groups(u8),
}

impl Kind {
    fn table(self) -> &'static str {
        match self {
            Kind::Persons => "persons",
            Kind::Groups(_) => "groups",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Kind::Persons => "id",
            Kind::Groups(_) => "key",
        }
    }

    /// Whether a column of this name shows the actor as an object.
    fn is_actor(self, column: &str) -> bool {
        column == "actor" || column == if self == Kind::Persons { "person" } else { "group" }
    }

    fn default_columns(self, source: Option<&Source>) -> Vec<String> {
        let columns: &[&str] = match (self, source) {
            (Kind::Groups(_), _) => &["group"],
            (Kind::Persons, Some(source)) if source.has("event_distinct_ids") => &["person", "id", "person.$delete", "event_distinct_ids"],
            (Kind::Persons, Some(_)) => &["person", "id", "person.$delete"],
            (Kind::Persons, None) => &["person", "id", "created_at", "person.$delete"],
        };
        columns.iter().map(|name| (*name).to_owned()).collect()
    }
}

pub(crate) async fn answer(run: &Run, request: &Json) -> Result<QueryResponse, QueryError> {
    let mut timings = Timings::default();
    let query: ActorsQuery = read_query(request)?;
    let source = query.source.as_ref().map(|source| Source::of(run, source)).transpose()?;
    timings.mark("./source");
    let kind = source.as_ref().and_then(|source| source.group).map_or(Kind::Persons, Kind::Groups);
    let columns = query.select.clone().filter(|select| !select.is_empty()).unwrap_or_else(|| kind.default_columns(source.as_ref()));
    let (select, cells) = build(&query, kind, &columns, source.as_ref(), &run.context)?;
    let printed = select.to_string();
    let limit = limit(&query);
    let (plan, outputs) = {
        // Not held over an await: it is not for other threads.
        let environment = source.map_or_else(CteEnv::default, Source::environment);
        plan_query(&select.into(), &run.context, &environment, Nesting::Outer)?
    };
    let (found, has_more) = run.page(plan, &outputs, limit, &mut timings).await?;
    let actors = Actors::of(&found, &cells, kind, &run.context)?;
    let missing = cells.iter().position(|cell| *cell == Cell::Actor).map(|at| actors.missing(&found, at));
    let results: Vec<Json> = found.into_iter().map(|row| actors.show(row, &cells)).collect();
    timings.mark("./show");
    let listed = Listed {
        results,
        columns: columns.into(),
        types: outputs.iter().map(|output| output.ty.name(&run.context.project.timezone)).collect(),
        hogql: printed,
        has_more,
        limit,
        offset: query.offset.unwrap_or(0),
    };
    Ok(listed.respond([("missing_actors_count", Json::from(missing))], timings))
}

/// Answers an actors request that is asked by itself: the rows of the source as they are.
///
/// # Errors
/// [`QueryError`] as for the insight of the source.
pub(crate) async fn answer_source(run: &Run, request: &Json) -> Result<QueryResponse, QueryError> {
    let mut timings = Timings::default();
    let source = Source::of(run, request)?;
    timings.mark("./source");
    let select = SelectQuery {
        select: source.outputs.iter().map(|output| Expr::field([output.name.as_str()])).collect(),
        from: Some(table(SOURCE)),
        limit: i64::try_from(LIMIT_DEFAULT).ok().map(Expr::lit),
        ..SelectQuery::default()
    };
    let printed = select.to_string();
    // The environment is not held over an await: it is not for other threads.
    let (plan, outputs) = plan_query(&select.into(), &run.context, &source.environment(), Nesting::Outer)?;
    let (found, has_more) = run.page(plan, &outputs, LIMIT_DEFAULT, &mut timings).await?;
    let listed = Listed {
        results: found.into_iter().map(Json::Array).collect(),
        columns: outputs.iter().map(|output| output.name.as_str()).collect(),
        types: types(&outputs, &run.context),
        hogql: printed,
        has_more,
        limit: LIMIT_DEFAULT,
        offset: 0,
    };
    Ok(listed.respond([], timings))
}

fn limit(query: &ActorsQuery) -> usize {
    query.limit.unwrap_or(LIMIT_DEFAULT).min(ROWS_MAX)
}

/// The SELECT, and what its columns are shown as.
fn build(
    query: &ActorsQuery,
    kind: Kind,
    columns: &[String],
    source: Option<&Source>,
    context: &QueryContext,
) -> Result<(SelectQuery, Vec<Cell>), QueryError> {
    let (mut select, mut cells) = (Vec::new(), Vec::new());
    for column in columns {
        let (expr, cell) = match without_label(column) {
            "person.$delete" => (Expr::lit(1), Cell::Plain),
            // Session replay is not kept.
            "matched_recordings" => (Expr::lit(0), Cell::NoRecordings),
            "person_display_name" if kind == Kind::Persons => (tuple(vec![name_of_person(), id_text()]), Cell::DisplayName),
            name if kind.is_actor(name) => (id(kind, source), Cell::Actor),
            expression => (parse_expr(expression)?, Cell::Plain),
        };
        select.push(expr);
        cells.push(cell);
    }
    let aggregated = select.iter().any(aggregates);
    let (mut filter, mut having) = (Vec::new(), Vec::new());
    for condition in conditions(query, kind, source, context)? {
        if aggregates(&condition) { having.push(condition) } else { filter.push(condition) }
    }
    let is_key = |column: &&Expr| !aggregates(column) && column.as_literal().is_none();
    let keys: Vec<Expr> = select.iter().filter(is_key).cloned().collect();
    let order_by = order(query, kind, columns, &select)?;
    let whole = |conditions: Vec<Expr>| (!conditions.is_empty()).then(|| and(conditions));
    let count = |count: usize| i64::try_from(count).ok().map(Expr::lit);
    let select = SelectQuery {
        select,
        from: Some(from(kind, source)),
        filter: whole(filter),
        group_by: (aggregated && !keys.is_empty()).then_some(GroupBy::Exprs(keys)),
        having: whole(having),
        order_by,
        limit: count(limit(query)),
        offset: query.offset.filter(|offset| *offset > 0).and_then(count),
        ..SelectQuery::default()
    };
    Ok((select, cells))
}

/// The id of an actor. A source may name groups that no table knows.
fn id(kind: Kind, source: Option<&Source>) -> Expr {
    match (kind, source) {
        (Kind::Groups(_), Some(source)) => Expr::field([SOURCE, source.id.as_str()]),
        _ => Expr::field([kind.table(), kind.id()]),
    }
}

fn id_text() -> Expr {
    call("toString", vec![Expr::field(["persons", "id"])])
}

/// What a person is called: a property, else the id.
fn name_of_person() -> Expr {
    display_name("persons", id_text())
}

/// The table of actors; with a source, the persons of them that it names, or all groups that it names.
fn from(kind: Kind, source: Option<&Source>) -> FromExpr {
    let Some(source) = source else { return table(kind.table()) };
    let same = eq(Expr::field([kind.table(), kind.id()]), Expr::field([SOURCE, source.id.as_str()]));
    let (left, right, join, on) = match kind {
        Kind::Persons => (table(kind.table()), table(SOURCE), JoinKind::Inner, same),
        Kind::Groups(index) => (table(SOURCE), table(kind.table()), JoinKind::Left, and(vec![same, of_type(index)])),
    };
    FromExpr::Join(Box::new(Join {
        left,
        right,
        kind: join,
        strictness: None,
        constraint: Some(JoinConstraint::On(on)),
        span: Span::default(),
    }))
}

fn of_type(index: u8) -> Expr {
    eq(Expr::field(["groups", "index"]), Expr::lit(i64::from(index)))
}

fn conditions(query: &ActorsQuery, kind: Kind, source: Option<&Source>, context: &QueryContext) -> Result<Vec<Expr>, QueryError> {
    let mut all = Vec::new();
    if let (Kind::Groups(index), None) = (kind, source) {
        all.push(of_type(index));
    }
    if kind == Kind::Persons {
        all.extend(request_filters(&query.properties, Scope::Person, context)?);
        all.extend(request_filters(&query.fixed_properties, Scope::Person, context)?);
    }
    if let Some(words) = query.search.as_deref().filter(|words| !words.is_empty()) {
        all.push(found_by(words, kind, source));
    }
    Ok(all)
}

/// Whether a name or an id contains the words, whatever their case.
fn found_by(words: &str, kind: Kind, source: Option<&Source>) -> Expr {
    let contains = |expr: Expr| compare(CompareOp::ILike, call("toString", vec![expr]), Expr::lit(format!("%{words}%")));
    let property = |name: &str| Expr::field([kind.table(), "properties", name]);
    let mut any = vec![contains(property("name")), contains(id(kind, source))];
    if kind == Kind::Persons {
        any.push(contains(property("email")));
        let ids = SelectQuery {
            select: vec![Expr::field(["person_id"])],
            from: Some(table("person_distinct_ids")),
            filter: Some(contains(Expr::field(["distinct_id"]))),
            ..SelectQuery::default()
        };
        any.push(compare(CompareOp::In, Expr::field([kind.table(), kind.id()]), subquery(ids)));
    }
    or(any)
}

/// As asked; else by count, by the first aggregate, by age, by the first column.
fn order(query: &ActorsQuery, kind: Kind, columns: &[String], select: &[Expr]) -> Result<Vec<OrderExpr>, QueryError> {
    if let Some(asked) = query.order_by.as_ref() {
        return asked.iter().map(|text| order_key(text, kind)).collect();
    }
    let selected = |name: &str| columns.iter().any(|column| without_label(column) == name);
    if selected("count()") {
        return Ok(vec![desc(call("count", vec![]))]);
    }
    if let Some(aggregate) = select.iter().find(|column| aggregates(column)) {
        return Ok(vec![desc(aggregate.without_alias().clone())]);
    }
    if selected("created_at") {
        return Ok(vec![desc(Expr::field(["created_at"]))]);
    }
    // A constant orders nothing.
    let first = select.iter().map(Expr::without_alias).find(|column| column.as_literal().is_none());
    Ok(first.map(|first| asc(first.clone())).into_iter().collect())
}

/// A key of ORDER BY. Actors are ordered by what they are called.
fn order_key(text: &str, kind: Kind) -> Result<OrderExpr, QueryError> {
    let expression = without_label(text);
    let word = expression.split_whitespace().next().unwrap_or_default();
    if word == "person_display_name" && kind == Kind::Persons {
        return Ok(directed(text, name_of_person()));
    }
    if kind.is_actor(word) {
        return Ok(directed(text, Expr::field([kind.table(), "properties", if kind == Kind::Persons { "email" } else { "name" }])));
    }
    Ok(parse_order_expr(expression)?)
}
