//! Replacing computed expressions by the columns that hold them.

use crate::error::QueryError;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;

/// Expressions that a plan has computed, with the columns where they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Computed(Vec<(Expr, Column)>);

impl Computed {
    pub(super) fn add(&mut self, expr: Expr, column: Column) {
        self.0.push((expr, column));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `expr` over the columns.
    pub(super) fn rebase(&self, expr: Expr) -> Result<Expr, QueryError> {
        if self.is_empty() {
            return Ok(expr);
        }
        let rebased = expr.transform_down(|node| {
            if matches!(node, Expr::Literal(..)) {
                return Ok(Transformed::no(node));
            }
            Ok(match self.0.iter().find(|(expr, _)| *expr == node) {
                Some((_, column)) => Transformed::new(Expr::Column(column.clone()), true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        })?;
        Ok(rebased.data)
    }
}

/// Whether the expression holds an aggregate (outside of window functions).
pub(super) fn has_aggregate(expr: &Expr) -> bool {
    !datafusion::logical_expr::utils::find_aggregate_exprs(std::iter::once(expr)).is_empty()
}

/// Whether the expression mentions a column of that name without qualifier.
pub(super) fn mentions(expr: &Expr, name: &str) -> bool {
    expr.column_refs().iter().any(|column| column.relation.is_none() && column.name == name)
}
