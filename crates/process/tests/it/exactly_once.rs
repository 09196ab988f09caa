//! An event that arrives again is passed over without any effect, and no other event ever is.

use crate::model::DEDUP_WINDOW;
use crate::world::{Notes, RECEIVED_AT, Tokens, World, new_processor, observed};
use aqueduct_event::Verdict;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, RawBatch, RawEvent, SystemClock, UnixMicros};
use aqueduct_journal::Entry;
use aqueduct_process::{ProcessConfig, Processor};
use aqueduct_store::conformance::logical_rows;
use aqueduct_store::{EmbeddedStore, Store, StoreConfig};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::slice::from_ref;
use std::sync::Arc;
use uuid::Uuid;

const WINDOW: i64 = DEDUP_WINDOW.as_micros() as i64;

/// One event of a request of its own.
#[derive(Clone, Debug)]
struct Sent {
    token: &'static str,
    uuid: u128,
    event: &'static str,
    distinct_id: &'static str,
    received_at: i64,
    properties: String,
}

impl Sent {
    fn new(uuid: u128) -> Self {
        Self { token: "plain", uuid, event: "e", distinct_id: "ann", received_at: RECEIVED_AT.0, properties: "{}".to_owned() }
    }
}

fn entry(position: u64, sent: &[Sent]) -> Entry {
    let events = sent.iter().map(|sent| RawEvent {
        uuid: Uuid::from_u128(sent.uuid),
        timestamp: RECEIVED_AT,
        event: sent.event,
        distinct_id: sent.distinct_id,
        cookieless: false,
        properties: &sent.properties,
        set: "",
        set_once: "",
        unset: "",
    });
    let batch = RawBatch {
        token: sent[0].token,
        received_at: UnixMicros(sent[0].received_at),
        sent_at: None,
        historical: false,
        client_ip: "",
        user_agent: "",
        path: "/batch",
        events: events.collect(),
    };
    Entry { position: JournalPosition(position), payload: batch.encode().into() }
}

/// Sends requests in one commit and answers how many rows there are then.
fn rows_after(world: &mut World, requests: &[&[Sent]]) -> usize {
    let first = world.store.kept().position.0;
    let entries: Vec<Entry> = requests.iter().zip(first..).map(|(sent, position)| entry(position, sent)).collect();
    let commit = world.processor.apply(&entries).expect("processed");
    world.store.commit(commit).expect("taken");
    world.store.kept().rows.len()
}

#[test]
fn found_in_one_request_in_one_commit_and_in_an_earlier_one() {
    let mut world = World::new("plain");
    let (one, two) = (Sent::new(1), Sent::new(2));
    assert_eq!(rows_after(&mut world, &[&[one.clone(), one.clone(), two.clone()]]), 2);
    assert_eq!(rows_after(&mut world, &[&[Sent::new(3)], &[Sent::new(4), Sent::new(3)]]), 4);
    assert_eq!(rows_after(&mut world, &[&[two.clone(), Sent::new(5)]]), 5);
    // Nor after a restart of the processor.
    world.store.flush().expect("flushed");
    world.processor = new_processor(&world.store, &world.notes, 0);
    assert_eq!(rows_after(&mut world, &[&[one], &[two]]), 5);
}

#[test]
fn any_part_of_the_key_makes_another_event() {
    let mut world = World::new("plain");
    let one = Sent::new(1);
    let others = [
        Sent { token: "careful", ..one.clone() },
        Sent { uuid: 2, ..one.clone() },
        Sent { event: "f", ..one.clone() },
        Sent { distinct_id: "bob", ..one.clone() },
    ];
    assert_eq!(rows_after(&mut world, &[&[one]]), 1);
    for (other, rows) in others.into_iter().zip(2..) {
        assert_eq!(rows_after(&mut world, &[&[other]]), rows);
    }
}

