//! Common table expressions as tables: `WITH name AS (SELECT …)`, and those that read themselves, `WITH RECURSIVE`.
//!
//! A recursive query is a UNION. Its last SELECT reads the rows that the step before it found; the others are the first step. It ends with a step that
//! finds nothing. What never ends is stopped by the limits of the query.

use super::set::{self, Planned};
use super::{Nesting, plan_query};
use crate::error::QueryError;
use crate::hogql::ast::{Cte, Query, SelectSet, SetOp};
use crate::resolve::{CteEnv, CteTable, Output, QueryContext};
use arrow::datatypes::{Field, Schema};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use std::sync::Arc;

/// How often the types of a recursive query's columns may grow before they are taken as they are.
const WIDENINGS_MAX: usize = 3;

/// The rows of the CTE of that name; `None` when there is none.
///
/// # Errors
/// [`QueryError`] of its query, or when it has not as many columns as names are given for.
pub(crate) fn plan_cte(name: &str, context: &QueryContext, ctes: &CteEnv) -> Result<Option<Planned>, QueryError> {
    match ctes.table(name) {
        None => Ok(None),
        Some(CteTable::Rows(plan, outputs)) => Ok(Some((plan.clone(), outputs.to_vec()))),
        Some(CteTable::Written(cte, query, before)) => {
            let recursive = match query {
                Query::Set(set) if cte.is_recursive => plan_recursive(cte, set, context, before)?,
                _ => None,
            };
            let (plan, mut outputs) = match recursive {
                Some(planned) => planned,
                None => plan_query(query, context, before, Nesting::Inner)?,
            };
            rename_all(&mut outputs, &cte.columns)?;
            Ok(Some((plan, outputs)))
        }
    }
}

/// New names for columns, one for each.
///
/// # Errors
/// [`QueryError::Resolve`] when there are not as many.
pub(super) fn rename(outputs: &mut [Output], names: &[String]) -> Result<(), QueryError> {
    if names.len() != outputs.len() {
        return Err(QueryError::resolve(format!("Expected {} column aliases, found {}", outputs.len(), names.len())));
    }
    outputs.iter_mut().zip(names).for_each(|(output, name)| output.name.clone_from(name));
    Ok(())
}

fn rename_all(outputs: &mut [Output], names: &[String]) -> Result<(), QueryError> {
    if names.is_empty() { Ok(()) } else { rename(outputs, names) }
}

/// A query that may read itself; `None` when it does not.
fn plan_recursive(cte: &Cte, set: &SelectSet, context: &QueryContext, before: &CteEnv) -> Result<Option<Planned>, QueryError> {
    let Some(((op, step), others)) = set.rest.split_last() else { return Ok(None) };
    let is_distinct = match op {
        SetOp::UnionAll => false,
        SetOp::UnionDistinct => true,
        _ => return Ok(None),
    };
    let first = match others {
        [] => set.first.clone(),
        others => Query::Set(Box::new(SelectSet { first: set.first.clone(), rest: others.to_vec(), ..whole_without_clauses(set) })),
    };
    let (mut start, mut outputs) = plan_query(&first, context, before, Nesting::Inner)?;
    rename_all(&mut outputs, &cte.columns)?;
    let shared = set::shared_ctes(set, before);
    let name = context.fresh_name();
    for widenings in 0.. {
        let found = LogicalPlanBuilder::scan(name.as_str(), provider_as_source(found_before(&name, &start)), None)?.build()?;
        let ctes = shared.with_rows(&cte.name, found, outputs.clone());
        let (next, next_outputs) = plan_query(step, context, &ctes, Nesting::Inner)?;
        match readings(&next, &name)? {
            0 => return Ok(None),
            1 => {}
            _ => return Err(QueryError::unsupported(format!("A recursive query may read itself once, `{}` does it more often", cte.name))),
        }
        let (both, of_both) = set::combined(SetOp::UnionAll, (start.clone(), outputs.clone()), (next.clone(), next_outputs))?;
        let is_same = of_both.iter().zip(&outputs).all(|(wide, own)| wide.ty.data == own.ty.data && wide.ty.nullable == own.ty.nullable);
        outputs = of_both;
        if is_same || widenings == WIDENINGS_MAX {
            if !set.order_by.is_empty() || set.limit.is_some() || set.offset.is_some() {
                return Err(QueryError::unsupported("ORDER BY, LIMIT and OFFSET belong to the query that reads a recursive one"));
            }
            return Ok(Some((LogicalPlanBuilder::new(start).to_recursive_query(name, next, is_distinct)?.build()?, outputs)));
        }
        start = set::with_types_of(start, both.schema())?;
    }
    Ok(None)
}

/// What a UNION has beside its queries.
fn whole_without_clauses(set: &SelectSet) -> SelectSet {
    SelectSet { order_by: Vec::new(), limit: None, offset: None, ..set.clone() }
}

/// The rows that the step before found. Any of them may be NULL: later steps decide that.
fn found_before(name: &str, start: &LogicalPlan) -> Arc<CteWorkTable> {
    let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    let fields: Vec<Field> = start.schema().fields().iter().map(nullable).collect();
    Arc::new(CteWorkTable::new(name, Arc::new(Schema::new(fields))))
}

/// How often a plan reads the table of that name.
fn readings(plan: &LogicalPlan, name: &str) -> Result<usize, QueryError> {
    let mut count = 0;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            count += usize::from(scan.table_name.table() == name);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(count)
}
