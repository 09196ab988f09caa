//! What the manifest keeps of a segment.
//!
//! # Descriptor, version 1 (little-endian)
//!
//! | field | type | why |
//! |---|---|---|
//! | version | u8 = 1 | an old binary refuses instead of guessing |
//! | id | u64 | names the file |
//! | shard | u32 | the shard of all rows, or 4294967295 for many |
//! | rows, bytes | u64, u64 | found and expected are compared when the store opens |
//! | file_crc, tail_crc | u32, u32 | crc32c of the whole file and of everything from `tail_offset` on |
//! | tail_offset | u64 | where the last page ends |
//! | text_bytes | u64 | bytes of the dictionaries of the column that has most, decoded (files written by earlier versions: of all columns): bounds what a compaction takes on |
//! | row groups | u32 count, then u64 rows each | |
//! | columns | u32 | column chunks of a row group |
//! | chunks | per row group and column: u64 offset, u64 length, u32 crc32c | checked before decoding |
//! | ranges | u32 count, then per range: u16 shard, u32 project, u64 from, u64 to, u64 seq, i64 first µs, i64 last µs | rows of each project |

use crate::layout::table::ProjectRange;
use aqueduct_event::ProjectId;
use std::ops::Range;

const VERSION: u8 = 1;
const MANY_SHARDS: u32 = u32::MAX;

/// A column chunk: where it lies and what its bytes sum up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
}

/// One segment, as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) id: u64,
    /// `None`: rows of many shards.
    pub(crate) shard: Option<u16>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) file_crc: u32,
    pub(crate) tail_offset: u64,
    pub(crate) tail_crc: u32,
    pub(crate) text_bytes: u64,
    /// Rows of each row group.
    pub(crate) row_groups: Vec<u64>,
    pub(crate) columns: u32,
    /// Row group by row group.
    pub(crate) chunks: Vec<ChunkRef>,
    pub(crate) ranges: Vec<ProjectRange>,
}

impl Descriptor {
    /// Name of the segment's file.
    pub(crate) fn file(&self) -> String {
        file_name(self.id)
    }

    /// The column chunk of a row group.
    pub(crate) fn chunk(&self, row_group: usize, column: usize) -> Option<ChunkRef> {
        self.chunks.get(row_group * self.columns as usize + column).copied()
    }

    /// The row groups that hold `rows`, and the row at which the first of them begins.
    pub(crate) fn row_groups_of(&self, rows: &Range<usize>) -> (Range<usize>, usize) {
        let (mut start, mut first, mut first_row) = (0, None, 0);
        for (group, len) in self.row_groups.iter().enumerate() {
            let end = start + *len as usize;
            if first.is_none() && rows.start < end {
                (first, first_row) = (Some(group), start);
            }
            if rows.end <= end {
                return (first.unwrap_or(group)..group + 1, first_row);
            }
            start = end;
        }
        (first.unwrap_or(0)..self.row_groups.len(), first_row)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.shard.map_or(MANY_SHARDS, u32::from).to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.file_crc.to_le_bytes());
        out.extend_from_slice(&self.tail_crc.to_le_bytes());
        out.extend_from_slice(&self.tail_offset.to_le_bytes());
        out.extend_from_slice(&self.text_bytes.to_le_bytes());
        out.extend_from_slice(&(self.row_groups.len() as u32).to_le_bytes());
        for rows in &self.row_groups {
            out.extend_from_slice(&rows.to_le_bytes());
        }
        out.extend_from_slice(&self.columns.to_le_bytes());
        for chunk in &self.chunks {
            out.extend_from_slice(&chunk.offset.to_le_bytes());
            out.extend_from_slice(&chunk.len.to_le_bytes());
            out.extend_from_slice(&chunk.crc.to_le_bytes());
        }
        out.extend_from_slice(&(self.ranges.len() as u32).to_le_bytes());
        for range in &self.ranges {
            out.extend_from_slice(&range.shard.to_le_bytes());
            out.extend_from_slice(&range.project.0.to_le_bytes());
            out.extend_from_slice(&(range.rows.start as u64).to_le_bytes());
            out.extend_from_slice(&(range.rows.end as u64).to_le_bytes());
            out.extend_from_slice(&range.seq.to_le_bytes());
            out.extend_from_slice(&range.time.0.to_le_bytes());
            out.extend_from_slice(&range.time.1.to_le_bytes());
        }
        out
    }

    /// `None` when `bytes` are not one descriptor of version 1.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = LittleEndian(bytes);
        if reader.take::<1>()? != [VERSION] {
            return None;
        }
        let (id, shard, rows, bytes) = (reader.u64()?, reader.u32()?, reader.u64()?, reader.u64()?);
        let (file_crc, tail_crc, tail_offset, text_bytes) = (reader.u32()?, reader.u32()?, reader.u64()?, reader.u64()?);
        let groups = reader.u32()?;
        let row_groups: Vec<u64> = (0..groups).map(|_| reader.u64()).collect::<Option<_>>()?;
        let columns = reader.u32()?;
        let chunks = (0..u64::from(groups) * u64::from(columns))
            .map(|_| Some(ChunkRef { offset: reader.u64()?, len: reader.u64()?, crc: reader.u32()? }))
            .collect::<Option<_>>()?;
        let count = reader.u32()?;
        let ranges = (0..count).map(|_| reader.range()).collect::<Option<_>>()?;
        let shard = if shard == MANY_SHARDS { None } else { Some(u16::try_from(shard).ok()?) };
        let made = Self { id, shard, rows, bytes, file_crc, tail_offset, tail_crc, text_bytes, row_groups, columns, chunks, ranges };
        reader.0.is_empty().then_some(made)
    }
}

