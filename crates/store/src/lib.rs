//! The store: events, persons and groups as columns.
//!
//! In: [`Commit`]s from `process`, each with the journal position it came from. Out: [`Snapshot`]s for `query`.
//! A commit is *visible* when [`Store::commit`] returns and *durable* when [`Store::durable`] has passed its position.
//!
//! # Invariants
//! - One manifest commit makes events, persons, groups, overrides, accounts and the journal position durable together, or not at all.
//!   After a crash the store stands at that position, and `process` reads on from there: replay gives the same state.
//! - A [`Snapshot`] never changes and never blocks a commit, a flush or a compaction.
//! - Rows of a part are sorted by (project, person, time, uuid). A person's rows of one part are contiguous.
//! - The answer to a query never depends on whether rows lie in memory, in one segment or in many.
//! - Reading goes through a [`ProjectView`]: no call returns rows of another project.
//! - Properties come back exactly as they went in: type, nesting, characters, `null` against absent.
//!
//! Read next: [`commit`] (what comes in), [`read`] (what goes out), `layout` (columns and files), `conformance`.

mod account;
mod cache;
mod check;
pub mod commit;
mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod embedded;
mod error;
pub mod files;
mod layout;
mod manifest;
mod metrics;
pub mod read;
mod seen;
mod segment;

pub use account::{AccountView, Accounts, DeadLetter, Fate, LetterChange};
pub use check::{StoreCheck, check};
pub use commit::{
    Commit, DistinctIdRecord, EventRow, EventRows, GroupRecord, PersonMode, PersonOverride, PersonRecord, Withdrawal, WithdrawnTo,
};
pub use config::StoreConfig;
pub use embedded::EmbeddedStore;
pub use error::{CommitError, OpenError, ReadError};
pub use layout::property_objects::PropertyObjects;
pub use read::{
    DistinctIdsTable, EventColumn, GroupsTable, Part, PartPlace, PersonRuns, PersonsTable, ProjectView, PropertyColumn, Snapshot,
};
pub use seen::{Seen, SeenRule, SeenStats};

use aqueduct_event::{JournalPosition, LetterId, PartitionId, PersonId, ProjectId, UnixMicros};

/// Where refined events, persons and groups live: the embedded columnar store, or ClickHouse at scale.
///
/// Only `process` calls `commit`, from one thread per partition. Look-ups see everything committed, durable or not.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Where `process` starts reading `partition`: everything before this position is durable here.
    fn durable(&self, partition: PartitionId) -> JournalPosition;

    /// Makes a commit visible, all of it at once. Waits while the store cannot take more (back-pressure to the journal).
    ///
    /// # Errors
    /// [`CommitError`]; then nothing of the commit is visible and the same commit may be tried again.
    fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// Does one due piece of background work (write fresh rows out, compact, remove dead files). Answers whether there was any.
    /// The server calls this from threads of its own; the simulator calls it when it pleases.
    ///
    /// # Errors
    /// [`CommitError`]; the work stays due.
    fn work(&self) -> Result<bool, CommitError>;

    /// Makes everything committed so far durable before it returns.
    ///
    /// # Errors
    /// [`CommitError`]; what was committed stays visible and due.
    fn flush(&self) -> Result<(), CommitError>;

    /// A person by id; `None` when there is none or it was merged away or deleted.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    fn person(&self, project: ProjectId, id: PersonId) -> Result<Option<PersonRecord>, ReadError>;

    /// What is known of a distinct id.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    fn distinct_id(&self, project: ProjectId, distinct_id: &str) -> Result<Option<DistinctIdRecord>, ReadError>;

    /// All distinct ids of a person, in order of text.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    fn distinct_ids_of(&self, project: ProjectId, person: PersonId) -> Result<Vec<String>, ReadError>;

    /// A dead letter, durable or not.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    fn dead_letter(&self, project: ProjectId, id: LetterId) -> Result<Option<DeadLetter>, ReadError>;

    /// A group by type index and key.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    fn group(&self, project: ProjectId, type_index: u8, key: &str) -> Result<Option<GroupRecord>, ReadError>;

    /// Group type names of a project; the place in the list is the index (at most 5).
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    fn group_types(&self, project: ProjectId) -> Result<Vec<String>, ReadError>;

    /// By what an event is known to be one that was stored before. The same for the life of the store, but for the window, which is a setting.
    fn seen_rule(&self) -> SeenRule;

    /// For each of `events`, when the stored event was received of which it is a duplicate by the rule; `None` for a new one. One call for many events is
    /// much cheaper than many calls.
    ///
    /// # Errors
    /// [`ReadError`] when what was seen cannot be read.
    fn seen(&self, events: &[Seen]) -> Result<Vec<Option<UnixMicros>>, ReadError>;
}
