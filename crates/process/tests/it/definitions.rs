//! Definitions are reported when they are new, and only then (ingestion semantics, section 19).

use crate::world::{World, observed};
use expect_test::{Expect, expect};

fn check(lines: &[&str], expected: Expect) {
    let mut world = World::new("plain");
    world.send(lines).expect("processed");
    expected.assert_eq(&observed(&world.notes));
}

#[test]
fn events_properties_and_persons() {
    check(
        &[
            r#"{"event":"a","distinct_id":"ann","properties":{"n":1,"$browser":"A","$set":{"plan":"pro"},"$feature/x":true,"o":{},"$groups":{"org":"x"}}}"#,
            r#"{"event":"a","distinct_id":"bob","properties":{"$browser":"B","n":2,"$set":{"plan":"free"},"$feature/x":true,"o":{},"$groups":{"org":"x"}}}"#,
            r#"{"event":"b","distinct_id":"ann","properties":{"n":1}}"#,
            r#"{"event":"b","distinct_id":"ann","properties":{"n":1,"o":5}}"#,
            r#"{"event":"b","distinct_id":"ann","properties":{"n":"text","o":5}}"#,
            r#"{"event":"$$plugin_metrics","distinct_id":"ann","properties":{"x":1}}"#,
            r#"{"event":"c","distinct_id":"x","properties":{"$process_person_profile":false,"$set":{"q":1},"n":1}}"#,
        ],
        expect![[r#"
            a!: event.n=Numeric event.$browser=String event.$feature/x=String event.o=? person.plan=String person.$browser=String person.$initial_browser=String | n $browser o
            b!: | n
            b: event.o=Numeric | o
            c!: event.$process_person_profile=Boolean | $process_person_profile n
        "#]],
    );
}

#[test]
fn groups() {
    check(
        &[
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":"a","$group_set":{"seats":5}}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":"b","$group_set":{"seats":6}}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":"b","$group_set":{"seats":6,"since":"2020-01-01"}}}"#,
        ],
        expect![[r#"
            $groupidentify!: group 0.seats=Numeric | 
            $groupidentify: group 0.since=DateTime | 
        "#]],
    );
}

#[test]
fn keys_that_are_too_long_have_none() {
    let line = format!(r#"{{"event":"a","distinct_id":"ann","properties":{{"{}":1,"{}":1}}}}"#, "k".repeat(201), "é".repeat(200));
    let mut world = World::new("plain");
    world.send(&[&line]).expect("processed");
    let observed = &world.notes.observed.lock().expect("unpoisoned")[0];
    assert_eq!((observed.properties.len(), observed.event_properties.len()), (1, 1));
}

#[test]
fn many_keys_stay_within_bounds_and_are_all_reported() {
    let mut world = World::new("plain");
    for round in 0..80 {
        let properties: Vec<String> = (0..1000).map(|n| format!("\"k{round}_{n}\":1")).collect();
        world.send(&[&format!(r#"{{"event":"a","distinct_id":"ann","properties":{{{}}}}}"#, properties.join(","))]).expect("processed");
    }
    let observed = world.notes.observed.lock().expect("unpoisoned");
    assert_eq!(observed.iter().map(|observed| observed.properties.len()).sum::<usize>(), 80_000);
}
