//! Processing: what an event means. Who did it, of which groups, with what known about them.
//!
//! In: journal records (one encoded `RawBatch` each, or a `Command`). Out: [`Commit`](aqueduct_store::Commit)s to the store: rows of events, changes of persons, distinct ids
//! and groups, and the position they came from; beside it what was learned of events and properties ([`Observed`]) and [`Warning`]s.
//!
//! # Invariants
//! - The only writer of persons and the only caller of `Store::commit`, one thread per partition.
//! - Events of one distinct id are processed in the order of arrival.
//! - A function of (state at a position, records after it): replay after a crash gives the same rows and the same state.
//! - No event stops it: what cannot be processed is kept whole as a dead letter.
//!
//! Read next: [`processor`](Processor) (the steps), `identity` (persons and merges), `person` (properties), `run` (the loop).

mod books;
mod cache;
mod commands;
mod config;
mod cookieless;
mod definitions;
mod draft;
mod duplicates;
mod elements;
mod error;
mod groups;
mod identity;
mod json;
mod keys;
pub mod letter;
mod metrics;
mod outcome;
mod outside;
mod payloads;
mod person;
mod processor;
mod properties;
mod run;
mod sanitise;
mod state;
mod trimmer;
mod warning;

pub use books::{Books, BooksArgs, BooksError};
pub use config::ProcessConfig;
pub use definitions::{Observed, ObservedProperty, PropertyKind, PropertyOwner, property_kind};
pub use error::{ProcessError, StepError};
pub use outside::{CookielessMode, Observer, Pace, ProjectFacts, Projects, VisibleBytes};
pub use processor::Processor;
pub use run::{Pipeline, PipelineArgs, Progress, Step, Stop};
pub use warning::{Warning, WarningKind};
