//! HogQLMetadata (is this query right?) and DatabaseSchemaQuery (what can be asked?).

use super::{QueryResponse, Run};
use crate::error::QueryError;
use crate::hogql::ast::{Asterisk, Expr, ExprKind, Query, SelectQuery, Span};
use crate::hogql::{SyntaxError, build, parse_expr, parse_select};
use crate::plan::{Nesting, plan_query};
use crate::resolve::{CteEnv, Note, QueryContext, Type, Values, compile_rows, replace_in_expr, replace_in_query};
use crate::system;
use arrow::datatypes::DataType;
use serde_json::{Map, Value as Json, json};

/// Tables in the order in which they are shown.
const TABLES: [&str; 11] = [
    "events",
    "persons",
    "person_distinct_ids",
    "groups",
    "sessions",
    "session_replay_events",
    "cohort_people",
    "static_cohort_people",
    "log_entries",
    "app_metrics",
    "query_log",
];

/// What tables bring along: table, field, the other table, and how PostHog calls such a field.
const BROUGHT: &[(&str, &str, &str, &str)] = &[
    ("events", "pdi", "person_distinct_ids", "lazy_table"),
    ("events", "person", "persons", "field_traverser"),
    ("events", "session", "sessions", "lazy_table"),
    ("events", "poe", "events", "virtual_table"),
    ("events", "group_0", "groups", "lazy_table"),
    ("events", "group_1", "groups", "lazy_table"),
    ("events", "group_2", "groups", "lazy_table"),
    ("events", "group_3", "groups", "lazy_table"),
    ("events", "group_4", "groups", "lazy_table"),
    ("persons", "pdi", "person_distinct_ids", "lazy_table"),
    ("person_distinct_ids", "person", "persons", "lazy_table"),
    ("cohort_people", "person", "persons", "lazy_table"),
    ("static_cohort_people", "person", "persons", "lazy_table"),
    ("session_replay_events", "pdi", "person_distinct_ids", "lazy_table"),
    ("session_replay_events", "person", "persons", "field_traverser"),
    ("session_replay_events", "session", "sessions", "lazy_table"),
    ("session_replay_events", "events", "events", "lazy_table"),
];

/// Checks a query without running it.
pub(super) fn check(run: &Run, request: &Json) -> QueryResponse {
    let text = request.get("query").and_then(Json::as_str).unwrap_or_default();
    let mut is_view = false;
    let checked = match request.get("language").and_then(Json::as_str).unwrap_or("hogQL") {
        "hogQL" => check_select(run, request, text, &mut is_view),
        "hogQLExpr" => check_expr(run, request, text),
        other => Err(json!({"message": format!("Unsupported language: {other}"), "start": 0, "end": text.len()})),
    };
    let mut body = Map::new();
    body.insert("query".to_owned(), Json::from(text));
    body.insert("isValid".to_owned(), Json::from(checked.is_ok()));
    body.insert("isValidView".to_owned(), Json::from(is_view));
    body.insert("errors".to_owned(), Json::Array(checked.err().into_iter().collect()));
    body.insert("warnings".to_owned(), json!([]));
    body.insert("notices".to_owned(), run.context.notes.notices());
    QueryResponse { body }
}

fn check_select(run: &Run, request: &Json, text: &str, is_view: &mut bool) -> Result<(), Json> {
    let mut query = parse_select(text).map_err(located)?;
    *is_view = names_every_column(&query);
    let values = super::hogql::values(request, &run.context).map_err(|error| placed(&error, &run.context, text))?;
    replace_in_query(&mut query, &values).map_err(|error| placed(&error, &run.context, text))?;
    let planned = plan_query(&query, &run.context, &CteEnv::default(), Nesting::Outer);
    planned.map(drop).map_err(|error| placed(&error, &run.context, text))
}

