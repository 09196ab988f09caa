//! Persons, groups and distinct ids of a project as columns: what the manifest holds, with the layers on top.

use super::state::State;
use crate::ReadError;
use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use crate::layout::objects::PropertyCache;
use crate::read::{DistinctIdsTable, GroupsTable, PersonsTable};
use aqueduct_event::{PersonId, ProjectId};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt8Array};
use std::collections::BTreeMap;
use std::sync::Arc;

fn times(times: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
}

pub(crate) fn persons(state: &State, project: ProjectId) -> Result<PersonsTable, ReadError> {
    let mut rows: BTreeMap<PersonId, Arc<PersonRecord>> =
        state.base.view.persons(project)?.into_iter().map(|person| (person.id, Arc::new(person))).collect();
    let mut layers: Vec<_> = state.layers().collect();
    layers.reverse();
    for layer in layers {
        for ((_, id), person) in layer.persons.iter().filter(|((of, _), _)| *of == project) {
            rows.insert(*id, Arc::clone(person));
        }
    }
    rows.retain(|_, person| !person.is_deleted);
    Ok(PersonsTable {
        ids: rows.keys().copied().collect(),
        created_at: times(rows.values().map(|person| person.created_at.0)),
        is_identified: Arc::new(BooleanArray::from_iter(rows.values().map(|person| Some(person.is_identified)))),
        properties: Arc::new(StringArray::from_iter_values(rows.values().map(|person| &*person.properties))),
        version: Arc::new(Int64Array::from_iter_values(rows.values().map(|person| person.version.cast_signed()))),
        taken_apart: PropertyCache::default(),
    })
}

pub(crate) fn groups(state: &State, project: ProjectId) -> Result<GroupsTable, ReadError> {
    let of_base = state.base.view.groups(project)?.into_iter();
    let mut rows: BTreeMap<(u8, Arc<str>), Arc<GroupRecord>> =
        of_base.map(|group| ((group.type_index, Arc::clone(&group.key)), Arc::new(group))).collect();
    let mut layers: Vec<_> = state.layers().collect();
    layers.reverse();
    for layer in layers {
        for ((_, type_index, key), group) in layer.groups.iter().filter(|((of, ..), _)| *of == project) {
            rows.insert((*type_index, Arc::clone(key)), Arc::clone(group));
        }
    }
    Ok(GroupsTable {
        type_index: Arc::new(UInt8Array::from_iter_values(rows.values().map(|group| group.type_index))),
        key: Arc::new(StringArray::from_iter_values(rows.values().map(|group| &*group.key))),
        created_at: times(rows.values().map(|group| group.created_at.0)),
        updated_at: times(rows.values().map(|group| group.updated_at.0)),
        properties: Arc::new(StringArray::from_iter_values(rows.values().map(|group| &*group.properties))),
        taken_apart: PropertyCache::default(),
    })
}

pub(crate) fn distinct_ids(state: &State, project: ProjectId) -> Result<DistinctIdsTable, ReadError> {
    let of_base = state.base.view.distinct_ids(project)?.into_iter();
    let mut rows: BTreeMap<Arc<str>, DistinctIdRecord> = of_base.map(|id| (Arc::clone(&id.distinct_id), id)).collect();
    let mut layers: Vec<_> = state.layers().collect();
    layers.reverse();
    for layer in layers {
        for ((_, text), id) in layer.distinct_ids.iter().filter(|((of, _), _)| *of == project) {
            rows.insert(Arc::clone(text), id.clone());
        }
    }
    rows.retain(|_, id| !id.is_personless);
    Ok(DistinctIdsTable {
        distinct_id: Arc::new(StringArray::from_iter_values(rows.keys())),
        person: rows.values().map(|id| id.person).collect(),
        version: Arc::new(Int64Array::from_iter_values(rows.values().map(|id| id.version.cast_signed()))),
    })
}
