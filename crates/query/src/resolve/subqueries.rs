//! Subqueries in expressions over the rows of `events`: each is answered once, before the first row, and its answer takes its place.

use super::QueryContext;
use crate::cohorts;
use crate::error::QueryError;
use aqueduct_event::PersonId;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::expr::{InList, InSubquery};
use datafusion::logical_expr::{Expr, Subquery};
use hashbrown::HashSet;
use uuid::Uuid;

/// Most values that a subquery behind `IN` may give; ids, which are held like those of a cohort, are bounded by memory alone.
const VALUES_MAX: usize = 100_000;

/// The expression without subqueries: a list for `IN (SELECT …)`, a constant for `(SELECT …)`.
///
/// # Errors
/// [`QueryError`] of a subquery, or when it gives more values than are asked for or than can be held.
pub(super) fn answered(expr: Expr, context: &QueryContext) -> Result<Expr, QueryError> {
    let outer = |error: QueryError| DataFusionError::External(Box::new(error));
    let answered = expr.transform_up(|expr| match expr {
        Expr::InSubquery(InSubquery { expr, subquery, negated }) if gives_ids(&subquery) => {
            let ids = ids(&subquery, context).map_err(outer)?;
            let found = cohorts::contains(cohorts::listed(ids, context).map_err(outer)?, *expr);
            Ok(Transformed::yes(if negated { Expr::Not(Box::new(found)) } else { found }))
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let list = values(&subquery, VALUES_MAX, context).map_err(outer)?;
            let list = list.into_iter().map(|value| Expr::Literal(value, None)).collect();
            Ok(Transformed::yes(Expr::InList(InList::new(expr, list, negated))))
        }
        Expr::ScalarSubquery(subquery) => {
            let value = values(&subquery, 1, context).map_err(outer)?.pop();
            let value = value.map_or_else(|| ScalarValue::try_from(&plain(subquery.subquery.schema().field(0).data_type())), Ok)?;
            Ok(Transformed::yes(Expr::Literal(value, None)))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(answered?.data)
}

fn gives_ids(subquery: &Subquery) -> bool {
    *subquery.subquery.schema().field(0).data_type() == DataType::FixedSizeBinary(16)
}

/// The ids that a subquery gives.
fn ids(subquery: &Subquery, context: &QueryContext) -> Result<Vec<PersonId>, QueryError> {
    let batches = context.executor.execute_here(subquery.subquery.as_ref().clone())?;
    let columns = batches.iter().filter_map(|batch| batch.column(0).as_fixed_size_binary_opt());
    Ok(columns.flat_map(|column| column.iter().flatten()).filter_map(|bytes| Uuid::from_slice(bytes).ok()).collect())
}

/// The different values of a subquery's only column.
fn values(subquery: &Subquery, most: usize, context: &QueryContext) -> Result<Vec<ScalarValue>, QueryError> {
    let batches = context.executor.execute_here(subquery.subquery.as_ref().clone())?;
    let mut seen = HashSet::new();
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        for value in column(batch)? {
            seen.insert(value?);
        }
        if seen.len() > most {
            return Err(QueryError::resolve(format!("a subquery gives {} values, at most {most} can be used here", seen.len())));
        }
    }
    Ok(seen.into_iter().collect())
}

/// The values of the first column, as their plain type.
fn column(batch: &RecordBatch) -> Result<impl Iterator<Item = Result<ScalarValue, QueryError>>, QueryError> {
    let array = batch.column(0);
    let array = cast(array, &plain(array.data_type()))?;
    Ok((0..array.len()).map(move |row| Ok(ScalarValue::try_from_array(&array, row)?)))
}

/// The type without a dictionary.
fn plain(data: &DataType) -> DataType {
    match data {
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        other => other.clone(),
    }
}
