//! Erased rows leave the files, and what remembers them is forgotten.

use crate::world::{TestWorld, small};
use aqueduct_event::{ProjectId, SystemClock, UnixMicros};
use aqueduct_store::conformance::{Event, commit_of, logical_rows};
use aqueduct_store::{Commit, EmbeddedStore, Seen, Store, StoreConfig, Withdrawal, WithdrawnTo};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

const ANN: Uuid = Uuid::from_u128(0xa << 64);

fn event(number: u128) -> Event {
    let person = if number.is_multiple_of(10) { ANN } else { Uuid::from_u128(number << 64) };
    Event { person, uuid: Uuid::from_u128(number), ..Event::default() }
}

fn erase(upto: u64) -> Commit {
    let at = UnixMicros(1_700_000_000_000_000);
    let withdrawals = vec![Withdrawal { project: ProjectId(1), person: ANN, at, to: WithdrawnTo::Nowhere }];
    Commit { withdrawals, ..commit_of(&[], upto) }
}

/// Rows of all segment files.
fn rows_in_files(dir: &Path) -> i64 {
    let files = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let segments = files.filter(|path| path.extension().is_some_and(|ext| ext == "parquet"));
    let rows = segments.map(|path| {
        let reader = SerializedFileReader::new(std::fs::File::open(path).expect("a file")).expect("Parquet");
        reader.metadata().file_metadata().num_rows()
    });
    rows.sum()
}

fn rows(store: &EmbeddedStore) -> usize {
    logical_rows(&*store.snapshot().project(ProjectId(1)).expect("a view")).len()
}

fn settle(store: &EmbeddedStore) {
    while store.work().expect("works") {}
}

#[test]
fn from_one_large_segment() {
    let world = TestWorld::new(StoreConfig { erase_after_ms: 0, ..small() });
    let store = world.embedded();
    store.commit(commit_of(&(1..=80).map(event).collect::<Vec<_>>(), 1)).expect("commits");
    store.flush().expect("flushes");
    settle(store);
    store.commit(erase(2)).expect("commits");
    assert_eq!((rows(store), rows_in_files(&world.config.dir)), (72, 80), "hidden, and still there");
    settle(store);
    assert_eq!(rows_in_files(&world.config.dir), 80, "what is not durable changes no file");
    store.flush().expect("flushes");
    settle(store);
    assert_eq!((rows(store), rows_in_files(&world.config.dir)), (72, 72));
    // The mark is gone: rows that come again under the id are there, also from a file.
    store.commit(commit_of(&[event(90)], 3)).expect("commits");
    store.flush().expect("flushes");
    settle(store);
    assert_eq!((rows(store), rows_in_files(&world.config.dir)), (73, 73));
}

#[test]
fn not_before_it_is_time() {
    let world = TestWorld::new(StoreConfig { erase_after_ms: u64::MAX / 1_000_000, ..small() });
    let store = world.embedded();
    store.commit(commit_of(&(1..=80).map(event).collect::<Vec<_>>(), 1)).expect("commits");
    store.flush().expect("flushes");
    store.commit(erase(2)).expect("commits");
    store.flush().expect("flushes");
    settle(store);
    assert_eq!((rows(store), rows_in_files(&world.config.dir)), (72, 80));
    // The wait survives a restart, and a compaction for other reasons takes them along.
    let (config, _dir) = world.into_parts();
    let store = EmbeddedStore::open(StoreConfig { erase_after_ms: 0, ..config.clone() }, Arc::new(SystemClock)).expect("opens");
    assert_eq!(rows(&store), 72);
    settle(&store);
    assert_eq!((rows(&store), rows_in_files(&config.dir)), (72, 72));
}

#[test]
fn a_segment_of_the_person_alone_goes_as_a_whole() {
    let world = TestWorld::new(StoreConfig { erase_after_ms: 0, ..small() });
    let store = world.embedded();
    store.commit(commit_of(&[event(10), event(20)], 1)).expect("commits");
    store.flush().expect("flushes");
    store.commit(erase(2)).expect("commits");
    assert_eq!(rows(store), 0);
    store.flush().expect("flushes");
    settle(store);
    assert_eq!(rows_in_files(&world.config.dir), 0);
    let (config, _dir) = world.into_parts();
    let store = EmbeddedStore::open(config, Arc::new(SystemClock)).expect("opens");
    assert_eq!(rows(&store), 0);
}

/// Arrivals of the first eighty events, `later` than their rows say.
fn arrivals(store: &EmbeddedStore, later: i64) -> Vec<Seen> {
    let of = |event: Event| Seen {
        key: store.seen_rule().key(event.project, event.uuid, &event.event, &event.distinct_id),
        received_at: UnixMicros(event.timestamp.0 + 1 + later),
    };
    (1..=80).map(|number| of(event(number))).collect()
}

/// Damages every run of arrivals and opens the store again, which has to make them from what else there is.
fn without_runs(config: &StoreConfig) -> EmbeddedStore {
    for file in std::fs::read_dir(&config.dir).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if file.extension().is_some_and(|ext| ext == "seen") {
            std::fs::write(file, b"damaged").expect("writable");
        }
    }
    EmbeddedStore::open(config.clone(), Arc::new(SystemClock)).expect("opens")
}

#[test]
fn what_was_erased_is_known_as_long_as_its_window_lasts() {
    const HOUR: i64 = 3_600_000_000;
    let world = TestWorld::new(StoreConfig { erase_after_ms: 0, dedup_window_ms: 2 * 3_600_000, ..small() });
    let store = world.embedded();
    let seen = arrivals(store, 0);
    store.commit(Commit { seen, ..commit_of(&(1..=80).map(event).collect::<Vec<_>>(), 1) }).expect("commits");
    store.flush().expect("flushes");
    store.commit(erase(2)).expect("commits");
    store.flush().expect("flushes");
    settle(store);
    assert_eq!(rows_in_files(&world.config.dir), 72);
    let (config, _dir) = world.into_parts();
    let store = without_runs(&config);
    let found = store.seen(&arrivals(&store, HOUR)).expect("an answer");
    assert!(found.iter().all(Option::is_some), "nothing tells of the erased ones: {found:?}");
    // Time goes on, and what it leaves behind is forgotten in the manifest, too: when the clock turns out to have been wrong and is set back, only rows tell.
    for (place, hour) in [1, 2, 3, 4, 5, 6, 7, 8, 0].into_iter().enumerate() {
        let late = Event { uuid: Uuid::from_u128(1000 + place as u128), ..event(1) };
        let seen = Seen { key: place as u128, received_at: UnixMicros(late.timestamp.0 + hour * HOUR) };
        let commit = Commit { seen: vec![seen], ..commit_of(&[late], 3 + place as u64) };
        store.commit(commit).expect("commits");
        store.flush().expect("flushes");
        settle(&store);
    }
    drop(store);
    let store = without_runs(&config);
    let found = store.seen(&arrivals(&store, 0)).expect("an answer");
    assert_eq!(found.iter().flatten().count(), 72, "{:?}", store.seen_stats());
}
