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
mod counts;
mod elements;
mod events;
mod held;
pub(crate) mod parallel;
mod part;
mod people;
mod persons;
mod program;
mod property;
mod queries;
mod sessions;
mod tables;
mod usage;
mod values;

use crate::error::QueryError;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::TableProvider;
use datafusion::physical_plan::streaming::PartitionStream;
use std::sync::Arc;

pub(crate) use column::{GroupField, PersonField, PropertyKind, VirtualColumn};
pub(crate) use context::{ScanContext, Watch};
pub(crate) use counts::{Count, CountsTable};
pub(crate) use events::{EventsTable, Top, can_run_here};
pub(crate) use held::Held;
pub(crate) use part::PartColumns;
pub(crate) use people::{
    Absorb, ActorRows, Kept, Merged, Owned, Pace, Piece, over_persons, runs_among, side_by_side, walk_merged, walk_shard,
};
pub(crate) use persons::uuids;
pub(crate) use program::{Compiled, EVER, RowProgram, RowProgramOnPart};
pub(crate) use queries::{LOG_FIELDS, LogField, log_field};
pub(crate) use sessions::{SESSION_FIELDS, SessionField};
pub(crate) use tables::{DerivedKind, DerivedTable, EmptyType, NumbersTable, TableColumn};
pub use usage::Progress;
pub(crate) use usage::Usage;
pub(crate) use values::{RowValues, within};

/// A table of rows that are made as they are read.
pub(crate) fn streamed(rows: impl PartitionStream + 'static) -> Result<Arc<dyn TableProvider>, QueryError> {
    let schema = Arc::clone(rows.schema());
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(rows)])?))
}
