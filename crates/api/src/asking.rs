//! Queries that handlers ask for themselves.

use crate::error::ApiError;
use crate::questions::facts;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_query::{Answer, Ask, Asker, QueryRequest, Tolerance};
use serde_json::{Map, Value};

/// The answer to a query object.
pub(crate) async fn ask(state: &ApiState, project: &Project, query: Value) -> Result<Map<String, Value>, ApiError> {
    let request = QueryRequest { project: facts(project), query, query_id: None };
    Ok(state.engine.run(request).await?.body)
}

/// The answer to a query object, kept or computed: what is kept is given while computing it again would give the same.
pub(crate) async fn ask_exact(state: &ApiState, project: &Project, query: Value) -> Result<Answer, ApiError> {
    let request = QueryRequest { project: facts(project), query, query_id: None };
    Ok(state.engine.answer(Ask { request, tolerance: Tolerance::Exact, asker: Asker::default() }).await?)
}