#[test]
fn the_edge_of_the_window_is_exact() {
    for (distance, rows) in [(WINDOW, 1), (WINDOW + 1, 2), (-WINDOW, 1), (-WINDOW - 1, 2)] {
        let again = Sent { received_at: RECEIVED_AT.0 + distance, ..Sent::new(1) };
        let mut world = World::new("plain");
        rows_after(&mut world, &[&[Sent::new(1)]]);
        assert_eq!(rows_after(&mut world, &[from_ref(&again)]), rows, "{distance} µs, in two commits");
        let mut world = World::new("plain");
        assert_eq!(rows_after(&mut world, &[&[Sent::new(1)], &[again]]), rows, "{distance} µs, in one commit");
    }
}

#[test]
fn the_window_begins_with_the_stored_one() {
    let mut world = World::new("plain");
    let at = |distance| Sent { received_at: RECEIVED_AT.0 + distance, ..Sent::new(1) };
    assert_eq!(rows_after(&mut world, &[&[at(0)], &[at(WINDOW)]]), 1);
    assert_eq!(rows_after(&mut world, &[&[at(WINDOW + 1)]]), 2, "the duplicate between them has moved nothing");
    assert_eq!(rows_after(&mut world, &[&[at(2 * WINDOW)]]), 2);
}

