//! Insights and HogQL to rows.

mod dates;
mod engine;
mod error;
mod events_query;
mod filters;
mod functions;
pub mod hogql;
mod insights;
mod json;
mod plan;
mod resolve;
mod scan;
mod time;

pub use engine::{QueryConfig, QueryEngine, QueryRequest, QueryResponse, SnapshotSource};
pub use error::QueryError;
pub use resolve::{Definitions, ProjectFacts};
