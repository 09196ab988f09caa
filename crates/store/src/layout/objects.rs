//! Objects to columns and back: `properties_json` of a part, and properties taken out of JSON objects of persons and groups.

use super::builder::KeyBuilder;
use super::json::{object_entries, write_text, write_value};
use super::sparse::KeyColumn;
use crate::read::PropertyColumn;
use aqueduct_event::PropertyValue;
use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// A property of which single rows are asked.
pub(crate) trait ByRow {
    fn value(&self, row: usize) -> Option<PropertyValue<'_>>;
}

impl ByRow for PropertyColumn {
    fn value(&self, row: usize) -> Option<PropertyValue<'_>> {
        Self::value(self, row)
    }
}

impl ByRow for &KeyColumn {
    fn value(&self, row: usize) -> Option<PropertyValue<'_>> {
        KeyColumn::value(self, row)
    }
}

/// One JSON object per row, keys in the order of `columns`.
pub(crate) fn objects<C: ByRow>(rows: impl ExactSizeIterator<Item = usize>, columns: &[(&str, C)]) -> ArrayRef {
    let keys: Vec<Vec<u8>> = columns
        .iter()
        .map(|(key, _)| {
            let mut text = Vec::with_capacity(key.len() + 3);
            write_text(&mut text, key);
            text.push(b':');
            text
        })
        .collect();
    let mut out = StringBuilder::with_capacity(rows.len(), rows.len() * 256);
    let mut object: Vec<u8> = Vec::new();
    for row in rows {
        object.clear();
        object.push(b'{');
        for ((_, column), key) in columns.iter().zip(&keys) {
            if let Some(value) = column.value(row) {
                if object.len() > 1 {
                    object.push(b',');
                }
                object.extend_from_slice(key);
                write_value(&mut object, value);
            }
        }
        object.push(b'}');
        // All parts are UTF-8; a lossy view is the same text and cannot fail.
        out.append_value(String::from_utf8_lossy(&object));
    }
    Arc::new(out.finish())
}

/// Columns taken out of JSON objects on demand, each key once.
#[derive(Debug, Default)]
pub(crate) struct PropertyCache(Mutex<HashMap<String, Option<PropertyColumn>>>);

impl PropertyCache {
    pub(crate) fn get(&self, key: &str, objects: &ArrayRef) -> Option<PropertyColumn> {
        if let Some(known) = self.0.lock().get(key) {
            return known.clone();
        }
        let column = take_out(key, objects.as_string::<i32>());
        self.0.lock().insert(key.to_owned(), column.clone());
        column
    }
}

/// The values of `key` in each of `objects`; of a key that an object repeats, the last.
fn take_out(key: &str, objects: &StringArray) -> Option<PropertyColumn> {
    // A text that holds the key unescaped, or some escape, may have it; all others are passed over without parsing.
    let finder = memchr::memmem::Finder::new(key);
    let mut builder = KeyBuilder::new(key, 0);
    for row in 0..objects.len() {
        let object = objects.value(row);
        if finder.find(object.as_bytes()).is_none() && !object.contains('\\') {
            continue;
        }
        for (found, value) in object_entries(object) {
            if found == key {
                builder.push(row as u32, value.value());
            }
        }
    }
    builder.finish(objects.len())?.column(&(0..objects.len()), objects.len())
}