#[test]
fn a_duplicate_has_no_effect() {
    let mut world = World::new("plain");
    let identify =
        Sent { event: "$identify", properties: r#"{"$anon_distinct_id":"x","$set":{"plan":"free"}}"#.to_owned(), ..Sent::new(1) };
    let group = r#"{"$group_type":"company","$group_key":"acme","$group_set":{"size":1}}"#;
    let group = Sent { event: "$groupidentify", properties: group.to_owned(), ..Sent::new(2) };
    rows_after(&mut world, &[from_ref(&identify), from_ref(&group)]);
    let before = (world.store.kept(), observed(&world.notes));
    let changed = |sent: Sent, from: &str, to: &str| Sent { properties: sent.properties.replace(from, to), ..sent };
    let again = [changed(identify, "free", "pro"), changed(group, ":1", ":2,\"new\":3")];
    rows_after(&mut world, &[&again[..1], &again[1..]]);
    let mut after = (world.store.kept(), observed(&world.notes));
    after.0.position = before.0.position;
    // They are accounted for, and that is all.
    assert_eq!(after.0.fates.iter().filter(|fate| fate.verdict == Verdict::Duplicate).count(), 2);
    after.0.fates.clone_from(&before.0.fates);
    after.0.verdicts.clone_from(&before.0.verdicts);
    assert_eq!(after, before);
    assert!(world.notes.warnings.lock().expect("unpoisoned").is_empty());
}

#[test]
fn what_was_dropped_may_come_again() {
    let mut world = World::new("plain");
    let broken = Sent { properties: "{".to_owned(), ..Sent::new(1) };
    assert_eq!(rows_after(&mut world, &[&[broken.clone(), Sent::new(1)]]), 1);
    let personless = Sent { event: "$identify", properties: r#"{"$process_person_profile":false}"#.to_owned(), ..Sent::new(2) };
    assert_eq!(rows_after(&mut world, &[from_ref(&personless)]), 1);
    let mended = Sent { properties: "{}".to_owned(), ..personless };
    assert_eq!(rows_after(&mut world, &[&[mended]]), 2);
}

/// The real store: whatever is flushed, merged, lost in a crash and processed again, each event has one row.
#[test]
fn once_in_the_real_store_through_crashes_and_replays() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = || StoreConfig {
        dir: dir.path().to_owned(),
        background: false,
        dedup_memory_bytes_max: 2_000,
        compaction_fanout: 2,
        ..StoreConfig::default()
    };
    let open = || Arc::new(EmbeddedStore::open(config(), Arc::new(SystemClock)).expect("the store opens"));
    let sent = |uuid: u64, project: usize| Sent { token: ["plain", "cookieless"][project], ..Sent::new(u128::from(uuid)) };
    // Each record brings three new events and those of five records before; two projects share the ids.
    let record = |position: u64| {
        let uuids = (position * 3..position * 3 + 3).chain((position.saturating_sub(5) * 3)..position * 3);
        entry(position, &uuids.map(|uuid| sent(uuid, position as usize % 2)).collect::<Vec<_>>())
    };
    let entries: Vec<Entry> = (0..60).map(record).collect();
    let mut store = open();
    let rows = |store: &EmbeddedStore, project| logical_rows(&*store.snapshot().project(ProjectId(project)).expect("a view"));
    let (mut at, mut crashes) = (0, 0);
    while at < entries.len() {
        let notes = Arc::new(Notes::default());
        let kept: Arc<dyn Store> = Arc::<EmbeddedStore>::clone(&store);
        let mut processor = Processor::new(PartitionId(0), kept, Arc::new(Tokens), notes, &ProcessConfig::default());
        for round in 0..7 {
            let to = entries.len().min(at + 1 + round % 3);
            if at < to {
                store.commit(processor.apply(&entries[at..to]).expect("processed")).expect("taken");
                at = to;
            }
            if round % 2 == 0 {
                store.flush().expect("flushed");
                while store.work().expect("works") {}
            }
        }
        if at < entries.len() {
            // Visible, but lost in the crash and processed again.
            store.commit(processor.apply(&entries[at..=at]).expect("processed")).expect("taken");
            drop(processor);
            drop(store);
            crashes += 1;
            store = open();
            at = usize::try_from(store.durable(PartitionId(0)).0).expect("few");
        }
    }
    let expected = |project: u64| {
        let of = (0..60_u64).filter(|position| position % 2 == project);
        of.flat_map(|position| position.saturating_sub(5) * 3..position * 3 + 3).collect::<BTreeSet<u64>>()
    };
    for (project, id) in [(0, 1), (1, 3)] {
        let uuids: Vec<u64> = rows(&store, id).iter().map(|row| row.uuid.as_u128() as u64).collect();
        let distinct: BTreeSet<u64> = uuids.iter().copied().collect();
        assert_eq!((uuids.len(), &distinct), (distinct.len(), &expected(project)), "after {crashes} crashes");
    }
    assert!(crashes >= 3, "{crashes}");
}

fn sent() -> impl Strategy<Value = Sent> {
    let tokens = prop_oneof![3 => Just("plain"), 1 => Just("cookieless")];
    let names = prop_oneof![3 => Just("e"), 1 => Just("f")];
    let ids = prop_oneof![3 => Just("ann"), 1 => Just("bob")];
    // In steps of a third of the window, to meet its edges.
    (tokens, 1..4_u128, names, ids, 0..9_i64, -1..2_i64).prop_map(|(token, uuid, event, distinct_id, thirds, micros)| {
        let received_at = RECEIVED_AT.0 + thirds * WINDOW / 3 + micros;
        Sent { token, event, distinct_id, received_at, ..Sent::new(uuid) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn as_a_map_would_do_it(sent in proptest::collection::vec(sent(), 1..60), sizes in proptest::collection::vec(1..9_usize, 60)) {
        let mut arrivals: HashMap<_, Vec<i64>> = HashMap::new();
        let mut expected = 0;
        for sent in &sent {
            let of_key = arrivals.entry((sent.token, sent.uuid, sent.event, sent.distinct_id)).or_default();
            if of_key.iter().all(|earlier| (earlier - sent.received_at).abs() > WINDOW) {
                of_key.push(sent.received_at);
                expected += 1;
            }
        }
        let mut world = World::new("plain");
        let (mut rest, mut rows) = (&sent[..], 0);
        for size in sizes {
            let (now, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            if !now.is_empty() {
                let requests: Vec<&[Sent]> = now.chunks(1).collect();
                rows = rows_after(&mut world, &requests);
            }
        }
        prop_assert_eq!(rows, expected);
    }
}
