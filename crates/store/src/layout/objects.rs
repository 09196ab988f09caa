//! Objects to columns and back: `properties_json` of a part, and what shares a column of objects.

use super::builder::KeyBuilder;
use super::dict::DictBuilder;
use super::json::{object_entries, write_text, write_value};
use super::sparse::{KeyColumn, dictionary_array};
use crate::read::PropertyColumn;
use aqueduct_event::PropertyValue;
use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;
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

/// One JSON object per row that has any of `columns`, null for the others, as a dictionary column. `columns` may be many and thin.
pub(crate) fn objects_or_null(rows: usize, columns: &[KeyColumn]) -> ArrayRef {
    let mut entries: Vec<(u32, u32)> = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        entries.extend(column.rows(rows).map(|row| (row, place as u32)));
    }
    entries.sort_unstable();
    let mut dict = DictBuilder::default();
    let mut codes = vec![0; rows];
    let mut present = vec![false; rows];
    for of_row in entries.chunk_by(|a, b| a.0 == b.0) {
        let row = of_row[0].0 as usize;
        let values = of_row.iter().filter_map(|(_, place)| {
            let column = &columns[*place as usize];
            Some((&*column.key, column.value(row)?))
        });
        codes[row] = dict.code(&object(values));
        present[row] = true;
    }
    dictionary_array(ScalarBuffer::from(codes), Some(NullBuffer::from(present)), &dict.finish())
}

fn object<'a>(entries: impl Iterator<Item = (&'a str, PropertyValue<'a>)>) -> String {
    let mut out = vec![b'{'];
    for (key, value) in entries {
        if out.len() > 1 {
            out.push(b',');
        }
        write_text(&mut out, key);
        out.push(b':');
        write_value(&mut out, value);
    }
    out.push(b'}');
    String::from_utf8_lossy(&out).into_owned()
}

fn dictionary_texts(objects: &ArrayRef) -> impl Iterator<Item = &str> {
    let array = objects.as_dictionary::<Int32Type>();
    let texts = array.values().as_string::<i32>();
    (0..array.len()).map(move |row| if array.is_valid(row) { texts.value(array.keys().value(row) as usize) } else { "" })
}

/// All keys of a dictionary column of objects.
pub(crate) fn take_apart(objects: &ArrayRef) -> Vec<KeyColumn> {
    let mut builders: HashMap<String, KeyBuilder> = HashMap::new();
    for (row, object) in dictionary_texts(objects).enumerate().filter(|(_, object)| !object.is_empty()) {
        for (key, value) in object_entries(object) {
            match builders.get_mut(&*key) {
                Some(builder) => builder.push(row as u32, value.value()),
                None => {
                    let mut builder = KeyBuilder::new(&key, 0);
                    builder.push(row as u32, value.value());
                    builders.insert(key.into_owned(), builder);
                }
            }
        }
    }
    builders.into_values().filter_map(|builder| builder.finish(objects.len())).collect()
}
