//! What a merge into a segment reads from: chunks in memory or older segments, by rows and by column.

use super::columns::{FIXED, PROPERTIES_FROM, fixed_place};
use super::read::{Segment, SegmentMeta, Span};
use crate::ReadError;
use crate::layout::Table;
use crate::layout::dict::Dict;
use crate::layout::merge::SortColumns;
use crate::layout::sparse::{KeyColumn, Kind, Sparse, Typed};
use crate::layout::table::TextColumn;
use crate::read::EventColumn;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// A fixed column over some rows.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Ids(Buffer),
    Times(ScalarBuffer<i64>),
    Bytes(ScalarBuffer<u8>),
    Texts(TextColumn),
}

/// How often a property occurs, by type.
#[derive(Clone, Debug)]
pub(crate) struct KeyCount {
    pub(crate) key: Arc<str>,
    pub(crate) kinds: [u64; 5],
}

/// Sorted rows that a merge takes.
pub(crate) trait Source {
    /// What the merge is planned by.
    fn sort_columns(&self) -> Result<SortColumns, ReadError>;
    /// Every key that occurs.
    fn keys(&self) -> Result<Vec<KeyCount>, ReadError>;
    /// A fixed column over `rows`.
    fn fixed(&self, column: EventColumn, rows: &Range<usize>) -> Result<Piece, ReadError>;
    /// A property over `rows`, its rows counted from the first of them.
    fn property(&self, key: &str, rows: &Range<usize>) -> Result<Option<KeyColumn>, ReadError>;
}

impl Source for Arc<Table> {
    fn sort_columns(&self) -> Result<SortColumns, ReadError> {
        Ok(SortColumns::of(self))
    }

    fn keys(&self) -> Result<Vec<KeyCount>, ReadError> {
        let count = |column: &KeyColumn| {
            let mut kinds = [0; 5];
            for typed in &column.typed {
                kinds[typed.kind() as usize] = typed.len() as u64;
            }
            KeyCount { key: Arc::clone(&column.key), kinds }
        };
        Ok(self.keys.iter().map(count).collect())
    }

    fn fixed(&self, column: EventColumn, rows: &Range<usize>) -> Result<Piece, ReadError> {
        let fixed = &self.fixed;
        let ids = |ids: &Buffer| Piece::Ids(ids.slice_with_length(rows.start * 16, rows.len() * 16));
        let times = |times: &ScalarBuffer<i64>| Piece::Times(times.slice(rows.start, rows.len()));
        let texts =
            |text: &TextColumn| Piece::Texts(TextColumn { codes: text.codes.slice(rows.start, rows.len()), dict: Arc::clone(&text.dict) });
        Ok(match column {
            EventColumn::Uuid => ids(&fixed.uuid),
            EventColumn::PersonId => ids(&fixed.person),
            EventColumn::Timestamp => times(&fixed.timestamp),
            EventColumn::CreatedAt => times(&fixed.created_at),
            EventColumn::PersonCreatedAt => times(&fixed.person_created_at),
            EventColumn::PersonMode => Piece::Bytes(fixed.person_mode.slice(rows.start, rows.len())),
            EventColumn::Event => texts(&fixed.event),
            EventColumn::DistinctId => texts(&fixed.distinct_id),
            EventColumn::PersonProperties => texts(&fixed.person_properties),
            EventColumn::ElementsChain => texts(&fixed.elements_chain),
        })
    }

    fn property(&self, key: &str, rows: &Range<usize>) -> Result<Option<KeyColumn>, ReadError> {
        Ok(self.key(key).and_then(|column| column.slice(rows, self.rows())))
    }
}

/// A segment as a source. Overflow keys are parsed once per run of rows, for all keys.
#[derive(Debug)]
pub(crate) struct SegmentSource {
    segment: Arc<Segment>,
    meta: Arc<SegmentMeta>,
    overflow: Mutex<Option<(Range<usize>, Vec<KeyColumn>)>>,
}

impl SegmentSource {
    pub(crate) fn open(segment: &Arc<Segment>) -> Result<Self, ReadError> {
        Ok(Self { segment: Arc::clone(segment), meta: segment.load_meta()?, overflow: Mutex::new(None) })
    }

    fn column(&self, place: usize, rows: &Range<usize>) -> Result<ArrayRef, ReadError> {
        let (groups, first) = self.segment.descriptor.row_groups_of(rows);
        let array = self.segment.decode(&self.meta, place, &Span { groups })?;
        Ok(array.slice(rows.start - first, rows.len()))
    }

    fn overflow_key(&self, key: &str, rows: &Range<usize>) -> Result<Option<KeyColumn>, ReadError> {
        let mut kept = self.overflow.lock();
        if kept.as_ref().is_none_or(|(of, _)| of != rows) {
            let array = self.column(PROPERTIES_FROM + self.meta.layout.columns.len(), rows)?;
            *kept = Some((rows.clone(), crate::layout::objects::take_apart(&array)));
        }
        let columns = kept.as_mut().map(|(_, columns)| columns);
        Ok(columns.and_then(|columns| columns.iter().find(|column| *column.key == *key).map(KeyColumn::share)))
    }
}