/// Name of the file of segment `id`.
pub(crate) fn file_name(id: u64) -> String {
    format!("{id:016x}.parquet")
}

/// Whether a name is one that [`file_name`] gives.
pub(crate) fn is_file_name(name: &str) -> bool {
    name.strip_suffix(".parquet").and_then(|id| u64::from_str_radix(id, 16).ok()).is_some_and(|id| file_name(id) == name)
}

struct LittleEndian<'a>(&'a [u8]);

impl LittleEndian<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn range(&mut self) -> Option<ProjectRange> {
        let shard = u16::from_le_bytes(self.take()?);
        let project = ProjectId(self.u32()?);
        let rows = usize::try_from(self.u64()?).ok()?..usize::try_from(self.u64()?).ok()?;
        let seq = self.u64()?;
        let time = (i64::from_le_bytes(self.take()?), i64::from_le_bytes(self.take()?));
        Some(ProjectRange { shard, project, rows, seq, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            id: 7,
            shard: Some(3),
            rows: 30,
            bytes: 100,
            file_crc: 1,
            tail_offset: 90,
            tail_crc: 2,
            text_bytes: 5,
            row_groups: vec![10, 20],
            columns: 1,
            chunks: vec![ChunkRef { offset: 4, len: 40, crc: 9 }, ChunkRef { offset: 44, len: 46, crc: 8 }],
            ranges: vec![ProjectRange { shard: 3, project: ProjectId(1), rows: 0..30, seq: 12, time: (-5, 5) }],
        }
    }

    #[test]
    fn comes_back_as_it_went_in() {
        let bytes = descriptor().encode();
        assert_eq!(Descriptor::decode(&bytes), Some(descriptor()));
        assert!((0..bytes.len()).all(|cut| Descriptor::decode(&bytes[..cut]).is_none()));
    }

    #[test]
    fn names_of_files() {
        assert!(is_file_name(&file_name(u64::MAX)) && is_file_name("00000000000000ff.parquet"));
        assert!(["ff.parquet", "export.parquet", "00000000000000FF.parquet", "00000000000000ff"].iter().all(|name| !is_file_name(name)));
    }

    #[test]
    fn row_groups_of_a_range() {
        let descriptor = descriptor();
        assert_eq!(descriptor.row_groups_of(&(0..10)), (0..1, 0));
        assert_eq!(descriptor.row_groups_of(&(9..11)), (0..2, 0));
        assert_eq!(descriptor.row_groups_of(&(10..30)), (1..2, 10));
        assert_eq!(descriptor.row_groups_of(&(0..30)), (0..2, 0));
    }
}
