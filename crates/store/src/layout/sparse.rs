//! Values of one type of one property over the rows that have one.
//!
//! # Invariants
//! - Rows are ascending and distinct.
//! - A column that every row has keeps no row numbers, and its values are arrow buffers as they stand.

use super::dict::Dict;
use crate::read::PropertyColumn;
use aqueduct_event::PropertyValue;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Values with the rows that have them.
#[derive(Clone, Debug)]
pub(crate) struct Sparse<T: ArrowNativeType> {
    /// `None`: every row has a value.
    pub(crate) rows: Option<ScalarBuffer<u32>>,
    pub(crate) values: ScalarBuffer<T>,
}

impl<T: ArrowNativeType> Sparse<T> {
    /// `rows` is dropped when it is all of `0..table_rows`.
    pub(crate) fn new(rows: Vec<u32>, values: Vec<T>, table_rows: usize) -> Self {
        let rows = (rows.len() != table_rows).then(|| ScalarBuffer::from(rows));
        Self { rows, values: ScalarBuffer::from(values) }
    }

    /// Places in `values` that belong to rows of `range`.
    pub(crate) fn span(&self, range: &Range<usize>) -> Range<usize> {
        match &self.rows {
            None => range.clone(),
            Some(rows) => {
                let start = rows.partition_point(|row| (*row as usize) < range.start);
                let len = rows[start..].partition_point(|row| (*row as usize) < range.end);
                start..start + len
            }
        }
    }

    /// Place in `values` of the value of `row`.
    fn place(&self, row: usize) -> Option<usize> {
        match &self.rows {
            None => Some(row),
            Some(rows) => rows.binary_search(&(row as u32)).ok(),
        }
    }

    fn bytes(&self) -> usize {
        self.rows.as_ref().map_or(0, |rows| rows.len() * 4) + self.values.len() * size_of::<T>()
    }

    /// The values of `range`, their rows counted from its start.
    fn slice(&self, range: &Range<usize>) -> Self {
        let span = self.span(range);
        let values = self.values.slice(span.start, span.len());
        let Some(rows) = &self.rows else {
            return Self { rows: None, values };
        };
        let rows: Vec<u32> = rows[span].iter().map(|row| row - range.start as u32).collect();
        let rows = (rows.len() != range.len()).then(|| ScalarBuffer::from(rows));
        Self { rows, values }
    }

    /// As long as `range`, with nulls where there is no value; `None` when there is no value at all.
    fn dense(&self, range: &Range<usize>) -> Option<(ScalarBuffer<T>, Option<NullBuffer>)> {
        let span = self.span(range);
        if span.is_empty() {
            return None;
        }
        let Some(rows) = &self.rows else {
            return Some((self.values.slice(range.start, range.len()), None));
        };
        let mut values = vec![T::default(); range.len()];
        let mut present = vec![false; range.len()];
        for place in span {
            let at = rows[place] as usize - range.start;
            values[at] = self.values[place];
            present[at] = true;
        }
        Some((ScalarBuffer::from(values), Some(NullBuffer::from(present))))
    }
}

/// A typed column of a property.
#[derive(Clone, Debug)]
pub(crate) enum Typed {
    Text(Sparse<i32>, Arc<Dict>),
    Int(Sparse<i64>),
    Float(Sparse<f64>),
    Bool(Sparse<u8>),
    Json(Sparse<i32>, Arc<Dict>),
}

/// The type of a column, in the order in which they are kept and tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Json,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Text, Self::Int, Self::Float, Self::Bool, Self::Json];
}

