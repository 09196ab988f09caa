//! A project's rows of one segment, as a [`Part`]. Columns are decoded by row group, kept in the cache, and sliced.

use super::columns::{PROPERTIES_FROM, fixed_place};
use super::read::{Segment, SegmentMeta, Span};
use super::source::{ids_of, run_starts};
use crate::ReadError;
use crate::cache::{ColumnCache, Kept, What};
use crate::layout::objects::{objects, take_out_of};
use crate::layout::sparse::Kind;
use crate::layout::table::id_at;
use crate::read::{EventColumn, Part, PersonRuns, PropertyColumn};
use arrow::array::{Array, ArrayRef};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// Rows of one project and shard of a segment.
#[derive(Debug)]
pub(crate) struct SegmentPart {
    segment: Arc<Segment>,
    cache: Arc<ColumnCache>,
    rows: Range<usize>,
    time: (i64, i64),
    span: Span,
    /// First row of the first row group.
    first: usize,
}

impl SegmentPart {
    /// The part of range `place` of the segment's ranges.
    pub(crate) fn new(segment: &Arc<Segment>, cache: &Arc<ColumnCache>, place: usize) -> Self {
        let range = &segment.descriptor.ranges[place];
        let (groups, first) = segment.descriptor.row_groups_of(&range.rows);
        let (segment, cache) = (Arc::clone(segment), Arc::clone(cache));
        Self { segment, cache, rows: range.rows.clone(), time: range.time, span: Span { groups }, first }
    }

    fn id(&self) -> u64 {
        self.segment.descriptor.id
    }

    fn meta(&self) -> Result<Arc<SegmentMeta>, ReadError> {
        match self.cache.get(self.id(), What::Meta, || Ok(Kept::Meta(self.segment.load_meta()?)))? {
            Kept::Meta(meta) => Ok(meta),
            _ => self.segment.load_meta(),
        }
    }

    /// The rows of the part, out of an array over the row groups of the span.
    fn cut(&self, array: &ArrayRef) -> ArrayRef {
        array.slice(self.rows.start - self.first, self.rows.len())
    }

    fn file_column(&self, meta: &SegmentMeta, place: usize) -> Result<ArrayRef, ReadError> {
        let load = || {
            tracing::trace!(segment = self.id(), column = Segment::column_name(meta, place), "decode");
            crate::metrics::column_decoded();
            self.segment.decode(meta, place, &self.span)
        };
        let kept = self.cache.get(self.id(), What::Column(place, self.span.groups.clone()), || Ok(Kept::Array(load()?)))?;
        match kept {
            Kept::Array(array) => Ok(array),
            _ => load(),
        }
    }

    fn overflow(&self, meta: &SegmentMeta, key: &str) -> Result<Option<PropertyColumn>, ReadError> {
        let Some(place) = Segment::overflow_place(meta) else {
            return Ok(None);
        };
        let load = || Ok(take_out_of(key, &self.file_column(meta, place)?));
        let what = What::Overflow(key.into(), self.span.groups.clone());
        match self.cache.get(self.id(), what, || Ok(Kept::Property(load()?)))? {
            Kept::Property(column) => Ok(column),
            _ => load(),
        }
    }

    fn runs(&self) -> Result<PersonRuns, ReadError> {
        let ids = ids_of(&self.column(EventColumn::PersonId)?);
        let mut starts = run_starts(&ids, &(0..self.rows.len()));
        let persons = starts.iter().map(|start| Uuid::from_u128(id_at(&ids, *start as usize))).collect();
        starts.push(self.rows.len() as u32);
        Ok(PersonRuns { persons, starts })
    }
}

/// Leaves out what has no value in the part.
fn present(array: ArrayRef) -> Option<ArrayRef> {
    (array.null_count() < array.len()).then_some(array)
}

impl Part for SegmentPart {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn time_range(&self) -> (i64, i64) {
        self.time
    }

    fn column(&self, column: EventColumn) -> Result<ArrayRef, ReadError> {
        Ok(self.cut(&self.file_column(&*self.meta()?, fixed_place(column))?))
    }

    fn property(&self, key: &str) -> Result<Option<PropertyColumn>, ReadError> {
        let meta = self.meta()?;
        let mut found = PropertyColumn::default();
        for place in meta.layout.places(key) {
            let column = &meta.layout.columns[place];
            if column.rows[self.span.groups.clone()].iter().all(|rows| *rows == 0) {
                continue;
            }
            if let Some(array) = present(self.cut(&self.file_column(&meta, PROPERTIES_FROM + place)?)) {
                found.set(column.kind.into(), array);
            }
        }
        if meta.layout.overflows(key)
            && let Some(column) = self.overflow(&meta, key)?
        {
            for kind in Kind::ALL {
                if let Some(array) = column.get(kind).and_then(|array| present(self.cut(array))) {
                    found.set(kind, array);
                }
            }
        }
        Ok(Kind::ALL.iter().any(|kind| found.get(*kind).is_some()).then_some(found))
    }

    fn property_keys(&self) -> Result<Vec<String>, ReadError> {
        let meta = self.meta()?;
        let whole = self.rows.len() as u64 == self.segment.descriptor.rows;
        let mut keys = BTreeSet::new();
        for column in &meta.layout.columns {
            let occurs = column.rows[self.span.groups.clone()].iter().any(|rows| *rows > 0);
            if occurs && !keys.contains(column.key.as_str()) && (whole || self.property(&column.key)?.is_some()) {
                keys.insert(column.key.as_str());
            }
        }
        for overflow in &meta.layout.overflow {
            if self.property(&overflow.key)?.is_some() {
                keys.insert(&overflow.key);
            }
        }
        Ok(keys.into_iter().map(str::to_owned).collect())
    }

    fn properties_json(&self, rows: Option<&[u32]>) -> Result<ArrayRef, ReadError> {
        let mut columns: Vec<(String, PropertyColumn)> = Vec::new();
        for key in self.property_keys()? {
            if let Some(column) = self.property(&key)? {
                columns.push((key, column));
            }
        }
        let columns: Vec<(&str, PropertyColumn)> = columns.iter().map(|(key, column)| (key.as_str(), column.clone())).collect();
        Ok(match rows {
            None => objects(0..self.rows.len(), &columns),
            Some(rows) => objects(rows.iter().map(|row| *row as usize), &columns),
        })
    }

    fn person_runs(&self) -> Result<Arc<PersonRuns>, ReadError> {
        let load = || Ok(Arc::new(self.runs()?));
        match self.cache.get(self.id(), What::Runs(self.rows.clone()), || Ok(Kept::Runs(load()?)))? {
            Kept::Runs(runs) => Ok(runs),
            _ => load(),
        }
    }
}