/// An expression is one over `events`, or over what `sourceQuery`, a HogQLQuery, reads.
fn check_expr(run: &Run, request: &Json, text: &str) -> Result<(), Json> {
    let mut expr = parse_expr(text).map_err(located)?;
    replace_in_expr(&mut expr, &Values::default()).map_err(|error| placed(&error, &run.context, text))?;
    let source = request.get("sourceQuery").and_then(|source| source.get("query")).and_then(Json::as_str);
    let checked = match source.map(parse_select) {
        Some(Ok(Query::Select(mut select))) => {
            select.select = vec![expr];
            plan_query(&Query::Select(select), &run.context, &CteEnv::default(), Nesting::Outer).map(drop)
        }
        Some(Err(error)) => Err(error.into()),
        Some(Ok(_)) | None => compile_rows(&run.context, &[expr]).map(drop),
    };
    checked.map_err(|error| placed(&error, &run.context, text))
}

/// Whether the query can be saved as a view: each column has a name of its own.
fn names_every_column(query: &Query) -> bool {
    match query {
        Query::Select(select) => select.select.iter().all(|item| matches!(item.kind, ExprKind::Alias { .. })),
        Query::Set(set) => names_every_column(&set.first) && set.rest.iter().all(|(_, query)| names_every_column(query)),
        Query::Placeholder(_) => false,
    }
}

fn located(error: SyntaxError) -> Json {
    json!({"message": error.to_string(), "start": error.start, "end": error.end})
}

/// The error with the place of the innermost expression that it was found in, else the whole text.
fn placed(error: &QueryError, context: &QueryContext, text: &str) -> Json {
    let message = error.detail();
    let whole = Span { start: 0, end: u32::try_from(text.len()).unwrap_or(u32::MAX) };
    let Span { start, end } = context.notes.place_of(&message).filter(|place| place.end > place.start).unwrap_or(whole);
    json!({"message": message, "start": start, "end": end})
}

/// Tables and their fields.
///
/// # Errors
/// [`QueryError`] when a table cannot be planned.
pub(super) fn schema(run: &Run) -> Result<QueryResponse, QueryError> {
    let mut tables = Map::new();
    let of_system = system::TABLES.iter().map(|table| (table.name, "system"));
    for (name, kind) in TABLES.into_iter().map(|name| (name, "posthog")).chain(of_system) {
        tables.insert(name.to_owned(), json!({"type": kind, "id": name, "name": name, "fields": fields(run, name)?}));
    }
    let mut body = Map::new();
    body.insert("tables".to_owned(), Json::Object(tables));
    body.insert("joins".to_owned(), json!([]));
    Ok(QueryResponse { body })
}

/// The fields of a table: those that `*` stands for, with the types that they have, and the tables that it brings along.
fn fields(run: &Run, table: &str) -> Result<Map<String, Json>, QueryError> {
    let select = vec![ExprKind::Asterisk(Asterisk::default()).into()];
    let everything = SelectQuery { select, from: Some(build::table(table)), ..SelectQuery::default() };
    let (_, outputs) = plan_query(&everything.into(), &run.context, &CteEnv::default(), Nesting::Inner)?;
    let mut fields = Map::new();
    for output in &outputs {
        let name = output.name.as_str();
        let kind = if name == "properties" { "json" } else { field_kind(&output.ty) };
        let value = Expr::field([name]).to_string();
        fields.insert(name.to_owned(), json!({"name": name, "hogql_value": value, "type": kind, "schema_valid": true}));
    }
    for (_, name, other, kind) in BROUGHT.iter().filter(|(of, ..)| *of == table) {
        let mut field = json!({"name": name, "hogql_value": name, "type": kind, "schema_valid": true, "table": other});
        if *kind == "field_traverser" {
            field["chain"] = json!(["pdi", "person"]);
        }
        fields.insert((*name).to_owned(), field);
    }
    Ok(fields)
}

/// PostHog's word for a type.
fn field_kind(ty: &Type) -> &'static str {
    if ty.note == Note::Json {
        return "json";
    }
    match &ty.data {
        DataType::Boolean => "boolean",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "float",
        DataType::Decimal128(..) | DataType::Decimal256(..) => "decimal",
        DataType::Timestamp(..) => "datetime",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::List(_) | DataType::LargeList(_) => "array",
        data if data.is_integer() => "integer",
        _ => "string",
    }
}
