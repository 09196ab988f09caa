//! Operators: one field, one value (or a list), one condition.

use super::{FilterContext, bad, moment, semver};
use crate::cleaning::CleaningRules;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr, ExprKind, Segment};
use crate::hogql::build::{and, call, compare, eq, not_eq, or, tuple};
use aqueduct_catalog::PropertyType;
use serde_json::Value;

/// Operators that say what a value is *not*: over a list, none of its values may match.
const NEGATIVE: &[&str] = &[
    "is_not",
    "not_icontains",
    "not_icontains_multi",
    "not_starts_with",
    "not_ends_with",
    "not_regex",
    "not_in",
    "not_between",
    "semver_neq",
];

/// `field operator value`; `None` when the value says nothing.
pub(super) fn condition(
    field: &Expr,
    value: &Value,
    operator: &str,
    kind: Option<PropertyType>,
    context: &FilterContext<'_>,
) -> Result<Option<Expr>, QueryError> {
    match operator {
        "is_set" => return Ok(Some(not_eq(field.clone(), Expr::null()))),
        "is_not_set" => return Ok(Some(eq(field.clone(), Expr::null()))),
        "between" | "not_between" => return between(field, value, operator == "between").map(Some),
        _ => {}
    }
    match value {
        // An empty choice chooses everything.
        Value::Array(list) if list.is_empty() => Ok(None),
        Value::Array(list) if list.len() == 1 => condition(field, &list[0], operator, kind, context),
        Value::Array(list) => any_of(field, list, operator, kind, context).map(Some),
        Value::Null => Ok(None),
        single => one(field, single, operator, kind, context).map(Some),
    }
}

fn any_of(
    field: &Expr,
    list: &[Value],
    operator: &str,
    kind: Option<PropertyType>,
    context: &FilterContext<'_>,
) -> Result<Expr, QueryError> {
    let is_negative = NEGATIVE.contains(&operator);
    if matches!(operator, "exact" | "in" | "is_not" | "not_in") {
        let (of_type, other): (Vec<&Value>, Vec<&Value>) = list.iter().partition(|value| as_written(field, value, kind).is_none());
        let op = if is_negative { CompareOp::NotIn } else { CompareOp::In };
        let listed = |field: &Expr, values: &[&Value], kind| {
            compare(op, field.clone(), tuple(values.iter().map(|value| literal(value, kind)).collect()))
        };
        let mut parts = Vec::with_capacity(2);
        if !of_type.is_empty() {
            let listed = listed(field, &of_type, kind);
            // No value is none of the listed ones.
            parts.push(if is_negative { or(vec![eq(field.clone(), Expr::null()), listed]) } else { listed });
        }
        if let Some(text) = other.first().and_then(|value| as_written(field, value, kind)) {
            parts.push(listed(&text, &other, None));
        }
        return Ok(if is_negative { and(parts) } else { or(parts) });
    }
    let each = list.iter().map(|value| one(field, value, operator, kind, context)).collect::<Result<Vec<_>, _>>()?;
    Ok(if is_negative { and(each) } else { or(each) })
}

fn one(field: &Expr, value: &Value, operator: &str, kind: Option<PropertyType>, context: &FilterContext<'_>) -> Result<Expr, QueryError> {
    if let Some(text) = as_written(field, value, kind) {
        return one(&text, value, operator, None, context);
    }
    let text = || call("toString", vec![field.clone()]);
    let pattern = |before: &str, after: &str| Expr::lit(format!("{before}{}{after}", escape_like(&plain(value))));
    let simple = |op| compare(op, field.clone(), literal(value, kind));
    Ok(match operator {
        "exact" | "in" => simple(CompareOp::Eq),
        "is_not" | "not_in" => simple(CompareOp::NotEq),
        "gt" => simple(CompareOp::Gt),
        "gte" | "min" => simple(CompareOp::GtEq),
        "lt" => simple(CompareOp::Lt),
        "lte" | "max" => simple(CompareOp::LtEq),
        "icontains" | "icontains_multi" => compare(CompareOp::ILike, text(), pattern("%", "%")),
        "not_icontains" | "not_icontains_multi" => compare(CompareOp::NotILike, text(), pattern("%", "%")),
        "starts_with" => compare(CompareOp::Like, text(), pattern("", "%")),
        "not_starts_with" => compare(CompareOp::NotLike, text(), pattern("", "%")),
        "ends_with" => compare(CompareOp::Like, text(), pattern("%", "")),
        "not_ends_with" => compare(CompareOp::NotLike, text(), pattern("%", "")),
        "regex" => call("ifNull", vec![matches(text(), value)?, Expr::lit(false)]),
        "not_regex" => call("ifNull", vec![call("not", vec![matches(text(), value)?]), Expr::lit(true)]),
        "is_date_exact" => compare(CompareOp::Eq, as_time(field), moment(&plain(value), context)),
        "is_date_before" => compare(CompareOp::Lt, as_time(field), moment(&plain(value), context)),
        "is_date_after" => compare(CompareOp::Gt, as_time(field), moment(&plain(value), context)),
        "is_cleaned_path_exact" => {
            let rules = CleaningRules::of_project(context.path_cleaning)?;
            eq(rules.clean(text()), rules.clean(Expr::lit(plain(value))))
        }
        other => match semver::condition(field, &plain(value), other) {
            Some(condition) => condition?,
            None => return Err(bad(format!("unknown property operator '{other}'"))),
        },
    })
}

