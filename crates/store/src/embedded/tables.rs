//! Persons, groups and distinct ids of a project as columns: what the manifest holds, with the layers on top.
//!
//! A table is built from the manifest once; after that, a newer one is made from the last one and the records that changed since, and a state in
//! which none changed shares it. So a query while events come in does not pay for all persons again.

use super::delta::Delta;
use super::state::State;
use crate::ReadError;
use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use crate::layout::gather::{Plan, Slice};
use crate::layout::property_objects::{ObjectsBuilder, PropertyObjects};
use crate::manifest::records::PersonRow;
use crate::read::{DistinctIdsTable, GroupsTable, PersonsTable};
use aqueduct_event::{PersonId, ProjectId};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, StringBuilder, TimestampMicrosecondArray, UInt8Array};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The newest table of each project, as long as they fit the budget.
#[derive(Debug)]
pub(crate) struct Tables {
    persons: Newest<PersonsTable>,
    person_properties: Newest<PropertiesOfPersons>,
    distinct_ids: Newest<DistinctIdsTable>,
    groups: Newest<GroupsTable>,
}

/// Properties, and the table whose rows they belong to.
#[derive(Debug)]
struct PropertiesOfPersons {
    persons: Arc<PersonsTable>,
    objects: Arc<PropertyObjects>,
}

#[derive(Debug)]
struct Newest<T> {
    kept: Mutex<HashMap<ProjectId, Kept<T>>>,
    bytes_max: usize,
}

#[derive(Debug)]
struct Kept<T> {
    table: Arc<T>,
    /// Newest change of records of the project that is in it.
    changed: u64,
    /// Number of the state that it was made from.
    seq: u64,
    bytes: usize,
}

impl<T> Newest<T> {
    fn new(bytes_max: usize) -> Self {
        Self { kept: Mutex::default(), bytes_max }
    }

    /// The table of a state: the one kept, or what `build` makes, perhaps from an older one whose later changes the state still has.
    fn get(
        &self,
        state: &State,
        project: ProjectId,
        bytes: impl Fn(&T) -> usize,
        build: impl FnOnce(Option<(&T, u64)>) -> Result<T, ReadError>,
    ) -> Result<Arc<T>, ReadError> {
        let changed = state.records_changed(project);
        let older = {
            let kept = self.kept.lock();
            match kept.get(&project) {
                Some(kept) if kept.changed == changed => return Ok(Arc::clone(&kept.table)),
                Some(kept) if kept.seq <= state.seq && state.knows_changes_since(kept.seq) => Some((Arc::clone(&kept.table), kept.seq)),
                _ => None,
            }
        };
        let table = Arc::new(build(older.as_ref().map(|(table, seq)| (&**table, *seq)))?);
        let bytes = bytes(&table);
        let mut kept = self.kept.lock();
        if kept.get(&project).is_none_or(|kept| kept.seq < state.seq) {
            kept.remove(&project);
            // Rarely more than a handful of projects is asked at a time; who does not fit is built again when asked.
            if kept.values().map(|kept| kept.bytes).sum::<usize>() + bytes > self.bytes_max {
                kept.clear();
            }
            if bytes <= self.bytes_max {
                kept.insert(project, Kept { table: Arc::clone(&table), changed, seq: state.seq, bytes });
            }
        }
        Ok(table)
    }
}

