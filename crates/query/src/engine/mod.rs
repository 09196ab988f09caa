//! Running queries: from a request to an answer in PostHog's form.
//!
//! In: a [`QueryRequest`]. Out: a [`QueryResponse`] or a [`QueryError`]. Every query has a deadline, a memory limit with spilling, a row limit,
//! and an id by which it can be cancelled. The work is done on threads of the engine's own, so that accepting events does not wait for it.
//!
//! Read next: `config.rs`, `service.rs` (the engine), `admission.rs` (whose turn it is), `levels.rs` (on which threads), `run.rs` (one query), `hogql.rs` (HogQLQuery), `rows.rs` (how values are shown).

mod admission;
mod config;
mod filters;
mod hogql;
mod insight;
mod levels;
mod listed;
mod memory;
mod metadata;
mod request;
mod rows;
mod run;
mod running;
mod service;
mod session;
mod threads;

pub use config::QueryConfig;
pub(crate) use filters::{moment, moment_now, request_filters};
pub(crate) use hogql::{Timings, types};
pub(crate) use listed::Listed;
pub use request::{Answer, Ask, QueryRequest, QueryResponse, SnapshotSource, Staleness, Tolerance};
pub(crate) use rows::{iso, rows};
pub(crate) use run::Run;
pub use running::RunningQuery;
pub use service::QueryEngine;
pub(crate) use session::Executor;
