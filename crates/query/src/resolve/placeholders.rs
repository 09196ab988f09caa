//! Placeholders: `{name}`, `{variables.x}`, `{filters}` are replaced in the tree before anything is resolved.

use crate::error::QueryError;
use crate::functions::edit_distance;
use crate::hogql::ast::{self, Expr, ExprKind, FromExpr, GroupBy, JoinConstraint, Query, Sample, SelectQuery, TableSource};
use crate::hogql::build;
use serde_json::Value as Json;

/// What placeholders stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// `{name}`.
    pub(crate) values: serde_json::Map<String, Json>,
    /// `{variables.code_name}`.
    pub(crate) variables: Vec<(String, Json)>,
    /// `{filters}`, by the table that the SELECT reads: `events` or `sessions`.
    pub(crate) filters: Option<FilterPair>,
}

/// `{filters}` means another condition over `sessions` than over `events`.
#[derive(Clone, Debug)]
pub(crate) struct FilterPair {
    pub(crate) events: Expr,
    pub(crate) sessions: Expr,
}

/// Replaces placeholders in a whole query.
///
/// # Errors
/// [`QueryError::Resolve`] when a placeholder has no value.
pub(crate) fn replace_in_query(query: &mut Query, values: &Values) -> Result<(), QueryError> {
    match query {
        Query::Select(select) => replace_in_select(select, values),
        Query::Set(set) => {
            replace_in_query(&mut set.first, values)?;
            set.rest.iter_mut().try_for_each(|(_, query)| replace_in_query(query, values))?;
            let clauses = set.order_by.iter_mut().map(|order| &mut order.expr).chain(&mut set.limit).chain(&mut set.offset);
            clauses.into_iter().try_for_each(|expr| Replacer { values, sessions: false }.expr(expr))
        }
        Query::Placeholder(expr) => Err(unresolved(expr)),
    }
}

/// Replaces placeholders in an expression over `events`.
///
/// # Errors
/// [`QueryError::Resolve`] when a placeholder has no value.
pub(crate) fn replace_in_expr(expr: &mut Expr, values: &Values) -> Result<(), QueryError> {
    Replacer { values, sessions: false }.expr(expr)
}

fn replace_in_select(select: &mut SelectQuery, values: &Values) -> Result<(), QueryError> {
    let replacer = Replacer { values, sessions: reads_sessions(select.from.as_ref()) };
    for cte in &mut select.ctes {
        match &mut cte.body {
            ast::CteBody::Query(query) => replace_in_query(query, values)?,
            ast::CteBody::Expr(expr) => replacer.expr(expr)?,
        }
    }
    if let Some(from) = &mut select.from {
        replacer.from(from)?;
    }
    let mut exprs: Vec<&mut Expr> = select.select.iter_mut().chain(&mut select.distinct_on).collect();
    exprs.extend(&mut select.prewhere);
    exprs.extend(&mut select.filter);
    exprs.extend(&mut select.having);
    exprs.extend(&mut select.qualify);
    exprs.extend(&mut select.limit);
    exprs.extend(&mut select.offset);
    exprs.extend(select.order_by.iter_mut().map(|order| &mut order.expr));
    exprs.extend(select.array_join.iter_mut().flat_map(|join| &mut join.exprs));
    match &mut select.group_by {
        Some(GroupBy::Exprs(items) | GroupBy::Rollup(items) | GroupBy::Cube(items)) => exprs.extend(items),
        Some(GroupBy::Sets(sets)) => exprs.extend(sets.iter_mut().flatten()),
        Some(GroupBy::All) | None => {}
    }
    if let Some(limit_by) = &mut select.limit_by {
        exprs.push(&mut limit_by.limit);
        exprs.extend(&mut limit_by.offset);
        exprs.extend(&mut limit_by.exprs);
    }
    for (_, window) in &mut select.windows {
        exprs.extend(window.partition_by.iter_mut().chain(window.order_by.iter_mut().map(|order| &mut order.expr)));
    }
    exprs.into_iter().try_for_each(|expr| replacer.expr(expr))
}

fn reads_sessions(from: Option<&FromExpr>) -> bool {
    match from {
        Some(FromExpr::Table(table)) => {
            matches!(&table.source, TableSource::Name(name) if name.last().is_some_and(|name| name == "sessions"))
        }
        Some(FromExpr::Join(join)) => reads_sessions(Some(&join.left)),
        None => false,
    }
}

struct Replacer<'v> {
    values: &'v Values,
    sessions: bool,
}

