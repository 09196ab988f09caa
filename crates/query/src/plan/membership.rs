//! `x IN (SELECT …)` where it is no condition: DataFusion knows it in WHERE alone, so it becomes a column.

use super::rebase::Computed;
use crate::error::QueryError;
use crate::resolve::QueryContext;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr};

/// The memberships inside of expressions, each once.
///
/// # Errors
/// [`QueryError`] of the walk.
pub(super) fn found<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Result<Vec<InSubquery>, QueryError> {
    let mut memberships: Vec<InSubquery> = Vec::new();
    for expr in exprs {
        expr.apply(|node| {
            if let Expr::InSubquery(membership) = node
                && !memberships.contains(membership)
            {
                memberships.push(membership.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(memberships)
}

/// Adds a column to the plan for each membership, and puts the columns in their place in the expressions.
///
/// # Errors
/// [`QueryError`] when the sides have no common type.
pub(super) fn mark(
    mut plan: LogicalPlan,
    memberships: Vec<InSubquery>,
    exprs: Vec<&mut Expr>,
    context: &QueryContext,
) -> Result<LogicalPlan, QueryError> {
    let mut computed = Computed::default();
    for membership in memberships {
        let (marked, column) = with_mark(plan, &membership, context)?;
        plan = marked;
        computed.add(Expr::InSubquery(membership), column);
    }
    for expr in exprs {
        *expr = computed.rebase(std::mem::take(expr))?;
    }
    Ok(plan)
}

/// `NOT IN` as NOT of IN, for which there is a column.
///
/// # Errors
/// [`QueryError`] of the walk.
pub(super) fn positive(expr: Expr) -> Result<Expr, QueryError> {
    let rewritten = expr.transform_up(|node| {
        Ok(match node {
            Expr::InSubquery(membership) if membership.negated => {
                Transformed::yes(Expr::Not(Box::new(Expr::InSubquery(InSubquery { negated: false, ..membership }))))
            }
            node => Transformed::no(node),
        })
    })?;
    Ok(rewritten.data)
}

fn with_mark(plan: LogicalPlan, membership: &InSubquery, context: &QueryContext) -> Result<(LogicalPlan, Column), QueryError> {
    let name = context.fresh_name();
    let listed = membership.subquery.subquery.as_ref();
    let wanted = Column::new(Some(name.as_str()), listed.schema().field(0).name().as_str());
    let listed = LogicalPlanBuilder::new(listed.clone()).alias(name.as_str())?.build()?;
    let same = binary_expr((*membership.expr).clone(), Operator::Eq, Expr::Column(wanted));
    let plan = LogicalPlanBuilder::new(plan).join_on(listed, JoinType::LeftMark, [same])?.build()?;
    // the join calls its column `mark`, whichever join it is
    let own = format!("{name}_mark");
    let columns = plan.schema().iter().map(|(table, field)| {
        let column = Expr::Column(Column::new(table.cloned(), field.name()));
        if table.is_some_and(|table| table.table() == name) { column.alias(own.as_str()) } else { column }
    });
    let columns: Vec<Expr> = columns.collect();
    Ok((LogicalPlanBuilder::new(plan).project(columns)?.build()?, Column::new_unqualified(own)))
}
