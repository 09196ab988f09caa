//! Sorted rows in columns: what a chunk in memory is, and what a merge makes.
//!
//! # Invariants
//! - Rows are sorted by (shard, project, person, time, uuid); `ranges` name the rows of each (shard, project), `runs` where persons begin.
//! - Keys are in order of text and occur.

use super::dict::Dict;
use super::sparse::{KeyColumn, dictionary_array};
use crate::read::EventColumn;
use aqueduct_event::{PersonId, ProjectId};
use arrow::array::{ArrayRef, FixedSizeBinaryArray, TimestampMicrosecondArray, UInt8Array};
use arrow::buffer::{Buffer, ScalarBuffer};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// Rows of one project in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProjectRange {
    pub(crate) shard: u16,
    pub(crate) project: ProjectId,
    pub(crate) rows: Range<usize>,
    /// Number of the newest commit that has rows in it.
    pub(crate) seq: u64,
    /// Smallest and largest timestamp, µs.
    pub(crate) time: (i64, i64),
}

/// Text of a fixed column: a code per row.
#[derive(Clone, Debug)]
pub(crate) struct TextColumn {
    pub(crate) codes: ScalarBuffer<i32>,
    pub(crate) dict: Arc<Dict>,
}

/// The fixed columns but the project, which `ranges` hold.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    /// 16 bytes per row.
    pub(crate) uuid: Buffer,
    /// 16 bytes per row.
    pub(crate) person: Buffer,
    pub(crate) timestamp: ScalarBuffer<i64>,
    pub(crate) created_at: ScalarBuffer<i64>,
    pub(crate) person_created_at: ScalarBuffer<i64>,
    pub(crate) person_mode: ScalarBuffer<u8>,
    pub(crate) event: TextColumn,
    pub(crate) distinct_id: TextColumn,
    pub(crate) person_properties: TextColumn,
    pub(crate) elements_chain: TextColumn,
}

/// Sorted rows in columns.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) fixed: Fixed,
    pub(crate) ranges: Vec<ProjectRange>,
    /// Row at which each run of rows of one (shard, project, person) begins, and the number of rows.
    pub(crate) runs: Vec<u32>,
    pub(crate) keys: Vec<KeyColumn>,
    pub(crate) bytes: usize,
    arrays: [OnceLock<ArrayRef>; 10],
}

/// The shard of a person: its id as two little-endian words, xored, multiplied by 2^64 over the golden ratio, top 16 bits, modulo the number of
/// shards. Part of the format: a store keeps the number of shards it was made with.
pub(crate) fn shard_of(person: u128, shards: u16) -> u16 {
    let (high, low) = ((person >> 64) as u64, person as u64);
    let mixed = (high.swap_bytes() ^ low.swap_bytes()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed >> 48) as u16) % shards.max(1)
}

/// The id in place `row` of a buffer of 16-byte ids, as a number that sorts like its bytes.
pub(crate) fn id_at(ids: &[u8], row: usize) -> u128 {
    let (chunks, _) = ids.as_chunks::<16>();
    u128::from_be_bytes(chunks[row])
}

impl Table {
    pub(crate) fn new(fixed: Fixed, ranges: Vec<ProjectRange>, runs: Vec<u32>, keys: Vec<KeyColumn>) -> Self {
        let texts = [&fixed.event, &fixed.distinct_id, &fixed.person_properties, &fixed.elements_chain];
        let bytes = fixed.timestamp.len() * (16 + 16 + 8 * 3 + 1 + 4 * 4)
            + runs.len() * 4
            + texts.iter().map(|text| text.dict.bytes()).sum::<usize>()
            + keys.iter().map(KeyColumn::bytes).sum::<usize>();
        Self { fixed, ranges, runs, keys, bytes, arrays: Default::default() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.fixed.timestamp.len()
    }

    pub(crate) fn person(&self, row: usize) -> PersonId {
        Uuid::from_u128(id_at(&self.fixed.person, row))
    }

    pub(crate) fn key(&self, key: &str) -> Option<&KeyColumn> {
        self.keys.binary_search_by(|column| (*column.key).cmp(key)).ok().map(|place| &self.keys[place])
    }

    /// Whether it has rows of a person.
    pub(crate) fn holds(&self, (shard, project): (u16, ProjectId), person: u128) -> bool {
        let Ok(place) = self.ranges.binary_search_by_key(&(shard, project), |range| (range.shard, range.project)) else {
            return false;
        };
        let rows = &self.ranges[place].rows;
        let first = self.runs.partition_point(|start| (*start as usize) < rows.start);
        let len = self.runs[first..].partition_point(|start| (*start as usize) < rows.end);
        self.runs[first..first + len].binary_search_by_key(&person, |start| id_at(&self.fixed.person, *start as usize)).is_ok()
    }

    /// A fixed column over all rows, as arrow.
    pub(crate) fn array(&self, column: EventColumn) -> &ArrayRef {
        self.arrays[column as usize].get_or_init(|| {
            let fixed = &self.fixed;
            match column {
                EventColumn::Uuid => ids_array(&fixed.uuid),
                EventColumn::PersonId => ids_array(&fixed.person),
                EventColumn::Timestamp => times_array(&fixed.timestamp),
                EventColumn::CreatedAt => times_array(&fixed.created_at),
                EventColumn::PersonCreatedAt => times_array(&fixed.person_created_at),
                EventColumn::PersonMode => Arc::new(UInt8Array::new(fixed.person_mode.clone(), None)),
                EventColumn::Event => text_array(&fixed.event),
                EventColumn::DistinctId => text_array(&fixed.distinct_id),
                EventColumn::PersonProperties => text_array(&fixed.person_properties),
                EventColumn::ElementsChain => text_array(&fixed.elements_chain),
            }
        })
    }
}

pub(crate) fn ids_array(ids: &Buffer) -> ArrayRef {
    Arc::new(FixedSizeBinaryArray::new(16, ids.clone(), None))
}

pub(crate) fn times_array(times: &ScalarBuffer<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::new(times.clone(), None).with_timezone("UTC"))
}

pub(crate) fn text_array(text: &TextColumn) -> ArrayRef {
    dictionary_array(text.codes.clone(), None, &text.dict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_fixed_function_of_the_person() {
        let id = Uuid::parse_str("0191c7ee-0000-7000-8000-000000000001").expect("a valid id");
        let (low, high) =
            (u64::from_le_bytes(id.as_bytes()[..8].try_into().unwrap()), u64::from_le_bytes(id.as_bytes()[8..].try_into().unwrap()));
        let expected = ((low ^ high).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) % 8;
        assert_eq!(u64::from(shard_of(id.as_u128(), 8)), expected);
        assert_eq!(shard_of(id.as_u128(), 1), 0);
    }
}
