//! What `query` reads: immutable snapshots of one project's rows, as arrow columns.
//!
//! ```text
//! Snapshot ─ project ─▶ ProjectView ─ shards ─▶ [[Part]] ─ column / property ─▶ arrow arrays of the project's rows
//!                            ├─ overrides      person id → person id, chains followed
//!                            ├─ persons        PersonsTable, columns
//!                            └─ groups, distinct ids
//! ```
//!
//! All rows of a person (by the id that the rows carry) lie in one shard; within a shard each part is sorted by (person, time, uuid).
//! A reader that needs a person's rows together merges the parts of one shard, and treats persons of the override map apart.

use crate::ReadError;
use crate::layout::property_objects::PropertyObjects;
use aqueduct_event::{PersonId, ProjectId};
use arrow::array::ArrayRef;
use std::collections::HashMap;
use std::sync::Arc;

/// The fixed columns of events, with their arrow types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventColumn {
    /// `FixedSizeBinary(16)`.
    Uuid,
    /// `Dictionary(Int32, Utf8)`.
    Event,
    /// `Timestamp(Microsecond, "UTC")`.
    Timestamp,
    /// `Dictionary(Int32, Utf8)`.
    DistinctId,
    /// `Timestamp(Microsecond, "UTC")`: when it was received.
    CreatedAt,
    /// `FixedSizeBinary(16)`: the id that the row carries; overrides are not applied.
    PersonId,
    /// `Timestamp(Microsecond, "UTC")`.
    PersonCreatedAt,
    /// `Dictionary(Int32, Utf8)`, JSON object: the person's properties at the time of the event.
    PersonProperties,
    /// `UInt8`, the number of [`crate::commit::PersonMode`].
    PersonMode,
    /// `Dictionary(Int32, Utf8)`, empty text for none.
    ElementsChain,
}

/// One property over the rows of a part. Each row has a value in at most one of the arrays; no value in any means absent.
#[derive(Clone, Debug, Default)]
pub struct PropertyColumn {
    /// Text values, `Dictionary(Int32, Utf8)`.
    pub text: Option<ArrayRef>,
    /// Whole numbers, `Int64`.
    pub int: Option<ArrayRef>,
    /// Other numbers, `Float64`.
    pub float: Option<ArrayRef>,
    /// `Boolean`.
    pub bool: Option<ArrayRef>,
    /// Everything else as JSON text (`null`, arrays, objects, numbers out of range), `Dictionary(Int32, Utf8)`.
    pub json: Option<ArrayRef>,
}

/// Where each person's rows begin in a part: person `i` has rows `starts[i]..starts[i + 1]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonRuns {
    /// Person ids as carried by the rows, ascending.
    pub persons: Vec<PersonId>,
    /// One more entry than `persons`; the last one is the number of rows.
    pub starts: Vec<u32>,
}

/// Where rows lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartPlace {
    /// In memory; durable in the journal.
    Memory,
    /// In a segment.
    Segment {
        /// Name of its file.
        file: String,
    },
}

/// The rows of one project in one sorted piece of the store: a chunk in memory or a segment on disk.
pub trait Part: Send + Sync + std::fmt::Debug {
    /// Number of rows, at least 1.
    fn rows(&self) -> usize;

    /// Smallest and largest timestamp in it, µs.
    fn time_range(&self) -> (i64, i64);

    /// Where the rows lie, for people.
    fn place(&self) -> PartPlace;

    /// A fixed column, `rows()` long. Decoded once and kept within the store's cache budget.
    ///
    /// # Errors
    /// [`ReadError`] when the segment cannot be read.
    fn column(&self, column: EventColumn) -> Result<ArrayRef, ReadError>;

    /// A property's columns, each `rows()` long; `None` when no row has the property.
    ///
    /// # Errors
    /// [`ReadError`] when the segment cannot be read.
    fn property(&self, key: &str) -> Result<Option<PropertyColumn>, ReadError>;

    /// Keys of all properties that occur, in order of text.
    ///
    /// # Errors
    /// [`ReadError`] when the segment cannot be read.
    fn property_keys(&self) -> Result<Vec<String>, ReadError>;

