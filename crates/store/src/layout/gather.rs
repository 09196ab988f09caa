//! Moves column values from sorted sources to their place in an output: the one primitive of sorting a commit, merging chunks, flushing and
//! compacting.
//!
//! In: per source the rows to take and where they go ([`Plan`]). Out: columns. Texts are mapped dictionary by dictionary; a text is hashed at
//! most once in its life.

use super::dict::{Dict, DictBuilder, Remap};
use super::sparse::{KeyColumn, Kind, Sparse, Typed};
use super::table::TextColumn;
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::ArrowNativeType;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A run of rows of one source, in output order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) source: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Which rows of which sources make the output, in order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) slices: Vec<Slice>,
    /// Rows of each source, taken or not.
    pub(crate) source_rows: Vec<usize>,
    pub(crate) rows: usize,
    places: OnceLock<Vec<Vec<u32>>>,
}

const NOWHERE: u32 = u32::MAX;

impl Plan {
    pub(crate) fn new(slices: Vec<Slice>, source_rows: Vec<usize>) -> Self {
        let rows = slices.iter().map(|slice| (slice.to - slice.from) as usize).sum();
        Self { slices, source_rows, rows, places: OnceLock::new() }
    }

    /// The slices that make some output rows.
    pub(crate) fn slices_of(&self, rows: &Range<usize>) -> Vec<Slice> {
        let mut slices = Vec::new();
        let mut at = 0;
        for slice in &self.slices {
            let end = at + (slice.to - slice.from) as usize;
            if end > rows.start && at < rows.end {
                let skipped = rows.start.saturating_sub(at) as u32;
                let cut = end.saturating_sub(rows.end) as u32;
                slices.push(Slice { source: slice.source, from: slice.from + skipped, to: slice.to - cut });
            }
            at = end;
            if at >= rows.end {
                break;
            }
        }
        slices
    }

    /// Output row of every row of every source.
    fn places(&self) -> &[Vec<u32>] {
        self.places.get_or_init(|| {
            let mut places: Vec<Vec<u32>> = self.source_rows.iter().map(|rows| vec![NOWHERE; *rows]).collect();
            let mut at = 0;
            for slice in &self.slices {
                for place in &mut places[slice.source as usize][slice.from as usize..slice.to as usize] {
                    *place = at;
                    at += 1;
                }
            }
            places
        })
    }

    /// A fixed column of plain values.
    pub(crate) fn values<T: ArrowNativeType>(&self, sources: &[&[T]]) -> ScalarBuffer<T> {
        let mut out: Vec<T> = Vec::with_capacity(self.rows);
        for slice in &self.slices {
            let source = sources[slice.source as usize];
            match slice.to - slice.from {
                1 => out.push(source[slice.from as usize]),
                _ => out.extend_from_slice(&source[slice.from as usize..slice.to as usize]),
            }
        }
        ScalarBuffer::from(out)
    }

    /// A fixed column of 16-byte ids.
    pub(crate) fn ids(&self, sources: &[&[u8]]) -> Buffer {
        let mut out: Vec<u8> = Vec::with_capacity(self.rows * 16);
        for slice in &self.slices {
            out.extend_from_slice(&sources[slice.source as usize][slice.from as usize * 16..slice.to as usize * 16]);
        }
        Buffer::from_vec(out)
    }

    /// A fixed column of text.
    pub(crate) fn texts(&self, sources: &[(&[i32], &Dict)]) -> TextColumn {
        let mut dict = DictBuilder::default();
        let mut remaps: Vec<Remap<'_>> = sources.iter().map(|(_, dict)| Remap::new(dict)).collect();
        let mut codes: Vec<i32> = Vec::with_capacity(self.rows);
        for slice in &self.slices {
            let remap = &mut remaps[slice.source as usize];
            for code in &sources[slice.source as usize].0[slice.from as usize..slice.to as usize] {
                codes.push(remap.code(*code, &mut dict));
            }
        }
        TextColumn { codes: ScalarBuffer::from(codes), dict: Arc::new(dict.finish()) }
    }

    /// A property: `sources[i]` is its column in source `i`. `None` when no taken row has it.
    pub(crate) fn key(&self, key: &Arc<str>, sources: &[Option<&KeyColumn>]) -> Option<KeyColumn> {
        let mut typed: SmallVec<[Typed; 1]> = SmallVec::new();
        for kind in Kind::ALL {
            let parts: Vec<(usize, &Typed)> = sources
                .iter()
                .enumerate()
                .filter_map(|(source, column)| Some((source, column.as_ref()?.typed.iter().find(|typed| typed.kind() == kind)?)))
                .collect();
            if !parts.is_empty() {
                typed.extend(self.typed(kind, &parts));
            }
        }
        (!typed.is_empty()).then(|| KeyColumn::new(Arc::clone(key), typed))
    }

