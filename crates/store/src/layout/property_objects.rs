//! The properties of persons and groups: a JSON object for each row of a table, and columns taken out of them on demand.
//!
//! # Invariants
//! - Texts lie in pieces, so all of them together may be larger than one array can be (2 GiB).
//! - A table that is made from an earlier one shares its texts: what changed is a piece more. When less than half of the texts that are held belong to a row, or
//!   pieces are many, they are written anew.

use super::builder::KeyBuilder;
use super::gather::{Plan, Slice};
use super::json::object_entries;
use super::sparse::KeyColumn;
use crate::read::PropertyColumn;
use arrow::array::{Array, ArrayBuilder, StringArray, StringBuilder};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Text of a piece, about.
const PIECE_BYTES: usize = 16 << 20;
/// Pieces of texts that were put in one after the other before all is written anew.
const PIECES_MAX: usize = 512;

/// JSON objects by row.
#[derive(Debug, Default)]
pub struct PropertyObjects {
    pieces: Vec<Arc<StringArray>>,
    /// Piece of each row, and row in it.
    places: Vec<(u32, u32)>,
    taken: Mutex<Taken>,
    /// Columns of the table that this one was made from, and how.
    carried: Option<Carried>,
}

type Taken = HashMap<String, Option<Arc<KeyColumn>>>;

#[derive(Debug)]
struct Carried {
    older: Taken,
    plan: Plan,
    /// Objects of the rows that are new.
    newer: Arc<StringArray>,
}

impl PropertyObjects {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The object of a row.
    #[must_use]
    pub fn value(&self, row: usize) -> &str {
        let (piece, at) = self.places[row];
        self.pieces[piece as usize].value(at as usize)
    }

    /// The objects in order of rows.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|row| self.value(row))
    }

    /// A property of all rows; `None` when none has it. Taken out of the objects once.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<PropertyColumn> {
        let known = self.taken.lock().get(key).cloned();
        let column = known.unwrap_or_else(|| {
            let made = self.take(key).map(Arc::new);
            self.taken.lock().insert(key.to_owned(), made.clone());
            made
        });
        column?.column(&(0..self.len()), self.len())
    }

    /// Bytes that it takes, about; without the columns.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.get_array_memory_size()).sum::<usize>() + self.places.len() * size_of::<(u32, u32)>()
    }

    fn take(&self, key: &str) -> Option<KeyColumn> {
        let carried = self.carried.as_ref().and_then(|carried| Some((carried, carried.older.get(key)?)));
        match carried {
            Some((carried, older)) => {
                let newer = take_out(key, carried.newer.len(), |row| carried.newer.value(row));
                carried.plan.key(&key.into(), &[older.as_deref(), newer.as_ref()])
            }
            None => take_out(key, self.len(), |row| self.value(row)),
        }
    }

    /// The table that `plan` makes of this one (source 0) and the rows `newer` (source 1): of keys that are known here only those are parsed.
    pub(crate) fn changed<'t>(&self, plan: Plan, newer: impl Iterator<Item = &'t str>) -> Self {
        let newer = Arc::new(StringArray::from_iter_values(newer));
        let mut pieces = self.pieces.clone();
        let last = pieces.len() as u32;
        pieces.push(Arc::clone(&newer));
        let mut places = Vec::with_capacity(plan.rows);
        for Slice { source, from, to } in &plan.slices {
            match source {
                0 => places.extend_from_slice(&self.places[*from as usize..*to as usize]),
                _ => places.extend((*from..*to).map(|at| (last, at))),
            }
        }
        let carried = Some(Carried { older: self.taken.lock().clone(), plan, newer });
        let made = Self { pieces, places, taken: Mutex::default(), carried };
        if made.is_worn() { made.written_anew() } else { made }
    }

    fn is_worn(&self) -> bool {
        let (mut rows, mut bytes) = (0, 0);
        for piece in &self.pieces {
            rows += piece.len();
            bytes += piece.value_data().len();
        }
        self.pieces.len() > PIECES_MAX + bytes / PIECE_BYTES || rows > 2 * self.len() + PIECES_MAX
    }

    fn written_anew(self) -> Self {
        let Self { pieces, places, .. } = self.iter().collect();
        Self { pieces, places, ..self }
    }
}

