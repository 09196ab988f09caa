//! A damaged byte anywhere in the files of a store is found by a check and named, and a store over it answers right or not at all.

use crate::world::small;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, SystemClock, UnixMicros};
use aqueduct_store::conformance::{Event, commit_of};
use aqueduct_store::{DistinctIdRecord, EmbeddedStore, EventColumn, Store, StoreConfig, check};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);
const IDS: u32 = 300;

fn config(dir: &Path) -> StoreConfig {
    StoreConfig { dir: dir.join("store"), manifest_cache_bytes: 1 << 20, ..small() }
}

fn open(dir: &Path) -> Result<EmbeddedStore, String> {
    EmbeddedStore::open(config(dir), Arc::new(SystemClock)).map_err(|error| error.to_string())
}

fn id_of(number: u32) -> DistinctIdRecord {
    let (distinct_id, person) = (format!("distinct id number {number}").into(), Uuid::from_u128(u128::from(number % 40) << 64));
    DistinctIdRecord { project: PROJECT, distinct_id, person, version: u64::from(number), is_personless: false, spent: 0 }
}

/// Two segments, and enough distinct ids for a tree of pages.
fn fill(store: &EmbeddedStore) {
    for batch in 0..2_u32 {
        let event = |number: u32| Event {
            uuid: Uuid::from_u128(u128::from(batch * 1000 + number)),
            timestamp: UnixMicros(i64::from(number)),
            properties: vec![("a".to_owned(), number.to_string())],
            ..Event::default()
        };
        let mut commit = commit_of(&(0..50).map(event).collect::<Vec<_>>(), u64::from(batch) + 1);
        commit.distinct_ids.extend((batch..IDS).step_by(2).map(id_of));
        store.commit(commit).expect("commits");
        store.flush().expect("flushes");
    }
}

/// Where the store stands, and everything that can be asked, as text.
fn answers(dir: &Path) -> Result<(u64, String), String> {
    let store = open(dir)?;
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let (position, mut all) = (store.durable(PartitionId(0)).0, String::new());
    for number in 0..IDS {
        let id = store.distinct_id(PROJECT, &id_of(number).distinct_id).map_err(|error| said(&error))?;
        let ids = store.distinct_ids_of(PROJECT, id_of(number).person).map_err(|error| said(&error))?;
        all += &format!("{id:?} {ids:?}");
    }
    let view = store.snapshot().project(PROJECT).map_err(|error| said(&error))?;
    for part in view.shards().iter().flatten() {
        all += &format!("{:?}", part.column(EventColumn::Uuid).map_err(|error| said(&error))?);
    }
    Ok((position, all))
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("store")).expect("lists");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn restore(dir: &Path, good: &[(PathBuf, Vec<u8>)]) {
    files_of(dir).iter().for_each(|path| std::fs::remove_file(path).expect("removes"));
    good.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).expect("writes"));
}

/// Flips about `count` bytes of every file, and of the first page; what a check says of each is given to `judge`, with whether the store answers as before.
fn flip_all(dir: &Path, count: usize, judge: impl Fn(&Path, u64, bool, Option<u64>)) {
    let good: Vec<_> = files_of(dir).into_iter().map(|path| (path.clone(), std::fs::read(path).expect("reads"))).collect();
    let expected = answers(dir).expect("sound");
    restore(dir, &good);
    assert!(check(&dir.join("store")).expect("checks").is_sound());
    for (path, bytes) in &good {
        let step = (bytes.len() / count) | 1;
        for at in (5..bytes.len().min(330)).step_by(23).chain((330..bytes.len()).step_by(step)) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(path, &bad).expect("writes");
            let found = check(&dir.join("store")).map_err(|refused| refused.to_string());
            let is_named = found.as_ref().map_or(true, |found| {
                let of_file = found.files.iter().find(|file| file.path == *path);
                of_file.is_some_and(|file| {
                    file.faults.iter().any(|fault| fault.range.as_ref().is_none_or(|range| range.contains(&(at as u64))))
                })
            });
            assert_eq!(std::fs::read(path).expect("reads"), bad, "a check changes nothing");
            let stands_at = match answers(dir) {
                Ok((position, all)) => {
                    assert!(all == expected.1 || position < expected.0, "damage at byte {at} of {} was served", path.display());
                    Some(position)
                }
                Err(named) => {
                    assert!(named.contains("damaged") || named.contains("has store format"), "byte {at} of {}: {named}", path.display());
                    None
                }
            };
            judge(path, at as u64, is_named, stands_at);
            restore(dir, &good);
        }
    }
}

