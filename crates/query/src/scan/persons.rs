//! From the person ids that rows carry to rows of the tables of persons and groups.
//!
//! A person's rows of a part are contiguous, so a person is looked up once per run, not per row.

use super::property::property_array;
use super::{GroupField, PersonField, ScanContext};
use crate::error::QueryError;
use aqueduct_event::PersonId;
use aqueduct_store::{EventColumn, GroupsTable, Part, PersonRuns, PersonsTable, PropertyObjects};
use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, DictionaryArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder, Int32Array, Int32Builder,
    PrimitiveArray, StringArray, StringBuilder,
};
use arrow::buffer::Buffer;
use arrow::compute::take;
use arrow::datatypes::{Int32Type, UInt8Type};
use std::sync::Arc;

/// The persons that the rows of a part belong to, merges applied.
pub(super) fn person_ids(part: &dyn Part, context: &ScanContext) -> Result<ArrayRef, QueryError> {
    let overrides = context.overrides();
    let runs = part.person_runs()?;
    if overrides.is_empty() || !runs.persons.iter().any(|person| overrides.contains_key(person)) {
        return Ok(part.column(EventColumn::PersonId)?);
    }
    let mut bytes = Vec::with_capacity(part.rows() * 16);
    for (person, length) in lengths(&runs) {
        let person = overrides.get(person).unwrap_or(person);
        for _ in 0..length {
            bytes.extend_from_slice(person.as_bytes());
        }
    }
    Ok(Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from_vec(bytes), None)?))
}

/// For each row of a part the person's place in `persons`, NULL for a person that has no row there.
pub(super) fn person_places(part: &dyn Part, context: &ScanContext, persons: &PersonsTable) -> Result<Int32Array, QueryError> {
    let overrides = context.overrides();
    let runs = part.person_runs()?;
    let mut places = Int32Builder::with_capacity(part.rows());
    // Runs are in order of id, like the table: each is looked for after the one before it.
    let mut from = 0;
    for (person, length) in lengths(&runs) {
        let place = match overrides.get(person).filter(|_| !overrides.is_empty()) {
            Some(present) => persons.ids.binary_search(present).ok(),
            None => {
                from += gallop(&persons.ids[from..], person);
                (persons.ids.get(from) == Some(person)).then_some(from)
            }
        };
        match place.and_then(|place| i32::try_from(place).ok()) {
            Some(place) => places.append_value_n(place, length),
            None => places.append_nulls(length),
        }
    }
    Ok(places.finish())
}

/// How many of the ascending ids are less than `id`; quick when they are few.
fn gallop(ids: &[PersonId], id: &PersonId) -> usize {
    let mut reach = 1;
    while reach < ids.len() && ids[reach] < *id {
        reach *= 2;
    }
    let start = reach / 2;
    start + ids[start.min(ids.len())..ids.len().min(reach + 1)].partition_point(|other| other < id)
}

fn lengths(runs: &PersonRuns) -> impl Iterator<Item = (&PersonId, usize)> {
    runs.persons.iter().zip(runs.starts.windows(2)).map(|(person, bounds)| (person, (bounds[1] - bounds[0]) as usize))
}

/// A field of the persons table, in its order.
pub(crate) fn person_column(field: &PersonField, context: &ScanContext) -> Result<ArrayRef, QueryError> {
    let persons = context.persons()?;
    Ok(match field {
        PersonField::Id => uuids(&persons.ids)?,
        PersonField::CreatedAt => Arc::clone(&persons.created_at),
        PersonField::LastSeenAt => Arc::clone(&persons.last_seen_at),
        PersonField::IsIdentified => Arc::clone(&persons.is_identified),
        PersonField::PropertiesJson => objects_at(&(0..).take(persons.ids.len()).collect(), &*context.person_properties()?)?,
        PersonField::Property(key, kind) => {
            property_array(context.person_properties()?.property(key).as_ref(), *kind, persons.ids.len(), context.zone())
        }
    })
}

/// A field of persons by their places in the table.
pub(super) fn persons_at(field: &PersonField, places: &Int32Array, context: &ScanContext) -> Result<ArrayRef, QueryError> {
    if matches!(field, PersonField::PropertiesJson) {
        return objects_at(places, &*context.person_properties()?);
    }
    gather(&person_column(field, context)?, places)
}