impl Replacer<'_> {
    fn from(&self, from: &mut FromExpr) -> Result<(), QueryError> {
        match from {
            FromExpr::Table(table) => {
                if let Some(Sample { ratio, offset }) = &mut table.sample {
                    for ratio in std::iter::once(ratio).chain(offset) {
                        self.expr(&mut ratio.numerator)?;
                        ratio.denominator.iter_mut().try_for_each(|denominator| self.expr(denominator))?;
                    }
                }
                match &mut table.source {
                    TableSource::Query(query) => replace_in_query(query, self.values),
                    TableSource::Function { args, .. } => args.iter_mut().try_for_each(|arg| self.expr(arg)),
                    TableSource::Values(rows) => rows.iter_mut().flatten().try_for_each(|value| self.expr(value)),
                    TableSource::Name(_) => Ok(()),
                    TableSource::Placeholder(expr) => Err(unresolved(expr)),
                }
            }
            FromExpr::Join(join) => {
                self.from(&mut join.left)?;
                self.from(&mut join.right)?;
                match &mut join.constraint {
                    Some(JoinConstraint::On(expr)) => self.expr(expr),
                    _ => Ok(()),
                }
            }
        }
    }

    fn expr(&self, expr: &mut Expr) -> Result<(), QueryError> {
        match &mut expr.kind {
            ExprKind::Placeholder(inner) => {
                let replaced = self.placeholder(inner)?;
                expr.kind = replaced.kind;
                Ok(())
            }
            ExprKind::Subquery(query) => replace_in_query(query, self.values),
            _ => children_mut(expr).into_iter().try_for_each(|child| self.expr(child)),
        }
    }

    fn no_variable(&self, name: &str) -> QueryError {
        let distance = |known: &str| edit_distance(&name.to_lowercase(), &known.to_lowercase());
        let nearest = self.values.variables.iter().map(|(known, _)| (distance(known), known)).min();
        let meant = nearest.filter(|(distance, known)| distance * 5 <= 2 * name.chars().count().max(known.chars().count()));
        let meant = meant.map(|(_, known)| format!(". Did you mean: {known}?")).unwrap_or_default();
        QueryError::resolve(format!("Variable {name} is missing from query{meant}"))
    }

    fn placeholder(&self, inner: &Expr) -> Result<Expr, QueryError> {
        let Some(chain) = inner.as_chain() else { return Err(unresolved(inner)) };
        match chain.as_slice() {
            ["filters"] => {
                if self.values.values.contains_key("filters") && self.values.filters.is_some() {
                    return Err(QueryError::resolve("Query contains 'filters' both as placeholder and as a query parameter."));
                }
                Ok(match &self.values.filters {
                    Some(filters) if self.sessions => filters.sessions.clone(),
                    Some(filters) => filters.events.clone(),
                    None => Expr::lit(true),
                })
            }
            ["variables", name] => match self.values.variables.iter().find(|(known, _)| known == name) {
                Some((_, value)) => json_expr(value),
                None => Err(self.no_variable(name)),
            },
            [name] => match self.values.values.get(*name) {
                Some(value) => json_expr(value),
                None => Err(unresolved(inner)),
            },
            _ => Err(unresolved(inner)),
        }
    }
}

/// The expressions directly inside an expression; not those of a subquery.
pub(crate) fn children_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Literal(_) | ExprKind::Field(_) | ExprKind::Subquery(_) | ExprKind::Placeholder(_) => Vec::new(),
        ExprKind::Asterisk(asterisk) => asterisk.replace.iter_mut().map(|(expr, _)| expr).collect(),
        ExprKind::Call(call) => {
            let mut all: Vec<&mut Expr> = call.args.iter_mut().chain(call.params.iter_mut().flatten()).collect();
            all.extend(call.order_by.iter_mut().map(|order| &mut order.expr));
            all.extend(call.filter.as_deref_mut());
            if let Some(ast::Over::Window(window)) = call.over.as_deref_mut() {
                all.extend(window.partition_by.iter_mut().chain(window.order_by.iter_mut().map(|order| &mut order.expr)));
            }
            all
        }
        ExprKind::Lambda { body, .. } => vec![body],
        ExprKind::Compare { left, right, .. } | ExprKind::Arithmetic { left, right, .. } => vec![left, right],
        ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Array(items) | ExprKind::Tuple(items) => items.iter_mut().collect(),
        ExprKind::Not(inner) => vec![inner],
        ExprKind::Between { expr, low, high, .. } => vec![expr, low, high],
        ExprKind::Dict(entries) => entries.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
        ExprKind::ArrayAccess { array, index, .. } => vec![array, index],
        ExprKind::TupleAccess { tuple, .. } => vec![tuple],
        ExprKind::Cast { expr, .. } | ExprKind::Alias { expr, .. } => vec![expr],
        ExprKind::Tag(tag) => tag.attributes.iter_mut().map(|(_, value)| value).collect(),
    }
}

/// A JSON value as a constant.
fn json_expr(value: &Json) -> Result<Expr, QueryError> {
    Ok(match value {
        Json::Null => Expr::null(),
        Json::Bool(value) => Expr::lit(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => Expr::lit(value),
            (None, Some(value), _) => ExprKind::Literal(ast::Literal::UInt(value)).into(),
            (None, None, value) => Expr::lit(value.unwrap_or_default()),
        },
        Json::String(text) => Expr::lit(text.as_str()),
        Json::Array(items) => build::array(items.iter().map(json_expr).collect::<Result<_, _>>()?),
        Json::Object(_) => {
            return Err(QueryError::Request { detail: "a placeholder's value cannot be an object".to_owned(), attr: Some("values") });
        }
    })
}

fn unresolved(expr: &Expr) -> QueryError {
    match expr.as_chain() {
        Some(chain) => QueryError::resolve(format!("Unresolved placeholder: {{{}}}", chain.join("."))),
        None => QueryError::resolve("Unresolved placeholder"),
    }
}