#[test]
fn every_byte_of_a_store_that_was_closed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("opens");
    fill(&store);
    store.close().expect("closes");
    drop(store);
    assert!(dir.path().join("store/manifest.redb.sums").exists());
    flip_all(dir.path(), 80, |path, at, is_named, stands_at| {
        assert!(is_named && stands_at.is_none_or(|position| position == 2), "byte {at} of {}", path.display());
    });
}

#[test]
fn every_byte_of_a_store_that_was_killed() {
    let (from, dir) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let store = open(from.path()).expect("opens");
    fill(&store);
    // What a kill leaves is what is there while the store is open.
    std::fs::create_dir(dir.path().join("store")).expect("makes");
    for path in files_of(from.path()) {
        std::fs::copy(&path, dir.path().join("store").join(path.file_name().expect("a name"))).expect("copies");
    }
    drop(store);
    flip_all(dir.path(), 40, |path, at, is_named, _| {
        // The database checks the pages that count and leaves out the free ones. It may go back to the commit before: then the journal has
        // the rest, or says that it has not.
        assert!(is_named || path.ends_with("manifest.redb"), "byte {at} of {}", path.display());
    });
}

#[test]
fn sums_that_are_damaged_cost_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("opens");
    fill(&store);
    drop(store);
    let expected = answers(dir.path()).expect("sound");
    let sums = dir.path().join("store/manifest.redb.sums");
    let mut bytes = std::fs::read(&sums).expect("reads");
    bytes[40] ^= 1;
    std::fs::write(&sums, bytes).expect("writes");
    assert!(!check(&dir.path().join("store")).expect("checks").is_sound());
    assert_eq!(answers(dir.path()).expect("checked otherwise"), expected);
    assert!(check(&dir.path().join("store")).expect("checks").is_sound(), "written anew");
}

#[test]
fn what_is_there_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(check(&dir.path().join("store")).expect("nothing there").is_readable);
    let store = open(dir.path()).expect("opens");
    fill(&store);
    drop(store);
    let found = check(&dir.path().join("store")).expect("checks");
    assert_eq!((found.rows, found.segments.len(), found.distinct_ids, found.position(PartitionId(0))), (100, 2, 300, JournalPosition(2)));
    std::fs::remove_file(dir.path().join("store/manifest.redb")).expect("removes");
    let found = check(&dir.path().join("store")).expect("checks");
    assert!(!found.is_readable && !found.is_sound());
    let refused = open(dir.path()).map(|_| ()).expect_err("segments are not litter");
    assert!(refused.ends_with("is damaged: is missing, yet there are 2 segments"), "{refused}");
    assert_eq!(files_of(dir.path()).iter().filter(|path| path.extension().is_some_and(|ending| ending == "parquet")).count(), 2);
}

#[test]
fn a_damaged_segment_does_not_stop_the_compaction_of_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("opens");
    fill(&store);
    let segment =
        files_of(dir.path()).into_iter().find(|path| path.extension().is_some_and(|ending| ending == "parquet")).expect("a segment");
    let mut bytes = std::fs::read(&segment).expect("reads");
    let middle = bytes.len() / 2;
    bytes[4..middle].fill(0x55);
    std::fs::write(&segment, bytes).expect("writes");
    fill(&store);
    let mut failures = 0;
    for _ in 0..20 {
        failures += usize::from(store.work().is_err());
    }
    assert_eq!(failures, 1, "said once");
    assert!(segment.exists() && files_of(dir.path()).len() <= 3, "{:?}", files_of(dir.path()));
}
