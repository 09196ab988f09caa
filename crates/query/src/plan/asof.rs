//! ASOF JOIN: to each row of the left side the row of the right side that is nearest by the join's inequality.

use super::order::window;
use crate::error::QueryError;
use crate::hogql::ast::JoinKind;
use crate::resolve::QueryContext;
use datafusion::common::{Column, JoinType};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, lit};

/// Both sides joined by `on`, which holds one inequality: of the rows that a row meets the nearest stays.
///
/// # Errors
/// [`QueryError::Unsupported`] for outer joins that keep the right side; [`QueryError::Resolve`] without exactly one inequality.
pub(super) fn nearest(
    left: LogicalPlan,
    right: LogicalPlan,
    kind: JoinKind,
    on: &[Expr],
    context: &QueryContext,
) -> Result<LogicalPlan, QueryError> {
    let kind = match kind {
        JoinKind::Inner => JoinType::Inner,
        JoinKind::Left => JoinType::Left,
        JoinKind::Right | JoinKind::Full | JoinKind::Cross => {
            return Err(QueryError::unsupported("ASOF JOIN is INNER or LEFT"));
        }
    };
    let sorts: Vec<Sort> = on.iter().flat_map(split_conjunction).filter_map(|condition| by_distance(condition, &right)).collect();
    if sorts.len() != 1 {
        return Err(QueryError::resolve(format!("ASOF JOIN needs one inequality in ON, found {}", sorts.len())));
    }
    let columns: Vec<Column> = left.schema().columns().into_iter().chain(right.schema().columns()).collect();
    // rows of the left side are told apart by their number
    let number = window(row_number_udwf(), Vec::new(), Vec::new());
    let row = context.fresh_name();
    let mut numbered: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    numbered.push(Expr::Column(Column::new_unqualified(number.schema_name().to_string())).alias(row.as_str()));
    let left = LogicalPlanBuilder::new(left).window([number])?.project(numbered)?.build()?;
    let joined = LogicalPlanBuilder::new(left).join_on(right, kind, on.iter().cloned())?;
    let rank = window(row_number_udwf(), vec![Expr::Column(Column::new_unqualified(row))], sorts);
    let is_nearest = binary_expr(Expr::Column(Column::new_unqualified(rank.schema_name().to_string())), Operator::Eq, lit(1_u64));
    Ok(joined.window([rank])?.filter(is_nearest)?.project(columns.into_iter().map(Expr::Column))?.build()?)
}

/// The order that puts the nearest row of the right side first; `None` for a condition that is no inequality between the sides.
fn by_distance(condition: &Expr, right: &LogicalPlan) -> Option<Sort> {
    let Expr::BinaryExpr(BinaryExpr { left: first, op, right: second }) = condition else { return None };
    let is_of_right = |expr: &Expr| {
        let columns = expr.column_refs();
        !columns.is_empty() && columns.into_iter().all(|column| right.schema().has_column(column))
    };
    // above its row the smallest is nearest, below it the largest
    let (of_right, is_above) = match op {
        Operator::Lt | Operator::LtEq if is_of_right(second) => (second, true),
        Operator::Lt | Operator::LtEq if is_of_right(first) => (first, false),
        Operator::Gt | Operator::GtEq if is_of_right(second) => (second, false),
        Operator::Gt | Operator::GtEq if is_of_right(first) => (first, true),
        _ => return None,
    };
    Some(Sort::new((**of_right).clone(), is_above, false))
}
