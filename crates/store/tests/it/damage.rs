//! A damaged byte is reported, never served.

use crate::world::{TestWorld, small};
use aqueduct_event::{ProjectId, SystemClock, UnixMicros};
use aqueduct_store::conformance::{Event, World, commit_of};
use aqueduct_store::{EmbeddedStore, EventColumn, OpenError, ReadError, Seen, Store, StoreConfig};
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

const COLUMNS: [EventColumn; 10] = [
    EventColumn::Uuid,
    EventColumn::Event,
    EventColumn::Timestamp,
    EventColumn::DistinctId,
    EventColumn::CreatedAt,
    EventColumn::PersonId,
    EventColumn::PersonCreatedAt,
    EventColumn::PersonProperties,
    EventColumn::PersonMode,
    EventColumn::ElementsChain,
];

/// The arrivals of what [`flushed`] stores.
fn seen(store: &EmbeddedStore) -> Vec<Seen> {
    let event = Event::default();
    let key = |number: u32| store.seen_rule().key(event.project, Uuid::from_u128(u128::from(number)), &event.event, &event.distinct_id);
    (0..200).map(|number| Seen { key: key(number), received_at: UnixMicros(i64::from(number) + 1) }).collect()
}

fn flushed(config: StoreConfig) -> (TestWorld, PathBuf) {
    let world = TestWorld::new(config);
    let events: Vec<Event> = (0..200_u32)
        .map(|number| Event {
            uuid: Uuid::from_u128(u128::from(number)),
            timestamp: UnixMicros(i64::from(number)),
            properties: vec![("a".to_owned(), number.to_string()), ("b".to_owned(), format!("\"{}\"", number % 3))],
            ..Event::default()
        })
        .collect();
    let mut commit = commit_of(&events, 1);
    commit.seen = seen(world.embedded());
    world.store().commit(commit).expect("commits");
    world.store().flush().expect("flushes");
    let mut files = std::fs::read_dir(&world.config.dir).expect("a directory").filter_map(|entry| Some(entry.ok()?.path()));
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "parquet")).expect("a segment");
    (world, file)
}

/// Everything that a reader can ask for, as text, or the first error.
fn read_all(store: &EmbeddedStore) -> Result<String, ReadError> {
    let mut all = String::new();
    let view = store.snapshot().project(ProjectId(1))?;
    for part in view.shards().iter().flatten() {
        for column in COLUMNS {
            all += &format!("{:?}", part.column(column)?);
        }
        for key in part.property_keys()? {
            let column = part.property(&key)?;
            let values: Vec<_> = (0..part.rows()).map(|row| column.as_ref().and_then(|column| column.value(row))).collect();
            all += &format!("{key} {values:?}");
        }
        all += &format!("{:?}", part.properties_json(None)?);
    }
    Ok(all)
}

fn open(config: &StoreConfig) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(config.clone(), Arc::new(SystemClock))
}

#[test]
fn every_flipped_byte_is_found() {
    let (mut world, file) = flushed(small());
    let whole = read_all(world.embedded()).expect("undamaged");
    let good = std::fs::read(&file).expect("readable");
    for at in (0..good.len()).step_by(23) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&file, &bad).expect("writable");
        // A new start: nothing is in the cache.
        world.crash();
        assert!(matches!(world.embedded().verify(), Err(ReadError::Damaged { .. })), "byte {at} is found by the full check");
        match read_all(world.embedded()) {
            Err(ReadError::Damaged { .. }) => {}
            // The start of the file and the project column are not what readers ask for.
            Ok(same) => assert!(same == whole, "damage at byte {at} was served"),
            Err(other) => panic!("damage at byte {at} gives {other}"),
        }
    }
    std::fs::write(&file, &good).expect("writable");
    world.crash();
    assert_eq!(read_all(world.embedded()).expect("mended"), whole);
}

