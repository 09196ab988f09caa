//! `FROM (VALUES (1, 'a'), (2, 'b'))`.

use crate::error::QueryError;
use crate::hogql::ast;
use crate::resolve::{Output, Scope, Type, column_name};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

pub(super) fn plan_values(scope: &mut Scope<'_>, rows: &[Vec<ast::Expr>]) -> Result<(LogicalPlan, Vec<Output>), QueryError> {
    let rows = rows
        .iter()
        .map(|row| row.iter().map(|value| Ok(scope.expr(value)?.expr)).collect::<Result<Vec<_>, QueryError>>())
        .collect::<Result<Vec<_>, _>>()?;
    let plan = LogicalPlanBuilder::values(rows)?.build()?;
    let schema = std::sync::Arc::clone(plan.schema());
    let named = schema
        .iter()
        .enumerate()
        .map(|(at, (table, field))| Expr::Column(Column::new(table.cloned(), field.name())).alias(column_name(at)));
    let outputs = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| Output { name: format!("c{}", at + 1), ty: Type::new(field.data_type().clone(), field.is_nullable()) });
    let outputs = outputs.collect();
    Ok((LogicalPlanBuilder::new(plan).project(named.collect::<Vec<_>>())?.build()?, outputs))
}
