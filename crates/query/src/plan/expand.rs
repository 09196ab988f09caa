//! The columns of a SELECT: `*` written out, names found.

use crate::error::QueryError;
use crate::hogql::ast::{self, Asterisk, ExprKind, Segment};

use crate::resolve::Scope;
use regex::Regex;

/// One column of a SELECT.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What its user calls it.
    pub(super) name: String,
    pub(super) source: ItemSource,
}

/// What a column shows.
#[derive(Clone, Debug)]
pub(super) enum ItemSource {
    Expr(ast::Expr),
    /// A column of a relation, from `*`.
    Column {
        relation: usize,
        name: String,
    },
}

/// The columns that a SELECT list stands for.
pub(super) fn expand(scope: &Scope<'_>, select: &[ast::Expr]) -> Result<Vec<Item>, QueryError> {
    let mut items = Vec::new();
    for expr in select {
        match &expr.kind {
            ExprKind::Asterisk(asterisk) => expand_asterisk(scope, asterisk, &mut items)?,
            _ => items.push(Item { name: name_of(expr), source: ItemSource::Expr(expr.clone()) }),
        }
    }
    Ok(items)
}

fn expand_asterisk(scope: &Scope<'_>, asterisk: &Asterisk, items: &mut Vec<Item>) -> Result<(), QueryError> {
    let relations: Vec<usize> = match asterisk.qualifier.as_slice() {
        [] => (0..scope.relations.len()).filter(|at| scope.relations[*at].lazy_of.is_none()).collect(),
        [name] => vec![scope.relation(name).ok_or_else(|| QueryError::resolve(format!("Unknown table `{name}`.")))?],
        parts => return Err(QueryError::resolve(format!("Unable to resolve field: {}.*", parts.join(".")))),
    };
    if relations.is_empty() {
        return Err(QueryError::resolve("Cannot use '*' without a FROM clause"));
    }
    let matching = match &asterisk.matching {
        Some(pattern) => Some(Regex::new(pattern).map_err(|error| QueryError::resolve(format!("COLUMNS: {error}")))?),
        None => None,
    };
    for relation in relations {
        for name in scope.relations[relation].asterisk() {
            if asterisk.exclude.contains(&name) || matching.as_ref().is_some_and(|pattern| !pattern.is_match(&name)) {
                continue;
            }
            // a column that both sides of a join have is shown once
            if items.iter().any(|item| item.name == name && matches!(item.source, ItemSource::Column { .. })) {
                continue;
            }
            let source = match asterisk.replace.iter().find(|(_, replaced)| *replaced == name) {
                Some((expr, _)) => ItemSource::Expr(expr.clone()),
                None => ItemSource::Column { relation, name: name.clone() },
            };
            items.push(Item { name, source });
        }
    }
    Ok(())
}

/// An alias, the last part of a field, else the expression as text.
fn name_of(expr: &ast::Expr) -> String {
    match &expr.kind {
        ExprKind::Alias { alias, .. } => alias.clone(),
        ExprKind::Field(chain) => match chain.last() {
            Some(Segment::Name(name)) => name.clone(),
            Some(Segment::Index(index)) => index.to_string(),
            None => String::new(),
        },
        _ => expr.to_string(),
    }
}