impl Source for SegmentSource {
    fn sort_columns(&self) -> Result<SortColumns, ReadError> {
        let rows = 0..self.segment.descriptor.rows as usize;
        let ids = |column| Ok::<_, ReadError>(ids_of(&self.column(fixed_place(column), &rows)?));
        let person = ids(EventColumn::PersonId)?;
        let mut runs = Vec::new();
        for range in &self.segment.descriptor.ranges {
            runs.extend(run_starts(&person, &range.rows));
        }
        runs.push(rows.end as u32);
        Ok(SortColumns {
            ranges: self.segment.descriptor.ranges.clone(),
            runs,
            person,
            timestamp: times_of(&self.column(fixed_place(EventColumn::Timestamp), &rows)?),
            uuid: ids(EventColumn::Uuid)?,
        })
    }

    fn keys(&self) -> Result<Vec<KeyCount>, ReadError> {
        let mut keys: Vec<KeyCount> = Vec::new();
        for column in &self.meta.layout.columns {
            let mut kinds = [0; 5];
            kinds[Kind::from(column.kind) as usize] = column.rows.iter().sum();
            keys.push(KeyCount { key: column.key.as_str().into(), kinds });
        }
        for overflow in &self.meta.layout.overflow {
            keys.push(KeyCount { key: overflow.key.as_str().into(), kinds: overflow.kinds });
        }
        Ok(keys)
    }

    fn fixed(&self, column: EventColumn, rows: &Range<usize>) -> Result<Piece, ReadError> {
        let array = self.column(fixed_place(column), rows)?;
        Ok(match column {
            EventColumn::Uuid | EventColumn::PersonId => Piece::Ids(ids_of(&array)),
            EventColumn::PersonMode => Piece::Bytes(array.as_primitive::<UInt8Type>().values().clone()),
            EventColumn::Timestamp | EventColumn::CreatedAt | EventColumn::PersonCreatedAt => Piece::Times(times_of(&array)),
            EventColumn::Event | EventColumn::DistinctId | EventColumn::PersonProperties | EventColumn::ElementsChain => {
                let array = array.as_dictionary::<Int32Type>();
                let dict = Arc::new(Dict::from_array(array.values().as_string::<i32>()));
                Piece::Texts(TextColumn { codes: array.keys().values().clone(), dict })
            }
        })
    }

    fn property(&self, key: &str, rows: &Range<usize>) -> Result<Option<KeyColumn>, ReadError> {
        let (groups, _) = self.segment.descriptor.row_groups_of(rows);
        let mut typed: Vec<(Kind, Typed)> = Vec::new();
        for place in self.meta.layout.places(key) {
            let column = &self.meta.layout.columns[place];
            if column.rows[groups.clone()].iter().sum::<u64>() > 0 {
                let kind = Kind::from(column.kind);
                let array = self.column(PROPERTIES_FROM + place, rows)?;
                typed.push((kind, typed_of(kind, &array)));
            }
        }
        if typed.is_empty() && self.meta.layout.overflows(key) {
            return self.overflow_key(key, rows);
        }
        typed.sort_by_key(|(kind, _)| *kind);
        let typed: SmallVec<[Typed; 1]> = typed.into_iter().map(|(_, typed)| typed).filter(|typed| typed.len() > 0).collect();
        Ok((!typed.is_empty()).then(|| KeyColumn::new(key.into(), typed)))
    }
}

/// Row at which each run of equal ids begins.
pub(crate) fn run_starts(ids: &[u8], rows: &Range<usize>) -> Vec<u32> {
    let (ids, _) = ids.as_chunks::<16>();
    let mut starts = Vec::new();
    for row in rows.clone() {
        if row == rows.start || ids[row] != ids[row - 1] {
            starts.push(row as u32);
        }
    }
    starts
}

pub(crate) fn ids_of(array: &ArrayRef) -> Buffer {
    let array = array.as_fixed_size_binary();
    array.values().clone()
}

fn times_of(array: &ArrayRef) -> ScalarBuffer<i64> {
    array.as_primitive::<TimestampMicrosecondType>().values().clone()
}

/// A dense arrow column as the rows that have a value.
fn typed_of(kind: Kind, array: &ArrayRef) -> Typed {
    match kind {
        Kind::Text | Kind::Json => {
            let array = array.as_dictionary::<Int32Type>();
            let codes = sparse_of(array, array.keys().values());
            let dict = Arc::new(Dict::from_array(array.values().as_string::<i32>()));
            if kind == Kind::Text { Typed::Text(codes, dict) } else { Typed::Json(codes, dict) }
        }
        Kind::Int => Typed::Int(sparse_of(array, array.as_primitive::<Int64Type>().values())),
        Kind::Float => Typed::Float(sparse_of(array, array.as_primitive::<Float64Type>().values())),
        Kind::Bool => {
            let values: Vec<u8> = array.as_boolean().values().iter().map(u8::from).collect();
            Typed::Bool(sparse_of(array, &ScalarBuffer::from(values)))
        }
    }
}

fn sparse_of<T: ArrowNativeType>(array: &dyn Array, values: &ScalarBuffer<T>) -> Sparse<T> {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Sparse { rows: None, values: values.clone() },
        Some(nulls) => {
            let rows: Vec<u32> = nulls.valid_indices().map(|row| row as u32).collect();
            let values: Vec<T> = rows.iter().map(|row| values[*row as usize]).collect();
            Sparse { rows: Some(ScalarBuffer::from(rows)), values: ScalarBuffer::from(values) }
        }
    }
}

/// The fixed columns in file order.
pub(crate) fn fixed_columns() -> impl Iterator<Item = EventColumn> {
    FIXED.iter().map(|(column, _)| *column)
}
