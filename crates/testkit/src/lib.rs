//! The simulator: capture → journal → process → store → query in one thread, from one seed, with clients that retry and a disk that fails.
//!
//! In: a seed. Out: an [`Outcome`]: what happened, a hash of it, and the first broken promise if there is one.
//!
//! ```text
//!  clients ──HTTP in process──▶ capture ──▶ journal ──▶ process ──▶ store ──▶ query    one seed decides what acts next,
//!     ▲                            └─────▶ ledger ◀────────┴──────────┘          │      which fault comes when, and what
//!     │                                one disk below them                       │      a power cut leaves of the disk
//!     └──── what they were told ────▶ checker ◀── rows, persons, figures, answers
//! ```
//!
//! # Invariants
//! - No thread, no wall clock, no chance but the seed's: the same seed gives the same trace.
//! - The product's own code runs, put together as the binary does it (`server.rs`); what is replaced are threads (by steps), time
//!   ([`aqueduct_event::Clock`], tokio's paused clock) and files (`Disk`, `Files`).
//! - What is checked is what was promised: see `check.rs` for the list, `account.rs` for the ledger, `reader.rs` for queries, and `model.rs` for what records
//!   come to.
//!
//! Only tests use this crate. Read next: `plan.rs` (what a seed draws), `sim.rs` (the run), `check.rs`.

mod account;
mod check;
mod clients;
mod files;
mod messages;
mod model;
mod plan;
mod reader;
mod server;
mod sim;
mod tap;
mod trace;

pub use sim::{Failure, Outcome, run};
pub use trace::Counts;
