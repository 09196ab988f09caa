//! The last clauses: DISTINCT, LIMIT BY, ORDER BY, LIMIT, OFFSET, WITH TIES.

use super::fill::{Filling, Gaps};
use super::{Nesting, ROWS_MAX};
use crate::error::QueryError;
use crate::hogql::ast::{self, ExprKind, Literal, Nulls};
use crate::resolve::{QueryContext, Scope, constant};
use datafusion::common::{Column, ScalarValue};
use datafusion::functions_window::{rank::rank_udwf, row_number::row_number_udwf};
use datafusion::logical_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, WindowFrame, WindowFunctionDefinition, binary_expr, lit};

/// How many rows are passed over and how many are given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) offset: usize,
    pub(super) limit: Option<usize>,
}

/// LIMIT and OFFSET as numbers; the default and the maximum for a user's own query.
pub(super) fn bounds(scope: &mut Scope<'_>, select: &ast::SelectQuery, nesting: Nesting) -> Result<Bounds, QueryError> {
    let offset = select.offset.as_ref().map(|expr| count(scope, expr, "OFFSET")).transpose()?.unwrap_or(0);
    let limit = select.limit.as_ref().map(|expr| count(scope, expr, "LIMIT")).transpose()?;
    let limit = match nesting {
        // with ties the number of rows is open, so one more would tell nothing
        Nesting::Outer => Some(limit.unwrap_or(scope.context.default_limit).min(ROWS_MAX) + usize::from(!select.with_ties)),
        Nesting::Branch => Some(limit.unwrap_or(scope.context.default_limit).min(ROWS_MAX)),
        Nesting::Inner => limit,
    };
    Ok(Bounds { offset, limit })
}

pub(super) fn count(scope: &mut Scope<'_>, expr: &ast::Expr, clause: &str) -> Result<usize, QueryError> {
    let value = scope.expr(expr)?;
    let scalar = constant(value)?.cast_to(&arrow::datatypes::DataType::Int64)?;
    match scalar {
        ScalarValue::Int64(Some(count)) => usize::try_from(count).map_err(|_| QueryError::resolve(format!("{clause} cannot be negative"))),
        _ => Err(QueryError::resolve(format!("{clause} must be a whole number"))),
    }
}

/// One key of ORDER BY, resolved.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) expr: Expr,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
    /// Rows are added for the gaps between its values.
    pub(super) fill: Option<Gaps>,
}

/// The keys of ORDER BY; a whole number is a column's position.
pub(super) fn keys(scope: &mut Scope<'_>, order_by: &[ast::OrderExpr], items: &[Expr]) -> Result<Vec<Key>, QueryError> {
    let mut keys = Vec::new();
    for order in order_by {
        let expr = match position(&order.expr, items, "ORDER BY")? {
            Some(expr) => expr.clone(),
            None => scope.expr(&order.expr)?.expr,
        };
        let fill = order.fill.as_ref().map(|fill| Gaps::of(fill, scope)).transpose()?;
        keys.push(Key { expr, descending: order.descending, nulls_first: order.nulls == Some(Nulls::First), fill });
    }
    Ok(keys)
}

/// The column that a whole number names.
pub(super) fn position<'i, T>(expr: &ast::Expr, items: &'i [T], clause: &str) -> Result<Option<&'i T>, QueryError> {
    let ExprKind::Literal(Literal::Int(at)) = &expr.kind else { return Ok(None) };
    let found = usize::try_from(*at).ok().and_then(|at| at.checked_sub(1)).and_then(|at| items.get(at));
    match found {
        Some(item) => Ok(Some(item)),
        None => Err(QueryError::resolve(format!("{clause} position {at} is not in the select list"))),
    }
}

/// `n` rows for each value of the keys.
#[derive(Clone, Debug)]
pub(super) struct PerKey {
    pub(super) keys: Vec<Expr>,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// What follows the projection. Column names are those of the projection.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) distinct: bool,
    pub(super) sorts: Vec<Sort>,
    pub(super) per_key: Option<PerKey>,
    pub(super) with_ties: bool,
    pub(super) filling: Option<Filling>,
}

impl Tail {
    /// Applies the clauses in ClickHouse's order.
    pub(super) fn apply(self, plan: LogicalPlan, bounds: Bounds, context: &QueryContext) -> Result<LogicalPlan, QueryError> {
        let mut builder = LogicalPlanBuilder::new(plan);
        if self.distinct {
            builder = builder.distinct()?;
        }
        if let Some(PerKey { keys, offset, limit }) = self.per_key {
            let number = window(row_number_udwf(), keys, self.sorts.clone());
            let at = Expr::Column(Column::new_unqualified(number.schema_name().to_string()));
            let (offset, limit) = (u64::try_from(offset).unwrap_or(u64::MAX), u64::try_from(limit).unwrap_or(u64::MAX));
            let above = binary_expr(at.clone(), Operator::Gt, lit(offset));
            let below = binary_expr(at, Operator::LtEq, lit(offset.saturating_add(limit)));
            builder = builder.window([number])?.filter(binary_expr(above, Operator::And, below))?;
        }
        if let (true, Some(limit), false) = (self.with_ties, bounds.limit, self.sorts.is_empty()) {
            let rank = window(rank_udwf(), Vec::new(), self.sorts.clone());
            let at = Expr::Column(Column::new_unqualified(rank.schema_name().to_string()));
            let last = u64::try_from(bounds.offset.saturating_add(limit)).unwrap_or(u64::MAX);
            builder = builder.window([rank])?.filter(binary_expr(at, Operator::LtEq, lit(last)))?;
            builder = builder.sort(self.sorts)?;
            return Ok(builder.limit(bounds.offset, None)?.build()?);
        }
        if let Some(filling) = self.filling {
            let sorted = builder.sort(self.sorts.clone())?.build()?;
            builder = LogicalPlanBuilder::new(filling.apply(sorted, context)?);
        }
        if !self.sorts.is_empty() {
            builder = builder.sort(self.sorts)?;
        }
        if bounds.offset > 0 || bounds.limit.is_some() {
            builder = builder.limit(bounds.offset, bounds.limit)?;
        }
        Ok(builder.build()?)
    }
}

/// A call of a window function over all rows with the same keys.
pub(super) fn window(function: std::sync::Arc<datafusion::logical_expr::WindowUDF>, partition_by: Vec<Expr>, order_by: Vec<Sort>) -> Expr {
    let window_frame = WindowFrame::new((!order_by.is_empty()).then_some(false));
    let params = WindowFunctionParams {
        args: Vec::new(),
        partition_by,
        order_by,
        window_frame,
        filter: None,
        null_treatment: None,
        distinct: false,
    };
    Expr::from(WindowFunction { fun: WindowFunctionDefinition::WindowUDF(function), params })
}
