//! Insight queries: from their items to PostHog's response.

use super::QueryResponse;
use super::run::Run;
use crate::error::QueryError;
use crate::insights;
use serde_json::{Map, Value as Json, json};
use std::time::Instant;

/// Answers an insight query.
///
/// # Errors
/// [`QueryError`] as the insight names it.
pub(super) fn answer(run: &Run, kind: &str, query: &Json) -> Result<QueryResponse, QueryError> {
    let began = Instant::now();
    // The operators are loops over columns: they hold this thread, and look at the flag to stop.
    let result = run.context.executor.hold(|| insights::run(kind, query, &run.context))?;
    let mut body = Map::new();
    body.insert("results".to_owned(), result.results);
    body.insert("hasMore".to_owned(), json!(result.has_more));
    body.insert("timings".to_owned(), json!([{"k": "./operator", "t": began.elapsed().as_secs_f64()}]));
    body.insert("hogql".to_owned(), Json::Null);
    body.insert("error".to_owned(), Json::Null);
    body.insert("modifiers".to_owned(), query.get("modifiers").cloned().unwrap_or(Json::Null));
    body.insert("query_status".to_owned(), Json::Null);
    if let Some(range) = &result.range {
        let text = |at: &jiff::Zoned| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        body.insert("resolved_date_range".to_owned(), json!({"date_from": text(&range.from), "date_to": text(&range.to)}));
    }
    body.extend(result.more);
    Ok(QueryResponse { body })
}