fn between(field: &Expr, value: &Value, inside: bool) -> Result<Expr, QueryError> {
    let bounds = value.as_array().map(|list| list.iter().map(number).collect::<Option<Vec<f64>>>());
    let Some(Some(bounds)) = bounds else { return Err(bad(format!("between takes two numbers, found {value}"))) };
    let [low, high] = bounds[..] else { return Err(bad(format!("between takes two numbers, found {value}"))) };
    if low > high {
        return Err(bad(format!("between takes the smaller number first, found {low} and {high}")));
    }
    let field = call("toFloat", vec![field.clone()]);
    Ok(if inside {
        and(vec![compare(CompareOp::GtEq, field.clone(), Expr::lit(low)), compare(CompareOp::LtEq, field, Expr::lit(high))])
    } else {
        or(vec![compare(CompareOp::Lt, field.clone(), Expr::lit(low)), compare(CompareOp::Gt, field, Expr::lit(high))])
    })
}

fn matches(text: Expr, value: &Value) -> Result<Expr, QueryError> {
    let pattern = plain(value);
    regex::Regex::new(&pattern).map_err(|error| bad(format!("'{pattern}' is not a regular expression: {error}")))?;
    Ok(call("match", vec![text, Expr::lit(pattern)]))
}

/// The property as the text that the event carries, when the value cannot be one of the property's type:
/// what reads as neither true nor false is no Boolean, and yet may be what is looked for.
fn as_written(field: &Expr, value: &Value, kind: Option<PropertyType>) -> Option<Expr> {
    let Value::String(value) = value else { return None };
    let is_of_type = match kind {
        Some(PropertyType::Boolean) => matches!(value.as_str(), "true" | "false"),
        Some(PropertyType::Numeric | PropertyType::Duration) => value.trim().parse::<f64>().is_ok(),
        _ => true,
    };
    let ExprKind::Field(chain) = &field.kind else { return None };
    let (key, properties) = chain.split_last()?;
    if is_of_type || properties.last().and_then(Segment::as_name) != Some("properties") {
        return None;
    }
    Some(call("JSONExtractString", vec![Expr::field(properties.to_vec()), Expr::lit(key.as_name()?)]))
}

fn as_time(field: &Expr) -> Expr {
    call("toDateTime", vec![field.clone()])
}

/// The value as the property's type has it.
fn literal(value: &Value, kind: Option<PropertyType>) -> Expr {
    match value {
        Value::Bool(value) => Expr::lit(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Expr::lit(whole),
            None => Expr::lit(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => match (kind, text.as_str()) {
            (Some(PropertyType::Boolean), "true") => Expr::lit(true),
            (Some(PropertyType::Boolean), "false") => Expr::lit(false),
            (Some(PropertyType::Numeric | PropertyType::Duration), text) => {
                text.trim().parse::<f64>().map_or_else(|_| Expr::lit(text), Expr::lit)
            }
            (_, text) => Expr::lit(text),
        },
        Value::Null => Expr::null(),
        other => Expr::lit(other.to_string()),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The value as text, for operators on text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Keeps `%` and `_` of the value literal.
fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