    /// All properties of the rows `rows` (or of all rows) as JSON objects, `Utf8`: what was sent, keys in order of text.
    ///
    /// # Errors
    /// [`ReadError`] when the segment cannot be read.
    fn properties_json(&self, rows: Option<&[u32]>) -> Result<ArrayRef, ReadError>;

    /// Where persons begin.
    ///
    /// # Errors
    /// [`ReadError`] when the segment cannot be read.
    fn person_runs(&self) -> Result<Arc<PersonRuns>, ReadError>;
}

/// The whole store at one moment.
pub trait Snapshot: Send + Sync + std::fmt::Debug {
    /// One project of it; a project that has nothing gives an empty view.
    ///
    /// # Errors
    /// [`ReadError`] when state cannot be read.
    fn project(&self, project: ProjectId) -> Result<Arc<dyn ProjectView>, ReadError>;
}

/// One project at one moment.
pub trait ProjectView: Send + Sync + std::fmt::Debug {
    /// The project.
    fn project(&self) -> ProjectId;

    /// A number that changes whenever the answer to any query over this project could have changed. For caches.
    fn generation(&self) -> u64;

    /// Parts by shard. Shards are independent for everything that is per person, but for persons in [`ProjectView::overrides`].
    fn shards(&self) -> &[Vec<Arc<dyn Part>>];

    /// Merged persons: id that rows carry → id of the person that they belong to, chains already followed.
    fn overrides(&self) -> &Arc<HashMap<PersonId, PersonId>>;

    /// Persons as columns.
    ///
    /// # Errors
    /// [`ReadError`] when state cannot be read.
    fn persons(&self) -> Result<Arc<PersonsTable>, ReadError>;

    /// The properties of [`ProjectView::persons`], row by row. They are by far the largest part of persons, and most questions want none.
    ///
    /// # Errors
    /// [`ReadError`] when state cannot be read.
    fn person_properties(&self) -> Result<Arc<PropertyObjects>, ReadError>;

    /// Groups as columns; `type_index` 0 to 4.
    ///
    /// # Errors
    /// [`ReadError`] when state cannot be read.
    fn groups(&self) -> Result<Arc<GroupsTable>, ReadError>;

    /// Names of group types; the place is the index.
    fn group_types(&self) -> &[String];

    /// All (distinct id, person id, version) of the project that have a person, sorted by distinct id.
    ///
    /// # Errors
    /// [`ReadError`] when state cannot be read.
    fn distinct_ids(&self) -> Result<Arc<DistinctIdsTable>, ReadError>;
}

/// Live persons of a project, sorted by id.
#[derive(Debug)]
pub struct PersonsTable {
    /// Ids, ascending: look up with a binary search.
    pub ids: Vec<PersonId>,
    /// `Timestamp(Microsecond, "UTC")`.
    pub created_at: ArrayRef,
    /// `Timestamp(Microsecond, "UTC")`, NULL for a person whose events do not ask for it.
    pub last_seen_at: ArrayRef,
    /// `Boolean`.
    pub is_identified: ArrayRef,
    /// `Int64`.
    pub version: ArrayRef,
}

/// Groups of a project, sorted by (type index, key).
#[derive(Debug)]
pub struct GroupsTable {
    /// `UInt8`.
    pub type_index: ArrayRef,
    /// `Utf8`.
    pub key: ArrayRef,
    /// `Timestamp(Microsecond, "UTC")`.
    pub created_at: ArrayRef,
    /// `Timestamp(Microsecond, "UTC")`.
    pub updated_at: ArrayRef,
    /// JSON objects.
    pub properties: PropertyObjects,
}

/// Distinct ids of a project, sorted by text.
#[derive(Debug)]
pub struct DistinctIdsTable {
    /// `Utf8`.
    pub distinct_id: ArrayRef,
    /// The person each belongs to.
    pub person: Vec<PersonId>,
    /// `Int64`.
    pub version: ArrayRef,
}
