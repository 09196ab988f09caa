//! When nothing comes in and nobody asks, segments are merged until few are left; while there is work they are not.

use crate::world::{TestWorld, small};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_store::conformance::{Event, commit_of, logical_rows};
use aqueduct_store::{Store, StoreConfig};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

const ROWS: u32 = 40;

fn events(flush: u32) -> Vec<Event> {
    let event = |number: u32| Event {
        uuid: Uuid::from_u128(u128::from(flush * ROWS + number)),
        person: Uuid::from_u128(u128::from(number) << 120),
        timestamp: UnixMicros(i64::from(flush)),
        ..Event::default()
    };
    (0..ROWS).map(event).collect()
}

/// Segments after a number of flushes, when there is nothing more to do.
fn segments_after(flushes: u32, rest_after_ms: u64) -> usize {
    let world = TestWorld::new(StoreConfig { compaction_fanout: 100, rest_after_ms, ..small() });
    let store = world.embedded();
    for flush in 0..flushes {
        store.commit(commit_of(&events(flush), u64::from(flush) + 1)).expect("commits");
        store.flush().expect("flushes");
    }
    while store.work().expect("works") {}
    let mut expected: Vec<_> = (0..flushes).flat_map(events).map(|event| event.expected()).collect();
    expected.sort();
    assert_eq!(logical_rows(&*store.snapshot().project(ProjectId(1)).expect("a view")), expected);
    std::fs::read_dir(&world.config.dir)
        .expect("a directory")
        .filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|kind| kind == "parquet")))
        .count()
}

#[test]
fn a_store_at_rest_merges_what_it_has() {
    assert_eq!(segments_after(10, 0), 1);
}

#[test]
fn a_store_that_was_at_work_just_now_does_not() {
    assert_eq!(segments_after(10, 3_600_000), 10);
}

#[test]
fn a_question_ends_the_rest() {
    let world = TestWorld::new(StoreConfig { compaction_fanout: 100, rest_after_ms: 200, ..small() });
    let store = world.embedded();
    for flush in 0..4 {
        store.commit(commit_of(&events(flush), u64::from(flush) + 1)).expect("commits");
        store.flush().expect("flushes");
    }
    let parts = || store.snapshot().project(ProjectId(1)).expect("a view").shards().iter().map(Vec::len).max();
    let until = Instant::now() + Duration::from_millis(600);
    while Instant::now() < until {
        store.work().expect("works");
        assert_eq!(parts(), Some(4), "asked all the time, it merges nothing");
    }
    while parts() != Some(1) {
        // It looks once after the question, and again when it rested.
        store.work().expect("works");
        thread::sleep(Duration::from_millis(250));
        while store.work().expect("works") {}
    }
}
