//! What cannot be processed is passed over; what comes after it is processed as ever.

use crate::model::ModelStore;
use crate::world::{Tokens, World};
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, RawBatch, RawEvent, UnixMicros};
use aqueduct_journal::Entry;
use aqueduct_process::{Observed, Observer, ProcessConfig, ProcessError, Processor, Warning};
use aqueduct_store::Store;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

fn entry(position: u64, payload: Vec<u8>) -> Entry {
    Entry { position: JournalPosition(position), payload: payload.into() }
}

fn batch(events: Vec<RawEvent<'_>>) -> Vec<u8> {
    let received_at = UnixMicros(1_700_000_000_000_000);
    RawBatch { token: "plain", received_at, sent_at: None, historical: false, client_ip: "", user_agent: "", path: "/e", events }.encode()
}

fn event<'a>(number: u128, properties: &'a str, set: &'a str) -> RawEvent<'a> {
    RawEvent {
        uuid: Uuid::from_u128(number),
        timestamp: UnixMicros(1),
        event: "e",
        distinct_id: "ann",
        cookieless: false,
        properties,
        set,
        set_once: set,
        unset: set,
    }
}

#[test]
fn bad_records_and_events_are_passed_over() {
    let mut world = World::new("plain");
    let bad = ["[]", "null", "{", r#"{"a":}"#, r#"{"a":1"#, "x", r#"{"a":[}"#, r#"{"a":tru}"#];
    let mut events: Vec<RawEvent<'_>> = bad.iter().zip(1..).map(|(text, number)| event(number, text, "")).collect();
    events.push(event(100, r#"{"ok":1}"#, r#"{"broken":"#));
    let entries = [entry(0, vec![9, 9]), entry(1, Vec::new()), entry(2, batch(events)), entry(3, batch(vec![event(101, "", "[[")]))];
    let commit = world.processor.apply(&entries).expect("processed");
    assert_eq!(commit.upto, JournalPosition(4));
    world.store.commit(commit).expect("taken");
    let rows: Vec<_> = world.store.kept().rows.into_iter().map(|(_, row)| (row.uuid.as_u128(), row.properties)).collect();
    assert_eq!(rows, [(100, r#"{"ok":1}"#.to_owned()), (101, "{}".to_owned())]);
}

/// Falls over at the first warning: stands for a mistake of ours that one event brings out.
#[derive(Debug)]
struct FallsOver;

impl Observer for FallsOver {
    fn definitions(&self, _: ProjectId, _: &Observed) {}

    fn warning(&self, _: ProjectId, warning: Warning) {
        panic!("fell over {warning:?}");
    }
}

#[test]
fn an_event_that_panics_is_passed_over_alone() {
    let store = Arc::new(ModelStore::default());
    let (tokens, config) = (Arc::new(Tokens), ProcessConfig::default());
    let mut processor = Processor::new(PartitionId(0), Arc::<ModelStore>::clone(&store), tokens, Arc::new(FallsOver), &config);
    let bad = r#"{"$process_person_profile":"perhaps"}"#;
    let entries = [
        entry(0, batch(vec![event(1, "{}", r#"{"a":1}"#), event(2, bad, r#"{"a":2}"#), event(3, "{}", r#"{"b":3}"#)])),
        entry(1, batch(vec![event(4, bad, ""), event(5, "{}", "")])),
    ];
    let commit = processor.apply(&entries).expect("processed");
    assert_eq!(commit.upto, JournalPosition(2));
    store.commit(commit).expect("taken");
    let kept = store.kept();
    assert_eq!(kept.rows.iter().map(|(_, row)| row.uuid.as_u128()).collect::<Vec<_>>(), [1, 3, 5]);
    let properties: Vec<_> = kept.persons.values().map(|person| person.properties.to_string()).collect();
    assert!(properties.iter().all(|text| text.contains(r#""a":1"#) && text.contains(r#""b":3"#)), "{properties:?}");
}

#[test]
fn nesting_is_taken_as_deep_as_readers_go() {
    let mut world = World::new("plain");
    let nested = |depth: usize, inner: &str| format!(r#"{{"deep":{}{inner}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let (fits, other, bottomless) = (nested(120, ""), nested(120, "1"), nested(20_000, ""));
    let events = vec![event(1, &fits, &fits), event(2, &fits, &other), event(3, &bottomless, ""), event(4, "", &bottomless)];
    let commit = world.processor.apply(&[entry(0, batch(events))]).expect("processed");
    assert_eq!((commit.events.len(), commit.persons[0].version), (3, 1));
}

#[test]
fn an_unreadable_state_stops_and_nothing_has_happened() {
    let mut world = World::new("plain");
    world.store.reads_fail.store(true, Ordering::SeqCst);
    let line = r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon"}}"#;
    assert!(matches!(world.send(&[line]), Err(ProcessError::State(_))));
    world.store.reads_fail.store(false, Ordering::SeqCst);
    world.send(&[line]).expect("processed");
    assert_eq!(world.store.kept().persons.len(), 1);
    assert!(matches!(world.processor.apply(&[]), Err(ProcessError::NoRecords)));
}

#[test]
fn persons_and_groups_do_not_grow_without_bound() {
    let mut world = World::new("plain");
    let text = "x".repeat(400_000);
    let event = |key: &str| format!(r#"{{"event":"$set","distinct_id":"ann","properties":{{"$set":{{"{key}":"{text}"}}}}}}"#);
    let group = |key: &str| {
        format!(
            r#"{{"event":"$groupidentify","distinct_id":"ann","properties":{{"$group_type":"org","$group_key":"x","$group_set":{{"{key}":"{text}"}}}}}}"#
        )
    };
    world.send(&[&event("a"), &event("b"), &group("a"), &group("b"), &group("c")]).expect("processed");
    let kept = world.store.kept();
    let person = kept.persons.values().next().expect("one");
    assert!(person.properties.contains("\"a\":") && !person.properties.contains("\"b\":"));
    let group = kept.groups.values().next().expect("one");
    assert!(group.properties.contains("\"b\":") && !group.properties.contains("\"c\":"));
    let warnings: Vec<&str> = world.notes.warnings.lock().expect("unpoisoned").iter().map(|warning| warning.kind.as_str()).collect();
    assert_eq!(warnings, ["person_properties_size_violation", "group_upsert_message_size_too_large"]);
}

proptest! {
    #[test]
    fn no_bytes_and_no_texts_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), texts in proptest::collection::vec("[{}\\[\\]\",:0-9a-c$\\\\u]{0,40}", 0..6)) {
        let mut world = World::new("plain");
        let events: Vec<RawEvent<'_>> = texts.iter().zip(1..).map(|(text, number)| event(number, text, text)).collect();
        let mut entries = vec![entry(0, bytes)];
        if !events.is_empty() {
            entries.push(entry(1, batch(events)));
        }
        prop_assert!(world.processor.apply(&entries).is_ok());
    }
}

#[test]
fn rows_that_would_take_too_much_memory_are_spread_over_commits() {
    let mut world = World::new("plain");
    world
        .send(&[&format!(r#"{{"event":"$set","distinct_id":"ann","properties":{{"$set":{{"big":"{}"}}}}}}"#, "x".repeat(60_000))])
        .expect("processed");
    let record = |position: u64| {
        let urls: Vec<String> = (0..100).map(|n| format!(r#"{{"$current_url":"/{position}/{n}","$initial_current_url":1}}"#)).collect();
        let events = urls.iter().zip(0..).map(|(properties, n)| event(u128::from(position) * 100 + n, properties, "")).collect();
        entry(position, batch(events))
    };
    let entries: Vec<Entry> = (1..=20).map(record).collect();
    let commit = world.processor.apply(&entries).expect("processed");
    assert!(commit.upto > JournalPosition(2) && commit.upto < JournalPosition(21), "{}", commit.upto);
    assert_eq!(commit.events.len() as u64, (commit.upto.0 - 1) * 100);
}
