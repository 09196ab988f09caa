//! A project's rows of one segment, as a [`Part`]. Columns are decoded by row group, kept in the cache, and sliced.

use super::columns::{PROPERTIES_FROM, fixed_place};
use super::read::{Segment, SegmentMeta, Span};
use super::source::{ids_of, run_starts};
use crate::ReadError;
use crate::cache::{ColumnCache, Kept, What};
use crate::layout::objects::{ByRow, objects, take_apart};
use crate::layout::sparse::KeyColumn;
use crate::layout::table::id_at;
use crate::read::{EventColumn, Part, PartPlace, PersonRuns, PropertyColumn};
use aqueduct_event::PropertyValue;
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

    /// The keys of the overflow column over the span, in order of text: parsed once for all of them.
    fn overflow(&self, meta: &SegmentMeta) -> Result<Arc<Vec<KeyColumn>>, ReadError> {
        let Some(place) = Segment::overflow_place(meta) else {
            return Ok(Arc::default());
        };
        let load = || {
            let mut keys = take_apart(&self.file_column(meta, place)?);
            keys.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            Ok(Arc::new(keys))
        };
        match self.cache.get(self.id(), What::Overflow(self.span.groups.clone()), || Ok(Kept::Overflow(load()?)))? {
            Kept::Overflow(keys) => Ok(keys),
            _ => load(),
        }
    }

    /// The part's rows, counted from the first row group of the span.
    fn rows_in_span(&self) -> Range<usize> {
        self.rows.start - self.first..self.rows.end - self.first
    }

    /// The property columns proper of a key.
    fn columns_of(&self, meta: &SegmentMeta, key: &str) -> Result<Option<PropertyColumn>, ReadError> {
        let mut found = PropertyColumn::default();
        let mut any = false;
        for place in meta.layout.places(key) {
            let column = &meta.layout.columns[place];
            if column.rows[self.span.groups.clone()].iter().all(|rows| *rows == 0) {
                continue;
            }
            if let Some(array) = present(self.cut(&self.file_column(meta, PROPERTIES_FROM + place)?)) {
                found.set(column.kind.into(), array);
                any = true;
            }
        }
        Ok(any.then_some(found))
    }

    /// The ids themselves are not kept for this: they take more than all other columns of a query, and runs are all that most queries want of them.
    fn runs(&self) -> Result<PersonRuns, ReadError> {
        let place = fixed_place(EventColumn::PersonId);
        let ids = match self.cache.peek(self.id(), What::Column(place, self.span.groups.clone())) {
            Some(Kept::Array(ids)) => ids,
            _ => self.segment.decode(&*self.meta()?, place, &self.span)?,
        };
        let ids = ids_of(&self.cut(&ids));
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

/// A property of single rows.
enum Values<'a> {
    Columns(PropertyColumn),
    /// Rows are counted from this one.
    Overflow(&'a KeyColumn, usize),
}

impl ByRow for Values<'_> {
    fn value(&self, row: usize) -> Option<PropertyValue<'_>> {
        match self {
            Self::Columns(column) => column.value(row),
            Self::Overflow(column, first) => column.value(first + row),
        }
    }
}

impl Part for SegmentPart {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn time_range(&self) -> (i64, i64) {
        self.time
    }

    fn place(&self) -> PartPlace {
        PartPlace::Segment { file: self.segment.descriptor.file() }
    }

    fn column(&self, column: EventColumn) -> Result<ArrayRef, ReadError> {
        Ok(self.cut(&self.file_column(&*self.meta()?, fixed_place(column))?))
    }

    fn property(&self, key: &str) -> Result<Option<PropertyColumn>, ReadError> {
        let meta = self.meta()?;
        if !meta.layout.overflows(key) {
            return self.columns_of(&meta, key);
        }
        let keys = self.overflow(&meta)?;
        let found = keys.binary_search_by(|column| (*column.key).cmp(key));
        Ok(found.ok().and_then(|place| keys[place].column_once(&self.rows_in_span())))
    }

    fn property_keys(&self) -> Result<Vec<String>, ReadError> {
        let meta = self.meta()?;
        let whole = self.rows.len() as u64 == self.segment.descriptor.rows;
        let mut keys = BTreeSet::new();
        for column in &meta.layout.columns {
            let occurs = column.rows[self.span.groups.clone()].iter().any(|rows| *rows > 0);
            if occurs && !keys.contains(&column.key) && (whole || self.columns_of(&meta, &column.key)?.is_some()) {
                keys.insert(column.key.clone());
            }
        }
        let rows = self.rows_in_span();
        let overflow = self.overflow(&meta)?;
        keys.extend(overflow.iter().filter(|column| column.occurs_in(&rows)).map(|column| column.key.to_string()));
        Ok(keys.into_iter().collect())
    }

    fn properties_json(&self, rows: Option<&[u32]>) -> Result<ArrayRef, ReadError> {
        let meta = self.meta()?;
        let overflow = self.overflow(&meta)?;
        let mut columns: Vec<(&str, Values<'_>)> = Vec::new();
        let mut last = None;
        for column in meta.layout.columns.iter().filter(|column| last.replace(&column.key) != Some(&column.key)) {
            if let Some(found) = self.columns_of(&meta, &column.key)? {
                columns.push((&column.key, Values::Columns(found)));
            }
        }
        let span = self.rows_in_span();
        let thin = overflow.iter().filter(|column| column.occurs_in(&span));
        columns.extend(thin.map(|column| (&*column.key, Values::Overflow(column, span.start))));
        columns.sort_unstable_by_key(|(key, _)| *key);
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