#[test]
fn a_file_that_is_short_or_gone_stops_the_start() {
    let (world, file) = flushed(small());
    let good = std::fs::read(&file).expect("readable");
    let (config, dir) = world.into_parts();
    std::fs::write(&file, &good[..good.len() - 1]).expect("writable");
    let refused = open(&config).expect_err("a short file is refused").to_string();
    assert!(refused.contains("expected"), "{refused}");
    std::fs::remove_file(&file).expect("removable");
    let refused = open(&config).expect_err("a missing file is refused").to_string();
    assert!(refused.contains("is missing"), "{refused}");
    std::fs::write(&file, &good).expect("writable");
    open(&config).expect("whole again");
    drop(dir);
}

#[test]
fn a_file_that_no_manifest_names_is_removed() {
    let (mut world, file) = flushed(small());
    let orphan = file.with_file_name("00000000000000ff.parquet");
    std::fs::write(&orphan, b"half a segment").expect("writable");
    let note = file.with_file_name("export.parquet");
    std::fs::write(&note, b"not ours").expect("writable");
    let orphan_run = file.with_file_name("00000000000000ff.seen");
    std::fs::write(&orphan_run, b"half a run").expect("writable");
    world.crash();
    assert!(!orphan.exists() && !orphan_run.exists() && note.exists() && file.exists());
}

#[test]
fn two_processes_cannot_share_a_store() {
    let (world, _) = flushed(small());
    let refused = open(&world.config).expect_err("the store is open");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
}

/// The one file of arrivals.
fn run_of(world: &TestWorld) -> PathBuf {
    let mut files = std::fs::read_dir(&world.config.dir).expect("a directory").filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|extension| extension == "seen")).expect("a run")
}

#[test]
fn damaged_arrivals_are_made_again_from_the_rows() {
    let len = std::fs::metadata(run_of(&flushed(small()).0)).expect("a run").len() as usize;
    // Head, two blocks, index and filter; the last byte is lost, then all of them.
    for at in (0..len).step_by(389).chain([len, len + 1]) {
        let (mut world, _) = flushed(small());
        let file = run_of(&world);
        let mut bad = std::fs::read(&file).expect("readable");
        match at {
            at if at < len => bad[at] ^= 16,
            at if at == len => bad.truncate(len - 1),
            _ => bad.clear(),
        }
        if bad.is_empty() {
            std::fs::remove_file(&file).expect("removable");
        } else {
            std::fs::write(&file, &bad).expect("writable");
        }
        let open = |world: &TestWorld| world.embedded().verify();
        if at < len {
            assert!(matches!(open(&world), Err(ReadError::Damaged { .. })), "byte {at} is found by the full check");
        }
        world.crash();
        let again = seen(world.embedded());
        // A damaged block gives no answer; all others give the right one.
        if let Ok(found) = world.store().seen(&again) {
            assert!(found.iter().zip(&again).all(|(found, seen)| *found == Some(seen.received_at)), "byte {at}");
        } else {
            assert!((4096..3 * 4096).contains(&at), "byte {at} is not in a block");
        }
        let _ = world.embedded().verify();
        while world.store().work().expect("the rows are there") {}
        let found = world.store().seen(&again).expect("made again");
        assert!(found.iter().zip(&again).all(|(found, seen)| *found == Some(seen.received_at)), "byte {at}");
        world.embedded().verify().expect("made again");
        assert!(!file.exists(), "the damaged file is gone");
    }
}

#[test]
fn arrivals_that_cannot_be_made_again_stop_the_start() {
    let (world, segment) = flushed(small());
    let file = run_of(&world);
    let (config, dir) = world.into_parts();
    std::fs::remove_file(&file).expect("removable");
    let mut bad = std::fs::read(&segment).expect("readable");
    bad.iter_mut().step_by(7).for_each(|byte| *byte ^= 1);
    std::fs::write(&segment, &bad).expect("writable");
    let refused = open(&config).expect_err("neither run nor rows").to_string();
    assert!(refused.contains(".seen is damaged: is missing; it cannot be made again from the rows"), "{refused}");
    drop(dir);
}
