//! HogQLMetadata (is this query right?) and DatabaseSchemaQuery (what can be asked?).

use super::{QueryResponse, Run};
use crate::error::QueryError;
use crate::hogql::{SyntaxError, parse_expr, parse_select};
use crate::plan::{Nesting, plan_query};
use crate::resolve::{CteEnv, KnownTable, Values, compile_rows, known_table, replace_in_expr, replace_in_query};
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

/// Checks a query without running it.
pub(super) fn check(run: &Run, request: &Json) -> QueryResponse {
    let text = request.get("query").and_then(Json::as_str).unwrap_or_default();
    let language = request.get("language").and_then(Json::as_str).unwrap_or("hogQL");
    let values = Values::default();
    let checked = if language == "hogQLExpr" {
        parse_expr(text).map_err(located).and_then(|mut expr| {
            replace_in_expr(&mut expr, &values).map_err(|error| whole(&error, text))?;
            compile_rows(&run.context, &[expr]).map(drop).map_err(|error| whole(&error, text))
        })
    } else {
        parse_select(text).map_err(located).and_then(|mut query| {
            replace_in_query(&mut query, &values).map_err(|error| whole(&error, text))?;
            let planned = plan_query(&query, &run.context, &CteEnv::default(), Nesting::Outer);
            planned.map(drop).map_err(|error| whole(&error, text))
        })
    };
    let mut body = Map::new();
    body.insert("query".to_owned(), Json::from(text));
    body.insert("isValid".to_owned(), Json::from(checked.is_ok()));
    body.insert("errors".to_owned(), Json::Array(checked.err().into_iter().collect()));
    body.insert("warnings".to_owned(), json!([]));
    body.insert("notices".to_owned(), json!([]));
    QueryResponse { body }
}

fn located(error: SyntaxError) -> Json {
    json!({"message": error.to_string(), "start": error.start, "end": error.end})
}

fn whole(error: &QueryError, text: &str) -> Json {
    json!({"message": error.detail(), "start": 0, "end": text.len()})
}

/// Tables and their fields.
pub(super) fn schema() -> QueryResponse {
    let mut tables = Map::new();
    for name in TABLES {
        let Some(table) = known_table(name) else { continue };
        let fields: Map<String, Json> = table.asterisk().into_iter().map(|field| (field.to_owned(), field_entry(table, field))).collect();
        tables.insert(name.to_owned(), json!({"type": "posthog", "id": name, "name": name, "fields": fields}));
    }
    let mut body = Map::new();
    body.insert("tables".to_owned(), Json::Object(tables));
    body.insert("joins".to_owned(), json!([]));
    QueryResponse { body }
}

fn log_kind(name: &str) -> &'static str {
    match name {
        "event_date" => "date",
        "event_time" | "query_start_time" => "datetime",
        "is_personal_api_key_request" => "boolean",
        "query_id" | "endpoint" | "query" | "hogql_name" | "status" => "string",
        _ => "integer",
    }
}

fn field_entry(table: KnownTable, name: &str) -> Json {
    let kind = match name {
        "properties" => "json",
        name if name.ends_with("_at") || name.ends_with("timestamp") => "datetime",
        name if name.starts_with("elements_chain_") && name != "elements_chain_href" => "array",
        "$urls" => "array",
        "is_identified" | "$is_bounce" => "boolean",
        name if name.ends_with("_count") || name.ends_with("duration") || name == "team_id" => "integer",
        "index" if table == KnownTable::Groups => "integer",
        _ if table == KnownTable::QueryLog => log_kind(name),
        _ => "string",
    };
    json!({"name": name, "hogql_value": name, "type": kind, "schema_valid": true})
}
