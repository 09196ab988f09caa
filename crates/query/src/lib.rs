//! Insights and HogQL to rows.

mod engine;
mod error;
pub mod hogql;
mod json;
mod plan;
mod resolve;
mod scan;
mod time;

pub use engine::{QueryConfig, QueryEngine, QueryRequest, QueryResponse, SnapshotSource};
pub use error::QueryError;
pub use resolve::{Definitions, ProjectFacts};
