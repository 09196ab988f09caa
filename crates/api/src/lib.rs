//! HTTP for people and programs: management, queries, live events, the web app.
//!
//! In: requests with a personal API key or a session. Out: PostHog's documents; errors as `{type, code, detail, attr}`.
//!
//! # Invariants
//! - Every handler takes a `Caller` and asks it for a scope, but for sign-in, set-up, the OpenAPI document and the files of the web app.
//! - What belongs to a project is read through that project's `ProjectView` or by its id; nothing crosses projects.
//! - A session changes something only from a page of this server.
//! - Each path answers with and without a trailing slash.
//!
//! Read next: `router.rs` (all paths), `auth.rs`, `error.rs`.

mod answer;
mod asking;
mod auth;
mod body;
pub mod bulk;
mod changing;
mod erasing;
mod error;
mod form;
mod jobs;
mod metrics;
mod old;
mod overrides;
mod page;
mod questions;
mod router;
mod routes;
mod scope;
mod state;
mod table;
mod ui;

pub use jobs::Jobs;
pub use router::{openapi, router};
pub use state::{ApiState, Inspection, Replayable, Replays, Snapshots};
