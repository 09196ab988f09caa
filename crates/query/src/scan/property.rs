//! A property's typed columns as one array of the kind that its definition says.

use super::PropertyKind;
use crate::json::compact;
use aqueduct_store::PropertyColumn;
use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BooleanArray, BooleanBuilder, DictionaryArray, Float64Array, Float64Builder, Int32Array,
    StringArray, StringBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use hashbrown::HashMap;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// The values of a property in the asked kind; `rows` long, all NULL when nobody has it.
pub(crate) fn property_array(column: Option<&PropertyColumn>, kind: PropertyKind, rows: usize, zone: &TimeZone) -> ArrayRef {
    let Some(column) = column else { return new_null_array(&kind.data_type(), rows) };
    match kind {
        PropertyKind::Text => text(column, rows),
        PropertyKind::Numeric => Arc::new(numeric(column, rows)),
        PropertyKind::Boolean => Arc::new(boolean(column, rows)),
        PropertyKind::DateTime => date_time(column, rows, zone),
    }
}

/// Text with empty text in the place of NULL.
pub(crate) fn empty_for_null(text: &ArrayRef) -> ArrayRef {
    let Some(dictionary) = text.as_dictionary_opt::<Int32Type>().filter(|dictionary| dictionary.null_count() > 0) else {
        return Arc::clone(text);
    };
    let values = dictionary.values().as_string::<i32>();
    let empty = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let keys = Int32Array::from_iter_values(dictionary.keys().iter().map(|key| key.unwrap_or(empty)));
    let values: StringArray = values.iter().chain([Some("")]).collect();
    Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(values)))
}

/// A float as JSON (and so JavaScript) writes it.
pub(crate) fn float_text(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return if text.contains("e-") { text } else { text.replacen('e', "e+", 1) };
    }
    value.to_string()
}

fn text(column: &PropertyColumn, rows: usize) -> ArrayRef {
    match column {
        PropertyColumn { text: Some(text), int: None, float: None, bool: None, json: None } => return Arc::clone(text),
        PropertyColumn { text: None, int: None, float: None, bool: None, json: None } => {
            return new_null_array(&PropertyKind::Text.data_type(), rows);
        }
        _ => {}
    }
    let mut merged = TextMerge::new(rows, column.text.as_ref());
    if let Some(ints) = &column.int {
        let ints = ints.as_primitive::<Int64Type>();
        merged.add(ints, |row| ints.value(row), |value| value.to_string());
    }
    if let Some(floats) = &column.float {
        let floats = floats.as_primitive::<Float64Type>();
        merged.add(floats, |row| floats.value(row).to_bits(), |bits| float_text(f64::from_bits(bits)));
    }
    if let Some(bools) = &column.bool {
        let bools = bools.as_boolean();
        merged.add(bools, |row| bools.value(row), |value| value.to_string());
    }
    if let Some(json) = &column.json {
        let json = json.as_dictionary::<Int32Type>();
        let values = json.values().as_string::<i32>();
        let is_null: Vec<bool> = (0..values.len()).map(|at| values.value(at) == "null").collect();
        merged.add_filtered(
            json,
            |row| usize::try_from(json.keys().value(row)).ok().filter(|at| !is_null[*at]),
            |at| compact(values.value(at)),
        );
    }
    merged.finish()
}

/// Builds one dictionary out of several typed columns; the text column's own dictionary is kept as its beginning.
struct TextMerge {
    keys: Vec<Option<i32>>,
    values: StringBuilder,
    known: HashMap<String, i32>,
}

impl TextMerge {
    fn new(rows: usize, text: Option<&ArrayRef>) -> Self {
        let mut merge = Self { keys: vec![None; rows], values: StringBuilder::new(), known: HashMap::new() };
        if let Some(text) = text {
            let text = text.as_dictionary::<Int32Type>();
            let values = text.values().as_string::<i32>();
            for (at, value) in values.iter().enumerate() {
                merge.values.append_option(value);
                if let (Some(value), Ok(at)) = (value, i32::try_from(at)) {
                    merge.known.insert(value.to_owned(), at);
                }
            }
            merge.keys = text.keys().iter().collect();
        }
        merge
    }

