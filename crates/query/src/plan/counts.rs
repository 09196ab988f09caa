//! Which SELECTs over events are counts of rows and persons by group: those are made by [`CountsTable`].

use crate::error::QueryError;
use crate::resolve::{Scope, Source, row_program};
use crate::scan::{Count, CountsTable, VirtualColumn, can_run_here, streamed};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, col, lit};
use std::sync::Arc;

/// A plan whose columns are `g0`, `g1`, … for `keys` and `a0`, `a1`, … for `aggregates`, in a scope whose only relation is `events`; `None` when these are
/// anything but counts that are made in one pass.
///
/// # Errors
/// [`QueryError`] when an expression cannot be planned.
pub(super) fn plan_counts(
    scope: &Scope<'_>,
    filter: Option<&Expr>,
    keys: &[Expr],
    aggregates: &[Expr],
) -> Result<Option<LogicalPlan>, QueryError> {
    let [relation] = scope.relations.as_slice() else { return Ok(None) };
    let Some(counts) = aggregates.iter().map(count).collect::<Option<Vec<Count>>>() else { return Ok(None) };
    let runs = matches!(relation.source, Source::Events(_)) && !counts.is_empty() && keys.iter().chain(filter).all(can_run_here);
    if !runs {
        return Ok(None);
    }
    let schema = scope.schema()?;
    // What steps of the plan have added to the rows is not there for parts.
    let is_known = |expr: &Expr| expr.column_refs().iter().all(|column| schema.has_column(column));
    if !keys.iter().chain(filter).all(is_known) {
        return Ok(None);
    }
    let mut fields = Vec::with_capacity(keys.len() + counts.len());
    for (at, key) in keys.iter().enumerate() {
        let (_, field) = key.to_field(&schema)?;
        if !CountsTable::takes_key(field.data_type()) {
            return Ok(None);
        }
        fields.push(Field::new(format!("g{at}"), field.data_type().clone(), field.is_nullable()));
    }
    fields.extend((0..counts.len()).map(|at| Field::new(format!("a{at}"), DataType::Int64, false)));
    let mut exprs = vec![filter.cloned().unwrap_or_else(|| lit(true))];
    exprs.extend(keys.iter().cloned());
    let program = row_program(scope, exprs)?;
    let names: Vec<Expr> = fields.iter().map(|field| col(field.name().as_str())).collect();
    let table = CountsTable::new(Arc::clone(&scope.context.scan), program, counts, Arc::new(Schema::new(fields)));
    let scan = LogicalPlanBuilder::scan(scope.context.fresh_name(), provider_as_source(streamed(table)?), None)?;
    // Under their plain names, as after any grouping.
    let plain = names.into_iter().map(|column| {
        let name = column.schema_name().to_string();
        column.alias(name)
    });
    Ok(Some(scan.project(plain)?.build()?))
}

/// `count()` and `count(DISTINCT person_id)`, which is what `uniq` and the like are.
fn count(aggregate: &Expr) -> Option<Count> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = aggregate else { return None };
    let AggregateFunctionParams { args, distinct, filter, order_by, .. } = params;
    if func.name() != "count" || filter.is_some() || !order_by.is_empty() {
        return None;
    }
    match args.as_slice() {
        [Expr::Literal(value, _)] if !value.is_null() && !distinct => Some(Count::Rows),
        [Expr::Column(column)] if *distinct && column.name == VirtualColumn::PersonId.to_string() => Some(Count::Persons),
        _ => None,
    }
}