    fn typed(&self, kind: Kind, parts: &[(usize, &Typed)]) -> Option<Typed> {
        let made = match kind {
            Kind::Text | Kind::Json => {
                let mut dict = DictBuilder::default();
                let mut remaps: Vec<Remap<'_>> = parts.iter().filter_map(|(_, typed)| Some(Remap::new(typed.texts()?.1))).collect();
                let columns: Vec<_> = parts.iter().filter_map(|(source, typed)| Some((*source, typed.texts()?.0))).collect();
                let codes = self.sparse(&columns, |part, code| remaps[part].code(code, &mut dict));
                let dict = Arc::new(dict.finish());
                if kind == Kind::Text { Typed::Text(codes, dict) } else { Typed::Json(codes, dict) }
            }
            Kind::Int => Typed::Int(self.sparse(&columns(parts, Typed::ints), |_, value| value)),
            Kind::Float => Typed::Float(self.sparse(&columns(parts, Typed::floats), |_, value| value)),
            Kind::Bool => Typed::Bool(self.sparse(&columns(parts, Typed::bools), |_, value| value)),
        };
        (made.len() > 0).then_some(made)
    }

    /// A sparse column of the only source.
    pub(crate) fn sparse_of_one<T: ArrowNativeType>(&self, column: &Sparse<T>) -> Sparse<T> {
        self.sparse(&[(0, column)], |_, value| value)
    }

    /// Values to their places, rows ascending.
    fn sparse<T: ArrowNativeType>(&self, parts: &[(usize, &Sparse<T>)], mut map: impl FnMut(usize, T) -> T) -> Sparse<T> {
        let count: usize = parts.iter().map(|(_, column)| column.values.len()).sum();
        let places = self.places();
        if count >= self.rows / 4 {
            let mut values = vec![T::default(); self.rows];
            let mut present = vec![false; self.rows];
            for (part, (source, column)) in parts.iter().enumerate() {
                for_each_place(column, &places[*source], |place, value| {
                    values[place as usize] = map(part, value);
                    present[place as usize] = true;
                });
            }
            return compact(values, &present);
        }
        let mut pairs: Vec<(u32, T)> = Vec::with_capacity(count);
        for (part, (source, column)) in parts.iter().enumerate() {
            for_each_place(column, &places[*source], |place, value| pairs.push((place, map(part, value))));
        }
        pairs.sort_unstable_by_key(|(place, _)| *place);
        let (rows, values) = pairs.into_iter().unzip();
        Sparse::new(rows, values, self.rows)
    }
}

fn columns<'a, T: ArrowNativeType>(
    parts: &[(usize, &'a Typed)],
    column: impl Fn(&'a Typed) -> Option<&'a Sparse<T>>,
) -> Vec<(usize, &'a Sparse<T>)> {
    parts.iter().filter_map(|(source, typed)| Some((*source, column(typed)?))).collect()
}

fn for_each_place<T: ArrowNativeType>(column: &Sparse<T>, places: &[u32], mut visit: impl FnMut(u32, T)) {
    match &column.rows {
        None => {
            for (value, place) in column.values.iter().zip(places) {
                if *place != NOWHERE {
                    visit(*place, *value);
                }
            }
        }
        Some(rows) => {
            for (value, row) in column.values.iter().zip(rows.iter()) {
                let place = places[*row as usize];
                if place != NOWHERE {
                    visit(place, *value);
                }
            }
        }
    }
}

/// Drops the places without a value.
fn compact<T: ArrowNativeType>(mut values: Vec<T>, present: &[bool]) -> Sparse<T> {
    let mut rows = Vec::new();
    if !present.iter().all(|present| *present) {
        let mut kept = 0;
        for (row, present) in present.iter().enumerate() {
            if *present {
                values[kept] = values[row];
                rows.push(row as u32);
                kept += 1;
            }
        }
        values.truncate(kept);
        values.shrink_to_fit();
        return Sparse { rows: Some(ScalarBuffer::from(rows)), values: ScalarBuffer::from(values) };
    }
    Sparse { rows: None, values: ScalarBuffer::from(values) }
}