impl<'t> FromIterator<&'t str> for PropertyObjects {
    fn from_iter<I: IntoIterator<Item = &'t str>>(objects: I) -> Self {
        let mut builder = ObjectsBuilder::default();
        objects.into_iter().for_each(|object| builder.push(object));
        builder.finish()
    }
}

/// Makes [`PropertyObjects`] row by row.
#[derive(Debug, Default)]
pub(crate) struct ObjectsBuilder {
    made: PropertyObjects,
    piece: StringBuilder,
}

impl ObjectsBuilder {
    pub(crate) fn push(&mut self, object: &str) {
        if !self.made.is_empty() && self.piece.values_slice().len() + object.len() > PIECE_BYTES {
            self.end_piece();
        }
        self.made.places.push((self.made.pieces.len() as u32, self.piece.len() as u32));
        self.piece.append_value(object);
    }

    fn end_piece(&mut self) {
        let full = std::mem::replace(&mut self.piece, StringBuilder::with_capacity(1 << 14, PIECE_BYTES)).finish();
        self.made.pieces.push(Arc::new(full));
    }

    pub(crate) fn finish(mut self) -> PropertyObjects {
        let last = self.piece.finish();
        self.made.pieces.push(Arc::new(last));
        self.made
    }
}

/// The values of `key` in each object; of a key that an object repeats, the last.
fn take_out<'t>(key: &str, rows: usize, object_of: impl Fn(usize) -> &'t str) -> Option<KeyColumn> {
    // An object that holds neither the key nor any escape is passed over without parsing.
    let finder = memchr::memmem::Finder::new(key);
    let mut builder = KeyBuilder::new(key, 0);
    for row in 0..rows {
        let object = object_of(row);
        if finder.find(object.as_bytes()).is_none() && !object.contains('\\') {
            continue;
        }
        for (found, value) in object_entries(object) {
            if found == key {
                builder.push(row as u32, value.value());
            }
        }
    }
    builder.finish(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aqueduct_event::PropertyValue;

    fn object(number: usize, bytes: usize) -> String {
        format!("{{\"n\":{number},\"filling\":\"{}\"}}", "x".repeat(bytes))
    }

    #[test]
    fn rows_lie_in_several_pieces() {
        let texts: Vec<String> = (0..40).map(|number| object(number, 1 << 20)).collect();
        let objects: PropertyObjects = texts.iter().map(String::as_str).collect();
        assert_eq!(objects.pieces.len(), 3);
        assert!(objects.iter().eq(texts.iter().map(String::as_str)));
        let column = objects.property("n").unwrap();
        assert!((0..40).all(|row| column.value(row) == Some(PropertyValue::Int(row as i64))));
        assert!(objects.property("none").is_none());
    }

    #[test]
    fn changes_share_texts_until_they_are_worn() {
        let texts: Vec<String> = (0..100).map(|number| object(number, 8)).collect();
        let mut objects: PropertyObjects = texts.iter().map(String::as_str).collect();
        for round in 0..2 * PIECES_MAX {
            let slices =
                vec![Slice { source: 0, from: 0, to: 50 }, Slice { source: 1, from: 0, to: 1 }, Slice { source: 0, from: 51, to: 100 }];
            let (before, newer) = (objects.property("n").unwrap().value(7).map(|value| format!("{value:?}")), object(1_000 + round, 3));
            objects = objects.changed(Plan::new(slices, vec![100, 1]), std::iter::once(newer.as_str()));
            assert_eq!((objects.len(), objects.value(50)), (100, newer.as_str()));
            let column = objects.property("n").unwrap();
            assert_eq!(column.value(50), Some(PropertyValue::Int(1_000 + round as i64)));
            assert_eq!(column.value(7).map(|value| format!("{value:?}")), before);
            assert!(objects.pieces.len() <= PIECES_MAX + 1, "round {round}");
        }
        assert!(objects.pieces.len() < PIECES_MAX, "they were written anew on the way");
    }
}
