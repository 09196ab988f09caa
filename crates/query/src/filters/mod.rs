//! Property filters: the JSON lists and groups of a query become one expression over rows.
//!
//! In: `properties` of a query or series, `{key, value, operator, type}` and AND/OR groups of them. Out: a syntax tree, resolved like any other.
//! A filter that is incomplete is ignored, as in PostHog; one that contradicts itself is an error that names it.
//!
//! Source of the rules: query reference, section 5.

mod element;
mod operator;
mod semver;

pub(crate) use element::condition as element;

use crate::dates::parse_moment;
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::{and, call, compare, lambda, or};
use crate::hogql::{ast::CompareOp, parse_expr};
use aqueduct_catalog::PropertyType;
use jiff::Zoned;
use serde_json::Value;

/// Which rows the filter is about: where a bare event or person property is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Rows of `events`.
    Event,
    /// Rows of `sessions`.
    Session,
    /// Rows of `persons`.
    Person,
    /// Rows of `groups`.
    Group,
}

/// The kind of a property's values: (type of the filter, group type index, key).
pub(crate) type TypeOf<'a> = &'a dyn Fn(&str, Option<u8>, &str) -> Option<PropertyType>;

/// What the translation has to know of the project.
pub(crate) struct FilterContext<'a> {
    /// The present in the project's zone, for relative dates.
    pub(crate) now: &'a Zoned,
    /// Types of properties.
    pub(crate) type_of: TypeOf<'a>,
    /// The project's rules of path cleaning.
    pub(crate) path_cleaning: &'a Value,
}

/// The condition that a list or a group of filters stands for; `None` when it says nothing.
///
/// # Errors
/// [`QueryError::Request`] when a filter has an unknown type or operator or an impossible value.
pub(crate) fn condition(filters: &Value, scope: Scope, context: &FilterContext<'_>) -> Result<Option<Expr>, QueryError> {
    match filters {
        Value::Null => Ok(None),
        Value::Array(list) => join(list, "AND", scope, context),
        Value::Object(object) if object.get("values").is_some_and(Value::is_array) && is_group(object) => {
            let kind = object.get("type").and_then(Value::as_str).unwrap_or("AND");
            let list = object.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            join(list, kind, scope, context)
        }
        Value::Object(_) => one(filters, scope, context),
        other => Err(bad(format!("properties must be a list or a group of filters, found {other}"))),
    }
}

fn is_group(object: &serde_json::Map<String, Value>) -> bool {
    matches!(object.get("type").and_then(Value::as_str), Some("AND" | "OR") | None)
}

fn join(list: &[Value], kind: &str, scope: Scope, context: &FilterContext<'_>) -> Result<Option<Expr>, QueryError> {
    let mut parts = Vec::with_capacity(list.len());
    for filter in list {
        parts.extend(condition(filter, scope, context)?);
    }
    if parts.is_empty() {
        return Ok(None);
    }
    Ok(Some(if kind == "OR" { or(parts) } else { and(parts) }))
}

