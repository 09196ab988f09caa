//! Where events become columns: one push per event, no allocation for a key or a text that was seen before.
//!
//! In: rows with borrowed values, in arrival order. Out: a [`Table`](super::Table), sorted.
//!
//! What makes it fast: the key that followed a key last time is tried before the key is hashed, the value that a column had last is tried
//! before the value is hashed, and the person's properties are compared by pointer first.

use super::dict::DictBuilder;
use super::gather::Plan;
use super::json::{Parsed, parse_value};
use super::sparse::{KeyColumn, Sparse, Typed};
use crate::commit::EventRow;
use aqueduct_event::PropertyValue;
use arrow::datatypes::ArrowNativeType;
use hashbrown::HashTable;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

/// Fixed columns in push order.
#[derive(Debug, Default)]
pub(crate) struct FixedBuilder {
    pub(crate) project: Vec<u32>,
    pub(crate) uuid: Vec<u8>,
    pub(crate) person: Vec<u8>,
    pub(crate) timestamp: Vec<i64>,
    pub(crate) created_at: Vec<i64>,
    pub(crate) person_created_at: Vec<i64>,
    pub(crate) person_mode: Vec<u8>,
    pub(crate) event: TextBuilder,
    pub(crate) distinct_id: TextBuilder,
    pub(crate) person_properties: TextBuilder,
    pub(crate) elements_chain: TextBuilder,
}

/// Codes and their dictionary.
#[derive(Debug, Default)]
pub(crate) struct TextBuilder {
    pub(crate) codes: Vec<i32>,
    pub(crate) dict: DictBuilder,
}

impl TextBuilder {
    fn push(&mut self, text: &str) {
        let code = self.dict.code(text);
        self.codes.push(code);
    }

    fn bytes(&self) -> usize {
        self.codes.len() * 4 + self.dict.bytes()
    }
}

/// Values of one type with their rows.
#[derive(Debug, Default)]
pub(crate) struct SparseBuilder<T> {
    rows: Vec<u32>,
    values: Vec<T>,
}

impl<T> SparseBuilder<T> {
    fn push(&mut self, row: u32, value: T) {
        self.rows.push(row);
        self.values.push(value);
    }

    fn take_back(&mut self, row: u32) {
        if self.rows.last() == Some(&row) {
            self.rows.pop();
            self.values.pop();
        }
    }

    fn bytes(&self) -> usize {
        self.rows.len() * (4 + size_of::<T>())
    }
}

/// Codes with their rows, and their dictionary.
#[derive(Debug, Default)]
pub(crate) struct SparseTextBuilder {
    codes: SparseBuilder<i32>,
    dict: DictBuilder,
}

impl SparseTextBuilder {
    fn push(&mut self, row: u32, text: &str) {
        let code = self.dict.code(text);
        self.codes.push(row, code);
    }
}

/// All types of one property key. Types that do not occur take a pointer each.
#[derive(Debug)]
pub(crate) struct KeyBuilder {
    key: Arc<str>,
    hash: u64,
    /// Key that came after this one in the last event that had it.
    next: u32,
    last_row: u32,
    text: Option<Box<SparseTextBuilder>>,
    int: Option<Box<SparseBuilder<i64>>>,
    float: Option<Box<SparseBuilder<f64>>>,
    bool: Option<Box<SparseBuilder<u8>>>,
    json: Option<Box<SparseTextBuilder>>,
}

const NO_ROW: u32 = u32::MAX;

impl KeyBuilder {
    pub(crate) fn new(key: &str, hash: u64) -> Self {
        Self { key: key.into(), hash, next: 0, last_row: NO_ROW, text: None, int: None, float: None, bool: None, json: None }
    }

    /// Rows come in ascending order; of two values for one row the later stands.
    pub(crate) fn push(&mut self, row: u32, value: PropertyValue<'_>) {
        if self.last_row == row {
            self.take_back(row);
        }
        self.last_row = row;
        match value {
            PropertyValue::Str(text) => self.text.get_or_insert_default().push(row, text),
            PropertyValue::Int(value) => self.int.get_or_insert_default().push(row, value),
            PropertyValue::Float(value) if value.is_finite() => self.float.get_or_insert_default().push(row, value),
            PropertyValue::Float(_) => self.json.get_or_insert_default().push(row, "null"),
            PropertyValue::Bool(value) => self.bool.get_or_insert_default().push(row, u8::from(value)),
            PropertyValue::Json(text) if text.starts_with(['{', '[', 'n']) => self.json.get_or_insert_default().push(row, text),
            PropertyValue::Json(text) => self.push_scalar(row, text),
        }
    }

    /// JSON text that may be a scalar: kept in the type it has when it is read back from JSON, so that a value has one form.
    #[cold]
    fn push_scalar(&mut self, row: u32, text: &str) {
        match parse_value(Cow::Borrowed(text.trim_ascii())) {
            Parsed::Json(text) => self.json.get_or_insert_default().push(row, &text),
            Parsed::Text(text) => self.text.get_or_insert_default().push(row, &text),
            Parsed::Int(value) => self.int.get_or_insert_default().push(row, value),
            Parsed::Float(value) => self.float.get_or_insert_default().push(row, value),
            Parsed::Bool(value) => self.bool.get_or_insert_default().push(row, u8::from(value)),
        }
    }

    /// A key that comes twice in an event: the later value stands, so that a row never has two.
    #[cold]
    fn take_back(&mut self, row: u32) {
        if let Some(text) = &mut self.text {
            text.codes.take_back(row);
        }
        if let Some(int) = &mut self.int {
            int.take_back(row);
        }
        if let Some(float) = &mut self.float {
            float.take_back(row);
        }
        if let Some(bool) = &mut self.bool {
            bool.take_back(row);
        }
        if let Some(json) = &mut self.json {
            json.codes.take_back(row);
        }
    }

