//! UNION, INTERSECT, EXCEPT.

use super::order::window;
use super::{Nesting, plan_query};
use crate::error::QueryError;
use crate::hogql::ast::{Asterisk, ExprKind, Query, SelectQuery, SelectSet, SetOp};
use crate::hogql::build::from_query;
use crate::resolve::{CteEnv, Output, QueryContext};
use datafusion::common::{Column, DFSchema};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::optimizer::analyzer::type_coercion::coerce_union_schema;
use std::sync::Arc;

/// A query's plan with the columns that it gives.
pub(crate) type Planned = (LogicalPlan, Vec<Output>);

pub(super) fn plan_set(set: &SelectSet, context: &QueryContext, ctes: &CteEnv, nesting: Nesting) -> Result<Planned, QueryError> {
    let shared = shared_ctes(set, ctes);
    if !set.order_by.is_empty() || set.limit.is_some() || set.offset.is_some() {
        return plan_query(&ordered(set), context, ctes, nesting);
    }
    let nesting = if nesting == Nesting::Outer { Nesting::Branch } else { nesting };
    let mut all = plan_query(&set.first, context, ctes, nesting)?;
    for (op, query) in &set.rest {
        all = combined(*op, all, plan_query(query, context, &shared, nesting)?)?;
    }
    Ok(all)
}

/// What the queries behind the first one see: CTEs of the first SELECT are seen by all of them, as in PostHog.
pub(super) fn shared_ctes(set: &SelectSet, ctes: &CteEnv) -> CteEnv {
    match &set.first {
        Query::Select(select) => select.ctes.iter().fold(ctes.clone(), |env, cte| env.with(cte)),
        _ => ctes.clone(),
    }
}

/// The rows of two queries, under the names of the first.
///
/// # Errors
/// [`QueryError`] when they have not as many columns, or columns whose types have nothing in common.
pub(super) fn combined(op: SetOp, (left, mut outputs): Planned, (right, right_outputs): Planned) -> Result<Planned, QueryError> {
    if outputs.len() != right_outputs.len() {
        return Err(QueryError::resolve(format!(
            "{} need the same number of columns, found {} and {}",
            name(op),
            outputs.len(),
            right_outputs.len()
        )));
    }
    let both = [Arc::new(left), Arc::new(right)];
    let common = coerce_union_schema(&both)?;
    let [left, right] = both.map(Arc::unwrap_or_clone);
    let plan = combine(op, with_types_of(left, &common)?, with_types_of(right, &common)?)?;
    for (at, (output, right)) in outputs.iter_mut().zip(&right_outputs).enumerate() {
        output.ty.nullable |= right.ty.nullable;
        if output.ty.note != right.ty.note {
            output.ty.note = crate::resolve::Note::Plain;
        }
        output.ty.data = plan.schema().field(at).data_type().clone();
    }
    Ok((plan, outputs))
}

/// The same columns, of the types that they have in `common`.
pub(super) fn with_types_of(plan: LogicalPlan, common: &DFSchema) -> Result<LogicalPlan, QueryError> {
    let types = || common.fields().iter().map(|field| field.data_type());
    if plan.schema().fields().iter().map(|field| field.data_type()).eq(types()) {
        return Ok(plan);
    }
    let typed = plan.schema().columns().into_iter().zip(types()).map(|(column, data)| {
        let name = column.name.clone();
        cast(Expr::Column(column), data.clone()).alias(name)
    });
    let typed: Vec<Expr> = typed.collect();
    Ok(LogicalPlanBuilder::new(plan).project(typed)?.build()?)
}

/// `SELECT * FROM (set) ORDER BY …`.
fn ordered(set: &SelectSet) -> Query {
    let inner = SelectSet { order_by: Vec::new(), limit: None, offset: None, ..set.clone() };
    let outer = SelectQuery {
        select: vec![ExprKind::Asterisk(Asterisk::default()).into()],
        from: Some(from_query(Query::Set(Box::new(inner)), None)),
        order_by: set.order_by.clone(),
        limit: set.limit.clone(),
        offset: set.offset.clone(),
        ..SelectQuery::default()
    };
    outer.into()
}

fn combine(op: SetOp, left: LogicalPlan, right: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    Ok(match op {
        SetOp::UnionAll => LogicalPlanBuilder::new(left).union(right)?.build()?,
        SetOp::UnionDistinct => LogicalPlanBuilder::new(left).union(right)?.distinct()?.build()?,
        SetOp::Intersect => unnumbered(LogicalPlanBuilder::intersect(numbered(left)?, numbered(right)?, true)?)?,
        SetOp::IntersectDistinct => LogicalPlanBuilder::intersect(left, right, false)?,
        SetOp::Except => unnumbered(LogicalPlanBuilder::except(numbered(left)?, numbered(right)?, true)?)?,
        SetOp::ExceptDistinct => LogicalPlanBuilder::except(left, right, false)?,
    })
}

/// With one more column, which tells equal rows apart: the first of them, the second, …. A row that stands twice on one side then meets, or takes
/// away, two of the other.
fn numbered(plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let number = window(row_number_udwf(), columns.clone(), Vec::new());
    columns.push(Expr::Column(Column::new_unqualified(number.schema_name().to_string())).alias(COPY));
    Ok(LogicalPlanBuilder::new(plan).window([number])?.project(columns)?.build()?)
}

fn unnumbered(plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    let columns = plan.schema().columns().into_iter().filter(|column| column.name != COPY).map(Expr::Column);
    let columns: Vec<Expr> = columns.collect();
    Ok(LogicalPlanBuilder::new(plan).project(columns)?.build()?)
}

/// Which of several equal rows it is.
const COPY: &str = "copy";

fn name(op: SetOp) -> &'static str {
    match op {
        SetOp::UnionAll | SetOp::UnionDistinct => "UNION",
        SetOp::Intersect | SetOp::IntersectDistinct => "INTERSECT",
        SetOp::Except | SetOp::ExceptDistinct => "EXCEPT",
    }
}
