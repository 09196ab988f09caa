//! The vocabulary of Aqueduct: what every other crate means by an event, an id, a time and a limit.
//!
//! In: nothing. Out: types and pure functions. No IO, no async; what can go wrong is a value.
//!
//! # Invariants
//! - Nothing here knows HTTP, SQL or a backend, or touches a file.
//! - [`RawBatch`] is what `capture` makes durable and `process` reads back; its bytes are specified in [`raw`] and versioned.
//!
//! Read next: [`raw`] (what lies in the journal), [`property`] (what a property value is), [`verdict`] (what became of an event), [`limits`].

pub mod check;
pub mod command;
pub mod distinct_id;
pub mod ids;
pub mod limits;
pub mod property;
pub mod raw;
pub mod record;
pub mod space;
pub mod sums;
pub mod time;
pub mod timestamp;
pub mod verdict;

pub use check::{Fault, FileCheck};
pub use command::{Command, CommandedChange};
pub use ids::{JournalPosition, PartitionId, PersonId, ProjectId, next_person_id_of, person_id_of};
pub use property::PropertyValue;
pub use raw::{RawBatch, RawBatchError, RawEvent, RawHead};
pub use record::{LetterId, Record};
pub use space::Space;
pub use sums::{PageDamage, PageSums};
pub use time::{Clock, ManualClock, SystemClock, UnixMicros};
pub use verdict::{Minute, Tally, TallyKey, Verdict};