impl Tables {
    /// Tables that take about `bytes_max` in all.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            persons: Newest::new(bytes_max / 8),
            person_properties: Newest::new(bytes_max / 2),
            distinct_ids: Newest::new(bytes_max / 4),
            groups: Newest::new(bytes_max / 8),
        }
    }

    /// Whether anybody asked for tables; if not, nothing is kept for their sake.
    pub(crate) fn are_used(&self) -> bool {
        !self.persons.kept.lock().is_empty() || !self.distinct_ids.kept.lock().is_empty()
    }

    pub(crate) fn persons(&self, state: &State, project: ProjectId) -> Result<Arc<PersonsTable>, ReadError> {
        self.persons.get(
            state,
            project,
            |table| table.ids.len() * 50,
            |older| match older {
                Some((older, since)) => Ok(persons_from(older, &changed_persons(state, project, since))),
                None => {
                    let mut rows = PersonRows::default();
                    each_person(state, project, |person| rows.push(&person))?;
                    Ok(rows.finish())
                }
            },
        )
    }

    /// The properties of [`Tables::persons`] of the same state, row by row.
    pub(crate) fn person_properties(&self, state: &State, project: ProjectId) -> Result<Arc<PropertyObjects>, ReadError> {
        let made = self.person_properties.get(
            state,
            project,
            |made| made.objects.bytes(),
            |older| {
                let persons = self.persons(state, project)?;
                let objects = match older {
                    Some((older, since)) => {
                        let changed = changed_persons(state, project, since);
                        let plan = overlay_of(&older.persons, &changed);
                        older.objects.changed(plan, living(&changed).map(|person| &*person.properties))
                    }
                    None => {
                        let mut objects = ObjectsBuilder::default();
                        each_person(state, project, |person| objects.push(person.properties))?;
                        objects.finish()
                    }
                };
                Ok(PropertiesOfPersons { persons, objects: Arc::new(objects) })
            },
        )?;
        Ok(Arc::clone(&made.objects))
    }

    pub(crate) fn distinct_ids(&self, state: &State, project: ProjectId) -> Result<Arc<DistinctIdsTable>, ReadError> {
        let bytes = |table: &DistinctIdsTable| table.person.len() * 24 + table.distinct_id.get_array_memory_size();
        self.distinct_ids.get(state, project, bytes, |older| match older {
            Some((older, since)) => Ok(distinct_ids_from(older, &changed_distinct_ids(state, project, since))),
            None => distinct_ids(state, project),
        })
    }

    pub(crate) fn groups(&self, state: &State, project: ProjectId) -> Result<Arc<GroupsTable>, ReadError> {
        let bytes = |table: &GroupsTable| table.properties.bytes() + table.key.get_array_memory_size();
        self.groups.get(state, project, bytes, |_| groups(state, project))
    }
}

/// Newest state of the records that changed after `since`, or earlier: what is the same does no harm.
fn changed<K, V>(state: &State, since: u64, put: impl Fn(&Delta, &mut BTreeMap<K, V>)) -> BTreeMap<K, V> {
    let mut changed = BTreeMap::new();
    for delta in state.layers_since(since) {
        put(delta, &mut changed);
    }
    changed
}

fn times(times: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
}

/// Times that not everybody has.
fn times_seen(times: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(times).with_timezone("UTC"))
}

/// Gives the living persons of a project in order of id.
fn each_person(state: &State, project: ProjectId, mut take: impl FnMut(PersonRow<'_>)) -> Result<(), ReadError> {
    let changed = changed_persons(state, project, state.base.seq);
    let mut changed = changed.values().peekable();
    state.base.view.each_person(project, |person| {
        while let Some(earlier) = changed.next_if(|changed| changed.id < person.id) {
            living_row(earlier).into_iter().for_each(&mut take);
        }
        match changed.next_if(|changed| changed.id == person.id) {
            Some(instead) => living_row(instead).into_iter().for_each(&mut take),
            None => take(person),
        }
    })?;
    changed.filter_map(|person| living_row(person)).for_each(take);
    Ok(())
}

fn living_row(person: &PersonRecord) -> Option<PersonRow<'_>> {
    (!person.is_deleted).then(|| person.into())
}

type ChangedPersons = BTreeMap<PersonId, Arc<PersonRecord>>;

fn changed_persons(state: &State, project: ProjectId, since: u64) -> ChangedPersons {
    changed(state, since, |delta: &Delta, into: &mut ChangedPersons| {
        let of_project = delta.persons.iter().filter(|((of, _), _)| *of == project);
        into.extend(of_project.map(|((_, id), person)| (*id, Arc::clone(person))));
    })
}

fn living(changed: &ChangedPersons) -> impl Iterator<Item = &PersonRecord> {
    changed.values().map(|person| &**person).filter(|person| !person.is_deleted)
}

/// Columns of persons that are being made.
#[derive(Debug, Default)]
struct PersonRows {
    ids: Vec<PersonId>,
    created_at: Vec<i64>,
    last_seen_at: Vec<Option<i64>>,
    is_identified: Vec<bool>,
    version: Vec<i64>,
}

impl PersonRows {
    fn push(&mut self, person: &PersonRow<'_>) {
        self.ids.push(person.id);
        self.created_at.push(person.created_at.0);
        self.last_seen_at.push(person.last_seen_at.map(|at| at.0));
        self.is_identified.push(person.is_identified);
        self.version.push(person.version.cast_signed());
    }

