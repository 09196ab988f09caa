//! Values that a property has, counted: what menus of filters offer.

use aqueduct_store::PropertyColumn;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// Values that are offered: PostHog's number.
const VALUES_MAX: usize = 10;
/// Different values that are counted; further ones are left out, so that a property with an id in each row takes no memory.
const COUNTED_MAX: usize = 100_000;

/// A value that occurs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueBody {
    #[schema(value_type = Object)]
    name: Value,
    /// How often, where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl ValueBody {
    /// A value of which nobody counts how often it occurs.
    pub(crate) fn named(name: String) -> Self {
        Self { name: Value::String(name), count: None }
    }
}

/// Which property's values.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ValueParams {
    /// The property.
    pub(crate) key: String,
    /// Text that a value must hold, whatever its case.
    pub(crate) value: Option<String>,
    /// With events: on which ones it occurs, a JSON list or one name.
    pub(crate) event_name: Option<String>,
    /// With groups: the index of their type.
    pub(crate) group_type_index: Option<u8>,
}

/// How often each value occurs. Texts and JSON are told apart by the first member.
#[derive(Debug, Default)]
pub(crate) struct Counts(HashMap<(bool, String), u64>);

impl Counts {
    /// Counts a column, of the rows in `mask` if there is one.
    pub(crate) fn add(&mut self, column: &PropertyColumn, mask: Option<&BooleanArray>) {
        let is_in = |row: usize| mask.is_none_or(|mask| mask.value(row));
        if let Some(texts) = &column.text {
            self.texts(texts, true, is_in);
        }
        if let Some(json) = &column.json {
            self.texts(json, false, is_in);
        }
        if let Some(ints) = column.int.as_ref().and_then(|array| array.as_primitive_opt::<Int64Type>()) {
            self.each(ints.iter().enumerate().filter_map(|(row, value)| value.filter(|_| is_in(row))));
        }
        if let Some(floats) = column.float.as_ref().and_then(|array| array.as_primitive_opt::<Float64Type>()) {
            self.each(floats.iter().enumerate().filter_map(|(row, value)| value.filter(|_| is_in(row)).map(Value::from)));
        }
        if let Some(bools) = column.bool.as_ref().and_then(|array| array.as_boolean_opt()) {
            self.each(bools.iter().enumerate().filter_map(|(row, value)| value.filter(|_| is_in(row))));
        }
    }

    /// A dictionary column: counted by code, each text looked at once.
    fn texts(&mut self, array: &ArrayRef, is_text: bool, is_in: impl Fn(usize) -> bool) {
        let Some(texts) = array.as_dictionary_opt::<Int32Type>() else { return };
        let Some(values) = texts.values().as_string_opt::<i32>() else { return };
        let mut counts = vec![0_u64; values.len()];
        for (row, key) in texts.keys().iter().enumerate() {
            if let Some(count) = key.filter(|_| is_in(row)).and_then(|key| counts.get_mut(usize::try_from(key).ok()?)) {
                *count += 1;
            }
        }
        for (place, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            self.put((is_text, values.value(place).to_owned()), count);
        }
    }

    fn each<V: ToString>(&mut self, values: impl Iterator<Item = V>) {
        for value in values {
            self.put((false, value.to_string()), 1);
        }
    }

    fn put(&mut self, value: (bool, String), count: u64) {
        if self.0.len() < COUNTED_MAX || self.0.contains_key(&value) {
            *self.0.entry(value).or_default() += count;
        }
    }

    /// The most frequent values that hold the text asked for; with their counts if `counted`.
    pub(crate) fn into_values(self, params: &ValueParams, counted: bool) -> Vec<ValueBody> {
        let wanted = params.value.as_deref().unwrap_or_default().to_lowercase();
        let mut values: Vec<((bool, String), u64)> = self
            .0
            .into_iter()
            .filter(|((_, text), _)| text != "null" && !text.is_empty() && text.to_lowercase().contains(&wanted))
            .collect();
        values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        values.truncate(VALUES_MAX);
        let body = |((is_text, text), count): ((bool, String), u64)| {
            let name = if is_text { Value::String(text) } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
            ValueBody { name, count: counted.then_some(count) }
        };
        values.into_iter().map(body).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Int64Array};
    use serde_json::json;
    use std::sync::Arc;

    fn params(value: Option<&str>) -> ValueParams {
        ValueParams { key: "k".to_owned(), value: value.map(str::to_owned), event_name: None, group_type_index: None }
    }

    #[test]
    fn the_most_frequent_come_first() {
        let text: DictionaryArray<Int32Type> = [Some("b"), Some("a"), Some("b"), None, Some("A")].into_iter().collect();
        let column = PropertyColumn {
            text: Some(Arc::new(text)),
            int: Some(Arc::new(Int64Array::from(vec![None, None, None, Some(7), None]))),
            ..PropertyColumn::default()
        };
        let counted = |mask: Option<&BooleanArray>, value| {
            let mut counts = Counts::default();
            counts.add(&column, mask);
            serde_json::to_value(counts.into_values(&params(value), true)).expect("JSON")
        };
        let all = json!([{"name": "b", "count": 2}, {"name": 7, "count": 1}, {"name": "A", "count": 1}, {"name": "a", "count": 1}]);
        assert_eq!(counted(None, None), all);
        assert_eq!(counted(None, Some("a")), json!([{"name": "A", "count": 1}, {"name": "a", "count": 1}]));
        let mask = BooleanArray::from(vec![true, false, false, true, false]);
        assert_eq!(counted(Some(&mask), None), json!([{"name": 7, "count": 1}, {"name": "b", "count": 1}]));
    }
}
