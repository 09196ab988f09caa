//! Dictionaries cut down to what a batch uses.
//!
//! A part's dictionary may hold a hundred times more values than a batch has rows, and much of what DataFusion does to a batch
//! (hashing into rows, casts) is done to the whole dictionary.

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type};
use arrow::error::ArrowError;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The same values with a dictionary of the used ones, where that is the smaller one; other arrays as they are.
pub(super) fn compact(array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let is_text = matches!(array.data_type(), DataType::Dictionary(key, _) if **key == DataType::Int32);
    if !is_text {
        return Ok(array);
    }
    let dictionary = array.as_dictionary::<Int32Type>();
    if dictionary.values().len() <= dictionary.len() {
        return Ok(array);
    }
    let mut places: FxHashMap<i32, i32> = FxHashMap::default();
    let mut used: Vec<i32> = Vec::new();
    let keys: Int32Array = dictionary
        .keys()
        .iter()
        .map(|key| {
            let key = key?;
            Some(*places.entry(key).or_insert_with(|| {
                used.push(key);
                i32::try_from(used.len() - 1).unwrap_or(i32::MAX)
            }))
        })
        .collect();
    let values = take(dictionary.values().as_ref(), &Int32Array::from(used), None)?;
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringArray;

    #[test]
    fn keeps_values_and_nulls() {
        let values: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|at| at.to_string())));
        let keys = Int32Array::from(vec![Some(7), None, Some(99), Some(7)]);
        let array: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys, values));
        let small = compact(Arc::clone(&array)).expect("an array");
        assert_eq!(small.as_dictionary::<Int32Type>().values().len(), 2);
        let plain = |array: &ArrayRef| arrow::compute::cast(array, &DataType::Utf8).expect("text");
        assert_eq!(&plain(&small), &plain(&array));
    }
}
