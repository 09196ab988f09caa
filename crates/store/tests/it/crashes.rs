//! Whatever operation of the disk fails, and whenever the power goes: nothing durable is lost, nothing comes twice, and work goes on by itself.

use crate::disk::Disk;
use crate::world::small;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, SystemClock, UnixMicros};
use aqueduct_store::conformance::{Event, Row, commit_of, logical_rows};
use aqueduct_store::{DistinctIdRecord, EmbeddedStore, PersonOverride, Seen, Store, StoreConfig};
use std::io::ErrorKind;
use std::sync::Arc;
use uuid::Uuid;

const PARTITION: PartitionId = PartitionId(0);

fn open(disk: &Disk) -> EmbeddedStore {
    let config = StoreConfig { manifest_cache_bytes: 1 << 20, ..small() };
    EmbeddedStore::open_with(config, Arc::new(SystemClock), Arc::new(disk.clone())).expect("the store opens")
}

fn events(batch: u32) -> Vec<Event> {
    (0..30_u32)
        .map(|number| Event {
            uuid: Uuid::from_u128(u128::from(batch * 1000 + number)),
            person: Uuid::from_u128(u128::from(number % 5) << 60),
            timestamp: UnixMicros(i64::from(batch * 7 + number)),
            properties: vec![("batch".to_owned(), batch.to_string())],
            ..Event::default()
        })
        .collect()
}

/// Batch `batch` ends at position `batch`, and moves the distinct id "ann" to the person of that number.
fn commit(store: &EmbeddedStore, batch: u32) {
    let mut commit = commit_of(&events(batch), u64::from(batch));
    let person = Uuid::from_u128(u128::from(batch));
    commit.seen = seen(store, batch);
    let distinct_id =
        DistinctIdRecord { project: ProjectId(1), distinct_id: "ann".into(), person, version: 0, is_personless: false, spent: 0 };
    commit.distinct_ids.push(distinct_id);
    commit.overrides.push(PersonOverride { project: ProjectId(1), from: Uuid::from_u128(77), to: person });
    store.commit(commit).expect("a commit touches no disk");
}

/// The arrivals of a batch.
fn seen(store: &EmbeddedStore, batch: u32) -> Vec<Seen> {
    let key = |event: &Event| store.seen_rule().key(event.project, event.uuid, &event.event, &event.distinct_id);
    events(batch).iter().map(|event| Seen { key: key(event), received_at: UnixMicros(i64::from(batch)) }).collect()
}

fn expected(batches: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = (1..=batches).flat_map(events).map(|event| event.expected()).collect();
    rows.sort();
    rows
}

/// Checks that the arrivals of `batches` batches are known, and no others.
#[track_caller]
fn check_seen(store: &EmbeddedStore, batches: u32) {
    for batch in 1..=5 {
        let found = store.seen(&seen(store, batch)).expect("a look-up");
        let expected = (batch <= batches).then_some(UnixMicros(i64::from(batch)));
        assert!(found.iter().all(|found| *found == expected), "arrivals of batch {batch}: {found:?}");
    }
}

/// Checks that the store stands exactly after `batches` batches.
#[track_caller]
fn check(store: &EmbeddedStore, batches: u32) {
    let view = store.snapshot().project(ProjectId(1)).expect("a view");
    assert_eq!(logical_rows(&*view), expected(batches));
    check_seen(store, batches);
    let id = store.distinct_id(ProjectId(1), "ann").expect("a look-up");
    assert_eq!(id.map(|id| id.person.as_u128()), (batches > 0).then_some(u128::from(batches)));
    let person = Uuid::from_u128(u128::from(batches));
    assert_eq!(store.distinct_ids_of(ProjectId(1), person).expect("a look-up").len(), usize::from(batches > 0));
}

/// Two durable batches and one that is not.
fn prepare(disk: &Disk) -> EmbeddedStore {
    let store = open(disk);
    for batch in 1..=2 {
        commit(&store, batch);
        store.flush().expect("flushes");
    }
    commit(&store, 3);
    store
}

/// What is tried while the disk fails: a flush, then all other work.
fn try_everything(store: &EmbeddedStore) {
    let _ = store.flush();
    for _ in 0..6 {
        let _ = store.work();
    }
}

fn operations_of_everything() -> u64 {
    let disk = Disk::default();
    let store = prepare(&disk);
    let mut after = 0;
    loop {
        let disk = Disk::default();
        let store = prepare(&disk);
        disk.fail(after, 1);
        try_everything(&store);
        if !disk.mend(1) {
            drop(store);
            break;
        }
        after += 40;
    }
    drop(store);
    after
}

#[test]
fn work_goes_on_after_any_failure() {
    for after in 0..operations_of_everything() {
        for (count, kind) in [(1, ErrorKind::StorageFull), (3, ErrorKind::Other), (1000, ErrorKind::StorageFull)] {
            let disk = Disk::default();
            let store = prepare(&disk);
            disk.fail_with(kind);
            disk.fail(after, count);
            try_everything(&store);
            check_seen(&store, 3);
            disk.mend(count);
            while store.work().unwrap_or(true) {}
            check(&store, 3);
            commit(&store, 4);
            store.flush().expect("the disk works again");
            while store.work().expect("the disk works again") {}
            check(&store, 4);
            assert_eq!(store.durable(PARTITION), JournalPosition(4));
            drop(store);
            let store = open(&disk);
            check(&store, 4);
            assert_eq!(store.durable(PARTITION), JournalPosition(4));
            store.verify().expect("files are what was written");
        }
    }
}

#[test]
fn the_store_stands_at_one_position_after_any_crash() {
    for after in 0..operations_of_everything() {
        let disk = Disk::default();
        let store = prepare(&disk);
        disk.fail(after, u64::MAX);
        try_everything(&store);
        drop(store);
        disk.mend(u64::MAX);
        disk.lose_power();
        let store = open(&disk);
        let position = store.durable(PARTITION).0 as u32;
        assert!(position == 2 || position == 3, "position {position}");
        check(&store, position);
        store.verify().expect("files are what was written");
        let named = disk.names();
        // Replay, as `process` does.
        for batch in position + 1..=4 {
            commit(&store, batch);
        }
        check(&store, 4);
        store.flush().expect("flushes");
        check(&store, 4);
        assert!(named.iter().all(|name| name.ends_with(".parquet") || name.ends_with(".seen")));
    }
}

fn segments(disk: &Disk) -> usize {
    disk.names().iter().filter(|name| name.ends_with(".parquet")).count()
}

#[test]
fn a_compaction_waits_for_room_and_a_flush_does_not() {
    let disk = Disk::default();
    disk.set_space(6 << 20, 100 << 20);
    let store = open(&disk);
    for batch in 1..=6 {
        commit(&store, batch);
        store.flush().expect("flushes");
    }
    // A tenth of the disk counts, and half of that is for flushes; what is free beyond is enough for so small a compaction.
    while store.work().expect("works") {}
    assert!(segments(&disk) < 6, "{:?}", disk.names());
    disk.set_space(5 << 20, 100 << 20);
    let before = segments(&disk);
    for batch in 7..=9 {
        commit(&store, batch);
        store.flush().expect("flushes");
        while store.work().expect("works") {}
    }
    assert_eq!(segments(&disk), before + 3, "no compaction");
    disk.set_space(50 << 20, 100 << 20);
    while store.work().expect("works") {}
    assert!(segments(&disk) < before + 3, "room came back");
    check(&store, 9);
}
