//! GroupsQuery: the groups of a type.
//!
//! In: `select`, `search`, filters, order. Out: rows in the order of `select`, where `group_name` is an object. The query becomes one SELECT.

use crate::engine::{Listed, QueryResponse, Run, Timings, request_filters};
use crate::error::QueryError;
use crate::events_query::{aggregates, directed};
use crate::filters::Scope;
use crate::hogql::ast::{CompareOp, Expr, OrderExpr, SelectQuery};
use crate::hogql::build::{and, asc, call, compare, desc, eq, or, table, tuple};
use crate::hogql::{parse_expr, parse_order_expr};
use crate::json::read_query;
use crate::plan::{Nesting, ROWS_MAX, plan_query};
use crate::resolve::{CteEnv, QueryContext};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The request, as PostHog names its fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupsQuery {
    #[serde(rename = "group_type_index")]
    group_type_index: u8,
    select: Option<Vec<String>>,
    search: Option<String>,
    #[serde(default)]
    properties: Json,
    order_by: Option<Vec<String>>,
    limit: Option<usize>,
    offset: Option<usize>,
}

/// The column that shows what a group is called and its key.
const NAME: &str = "group_name";

/// Rows of a page when the request says nothing.
const LIMIT_DEFAULT: usize = 100;

pub(crate) async fn answer(run: &Run, request: &Json) -> Result<QueryResponse, QueryError> {
    let mut timings = Timings::default();
    let query: GroupsQuery = read_query(request)?;
    let mut columns: Vec<String> = Vec::new();
    for column in query.select.clone().filter(|select| !select.is_empty()).unwrap_or_else(|| vec![NAME.to_owned()]) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).min(ROWS_MAX);
    let select = build(&query, &columns, limit, &run.context)?;
    let printed = select.to_string();
    let (plan, outputs) = plan_query(&select.into(), &run.context, &CteEnv::default(), Nesting::Outer)?;
    let (found, has_more) = run.page(plan, &outputs, limit, &mut timings).await?;
    let named = |(value, column): (Json, &String)| if column == NAME { json!({"display_name": value[0], "key": value[1]}) } else { value };
    let results = found.into_iter().map(|row| row.into_iter().zip(&columns).map(named).collect::<Json>()).collect();
    timings.mark("./show");
    let types = outputs.iter().map(|output| output.ty.name(&run.context.project.timezone)).collect();
    let listed =
        Listed { results, columns: Json::from(columns), types, hogql: printed, has_more, limit, offset: query.offset.unwrap_or(0) };
    Ok(listed.respond([("kind", Json::from("GroupsQuery"))], timings))
}

fn build(query: &GroupsQuery, columns: &[String], limit: usize, context: &QueryContext) -> Result<SelectQuery, QueryError> {
    let column = |name: &String| if name == NAME { Ok(tuple(vec![display_name(), key()])) } else { Ok(parse_expr(name)?) };
    let select = columns.iter().map(column).collect::<Result<Vec<Expr>, QueryError>>()?;
    let mut conditions = vec![eq(Expr::field(["index"]), Expr::lit(i64::from(query.group_type_index)))];
    conditions.extend(request_filters(&query.properties, Scope::Group, context)?);
    let words = query.search.as_deref().filter(|words| !words.is_empty());
    conditions.extend(words.map(|words| {
        let pattern = || Expr::lit(format!("%{words}%"));
        or([Expr::field(["properties", "name"]), key()].map(|text| compare(CompareOp::ILike, text, pattern())).to_vec())
    }));
    let order_by = if select.iter().any(aggregates) { Vec::new() } else { order(query, words)? };
    let count = |count: usize| i64::try_from(count).ok().map(Expr::lit);
    Ok(SelectQuery {
        select,
        from: Some(table("groups")),
        filter: Some(and(conditions)),
        order_by,
        limit: count(limit),
        offset: query.offset.filter(|offset| *offset > 0).and_then(count),
        ..SelectQuery::default()
    })
}

fn key() -> Expr {
    call("toString", vec![Expr::field(["key"])])
}

/// What a group is called: its name, else its key.
fn display_name() -> Expr {
    call("coalesce", vec![call("toString", vec![Expr::field(["properties", "name"])]), key()])
}

/// As asked, else the newest first; of those found by words the ones that the words name best.
fn order(query: &GroupsQuery, words: Option<&str>) -> Result<Vec<OrderExpr>, QueryError> {
    let closeness = words.map(|words| {
        let like = |pattern: String| compare(CompareOp::ILike, display_name(), Expr::lit(pattern));
        let args = vec![like(words.to_owned()), Expr::lit(0), like(format!("{words}%")), Expr::lit(1), Expr::lit(2)];
        asc(call("multiIf", args))
    });
    let asked = query.order_by.as_deref().filter(|asked| !asked.is_empty());
    let Some(asked) = asked else { return Ok(closeness.into_iter().chain([desc(Expr::field(["created_at"]))]).collect()) };
    let key = |text: &String| if text.starts_with(NAME) { Ok(directed(text, display_name())) } else { Ok(parse_order_expr(text)?) };
    let mut keys = asked.iter().map(key).collect::<Result<Vec<_>, QueryError>>()?;
    keys.extend(closeness);
    Ok(keys)
}
