//! From the store's parts to the columns that a query names.
//!
//! In: a [`ProjectView`](aqueduct_store::ProjectView) (one project, one moment) and the columns that were resolved. Out: arrow arrays,
//! and DataFusion tables whose schema is exactly those columns.
//!
//! # Invariants
//! - Only the rows of the view's project can be reached: there is no other way in.
//! - What `properties.x`, `person.properties.x` and the like mean is computed here, from the parts' typed columns: no JSON is parsed per row.
//! - A column's value never depends on how rows are spread over parts.
//!
//! Read next: `column.rs` (what columns there are), `part.rs` (how they are computed), `program.rs` (expressions over them), `events.rs`.

mod column;
mod compact;
mod context;
mod elements;
mod events;
mod held;
mod part;
mod persons;
mod program;
mod property;
mod queries;
mod sessions;
mod tables;
mod usage;

pub(crate) use column::{GroupField, PersonField, PropertyKind, VirtualColumn};
pub(crate) use context::{ScanContext, Watch};
pub(crate) use events::{EventsTable, Top};
pub(crate) use held::Held;
pub(crate) use part::PartColumns;
pub(crate) use persons::uuids;
pub(crate) use program::{Compiled, RowProgram, RowProgramOnPart};
pub(crate) use queries::{LOG_FIELDS, LogField, log_field};
pub(crate) use sessions::{SESSION_FIELDS, SessionField};
pub(crate) use tables::{DerivedKind, DerivedTable, EmptyType, NumbersTable, TableColumn};
pub use usage::Progress;
pub(crate) use usage::Usage;
