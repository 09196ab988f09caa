//! Actions: names for events, as conditions on rows of `events`.
//!
//! In: an action's number or name. Out: an expression, resolved like any other: a row is one of the action when it matches any of its steps.
//!
//! Source of the rules: query reference, sections 6 and 22; that an element is asked for only of autocaptured events is PostHog's.

use crate::engine::request_filters;
use crate::error::QueryError;
use crate::filters::{self, Scope};
use crate::hogql::ast::{CompareOp, Expr, ExprKind, Segment};
use crate::hogql::build::{and, compare, eq, or};
use crate::resolve::{QueryContext, children_mut};
use aqueduct_catalog::{Action, ActionStep, Matching};
use serde_json::Value;
use std::sync::Arc;

/// The event whose elements steps look at.
const AUTOCAPTURE: &str = "$autocapture";

/// The action of a number, which clients send as a number or as text.
///
/// # Errors
/// [`QueryError::Request`] when there is none, or it was deleted.
pub(crate) fn find(id: &Value, context: &QueryContext) -> Result<Arc<Action>, QueryError> {
    let number = id.as_i64().or_else(|| id.as_str()?.trim().parse().ok());
    let found = number.and_then(|number| all(context).into_iter().find(|action| action.id == number));
    let shown = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let missing = |detail: String| QueryError::Request { detail, attr: Some("series") };
    match found {
        None => Err(missing(format!("Action ID {shown} does not exist!"))),
        Some(action) if action.is_deleted => Err(missing(format!("Action ID {shown} ('{}') was deleted", action.document.name))),
        Some(action) => Ok(action),
    }
}

/// The action that a query calls by number or name.
///
/// # Errors
/// [`QueryError::Resolve`] when there is none.
pub(crate) fn named(name: &str, context: &QueryContext) -> Result<Arc<Action>, QueryError> {
    let found = all(context).into_iter().find(|action| !action.is_deleted && action.document.name == name);
    found.ok_or_else(|| QueryError::resolve(format!("Could not find action with name '{name}'")))
}

fn all(context: &QueryContext) -> Vec<Arc<Action>> {
    context.definitions.actions(context.project.id)
}

/// What makes a row one of the action.
///
/// # Errors
/// [`QueryError::Request`] when a property filter of a step cannot be understood.
pub(crate) fn condition(action: &Action, context: &QueryContext) -> Result<Expr, QueryError> {
    any_step(&action.document.steps, context)
}

/// A row that matches any of the steps; every row does when there are none.
///
/// # Errors
/// [`QueryError::Request`] when a property filter of a step cannot be understood.
pub(crate) fn any_step(steps: &[ActionStep], context: &QueryContext) -> Result<Expr, QueryError> {
    if steps.is_empty() {
        return Ok(Expr::lit(true));
    }
    Ok(or(steps.iter().map(|each| step(each, context)).collect::<Result<_, _>>()?))
}

/// The names of the events that can match; `None` when any can.
pub(crate) fn event_names(action: &Action) -> Option<Vec<String>> {
    let mut names: Vec<String> =
        action.document.steps.iter().map(|step| said(step.event.as_ref()).map(str::to_owned)).collect::<Option<_>>()?;
    names.sort();
    names.dedup();
    (!names.is_empty()).then_some(names)
}

fn step(step: &ActionStep, context: &QueryContext) -> Result<Expr, QueryError> {
    let mut parts = Vec::new();
    if let Some(event) = said(step.event.as_ref()) {
        parts.push(eq(Expr::field(["event"]), Expr::lit(event)));
        if event == AUTOCAPTURE {
            parts.extend(elements(step)?);
        }
    }
    if let Some(url) = said(step.url.as_ref()) {
        let field = Expr::field(["properties", "$current_url"]);
        parts.push(match step.url_matching.unwrap_or(Matching::Contains) {
            Matching::Exact => eq(field, Expr::lit(url)),
            Matching::Regex => compare(CompareOp::Regex, field, Expr::lit(url)),
            Matching::Contains => compare(CompareOp::Like, field, Expr::lit(format!("%{url}%"))),
        });
    }
    parts.extend(request_filters(&step.properties, Scope::Event, context)?);
    Ok(if parts.is_empty() { Expr::lit(true) } else { and(parts) })
}

/// What is asked of the autocaptured element.
fn elements(step: &ActionStep) -> Result<Vec<Expr>, QueryError> {
    let asked = [
        ("selector", &step.selector, None),
        ("tag_name", &step.tag_name, None),
        ("href", &step.href, step.href_matching),
        ("text", &step.text, step.text_matching),
    ];
    let mut parts = Vec::new();
    for (key, value, matching) in asked {
        let Some(value) = said(value.as_ref()) else { continue };
        let operator = match matching.unwrap_or(Matching::Exact) {
            Matching::Exact => "exact",
            Matching::Regex => "regex",
            Matching::Contains => "icontains",
        };
        parts.extend(filters::element(key, &Value::from(value), operator)?);
    }
    Ok(parts)
}

/// Text that says something.
fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// The same condition on the rows of a table that a query calls by this name.
pub(crate) fn on_table(expr: &mut Expr, table: &str) {
    qualify(expr, table, &mut Vec::new());
}

fn qualify(expr: &mut Expr, table: &str, parameters: &mut Vec<String>) {
    let outer = parameters.len();
    match &mut expr.kind {
        ExprKind::Field(chain) => {
            let is_parameter = chain.first().and_then(Segment::as_name).is_some_and(|name| parameters.iter().any(|known| known == name));
            if !is_parameter {
                chain.insert(0, Segment::Name(table.to_owned()));
            }
        }
        ExprKind::Lambda { params, .. } => parameters.extend(params.iter().cloned()),
        _ => {}
    }
    children_mut(expr).into_iter().for_each(|child| qualify(child, table, parameters));
    parameters.truncate(outer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hogql::parse_expr;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let mut expr = parse_expr(text).unwrap();
        on_table(&mut expr, "e");
        expected.assert_eq(&expr.to_string());
    }

    #[test]
    fn parameters_of_lambdas_are_no_columns() {
        check(
            "event = 'a' AND arrayExists(text -> text = properties.x, elements_chain_texts)",
            &expect!["e.event = 'a' AND arrayExists((text) -> text = e.properties.x, e.elements_chain_texts)"],
        );
    }

    #[test]
    fn subqueries_have_tables_of_their_own() {
        check("person_id IN (SELECT person_id FROM events)", &expect!["e.person_id IN (SELECT person_id FROM events)"]);
    }
}