    fn finish(self) -> PersonsTable {
        PersonsTable {
            ids: self.ids,
            created_at: times(self.created_at.into_iter()),
            last_seen_at: times_seen(self.last_seen_at.into_iter()),
            is_identified: Arc::new(BooleanArray::from(self.is_identified)),
            version: Arc::new(Int64Array::from(self.version)),
        }
    }
}

/// How a table becomes the one after a change.
fn overlay_of(older: &PersonsTable, changed: &ChangedPersons) -> Plan {
    let fresh: Vec<(&PersonId, bool)> = changed.iter().map(|(id, person)| (id, !person.is_deleted)).collect();
    overlay(older.ids.len(), |row| &older.ids[row], &fresh)
}

/// `older` with changed persons put in, replaced and taken out.
fn persons_from(older: &PersonsTable, changed: &ChangedPersons) -> PersonsTable {
    let plan = overlay_of(older, changed);
    let mut newer = PersonRows::default();
    living(changed).for_each(|person| newer.push(&person.into()));
    let newer = newer.finish();
    let is_identified = |table: &PersonsTable| table.is_identified.as_boolean().values().iter().map(u8::from).collect::<Vec<u8>>();
    let is_identified = plan.values(&[&is_identified(older), &is_identified(&newer)]);
    let mut ids = Vec::with_capacity(plan.rows);
    for Slice { source, from, to } in &plan.slices {
        ids.extend_from_slice(&[&older.ids, &newer.ids][*source as usize][*from as usize..*to as usize]);
    }
    PersonsTable {
        ids,
        created_at: gather_times(&plan, &older.created_at, &newer.created_at),
        last_seen_at: gather_times_seen(&plan, &older.last_seen_at, &newer.last_seen_at),
        is_identified: Arc::new(BooleanArray::from_iter(is_identified.iter().map(|value| Some(*value != 0)))),
        version: gather_numbers(&plan, &older.version, &newer.version),
    }
}

fn groups(state: &State, project: ProjectId) -> Result<GroupsTable, ReadError> {
    let base = state.base.view.groups(project)?.into_iter();
    let mut rows: BTreeMap<(u8, Arc<str>), Arc<GroupRecord>> =
        base.map(|group| ((group.type_index, Arc::clone(&group.key)), Arc::new(group))).collect();
    for layer in state.layers_since(state.base.seq) {
        for ((_, type_index, key), group) in layer.groups.iter().filter(|((of, ..), _)| *of == project) {
            rows.insert((*type_index, Arc::clone(key)), Arc::clone(group));
        }
    }
    Ok(GroupsTable {
        type_index: Arc::new(UInt8Array::from_iter_values(rows.values().map(|group| group.type_index))),
        key: Arc::new(StringArray::from_iter_values(rows.values().map(|group| &*group.key))),
        created_at: times(rows.values().map(|group| group.created_at.0)),
        updated_at: times(rows.values().map(|group| group.updated_at.0)),
        properties: rows.values().map(|group| &*group.properties).collect(),
    })
}

fn distinct_ids(state: &State, project: ProjectId) -> Result<DistinctIdsTable, ReadError> {
    let (mut texts, mut person, mut version) = (StringBuilder::new(), Vec::new(), Vec::new());
    state.base.view.each_distinct_id(project, |id| {
        if !id.is_personless {
            texts.append_value(id.distinct_id);
            person.push(id.person);
            version.push(id.version.cast_signed());
        }
    })?;
    let base = DistinctIdsTable { distinct_id: Arc::new(texts.finish()), person, version: Arc::new(Int64Array::from(version)) };
    let changed = changed_distinct_ids(state, project, state.base.seq);
    Ok(if changed.is_empty() { base } else { distinct_ids_from(&base, &changed) })
}

fn changed_distinct_ids(state: &State, project: ProjectId, since: u64) -> BTreeMap<Arc<str>, DistinctIdRecord> {
    changed(state, since, |delta: &Delta, into: &mut BTreeMap<Arc<str>, DistinctIdRecord>| {
        let of_project = delta.distinct_ids.iter().filter(|((of, _), _)| *of == project);
        into.extend(of_project.map(|((_, text), id)| (Arc::clone(text), id.clone())));
    })
}

fn distinct_ids_of<'a>(rows: impl Iterator<Item = &'a DistinctIdRecord> + Clone) -> DistinctIdsTable {
    DistinctIdsTable {
        distinct_id: Arc::new(StringArray::from_iter_values(rows.clone().map(|id| &*id.distinct_id))),
        person: rows.clone().map(|id| id.person).collect(),
        version: Arc::new(Int64Array::from_iter_values(rows.map(|id| id.version.cast_signed()))),
    }
}

