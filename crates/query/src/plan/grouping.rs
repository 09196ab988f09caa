//! GROUP BY: keys, and sets of keys (ROLLUP, CUBE, GROUPING SETS).
//!
//! In a row of a set that leaves a key out, the key has the empty value of its type, or NULL if its type has one.

use super::order::position;
use super::rebase::{Computed, has_aggregate};
use crate::error::QueryError;
use crate::hogql::ast::{self, GroupBy};
use crate::resolve::{Scope, Value, empty_value};
use arrow::datatypes::DataType;
use datafusion::common::{Column, ExprSchema};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder, cast};

/// What rows are grouped by.
#[derive(Debug)]
pub(super) enum Group {
    Exprs(Vec<Expr>),
    Sets(Sets),
}

/// Sets of keys.
#[derive(Debug)]
pub(super) struct Sets {
    sets: GroupingSet,
    /// Keys whose type has no NULL.
    filled: Vec<Expr>,
}

/// The keys of a GROUP BY; `values` are the items of the SELECT.
pub(super) fn resolve_group(scope: &mut Scope<'_>, group: &GroupBy, values: &[Value]) -> Result<Group, QueryError> {
    let mut filled = Vec::new();
    let mut all = |exprs: &[ast::Expr]| -> Result<Vec<Expr>, QueryError> {
        let mut resolved = Vec::new();
        for expr in exprs {
            match keys_of(scope, expr, values)? {
                keys if keys.iter().any(|key| has_aggregate(&key.expr)) => {
                    return Err(QueryError::resolve("Aggregate function is found in GROUP BY in query"));
                }
                keys => {
                    filled.extend(keys.iter().filter(|key| !key.ty.nullable).map(|key| key.expr.clone()));
                    resolved.extend(keys.into_iter().map(|key| key.expr));
                }
            }
        }
        Ok(resolved)
    };
    let sets = match group {
        GroupBy::Exprs(exprs) => return Ok(Group::Exprs(all(exprs)?)),
        GroupBy::All => {
            let items = values.iter().map(|value| &value.expr);
            return Ok(Group::Exprs(items.filter(|item| !has_aggregate(item)).cloned().collect()));
        }
        GroupBy::Rollup(exprs) => GroupingSet::Rollup(all(exprs)?),
        GroupBy::Cube(exprs) => GroupingSet::Cube(all(exprs)?),
        GroupBy::Sets(sets) => GroupingSet::GroupingSets(sets.iter().map(|set| all(set)).collect::<Result<_, _>>()?),
    };
    Ok(Group::Sets(Sets { sets, filled }))
}

/// One key, or those of a tuple: `GROUP BY (a, b)` groups by both.
fn keys_of(scope: &mut Scope<'_>, expr: &ast::Expr, values: &[Value]) -> Result<Vec<Value>, QueryError> {
    match (position(expr, values, "GROUP BY")?, &expr.kind) {
        (Some(value), _) => Ok(vec![value.clone()]),
        (None, ast::ExprKind::Tuple(parts)) => parts.iter().map(|part| scope.expr(part)).collect(),
        (None, _) => Ok(vec![scope.expr(expr)?]),
    }
}

impl Sets {
    /// Groups the rows by each set. The keys are then columns of the plan, which `computed` learns.
    pub(super) fn apply(self, plan: LogicalPlan, aggregates: Vec<Expr>, computed: &mut Computed) -> Result<LogicalPlan, QueryError> {
        let keys: Vec<Expr> = self.sets.distinct_expr().into_iter().cloned().collect();
        let mut columns: Vec<Expr> =
            aggregates.iter().map(|aggregate| Expr::Column(Column::from_name(aggregate.schema_name().to_string()))).collect();
        let grouped = LogicalPlanBuilder::new(plan).aggregate(vec![Expr::GroupingSet(self.sets)], aggregates)?.build()?;
        for (at, key) in keys.into_iter().enumerate() {
            let held = match &key {
                Expr::Column(column) => column.clone(),
                other => Column::new_unqualified(other.schema_name().to_string()),
            };
            let name = format!("k{at}");
            let data = grouped.schema().field_from_column(&held)?.data_type().clone();
            let shown = if self.filled.contains(&key) { or_empty(Expr::Column(held), &data) } else { Expr::Column(held) };
            columns.push(shown.alias(name.as_str()));
            computed.add(key, Column::new_unqualified(name));
        }
        Ok(LogicalPlanBuilder::new(grouped).project(columns)?.build()?)
    }
}

/// The empty value in place of NULL.
fn or_empty(key: Expr, data: &DataType) -> Expr {
    let (key, plain) = match data {
        DataType::Dictionary(_, text) => (cast(key, text.as_ref().clone()), text.as_ref()),
        data => (key, data),
    };
    match empty_value(plain) {
        Some(empty) => coalesce(vec![key, Expr::Literal(empty, None)]),
        None => key,
    }
}
