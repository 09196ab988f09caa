//! The cases about persons, distinct ids, groups and the tables of them.

use super::cases::{Backend, WORKS, World, in_every_state};
use super::rows::commit_of;
use crate::commit::{Commit, DistinctIdRecord, GroupRecord, PersonRecord};
use aqueduct_event::{ProjectId, PropertyValue, UnixMicros};
use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);

pub(super) fn run(make: &dyn Fn() -> Box<dyn World>) {
    look_ups_see_the_newest_state(&mut *make());
    distinct_ids_move(&mut *make());
    group_types_are_numbered_in_order(&mut *make());
    tables_show_the_living(&mut *make());
    tables_follow_every_change(&mut *make());
}

pub(super) fn person(id: u128, properties: &str, is_deleted: bool) -> PersonRecord {
    PersonRecord {
        project: PROJECT,
        id: Uuid::from_u128(id),
        created_at: UnixMicros(id as i64),
        properties: properties.into(),
        is_identified: id.is_multiple_of(2),
        version: 1,
        is_deleted,
        last_seen_at: id.is_multiple_of(3).then_some(UnixMicros(7)),
    }
}

fn distinct_id(text: &str, person: u128) -> DistinctIdRecord {
    let person = Uuid::from_u128(person);
    DistinctIdRecord {
        project: PROJECT,
        distinct_id: text.into(),
        person,
        version: 0,
        is_personless: text.starts_with("anonymous"),
        spent: 0,
    }
}

fn group(type_index: u8, key: &str, properties: &str) -> GroupRecord {
    GroupRecord {
        project: PROJECT,
        type_index,
        key: key.into(),
        properties: properties.into(),
        created_at: UnixMicros(1),
        updated_at: UnixMicros(2),
    }
}

fn commit(upto: u64, fill: impl FnOnce(&mut Commit)) -> Commit {
    let mut commit = commit_of(&[], upto);
    fill(&mut commit);
    commit
}

fn look_ups_see_the_newest_state(world: &mut dyn World) {
    let store = world.store();
    let first = commit(1, |commit| {
        commit.persons = vec![person(1, "{\"a\":1}", false), person(2, "{}", false)];
        commit.groups = vec![group(0, "acme", "{}"), group(1, "acme", "{\"x\":1}")];
    });
    store.commit(first).expect(WORKS);
    store.flush().expect(WORKS);
    let second = commit(2, |commit| {
        commit.persons = vec![person(1, "{\"a\":2}", false), person(2, "{}", true), person(3, "{}", false)];
        commit.groups = vec![group(0, "acme", "{\"y\":2}")];
    });
    store.commit(second).expect(WORKS);
    in_every_state(world, |store| {
        let person_of = |id| store.person(PROJECT, Uuid::from_u128(id)).expect(WORKS);
        assert_eq!(person_of(1), Some(person(1, "{\"a\":2}", false)));
        assert_eq!(person_of(2), None, "deleted");
        assert_eq!(person_of(3), Some(person(3, "{}", false)));
        assert_eq!(store.person(ProjectId(2), Uuid::from_u128(1)).expect(WORKS), None, "another project");
        assert_eq!(store.group(PROJECT, 0, "acme").expect(WORKS), Some(group(0, "acme", "{\"y\":2}")));
        assert_eq!(store.group(PROJECT, 1, "acme").expect(WORKS), Some(group(1, "acme", "{\"x\":1}")));
        assert_eq!(store.group(PROJECT, 2, "acme").expect(WORKS), None);
    });
}

fn distinct_ids_move(world: &mut dyn World) {
    let store = world.store();
    let first = commit(1, |commit| commit.distinct_ids = vec![distinct_id("b", 1), distinct_id("a", 1), distinct_id("c", 2)]);
    store.commit(first).expect(WORKS);
    store.flush().expect(WORKS);
    store.commit(commit(2, |commit| commit.distinct_ids = vec![distinct_id("a", 2)])).expect(WORKS);
    in_every_state(world, |store| {
        let ids_of = |person| store.distinct_ids_of(PROJECT, Uuid::from_u128(person)).expect(WORKS);
        assert_eq!(ids_of(1), ["b"]);
        assert_eq!(ids_of(2), ["a", "c"]);
        assert!(ids_of(3).is_empty());
        assert_eq!(store.distinct_id(PROJECT, "a").expect(WORKS), Some(distinct_id("a", 2)));
        assert_eq!(store.distinct_id(PROJECT, "z").expect(WORKS), None);
    });
}

fn group_types_are_numbered_in_order(world: &mut dyn World) {
    let store = world.store();
    let names = |names: &[&str]| names.iter().map(|name| (PROJECT, Arc::from(*name))).collect::<Vec<_>>();
    store.commit(commit(1, |commit| commit.group_types = names(&["company", "team"]))).expect(WORKS);
    store.flush().expect(WORKS);
    store.commit(commit(2, |commit| commit.group_types = names(&["team", "a", "b", "c", "too many"]))).expect(WORKS);
    in_every_state(world, |store| {
        let expected = ["company", "team", "a", "b", "c"];
        assert_eq!(store.group_types(PROJECT).expect(WORKS), expected);
        assert!(store.group_types(ProjectId(2)).expect(WORKS).is_empty());
        assert_eq!(store.snapshot().project(PROJECT).expect(WORKS).group_types(), expected);
    });
}

