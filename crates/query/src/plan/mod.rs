//! From a query's tree to a DataFusion plan.
//!
//! In: [`ast::Query`](crate::hogql::ast::Query) without placeholders. Out: a `LogicalPlan` whose columns are called `c0`, `c1`, … and the names
//! and types that the user sees.
//!
//! A SELECT is resolved completely before its plan is built, since only then every relation knows its columns. Read `select.rs` in order:
//! it is the order in which ClickHouse evaluates the clauses.

mod asof;
mod counts;
mod ctes;
mod expand;
mod fill;
mod from;
mod grouping;
mod membership;
mod order;
mod rebase;
mod sample;
mod select;
mod set;
mod values;

pub(crate) use ctes::plan_cte;

use crate::error::QueryError;
use crate::hogql::ast::Query;
use crate::resolve::{CteEnv, Output, QueryContext};
use datafusion::logical_expr::LogicalPlan;

/// Where a query stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nesting {
    /// It is the user's own: a SELECT without LIMIT gets the default one, and gives one row more, which tells whether there are more.
    Outer,
    /// It is one side of a UNION of the user's own: a SELECT without LIMIT gets the default one.
    Branch,
    /// It is part of another query.
    Inner,
}

/// Rows at most, whatever LIMIT says.
pub(crate) const ROWS_MAX: usize = 50_000;

/// Plans a query.
///
/// # Errors
/// [`QueryError`] when a name does not resolve, types do not fit, or a clause is not supported.
pub(crate) fn plan_query(
    query: &Query,
    context: &QueryContext,
    ctes: &CteEnv,
    nesting: Nesting,
) -> Result<(LogicalPlan, Vec<Output>), QueryError> {
    match query {
        Query::Select(select) => select::plan_select(select, context, ctes, nesting),
        Query::Set(set) => set::plan_set(set, context, ctes, nesting),
        Query::Placeholder(_) => Err(QueryError::resolve("Unresolved placeholder")),
    }
}
