//! The HTTP edge for SDKs: any PostHog client points here, and what it sends becomes durable before it is told so.
//!
//! In: HTTP requests. Out: one encoded `RawBatch` per request (or several, when it is large) in the journal; then the answer.
//! Also the documents and browser bundles that SDKs fetch.
//!
//! # Invariants
//! - 200 on an event route means: all events of the request are durable, or were dropped by a rule that the sender need not know.
//! - Event routes need the journal and the clock and nothing else: they work while everything behind them is down.
//! - Property objects are never parsed into trees; they stay the sender's JSON, validated once.
//! - Byte caps hold while reading and while decompressing; every wait has a deadline.
//! - No more is taken than becomes visible in time ([`Gate`]); the others are told when to come again.
//!
//! Read next: `http/routes.rs` (the table), `handle.rs` (one request), `gate/mod.rs` (admission), `decode/mod.rs` and `v0/shape.rs` (what SDKs send), `reply.rs`.

mod accepted;
mod admit;
mod append;
mod body;
mod clean;
mod config;
mod cors;
mod decode;
mod error;
mod gate;
mod handle;
mod http;
mod json;
mod let_in;
mod metrics;
pub mod offline;
mod peek;
mod records;
mod remark;
mod reply;
mod request;
mod sdk;
mod state;
mod token;
mod v0;
mod v1;

pub use self::http::router;
pub use clean::cleaned;
pub use config::CaptureConfig;
pub use gate::Gate;
pub use state::{CaptureState, ProjectFacts, ProjectLookup};