fn one(filter: &Value, scope: Scope, context: &FilterContext<'_>) -> Result<Option<Expr>, QueryError> {
    let kind = filter.get("type").and_then(Value::as_str).unwrap_or("event");
    let key = match filter.get("key") {
        Some(Value::String(key)) => key.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let group_index = filter.get("group_type_index").and_then(Value::as_u64).and_then(|index| u8::try_from(index).ok());
    let value = filter.get("value").unwrap_or(&Value::Null);
    let operator = filter.get("operator").and_then(Value::as_str).unwrap_or("exact");
    match kind {
        "empty" | "flag" => return Ok(None),
        "hogql" => return if key.is_empty() { Ok(None) } else { Ok(Some(parse_expr(&key)?)) },
        "cohort" | "static-cohort" | "precalculated-cohort" => {
            let is_negated = filter.get("negation").and_then(Value::as_bool) == Some(true);
            return cohort(value, if is_negated { "not_in" } else { operator }, scope);
        }
        "element" => return element::condition(&key, value, operator),
        _ if key.is_empty() => return Ok(None),
        _ => {}
    }
    if kind == "person" && key == "distinct_id" && scope != Scope::Session {
        let ids = operator::condition(&Expr::field(["distinct_id"]), value, operator, None, context)?;
        return Ok(ids.map(|ids| persons_with(ids, scope)));
    }
    let field = field(kind, &key, group_index, scope)?;
    if kind == "event" && EXCEPTION_LISTS.contains(&key.as_str()) {
        return any_element(&field, value, operator, context);
    }
    let value_type = (context.type_of)(kind, group_index, &key);
    operator::condition(&field, value, operator, value_type, context)
}

/// Properties of exceptions that are lists of texts: a filter is about their elements.
const EXCEPTION_LISTS: [&str; 4] = ["$exception_types", "$exception_values", "$exception_sources", "$exception_functions"];

/// Whether any element of a list passes.
fn any_element(list: &Expr, value: &Value, operator: &str, context: &FilterContext<'_>) -> Result<Option<Expr>, QueryError> {
    let Some(passes) = operator::condition(&Expr::field(["element"]), value, operator, None, context)? else { return Ok(None) };
    let json = call("ifNull", vec![call("toString", vec![list.clone()]), Expr::lit("")]);
    let elements = call("JSONExtract", vec![json, Expr::lit("Array(String)")]);
    Ok(Some(call("arrayExists", vec![lambda(["element"], passes), elements])))
}

/// Where a filter looks.
fn field(kind: &str, key: &str, group_index: Option<u8>, scope: Scope) -> Result<Expr, QueryError> {
    let chain: Vec<String> = match (kind, scope) {
        ("event", _) => vec!["properties".into(), key.into()],
        ("feature", _) => vec!["properties".into(), format!("$feature/{}", key.trim_start_matches("$feature/"))],
        ("event_metadata", _) => vec![key.into()],
        ("person", Scope::Person) => vec!["persons".into(), "properties".into(), key.into()],
        ("person_metadata", Scope::Person) => vec!["persons".into(), key.into()],
        ("person", _) => vec!["person".into(), "properties".into(), key.into()],
        ("person_metadata", _) => vec!["person".into(), key.into()],
        ("group", Scope::Group) => vec!["properties".into(), key.into()],
        ("group", _) => vec![format!("group_{}", group_index.unwrap_or(0)), "properties".into(), key.into()],
        ("session", Scope::Session) => vec![key.into()],
        ("session", _) => vec!["session".into(), key.into()],
        (other, _) => return Err(bad(format!("property filters of type '{other}' are not supported here"))),
    };
    Ok(Expr::field(chain))
}

/// The id of a row's person.
fn person_id(scope: Scope) -> Expr {
    if scope == Scope::Person { Expr::field(["persons", "id"]) } else { Expr::field(["person_id"]) }
}

/// `person_id IN (SELECT person_id FROM person_distinct_ids WHERE …)`.
fn persons_with(condition: Expr, scope: Scope) -> Expr {
    use crate::hogql::ast::SelectQuery;
    use crate::hogql::build::{subquery, table};
    let select = SelectQuery {
        select: vec![Expr::field(["person_id"])],
        from: Some(table("person_distinct_ids")),
        filter: Some(condition),
        ..SelectQuery::default()
    };
    compare(CompareOp::In, person_id(scope), subquery(select))
}

fn cohort(value: &Value, operator: &str, scope: Scope) -> Result<Option<Expr>, QueryError> {
    let id = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let Some(id) = id else { return Ok(None) };
    let op = match operator {
        "exact" | "in" => CompareOp::InCohort,
        "is_not" | "not_in" => CompareOp::NotInCohort,
        other => return Err(bad(format!("a cohort filter takes the operators in and not_in, found {other}"))),
    };
    Ok(Some(compare(op, person_id(scope), Expr::lit(id))))
}

/// A relative or absolute date as a constant of date and time.
fn moment(text: &str, context: &FilterContext<'_>) -> Expr {
    let at = parse_moment(text, context.now, false).at;
    let utc = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    call("toDateTime64", vec![Expr::lit(utc.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()), Expr::lit(6), Expr::lit("UTC")])
}

fn bad(detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some("properties") }
}

#[cfg(test)]
mod tests;