/// Objects at some places as a dictionary, those that come one after the other once. All of persons may be more than an array can hold.
pub(super) fn objects_at(places: &Int32Array, objects: &PropertyObjects) -> Result<ArrayRef, QueryError> {
    let (mut keys, mut texts, mut last) = (Int32Builder::new(), StringBuilder::new(), None);
    for place in places {
        let Some(place) = place.and_then(|place| usize::try_from(place).ok()) else {
            keys.append_null();
            continue;
        };
        if last != Some(place) {
            let text = objects.value(place);
            if i32::try_from(texts.values_slice().len() + text.len()).is_err() {
                let detail = "properties as a whole are over 2 GiB here; name those that you want, as in properties.email";
                return Err(QueryError::Memory(detail.to_owned()));
            }
            texts.append_value(text);
            last = Some(place);
        }
        keys.append_value(i32::try_from(texts.len() - 1).unwrap_or(i32::MAX));
    }
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys.finish(), Arc::new(texts.finish()))?))
}

/// A field of the groups table, in its order.
pub(crate) fn group_column(groups: &GroupsTable, field: &GroupField, context: &ScanContext) -> Result<ArrayRef, QueryError> {
    Ok(match field {
        GroupField::Key => as_dictionary(&groups.key),
        GroupField::CreatedAt => Arc::clone(&groups.created_at),
        GroupField::UpdatedAt => Arc::clone(&groups.updated_at),
        GroupField::PropertiesJson => objects_at(&(0..).take(groups.key.len()).collect(), &groups.properties)?,
        GroupField::Property(key, kind) => {
            property_array(groups.properties.property(key).as_ref(), *kind, groups.key.len(), context.zone())
        }
    })
}

/// For each row the group's place in `groups`, by the keys that rows carry (`$group_<index>`). Looked up once per distinct key.
pub(super) fn group_places(keys: &ArrayRef, index: u8, groups: &GroupsTable) -> Result<Int32Array, QueryError> {
    let keys = keys.as_dictionary::<Int32Type>();
    let types: &PrimitiveArray<UInt8Type> = groups.type_index.as_primitive();
    let table_keys: &StringArray = groups.key.as_string();
    let (start, end) = (types.values().partition_point(|at| *at < index), types.values().partition_point(|at| *at <= index));
    let places: Int32Array = keys
        .values()
        .as_string::<i32>()
        .iter()
        .map(|key| {
            let key = key?;
            let (mut low, mut high) = (start, end);
            while low < high {
                let middle = low.midpoint(high);
                if table_keys.value(middle) < key { low = middle + 1 } else { high = middle }
            }
            (low < end && table_keys.value(low) == key).then(|| i32::try_from(low).ok()).flatten()
        })
        .collect();
    let places = take(&places, keys.keys(), None)?;
    Ok(places.as_primitive::<Int32Type>().clone())
}

/// Rows of a table's column, at `places`. Text is not copied: the places become the keys of a dictionary.
pub(super) fn gather(column: &ArrayRef, places: &Int32Array) -> Result<ArrayRef, QueryError> {
    Ok(take(column.as_ref(), places, None)?)
}

/// Text as a dictionary whose value `i` is row `i`.
pub(crate) fn as_dictionary(text: &ArrayRef) -> ArrayRef {
    let keys = Int32Array::from_iter_values(0..i32::try_from(text.len()).unwrap_or(i32::MAX));
    Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::clone(text)))
}

/// Ids as `FixedSizeBinary(16)`.
pub(crate) fn uuids(ids: &[PersonId]) -> Result<ArrayRef, QueryError> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(ids.len(), 16);
    for id in ids {
        builder.append_value(id.as_bytes())?;
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn galloping_finds_what_a_search_finds() {
        let ids: Vec<PersonId> = (0..50).map(|id| Uuid::from_u128(id * 2)).collect();
        for id in 0..102 {
            let id = Uuid::from_u128(id);
            for from in [0, 1, 7, 49, 50] {
                assert_eq!(gallop(&ids[from..], &id), ids[from..].partition_point(|other| *other < id), "{id} from {from}");
            }
        }
    }
}