    /// The column of a table of `rows` rows; `None` when no row has the property.
    pub(crate) fn finish(self, rows: usize) -> Option<KeyColumn> {
        self.finish_with(rows, &Rearrange::None)
    }

    /// The same with the rows rearranged.
    pub(crate) fn finish_with(self, rows: usize, order: &Rearrange<'_>) -> Option<KeyColumn> {
        let mut typed: SmallVec<[Typed; 1]> = SmallVec::new();
        let texts = |column: SparseTextBuilder| (order.apply(column.codes, rows), Arc::new(column.dict.finish()));
        if let Some(column) = self.text {
            let (codes, dict) = texts(*column);
            typed.push(Typed::Text(codes, dict));
        }
        typed.extend(self.int.map(|column| Typed::Int(order.apply(*column, rows))));
        typed.extend(self.float.map(|column| Typed::Float(order.apply(*column, rows))));
        typed.extend(self.bool.map(|column| Typed::Bool(order.apply(*column, rows))));
        if let Some(column) = self.json {
            let (codes, dict) = texts(*column);
            typed.push(Typed::Json(codes, dict));
        }
        typed.retain(|typed| typed.len() > 0);
        (!typed.is_empty()).then(|| KeyColumn::new(self.key, typed))
    }

    fn bytes(&self) -> usize {
        let text = |text: &Option<Box<SparseTextBuilder>>| text.as_ref().map_or(0, |text| text.codes.bytes() + text.dict.bytes());
        size_of::<Self>()
            + self.key.len()
            + text(&self.text)
            + text(&self.json)
            + self.int.as_ref().map_or(0, |int| int.bytes())
            + self.float.as_ref().map_or(0, |float| float.bytes())
            + self.bool.as_ref().map_or(0, |bool| bool.bytes())
    }
}

/// What happens to rows when a builder is finished.
#[derive(Debug)]
pub(crate) enum Rearrange<'a> {
    /// They stay in push order.
    None,
    /// They move as the plan, with the builder as its only source, says.
    By(&'a Plan),
}

impl Rearrange<'_> {
    fn apply<T: ArrowNativeType>(&self, column: SparseBuilder<T>, rows: usize) -> Sparse<T> {
        let column = Sparse::new(column.rows, column.values, rows);
        match self {
            Self::None => column,
            Self::By(plan) => plan.sparse_of_one(&column),
        }
    }
}

/// The columns of a commit while it is filled.
#[derive(Debug, Default)]
pub(crate) struct RowsBuilder {
    pub(crate) fixed: FixedBuilder,
    pub(crate) keys: Vec<KeyBuilder>,
    by_text: HashTable<u32>,
    /// The object given last and its code: the same `Arc` needs no look at its text.
    last_person: Option<(Arc<str>, i32)>,
}

impl RowsBuilder {
    pub(crate) fn rows(&self) -> usize {
        self.fixed.timestamp.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        let fixed = &self.fixed;
        let texts = [&fixed.event, &fixed.distinct_id, &fixed.person_properties, &fixed.elements_chain];
        self.rows() * (4 + 16 + 16 + 8 * 3 + 1)
            + texts.iter().map(|text| text.bytes()).sum::<usize>()
            + self.keys.iter().map(KeyBuilder::bytes).sum::<usize>()
    }

    pub(crate) fn push<'p>(&mut self, row: &EventRow<'_>, properties: impl Iterator<Item = (&'p str, PropertyValue<'p>)>) {
        let at = u32::try_from(self.rows()).expect("INVARIANT: a commit has fewer than 2^32 rows");
        self.push_fixed(row);
        let mut before: Option<usize> = None;
        for (key, value) in properties {
            let guess = before.map_or(0, |before| self.keys[before].next as usize);
            let place = match self.keys.get(guess) {
                Some(candidate) if &*candidate.key == key => guess,
                _ => {
                    let place = self.key(key);
                    if let Some(before) = before {
                        self.keys[before].next = place as u32;
                    }
                    place
                }
            };
            self.keys[place].push(at, value);
            before = Some(place);
        }
    }

    fn push_fixed(&mut self, row: &EventRow<'_>) {
        let fixed = &mut self.fixed;
        fixed.project.push(row.project.0);
        fixed.uuid.extend_from_slice(row.uuid.as_bytes());
        fixed.person.extend_from_slice(row.person.as_bytes());
        fixed.timestamp.push(row.timestamp.0);
        fixed.created_at.push(row.created_at.0);
        fixed.person_created_at.push(row.person_created_at.0);
        fixed.person_mode.push(row.person_mode as u8);
        fixed.event.push(row.event);
        fixed.distinct_id.push(row.distinct_id);
        fixed.elements_chain.push(row.elements_chain);
        let code = match &self.last_person {
            Some((last, code)) if Arc::ptr_eq(last, row.person_properties) => *code,
            _ => {
                let code = fixed.person_properties.dict.code(row.person_properties);
                self.last_person = Some((Arc::clone(row.person_properties), code));
                code
            }
        };
        fixed.person_properties.codes.push(code);
    }

    /// Place of a key, new or known.
    fn key(&mut self, key: &str) -> usize {
        let hash = super::dict::hash_of(key.as_bytes());
        let keys = &self.keys;
        if let Some(place) = self.by_text.find(hash, |place| &*keys[*place as usize].key == key) {
            return *place as usize;
        }
        let place = self.keys.len();
        self.keys.push(KeyBuilder::new(key, hash));
        let keys = &self.keys;
        self.by_text.insert_unique(hash, place as u32, |place| keys[*place as usize].hash);
        place
    }
}
