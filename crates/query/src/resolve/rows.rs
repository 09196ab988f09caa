//! Expressions over the rows of `events`, for the insight operators.

use super::QueryContext;
use super::relation::{Relation, Source};
use super::scope::{CteEnv, Scope};
use super::subqueries::answered;
use super::types::{Type, Value};
use crate::error::QueryError;
use crate::hogql::ast;
use crate::scan::{Compiled, RowProgram};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::PhysicalExpr;
use std::sync::Arc;

/// Compiles expressions over `events` for evaluation part by part. Also gives their types.
///
/// # Errors
/// [`QueryError`] when an expression does not resolve, or holds an aggregate; of a subquery, any.
pub(crate) fn compile_rows(context: &QueryContext, exprs: &[ast::Expr]) -> Result<(RowProgram, Vec<Type>), QueryError> {
    let mut scope = Scope::new(context, CteEnv::default());
    scope.relations.push(Relation::new(Some("events".to_owned()), Source::Events(Vec::new()), context));
    let values = exprs.iter().map(|expr| scope.expr(expr)).collect::<Result<Vec<Value>, _>>()?;
    let (exprs, types): (Vec<Expr>, Vec<Type>) = values.into_iter().map(|value| (value.expr, value.ty)).unzip();
    Ok((row_program(&scope, exprs)?, types))
}

/// Expressions that were resolved in a scope whose only relation is `events`, ready for evaluation part by part.
///
/// # Errors
/// [`QueryError`] when the relation is another, or an expression holds an aggregate; of a subquery, any.
pub(crate) fn row_program(scope: &Scope<'_>, exprs: Vec<Expr>) -> Result<RowProgram, QueryError> {
    let [Relation { source: Source::Events(columns), .. }] = scope.relations.as_slice() else {
        return Err(QueryError::Internal("the relation of a row program is events".to_owned()));
    };
    let schema = scope.schema()?;
    let compiled = |expr| Compiled::new(&physical(answered(expr, scope.context)?, &schema)?, columns);
    let compiled = exprs.into_iter().map(compiled).collect::<Result<Vec<_>, QueryError>>()?;
    RowProgram::new(Arc::clone(&scope.context.scan), compiled)
}

/// Coerced, simplified, ready to run.
fn physical(expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, QueryError> {
    let expr = simplified(expr, schema)?;
    Ok(create_physical_expr(&expr, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?)
}

fn simplified(expr: Expr, schema: &DFSchema) -> Result<Expr, QueryError> {
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build());
    let expr = simplifier.coerce(expr, schema)?;
    Ok(simplifier.simplify(expr)?)
}

/// The value of an expression that names no column.
///
/// # Errors
/// [`QueryError::Resolve`] when it is no constant.
pub(crate) fn constant(value: Value) -> Result<ScalarValue, QueryError> {
    match simplified(value.expr, &DFSchema::empty())? {
        Expr::Literal(scalar, _) => Ok(scalar),
        other => Err(QueryError::resolve(format!("Expected a constant, found {other}"))),
    }
}