fn tables_show_the_living(world: &mut dyn World) {
    let store = world.store();
    let first = commit(1, |commit| {
        commit.persons = vec![person(5, "{\"plan\":\"pro\",\"n\":1}", false), person(4, "{}", false), person(9, "{}", false)];
        commit.distinct_ids = vec![distinct_id("ann", 5), distinct_id("anonymous", 4)];
        commit.groups = vec![group(1, "b", "{\"size\":3}"), group(0, "z", "{}")];
    });
    store.commit(first).expect(WORKS);
    store.flush().expect(WORKS);
    let earlier = store.snapshot().project(PROJECT).expect(WORKS);
    let second = commit(2, |commit| {
        commit.persons = vec![person(4, "{\"plan\":null,\"n\":1.5}", false), person(9, "{}", true)];
        commit.distinct_ids = vec![distinct_id("bob", 4)];
        commit.groups = vec![group(1, "a", "{}")];
    });
    store.commit(second).expect(WORKS);
    assert_eq!(earlier.persons().expect(WORKS).ids.len(), 3, "a view does not change");
    in_every_state(world, |store| {
        let view = store.snapshot().project(PROJECT).expect(WORKS);
        let persons = view.persons().expect(WORKS);
        assert_eq!(persons.ids, [Uuid::from_u128(4), Uuid::from_u128(5)]);
        assert_eq!((persons.created_at.len(), persons.version.len(), persons.is_identified.len()), (2, 2, 2));
        let properties = view.person_properties().expect(WORKS);
        let plan = properties.property("plan").expect("INVARIANT: two persons have it");
        assert_eq!((plan.value(0), plan.value(1)), (Some(PropertyValue::Json("null")), Some(PropertyValue::Str("pro"))));
        let number = properties.property("n").expect("INVARIANT: two persons have it");
        assert_eq!((number.value(0), number.value(1)), (Some(PropertyValue::Float(1.5)), Some(PropertyValue::Int(1))));
        assert!(properties.property("nobody").is_none());
        let ids = view.distinct_ids().expect(WORKS);
        assert_eq!(
            ids.distinct_id.as_string::<i32>().iter().flatten().collect::<Vec<_>>(),
            ["ann", "bob"],
            "personless ids have no person"
        );
        assert_eq!(ids.person, [Uuid::from_u128(5), Uuid::from_u128(4)]);
        let groups = view.groups().expect(WORKS);
        assert_eq!(groups.key.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["z", "a", "b"]);
        let size = groups.properties.property("size").expect("INVARIANT: a group has it");
        assert_eq!((size.value(1), size.value(2)), (None, Some(PropertyValue::Int(3))));
    });
}

/// Rounds of changes with a query after each, so that tables are made from earlier tables; compared with a plain map.
fn tables_follow_every_change(world: &mut dyn World) {
    let mut living: BTreeMap<Uuid, String> = BTreeMap::new();
    let mut owners: BTreeMap<String, Uuid> = BTreeMap::new();
    for round in 0..40_u64 {
        let changes = commit(round + 1, |commit| {
            for number in 0..7 {
                let id = u128::from((round * 31 + number * 17) % 60);
                let plan = format!("\"{}\"", (round + number) % 5);
                let record = person(id, &format!("{{\"plan\":{plan}}}"), (round + number) % 4 == 3);
                if record.is_deleted {
                    living.remove(&record.id)
                } else {
                    living.insert(record.id, plan)
                };
                commit.persons.retain(|earlier| earlier.id != record.id);
                commit.persons.push(record);
                let text = format!("user-{}", (round * 7 + number) % 50);
                owners.insert(text.clone(), Uuid::from_u128(id));
                commit.distinct_ids.retain(|earlier| *earlier.distinct_id != *text);
                commit.distinct_ids.push(distinct_id(&text, id));
            }
        });
        world.store().commit(changes).expect(WORKS);
        check_tables(world.store(), &living, &owners);
        if round % 5 == 4 {
            world.store().flush().expect(WORKS);
            check_tables(world.store(), &living, &owners);
        }
    }
    world.store().flush().expect(WORKS);
    world.crash();
    check_tables(world.store(), &living, &owners);
}

fn check_tables(store: &dyn Backend, living: &BTreeMap<Uuid, String>, owners: &BTreeMap<String, Uuid>) {
    let view = store.snapshot().project(PROJECT).expect(WORKS);
    let persons = view.persons().expect(WORKS);
    assert!(persons.ids.iter().eq(living.keys()), "the table has the living, in order");
    let properties = view.person_properties().expect(WORKS);
    assert_eq!(properties.len(), living.len());
    let plans = properties.property("plan");
    for (row, (id, plan)) in living.iter().enumerate() {
        let expected = person(id.as_u128(), &format!("{{\"plan\":{plan}}}"), false);
        assert_eq!(properties.value(row), &*expected.properties);
        assert_eq!(persons.created_at.as_primitive::<TimestampMicrosecondType>().value(row), expected.created_at.0);
        assert_eq!(persons.is_identified.as_boolean().value(row), expected.is_identified);
        let found = plans.as_ref().and_then(|plans| plans.value(row));
        assert_eq!(found, Some(PropertyValue::Str(plan.trim_matches('"'))));
    }
    let ids = view.distinct_ids().expect(WORKS);
    assert!(ids.distinct_id.as_string::<i32>().iter().flatten().eq(owners.keys()));
    assert!(ids.person.iter().eq(owners.values()));
}
