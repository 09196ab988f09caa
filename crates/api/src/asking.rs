//! Queries that handlers ask for themselves.

use crate::error::ApiError;
use crate::questions::facts;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_query::QueryRequest;
use serde_json::{Map, Value};

/// The answer to a query object.
pub(crate) async fn ask(state: &ApiState, project: &Project, query: Value) -> Result<Map<String, Value>, ApiError> {
    let request = QueryRequest { project: facts(project), query, query_id: None };
    Ok(state.engine.run(request).await?.body)
}