    fn add<V: std::hash::Hash + Eq + Copy>(&mut self, array: &dyn Array, value: impl Fn(usize) -> V, write: impl Fn(V) -> String) {
        self.add_filtered(array, |row| Some(value(row)), write);
    }

    fn add_filtered<V: std::hash::Hash + Eq + Copy>(
        &mut self,
        array: &dyn Array,
        value: impl Fn(usize) -> Option<V>,
        write: impl Fn(V) -> String,
    ) {
        let mut seen: HashMap<V, i32> = HashMap::new();
        for row in 0..array.len() {
            if array.is_null(row) {
                continue;
            }
            let Some(value) = value(row) else { continue };
            let key = *seen.entry(value).or_insert_with(|| self.intern(write(value)));
            self.keys[row] = Some(key);
        }
    }

    fn intern(&mut self, text: String) -> i32 {
        if let Some(key) = self.known.get(&text) {
            return *key;
        }
        let key = i32::try_from(self.values.len()).unwrap_or(i32::MAX);
        self.values.append_value(&text);
        self.known.insert(text, key);
        key
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(self.keys), Arc::new(self.values.finish())))
    }
}

fn numeric(column: &PropertyColumn, rows: usize) -> Float64Array {
    if let PropertyColumn { text: None, int: None, float: Some(float), json: None, .. } = column {
        return float.as_primitive::<Float64Type>().clone();
    }
    if let PropertyColumn { text: None, int: Some(int), float: None, json: None, .. } = column {
        return int.as_primitive::<Int64Type>().unary(to_float);
    }
    let texts = column.text.as_ref().map(|text| OnDictionary::new(text, |value| value.trim().parse::<f64>().ok()));
    let json = column.json.as_ref().map(|json| OnDictionary::new(json, |value| value.parse::<f64>().ok()));
    let ints = column.int.as_ref().map(|ints| ints.as_primitive::<Int64Type>());
    let floats = column.float.as_ref().map(|floats| floats.as_primitive::<Float64Type>());
    let mut out = Float64Builder::with_capacity(rows);
    for row in 0..rows {
        let value = ints
            .filter(|ints| ints.is_valid(row))
            .map(|ints| to_float(ints.value(row)))
            .or_else(|| floats.filter(|floats| floats.is_valid(row)).map(|floats| floats.value(row)))
            .or_else(|| texts.as_ref().and_then(|texts| texts.get(row)))
            .or_else(|| json.as_ref().and_then(|json| json.get(row)));
        out.append_option(value);
    }
    out.finish()
}

#[expect(clippy::cast_precision_loss, reason = "a numeric property is a Float64, as in ClickHouse")]
fn to_float(value: i64) -> f64 {
    value as f64
}

fn boolean(column: &PropertyColumn, rows: usize) -> BooleanArray {
    if let PropertyColumn { text: None, bool: Some(bools), .. } = column {
        return bools.as_boolean().clone();
    }
    let texts = column.text.as_ref().map(|text| {
        OnDictionary::new(text, |value| match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    });
    let bools = column.bool.as_ref().map(|bools| bools.as_boolean());
    let mut out = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        let value = bools
            .filter(|bools| bools.is_valid(row))
            .map(|bools| bools.value(row))
            .or_else(|| texts.as_ref().and_then(|texts| texts.get(row)));
        out.append_option(value);
    }
    out.finish()
}