impl Typed {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Text(..) => Kind::Text,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Bool(_) => Kind::Bool,
            Self::Json(..) => Kind::Json,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(values, _) | Self::Json(values, _) => values.values.len(),
            Self::Int(values) => values.values.len(),
            Self::Float(values) => values.values.len(),
            Self::Bool(values) => values.values.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(values, dict) | Self::Json(values, dict) => values.bytes() + dict.bytes(),
            Self::Int(values) => values.bytes(),
            Self::Float(values) => values.bytes(),
            Self::Bool(values) => values.bytes(),
        }
    }

    fn slice(&self, range: &Range<usize>) -> Self {
        match self {
            Self::Text(values, dict) => Self::Text(values.slice(range), Arc::clone(dict)),
            Self::Int(values) => Self::Int(values.slice(range)),
            Self::Float(values) => Self::Float(values.slice(range)),
            Self::Bool(values) => Self::Bool(values.slice(range)),
            Self::Json(values, dict) => Self::Json(values.slice(range), Arc::clone(dict)),
        }
    }

    fn occurs_in(&self, range: &Range<usize>) -> bool {
        !match self {
            Self::Text(values, _) | Self::Json(values, _) => values.span(range),
            Self::Int(values) => values.span(range),
            Self::Float(values) => values.span(range),
            Self::Bool(values) => values.span(range),
        }
        .is_empty()
    }

    fn value(&self, row: usize) -> Option<PropertyValue<'_>> {
        Some(match self {
            Self::Text(values, dict) => PropertyValue::Str(dict.get(values.values[values.place(row)?])),
            Self::Int(values) => PropertyValue::Int(values.values[values.place(row)?]),
            Self::Float(values) => PropertyValue::Float(values.values[values.place(row)?]),
            Self::Bool(values) => PropertyValue::Bool(values.values[values.place(row)?] != 0),
            Self::Json(values, dict) => PropertyValue::Json(dict.get(values.values[values.place(row)?])),
        })
    }

    /// The column as an arrow array over `range`; `None` when no row of it has a value.
    pub(crate) fn dense(&self, range: &Range<usize>) -> Option<ArrayRef> {
        Some(match self {
            Self::Text(values, dict) | Self::Json(values, dict) => {
                let (codes, nulls) = values.dense(range)?;
                dictionary_array(codes, nulls, dict)
            }
            Self::Int(values) => primitive_array::<Int64Type>(values.dense(range)?),
            Self::Float(values) => primitive_array::<Float64Type>(values.dense(range)?),
            Self::Bool(values) => {
                let (values, nulls) = values.dense(range)?;
                Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(values.len(), |at| values[at] != 0), nulls))
            }
        })
    }
}

fn primitive_array<T: ArrowPrimitiveType>((values, nulls): (ScalarBuffer<T::Native>, Option<NullBuffer>)) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values, nulls))
}

/// Codes with their dictionary as `Dictionary(Int32, Utf8)`.
pub(crate) fn dictionary_array(codes: ScalarBuffer<i32>, nulls: Option<NullBuffer>, dict: &Dict) -> ArrayRef {
    Arc::new(DictionaryArray::new(Int32Array::new(codes, nulls), dict.array()))
}

/// All typed columns of one property key.
#[derive(Debug)]
pub(crate) struct KeyColumn {
    pub(crate) key: Arc<str>,
    /// In the order of [`Kind`], none of them empty.
    pub(crate) typed: SmallVec<[Typed; 1]>,
    /// The columns over the whole table as arrow arrays, in the order of `typed`, made when first asked for.
    dense: OnceLock<Vec<ArrayRef>>,
}

impl KeyColumn {
    pub(crate) fn new(key: Arc<str>, typed: SmallVec<[Typed; 1]>) -> Self {
        Self { key, typed, dense: OnceLock::new() }
    }

    pub(crate) fn bytes(&self) -> usize {
        // The fixed part counts: a sender of many keys must be felt by the thresholds.
        size_of::<Self>() + self.key.len() + self.typed.iter().map(Typed::bytes).sum::<usize>()
    }

    pub(crate) fn occurs_in(&self, range: &Range<usize>) -> bool {
        self.typed.iter().any(|typed| typed.occurs_in(range))
    }

    /// The same column, sharing its values.
    pub(crate) fn share(&self) -> Self {
        Self::new(Arc::clone(&self.key), self.typed.clone())
    }

    /// The values of `range` of a table of `rows` rows, counted from its start; `None` when there is none.
    pub(crate) fn slice(&self, range: &Range<usize>, rows: usize) -> Option<Self> {
        if range.len() == rows {
            return Some(self.share());
        }
        let slices = self.typed.iter().filter(|typed| typed.occurs_in(range)).map(|typed| typed.slice(range));
        let typed: SmallVec<[Typed; 1]> = slices.collect();
        (!typed.is_empty()).then(|| Self::new(Arc::clone(&self.key), typed))
    }

