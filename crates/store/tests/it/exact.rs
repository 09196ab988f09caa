//! Properties come back exactly as they went in, from memory, from a segment, after a restart and after compaction.

use crate::world::{TestWorld, small};
use aqueduct_event::{ProjectId, PropertyValue, UnixMicros};
use aqueduct_store::conformance::{Event, Row, World, commit_of, logical_rows};
use aqueduct_store::{Part, StoreConfig};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::sync::Arc;
use uuid::Uuid;

/// JSON values in normal form: as `serde_json` writes what it has read.
fn value() -> impl Strategy<Value = String> {
    let json = |value: serde_json::Value| value.to_string();
    prop_oneof![
        4 => any::<String>().prop_map(move |text| json(text.into())),
        4 => "[a-z]{0,4}".prop_map(move |text| json(text.into())),
        2 => any::<i64>().prop_map(move |number| json(number.into())),
        2 => (-5_i64..5).prop_map(move |number| json(number.into())),
        2 => any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(move |number| json(number.into())),
        1 => Just("-0.0".to_owned()),
        1 => Just("1.0".to_owned()),
        1 => any::<u64>().prop_map(|number| (u128::from(number) + (1 << 64)).to_string()),
        2 => any::<bool>().prop_map(|value| value.to_string()),
        1 => Just("null".to_owned()),
        1 => vec(any::<i32>(), 0..4).prop_map(move |list| json(list.into())),
        1 => any::<String>().prop_map(move |key| json(serde_json::json!({ key: [1.5, null, {"deep": "ü\u{0}"}] }))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let key = prop_oneof![6 => "[a-f]", 2 => "\\PC{0,6}", 1 => "[a-c](::int|::text|')", 1 => Just(String::new()), 1 => Just("\u{0}\"\\".to_owned())];
    (1_u32..4, 0_u64..20, 0_i64..50, any::<u128>(), "(\\$pageview|[a-z]{0,5}|\\PC*)", btree_map(key, value(), 0..9)).prop_map(
        |(project, person, time, uuid, name, properties)| Event {
            project: ProjectId(project),
            person: Uuid::from_u128(u128::from(person).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
            timestamp: UnixMicros(time),
            uuid: Uuid::from_u128(uuid),
            event: name.clone(),
            distinct_id: format!("{name}-{person}"),
            person_properties: format!("{{\"p\":{person}}}").into(),
            elements_chain: if time % 2 == 0 { name } else { String::new() },
            properties: properties.into_iter().collect(),
        },
    )
}

fn expected(events: &[Event], project: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = events.iter().filter(|event| event.project.0 == project).map(Event::expected).collect();
    rows.sort();
    rows
}

#[track_caller]
fn check(world: &TestWorld, events: &[Event]) {
    for project in 1..4 {
        let view = world.store().snapshot().project(ProjectId(project)).expect("a view");
        assert_eq!(logical_rows(&*view), expected(events, project));
        for part in view.shards().iter().flatten() {
            check_columns(part);
        }
    }
}

/// What `property` says of each key and row is what `properties_json` says.
fn check_columns(part: &Arc<dyn Part>) {
    let rows: Vec<u32> = (0..part.rows() as u32).rev().collect();
    let objects = part.properties_json(Some(&rows)).expect("objects");
    let objects: &arrow::array::StringArray = arrow::array::AsArray::as_string(&objects);
    let keys = part.property_keys().expect("keys");
    assert!(keys.is_sorted());
    let columns: Vec<_> = keys.iter().map(|key| part.property(key).expect("a column").expect("a key that occurs has a column")).collect();
    assert!(part.property("no such key").expect("a column").is_none());
    for (place, row) in rows.iter().enumerate() {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(objects.value(place)).expect("an object");
        for (key, column) in keys.iter().zip(&columns) {
            let found = column.value(*row as usize);
            assert_eq!(found.is_some(), object.contains_key(key), "{key:?} of row {row}");
            if let Some(PropertyValue::Str(text)) = found {
                assert_eq!(object[key], text);
            }
            let values = [&column.text, &column.int, &column.float, &column.bool, &column.json];
            let filled = values.into_iter().flatten().filter(|array| arrow::array::Array::is_valid(array, *row as usize)).count();
            assert_eq!(filled, usize::from(found.is_some()), "a row has a value in at most one array");
        }
    }
}

fn through_every_state(batches: &[Vec<Event>], config: StoreConfig) {
    let mut world = TestWorld::new(config);
    let mut all = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        all.extend(batch.iter().cloned());
        world.store().commit(commit_of(batch, number as u64 + 1)).expect("commits");
        check(&world, &all);
        world.store().flush().expect("flushes");
    }
    check(&world, &all);
    world.crash();
    check(&world, &all);
    while world.store().work().expect("works") {}
    check(&world, &all);
    world.embedded().verify().expect("files are what was written");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn with_columns_for_all_keys(batches in vec(vec(event(), 1..40), 1..4)) {
        through_every_state(&batches, small());
    }

    #[test]
    fn with_an_overflow_column(batches in vec(vec(event(), 1..40), 1..4)) {
        through_every_state(&batches, StoreConfig { property_columns_max: 2, row_group_rows_max: 7, ..small() });
    }
}

#[test]
fn more_keys_than_columns() {
    let events: Vec<Event> = (0..900_u32)
        .map(|number| Event {
            uuid: Uuid::from_u128(u128::from(number)),
            person: Uuid::from_u128(u128::from(number % 11) << 64),
            properties: (0..5).map(|key| (format!("key-{}", (number * 5 + key) % 1500), format!("\"value {number}\""))).collect(),
            ..Event::default()
        })
        .collect();
    let (first, second) = events.split_at(400);
    through_every_state(&[first.to_vec(), second.to_vec()], StoreConfig { compaction_fanout: 2, ..StoreConfig::default() });
}

#[test]
fn many_projects_in_one_segment() {
    let events: Vec<Event> = (0..2_000_u32)
        .map(|number| Event {
            project: ProjectId(1 + number % 300),
            uuid: Uuid::from_u128(u128::from(number)),
            person: Uuid::from_u128(u128::from(number % 700) << 70),
            properties: vec![(format!("of-{}", number % 300), number.to_string())],
            ..Event::default()
        })
        .collect();
    let world = TestWorld::new(StoreConfig::default());
    world.store().commit(commit_of(&events, 1)).expect("commits");
    let seen = |project| logical_rows(&*world.store().snapshot().project(ProjectId(project)).expect("a view"));
    let before: Vec<_> = (1..=301).map(seen).collect();
    world.store().flush().expect("flushes");
    for project in 1..=301 {
        assert_eq!(seen(project), before[project as usize - 1]);
        assert_eq!(seen(project), expected(&events, project));
        let view = world.store().snapshot().project(ProjectId(project)).expect("a view");
        for part in view.shards().iter().flatten() {
            assert_eq!(part.property_keys().expect("keys"), [format!("of-{}", project - 1)], "keys of other projects are not told");
        }
    }
}
