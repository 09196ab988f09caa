//! Where is my event? And proof that none is missing.
//!
//! In: the journal, the store with its accounts, and what the recorder kept. Out: [`Trace`], the way of one event or of one sender, with the reason where it ended
//! and what to do; and [`Audit`](audit::Audit), the comparison of what was accepted with what became of it, by sets of events.
//!
//! # Invariants
//! - Reads only; nothing here changes what becomes of an event.
//! - Bounded: rows, bytes of the journal and time that a trace may take are limits, and an answer says whether they were reached.
//!
//! Read next: `tracer.rs` (the order of looking), `model.rs` (the answer), `audit/mod.rs`.

mod assemble;
pub mod audit;
mod error;
mod hints;
mod model;
mod rows;
mod scan;
mod text;
mod tracer;

pub use error::TraceError;
pub use model::{
    AskedBy, EventWarning, Hint, HintKind, JournalPlace, PersonPlace, Received, Searched, Stage, StageName, StorePlace, TimeMoved, Trace,
    TracedEvent,
};
pub use tracer::{Limits, Projects, Tracer, TracerArgs};