    /// Rows that have the property, of a table of `rows` rows; ascending per type.
    pub(crate) fn rows(&self, rows: usize) -> impl Iterator<Item = u32> {
        let all = move |some: &Option<ScalarBuffer<u32>>| some.clone().unwrap_or_else(|| (0..rows as u32).collect());
        let rows_of = self.typed.iter().map(move |typed| match typed {
            Typed::Text(values, _) | Typed::Json(values, _) => all(&values.rows),
            Typed::Int(values) => all(&values.rows),
            Typed::Float(values) => all(&values.rows),
            Typed::Bool(values) => all(&values.rows),
        });
        rows_of.flat_map(|rows| rows.to_vec())
    }

    /// The value of a row, if it has one.
    pub(crate) fn value(&self, row: usize) -> Option<PropertyValue<'_>> {
        self.typed.iter().find_map(|typed| typed.value(row))
    }

    /// The columns over `range`, made for this call alone; `None` when no row of it has the property.
    pub(crate) fn column_once(&self, range: &Range<usize>) -> Option<PropertyColumn> {
        let mut column = PropertyColumn::default();
        let mut any = false;
        for typed in &self.typed {
            if let Some(array) = typed.dense(range) {
                column.set(typed.kind(), array);
                any = true;
            }
        }
        any.then_some(column)
    }

    /// The columns over `range` of a table of `rows` rows; `None` when no row of it has the property.
    pub(crate) fn column(&self, range: &Range<usize>, rows: usize) -> Option<PropertyColumn> {
        if !self.occurs_in(range) {
            return None;
        }
        let dense = self.dense.get_or_init(|| self.typed.iter().filter_map(|typed| typed.dense(&(0..rows))).collect());
        let mut column = PropertyColumn::default();
        for (typed, array) in self.typed.iter().zip(dense) {
            if typed.occurs_in(range) {
                column.set(typed.kind(), array.slice(range.start, range.len()));
            }
        }
        Some(column)
    }
}

impl PropertyColumn {
    pub(crate) fn set(&mut self, kind: Kind, array: ArrayRef) {
        match kind {
            Kind::Text => self.text = Some(array),
            Kind::Int => self.int = Some(array),
            Kind::Float => self.float = Some(array),
            Kind::Bool => self.bool = Some(array),
            Kind::Json => self.json = Some(array),
        }
    }

    pub(crate) fn get(&self, kind: Kind) -> Option<&ArrayRef> {
        match kind {
            Kind::Text => self.text.as_ref(),
            Kind::Int => self.int.as_ref(),
            Kind::Float => self.float.as_ref(),
            Kind::Bool => self.bool.as_ref(),
            Kind::Json => self.json.as_ref(),
        }
    }

    /// The value of a row, if it has one.
    #[must_use]
    pub fn value(&self, row: usize) -> Option<PropertyValue<'_>> {
        let valid = |array: &&ArrayRef| array.is_valid(row);
        for kind in Kind::ALL {
            if let Some(array) = self.get(kind).filter(valid) {
                return Some(match kind {
                    Kind::Text => PropertyValue::Str(text_at(array, row)),
                    Kind::Int => PropertyValue::Int(array.as_primitive::<Int64Type>().value(row)),
                    Kind::Float => PropertyValue::Float(array.as_primitive::<Float64Type>().value(row)),
                    Kind::Bool => PropertyValue::Bool(array.as_boolean().value(row)),
                    Kind::Json => PropertyValue::Json(text_at(array, row)),
                });
            }
        }
        None
    }
}

fn text_at(array: &ArrayRef, row: usize) -> &str {
    let array = array.as_dictionary::<Int32Type>();
    array.values().as_string::<i32>().value(array.keys().value(row) as usize)
}

impl Typed {
    pub(crate) fn texts(&self) -> Option<(&Sparse<i32>, &Dict)> {
        match self {
            Self::Text(values, dict) | Self::Json(values, dict) => Some((values, dict)),
            _ => None,
        }
    }

    pub(crate) fn ints(&self) -> Option<&Sparse<i64>> {
        if let Self::Int(values) = self { Some(values) } else { None }
    }

    pub(crate) fn floats(&self) -> Option<&Sparse<f64>> {
        if let Self::Float(values) = self { Some(values) } else { None }
    }

    pub(crate) fn bools(&self) -> Option<&Sparse<u8>> {
        if let Self::Bool(values) = self { Some(values) } else { None }
    }
}
