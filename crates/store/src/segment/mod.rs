//! Segments: sorted rows at rest, one Parquet file each.
//!
//! A segment is written once, from the merge of chunks or of older segments, and never changed. The layout is plain Parquet and documented in
//! `docs/src/reference/storage.md`; what plain Parquet does not say lies in the file's metadata under the key `aqueduct` ([`layout`]) and in
//! the manifest ([`descriptor`]).
//!
//! # Invariants
//! - Every column chunk and the tail (indexes, bloom filters, footer) have a checksum in the manifest, which is checked before a byte of it is
//!   decoded. Damage is [`crate::ReadError::Damaged`], never an answer.
//! - A row group never spans shards, unless the segment is small.

pub(crate) mod columns;
pub(crate) mod descriptor;
pub(crate) mod layout;
pub(crate) mod part;
pub(crate) mod read;
pub(crate) mod source;
pub(crate) mod write;

pub(crate) use descriptor::Descriptor;
pub(crate) use read::Segment;
