//! When hardly anything comes in, segments are merged until few are left; while there is work they are not.

use crate::world::{TestWorld, small};
use aqueduct_event::{Clock, ManualClock, ProjectId, UnixMicros};
use aqueduct_store::conformance::{Event, commit_of, logical_rows};
use aqueduct_store::{EmbeddedStore, Store, StoreConfig};
use std::sync::Arc;
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
fn few_rows_and_questions_do_not_end_the_rest_many_rows_do() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), Arc::new(ManualClock::new(UnixMicros(1_000_000_000))));
    let config = StoreConfig { dir: dir.path().join("store"), compaction_fanout: 100, rest_after_ms: 3_000, ..small() };
    let store = EmbeddedStore::open(config, Arc::<ManualClock>::clone(&clock)).expect("opens");
    let mut commits = 0;
    let mut flush = |rows: u32| {
        for _ in 0..rows / ROWS {
            commits += 1;
            store.commit(commit_of(&events(commits), u64::from(commits))).expect("commits");
        }
        store.flush().expect("flushes");
    };
    let parts = || store.snapshot().project(ProjectId(1)).expect("a view").shards().iter().map(Vec::len).max();
    let wait = |seconds: i64| clock.set(UnixMicros(clock.now().0 + seconds * 1_000_000));
    let work = || while store.work().expect("works") {};
    (0..4).for_each(|_| flush(ROWS));
    work();
    assert_eq!(parts(), Some(4), "it did not rest for long enough");
    wait(3);
    work();
    assert_eq!(parts(), Some(1), "rows came, but few, and somebody asked");
    flush(100 * ROWS);
    flush(ROWS);
    wait(1);
    work();
    assert_eq!(parts(), Some(3), "many rows ended the rest");
    wait(2);
    work();
    assert_eq!(parts(), Some(3), "this stretch had many rows");
    wait(3);
    work();
    assert_eq!(parts(), Some(2), "the next one had none: the small ones are one, beside the large one");
}
