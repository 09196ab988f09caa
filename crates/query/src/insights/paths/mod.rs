//! PathsQuery: from which node to which actors go, step by step within a session.
//!
//! In: the query's JSON and a project. Out: PostHog's edges, the most used first.
//! The way: [`plan`] says which rows count and what their nodes are, [`nodes`] numbers nodes, [`operator`] walks persons, [`session`] cuts a
//! person's steps into paths, [`render`] writes the edges.
//!
//! Source of the rules: query reference, section 10.

mod model;
mod nodes;
mod operator;
mod plan;
mod render;
mod session;

use super::{InsightContext, InsightResult};
use crate::error::QueryError;
pub(super) use model::PathsQuery;
use serde_json::Value;

/// Answers a PathsQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &PathsQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let (operator, range) = plan::operator(query, context)?;
    let edges = operator.run(context)?;
    let items = render::items(query.paths_filter.as_ref(), &edges, &operator.nodes);
    Ok(InsightResult { results: Value::Array(items), range: Some(range), ..InsightResult::default() })
}
