//! Commits, flushes, compactions and queries at once.

use crate::world::{TestWorld, small};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_store::conformance::{Event, World, commit_of, logical_rows};
use aqueduct_store::{CommitError, Store, StoreConfig};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use uuid::Uuid;

fn events(batch: u32) -> Vec<Event> {
    (0..50_u32)
        .map(|number| Event {
            uuid: Uuid::from_u128(u128::from(batch * 1000 + number)),
            person: Uuid::from_u128(u128::from((batch + number) % 23) << 60),
            timestamp: UnixMicros(i64::from(batch)),
            properties: vec![("batch".to_owned(), batch.to_string()), ("n".to_owned(), format!("\"{number}\""))],
            ..Event::default()
        })
        .collect()
}

#[test]
fn every_snapshot_holds_whole_commits() {
    const BATCHES: u32 = 150;
    let world = TestWorld::new(StoreConfig { background: true, ..small() });
    let store = world.embedded();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 0..BATCHES {
                store.commit(commit_of(&events(batch), u64::from(batch) + 1)).expect("commits");
            }
            done.store(true, Ordering::SeqCst);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    store.work().expect("works");
                }
            });
        }
        let mut before = 0;
        while !done.load(Ordering::SeqCst) {
            let rows = logical_rows(&*store.snapshot().project(ProjectId(1)).expect("a view"));
            assert!(rows.len().is_multiple_of(50) && rows.len() >= before, "a snapshot has whole commits, and never fewer than before");
            before = rows.len();
        }
    });
    store.flush().expect("flushes");
    while store.work().expect("works") {}
    let mut expected: Vec<_> = (0..BATCHES).flat_map(events).map(|event| event.expected()).collect();
    expected.sort();
    assert_eq!(logical_rows(&*store.snapshot().project(ProjectId(1)).expect("a view")), expected);
    let segments = world.store().snapshot().project(ProjectId(1)).expect("a view").shards().iter().map(Vec::len).max();
    assert!(segments.is_some_and(|parts| parts < 20), "small segments do not pile up: {segments:?}");
    let files = std::fs::read_dir(&world.config.dir).expect("a directory").count();
    assert!(files < 60, "files that left the manifest are removed, {files} are there");
}

#[test]
fn a_commit_waits_for_memory() {
    let limits = |background| StoreConfig { memory_bytes_max: 60_000, background, ..small() };
    // One thread: the commit itself makes room.
    let world = TestWorld::new(limits(false));
    for batch in 0..20 {
        world.store().commit(commit_of(&events(batch), u64::from(batch) + 1)).expect("makes room");
    }
    assert!(world.store().durable(aqueduct_event::PartitionId(0)).0 > 0);
    // With background work that does nothing, the commit comes back.
    let world = TestWorld::new(limits(true));
    let refused = (0..20).find_map(|batch| world.store().commit(commit_of(&events(batch), u64::from(batch) + 1)).err());
    assert!(matches!(refused, Some(CommitError::Full { .. })), "{refused:?}");
    // With background work it goes through.
    let world = TestWorld::new(limits(true));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                world.embedded().work().expect("works");
            }
        });
        for batch in 0..20 {
            world.store().commit(commit_of(&events(batch), u64::from(batch) + 1)).expect("waits for room");
        }
        done.store(true, Ordering::SeqCst);
    });
}