fn date_time(column: &PropertyColumn, rows: usize, zone: &TimeZone) -> ArrayRef {
    let texts = column.text.as_ref().map(|text| OnDictionary::new(text, |value| crate::time::parse_best_effort(value, zone)));
    let ints = column.int.as_ref().map(|ints| ints.as_primitive::<Int64Type>());
    let floats = column.float.as_ref().map(|floats| floats.as_primitive::<Float64Type>());
    let mut out = TimestampMicrosecondBuilder::with_capacity(rows);
    for row in 0..rows {
        let value = texts
            .as_ref()
            .and_then(|texts| texts.get(row))
            .or_else(|| ints.filter(|ints| ints.is_valid(row)).map(|ints| crate::time::from_unix_number(to_float(ints.value(row)))))
            .or_else(|| floats.filter(|floats| floats.is_valid(row)).map(|floats| crate::time::from_unix_number(floats.value(row))));
        out.append_option(value);
    }
    Arc::new(out.finish().with_timezone("UTC"))
}

/// A function of text, computed once per dictionary value.
struct OnDictionary<'a, T> {
    keys: &'a Int32Array,
    results: Vec<Option<T>>,
}

impl<'a, T: Copy> OnDictionary<'a, T> {
    fn new(array: &'a ArrayRef, f: impl Fn(&str) -> Option<T>) -> Self {
        let array = array.as_dictionary::<Int32Type>();
        let results = array.values().as_string::<i32>().iter().map(|value| value.and_then(&f)).collect();
        Self { keys: array.keys(), results }
    }

    fn get(&self, row: usize) -> Option<T> {
        if self.keys.is_null(row) {
            return None;
        }
        usize::try_from(self.keys.value(row)).ok().and_then(|at| self.results.get(at).copied().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringDictionaryBuilder};

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        for value in values {
            builder.append_option(*value);
        }
        Arc::new(builder.finish())
    }

    fn show(array: &ArrayRef) -> Vec<Option<String>> {
        let array = array.as_dictionary::<Int32Type>();
        let values = array.values().as_string::<i32>();
        array.keys().iter().map(|key| key.map(|key| values.value(usize::try_from(key).expect("a key")).to_owned())).collect()
    }

    #[test]
    fn text_merges_the_variants() {
        let column = PropertyColumn {
            text: Some(texts(&[Some("1"), Some(""), None, None, None, None, None])),
            int: Some(Arc::new(Int64Array::from(vec![None, None, Some(1), None, None, None, None]))),
            float: Some(Arc::new(Float64Array::from(vec![None, None, None, Some(1.5), None, None, None]))),
            bool: Some(Arc::new(BooleanArray::from(vec![None, None, None, None, Some(true), None, None]))),
            json: Some(texts(&[None, None, None, None, None, Some("null"), Some("[1, 2]")])),
        };
        let got = show(&property_array(Some(&column), PropertyKind::Text, 7, &TimeZone::UTC));
        let want = [Some("1"), Some(""), Some("1"), Some("1.5"), Some("true"), None, Some("[1,2]")];
        assert_eq!(got, want.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn text_alone_is_not_copied() {
        let text = texts(&[Some("a"), None]);
        let column = PropertyColumn { text: Some(Arc::clone(&text)), ..PropertyColumn::default() };
        assert!(Arc::ptr_eq(&text, &property_array(Some(&column), PropertyKind::Text, 2, &TimeZone::UTC)));
    }

    #[test]
    fn numbers_read_text() {
        let column = PropertyColumn {
            text: Some(texts(&[Some("2.5"), Some("x"), None])),
            int: Some(Arc::new(Int64Array::from(vec![None, None, Some(3)]))),
            ..PropertyColumn::default()
        };
        let got = property_array(Some(&column), PropertyKind::Numeric, 3, &TimeZone::UTC);
        assert_eq!(got.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), vec![Some(2.5), None, Some(3.0)]);
    }

    #[test]
    fn floats_are_written_as_json_does() {
        for (value, text) in [(1.5, "1.5"), (1.0, "1"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.0, "0"), (123_456_789.0, "123456789")] {
            assert_eq!(float_text(value), text);
        }
    }
}