fn distinct_ids_from(older: &DistinctIdsTable, changed: &BTreeMap<Arc<str>, DistinctIdRecord>) -> DistinctIdsTable {
    let texts = older.distinct_id.as_string::<i32>();
    let fresh: Vec<(&str, bool)> = changed.iter().map(|(text, id)| (&**text, !id.is_personless)).collect();
    let plan = overlay(texts.len(), |row| texts.value(row), &fresh);
    let newer = distinct_ids_of(changed.values().filter(|id| !id.is_personless));
    let mut person = Vec::with_capacity(plan.rows);
    for Slice { source, from, to } in &plan.slices {
        person.extend_from_slice(&[&older.person, &newer.person][*source as usize][*from as usize..*to as usize]);
    }
    DistinctIdsTable {
        distinct_id: gather_texts(&plan, &older.distinct_id, &newer.distinct_id),
        person,
        version: gather_numbers(&plan, &older.version, &newer.version),
    }
}

/// How `older` sorted rows (source 0) and changed ones (source 1, without those that are not kept) make the rows after the change.
fn overlay<K: Ord>(older: usize, key: impl Fn(usize) -> K, fresh: &[(K, bool)]) -> Plan {
    let mut slices = Vec::new();
    let (mut at, mut taken) = (0, 0);
    for (changed, is_kept) in fresh {
        let (mut low, mut high) = (at, older);
        while low < high {
            let middle = (low + high) / 2;
            if key(middle) < *changed { low = middle + 1 } else { high = middle }
        }
        if low > at {
            slices.push(Slice { source: 0, from: at as u32, to: low as u32 });
        }
        at = if low < older && key(low) == *changed { low + 1 } else { low };
        if *is_kept {
            slices.push(Slice { source: 1, from: taken, to: taken + 1 });
            taken += 1;
        }
    }
    if at < older {
        slices.push(Slice { source: 0, from: at as u32, to: older as u32 });
    }
    Plan::new(slices, vec![older, taken as usize])
}

fn gather_times(plan: &Plan, older: &ArrayRef, newer: &ArrayRef) -> ArrayRef {
    let values = |array: &ArrayRef| array.as_primitive::<TimestampMicrosecondType>().values().clone();
    let values = plan.values(&[&values(older)[..], &values(newer)[..]]);
    Arc::new(TimestampMicrosecondArray::new(values, None).with_timezone("UTC"))
}

fn gather_times_seen(plan: &Plan, older: &ArrayRef, newer: &ArrayRef) -> ArrayRef {
    /// No person was ever seen then.
    const NEVER: i64 = i64::MIN;
    let values =
        |array: &ArrayRef| array.as_primitive::<TimestampMicrosecondType>().iter().map(|at| at.unwrap_or(NEVER)).collect::<Vec<i64>>();
    let values = plan.values(&[&values(older)[..], &values(newer)[..]]);
    times_seen(values.iter().map(|at| (*at != NEVER).then_some(*at)))
}

fn gather_numbers(plan: &Plan, older: &ArrayRef, newer: &ArrayRef) -> ArrayRef {
    let values = |array: &ArrayRef| array.as_primitive::<Int64Type>().values().clone();
    Arc::new(Int64Array::new(plan.values(&[&values(older)[..], &values(newer)[..]]), None))
}

fn gather_texts(plan: &Plan, older: &ArrayRef, newer: &ArrayRef) -> ArrayRef {
    let sources = [older.as_string::<i32>(), newer.as_string::<i32>()];
    let bytes = sources.iter().map(|source| source.value_data().len()).sum();
    let mut out = StringBuilder::with_capacity(plan.rows, bytes);
    for Slice { source, from, to } in &plan.slices {
        for row in *from..*to {
            out.append_value(sources[*source as usize].value(row as usize));
        }
    }
    Arc::new(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_puts_in_replaces_and_takes_out() {
        let older = [1, 3, 5, 7];
        let plan = overlay(older.len(), |row| older[row], &[(0, true), (3, true), (5, false), (6, false), (9, true)]);
        let fresh = [0, 3, 9];
        let rows = plan.values(&[&older[..], &fresh[..]]);
        assert_eq!(&rows[..], &[0, 1, 3, 7, 9]);
    }
}
