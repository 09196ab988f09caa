//! PathsQuery: from which node to which actors go, step by step within a session.
//!
//! In: the query's JSON and a project. Out: PostHog's edges, the most used first.
//! The way: [`plan`] says which rows count and what their nodes are, [`nodes`] numbers nodes, [`operator`] walks persons, [`session`] cuts a
//! person's steps into paths, [`edges`] counts, [`render`] writes the edges.
//!
//! Source of the rules: query reference, section 10.

mod edges;
mod funnel;
mod model;
mod nodes;
mod operator;
mod plan;
mod render;
mod session;

use super::actor_source::FoundActors;
use super::actors::Actor;
use super::{InsightContext, InsightResult};
use crate::error::QueryError;
pub(super) use model::PathsQuery;
use model::said;
pub(super) use plan::cleaned_by_project;
use serde_json::Value;

/// Answers a PathsQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &PathsQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let (operator, range) = plan::operator(query, context)?;
    let edges = operator.run(context)?;
    let items = render::items(context.query.scan.threads(), query.paths_filter.as_ref(), edges, &operator.nodes)?;
    Ok(InsightResult { results: Value::Array(items), range: Some(range), ..InsightResult::default() })
}

/// The persons whose paths go over an edge or to a node, or end at one, as the keys in `pathsFilter` say; with how often they do.
///
/// # Errors
/// [`QueryError`] as for the query itself; [`QueryError::Request`] when a key is none.
pub(super) fn actors(query: &PathsQuery, context: &InsightContext<'_>) -> Result<FoundActors, QueryError> {
    let (operator, _) = plan::operator(query, context)?;
    let filter = query.paths_filter.clone().unwrap_or_default();
    let key = |key: Option<&String>| {
        let Some(text) = said(key) else { return Ok(None) };
        let parts = text
            .split_once('_')
            .and_then(|(place, node)| Some((place.parse::<usize>().ok()?.checked_sub(1)?, operator.nodes.intern(node))));
        parts.map(Some).ok_or_else(|| QueryError::Request {
            detail: format!("a key of a path is a place and a node like '1_/', found '{text}'"),
            attr: Some("pathsFilter"),
        })
    };
    let (start, end, last) =
        (key(filter.path_start_key.as_ref())?, key(filter.path_end_key.as_ref())?, key(filter.path_dropoff_key.as_ref())?);
    let none = FoundActors::of(&Actor::Person, None)?;
    operator.each(
        context,
        || none.none(),
        |found, actor, path| {
            for (place, step) in path.iter().enumerate() {
                let is = |at: usize, key: (usize, u32)| at == key.0 && path[at].node == key.1;
                let counts = match last {
                    Some(last) => place + 1 == path.len() && is(place, last),
                    None => {
                        let came = start.is_none_or(|start| place.checked_sub(1).is_some_and(|before| is(before, start)));
                        came && end.is_none_or(|end| place == end.0 && step.node == end.1)
                    }
                };
                if counts {
                    found.count(actor);
                }
            }
        },
    )
}
