//! Columns in memory: how rows become columns, how columns are sorted and merged, and how they are read.
//!
//! ```text
//! EventRows ─ builder ─▶ (arrival order) ─ sort ─▶ Table ─ merge ─▶ Table … ─ segment::write ─▶ Parquet
//!                                                    └─ part ─▶ arrow arrays
//! ```
//!
//! A property is kept per type as the rows that have it and their values ([`sparse`]); text is a code into a dictionary ([`dict`]).

pub(crate) mod builder;
pub(crate) mod dict;
pub(crate) mod gather;
pub(crate) mod json;
pub(crate) mod living;
pub(crate) mod merge;
pub(crate) mod objects;
pub(crate) mod part;
pub(crate) mod property_objects;
pub(crate) mod sort;
pub(crate) mod sparse;
pub(crate) mod table;

pub(crate) use merge::{merge_tables, merge_tables_without};
pub(crate) use sort::sorted;
pub(crate) use table::Table;
