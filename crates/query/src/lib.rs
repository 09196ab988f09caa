//! Insights and HogQL to rows.
//!
//! In: PostHog's query objects ([`QueryRequest`]) and snapshots of the store. Out: PostHog's answers ([`QueryResponse`]).
//!
//! ```text
//! text ─ hogql ─▶ tree ─ resolve ─▶ expressions over virtual columns ─ plan ─▶ DataFusion ─ engine ─▶ rows
//!                  ▲                                └───────────── insights (operators of ours) ──────▲
//! insights, filters, dates build trees too                          scan: parts of the store as arrow columns
//! ```
//!
//! # Invariants
//! - A query sees one `ProjectView`: rows of another project cannot be named, as they are not there.
//! - Nothing of a user's text becomes text of another language: plans are built from trees.
//! - An answer never depends on how rows are spread over memory and segments.
//! - Every query has a deadline, a memory limit and a row limit, and can be cancelled.
//!
//! Read next: `scan/` (columns), `resolve/` (names), `plan/` (clauses), `engine/` (running), `insights/`.

mod actions;
mod actors;
mod bots;
mod cache;
mod channel;
mod cleaning;
mod cohorts;
mod dates;
mod elements;
mod engine;
mod error;
mod events_query;
mod filters;
mod functions;
mod groups_query;
pub mod hogql;
mod insights;
mod json;
mod log;
mod metrics;
mod plan;
mod resolve;
mod scan;
mod sessions_query;
mod sessions_timeline;
mod system;
mod time;

pub use cohorts::cohort_references;
pub use engine::{Answer, Ask, QueryConfig, QueryEngine, QueryRequest, QueryResponse, RunningQuery, SnapshotSource, Staleness, Tolerance};
pub use error::QueryError;
pub use log::{Asker, LogEntry, Outcome};
pub use resolve::{Definitions, ProjectFacts};
pub use scan::Progress;
