//! A full journal, and a full disk, refuse before harm is done, and take records again by themselves after a trim.

use crate::{DIR, PARTITION, block_on, read_all, small};
use aqueduct_event::JournalPosition;
use aqueduct_journal::{AppendError, FaultyDisk, Journal, Op, WalConfig, WalJournal};
use bytes::Bytes;
use std::io::ErrorKind;
use std::sync::Arc;

fn open(disk: &FaultyDisk, config: WalConfig) -> WalJournal {
    WalJournal::open(config, Arc::new(disk.clone())).unwrap()
}

fn append(journal: &WalJournal, bytes: usize) -> Result<u64, AppendError> {
    block_on(journal.append(0, Bytes::from(vec![5; bytes]))).map(|receipt| receipt.position.0)
}

/// Appends until it is full. The answer is how many were taken.
fn fill(journal: &WalJournal) -> u64 {
    let mut taken = 0;
    loop {
        match append(journal, 1000) {
            Ok(_) => taken += 1,
            Err(AppendError::Full { .. }) => return taken,
            Err(other) => panic!("{other}"),
        }
        assert!(taken < 1000, "never full");
    }
}

fn fills_and_recovers(disk: &FaultyDisk, config: WalConfig) {
    let journal = open(disk, config);
    let mut total = 0;
    for _ in 0..3 {
        let taken = fill(&journal);
        assert!(taken > 5, "{taken} were taken");
        assert!(append(&journal, 1000).is_err(), "still full");
        assert_eq!(journal.poisoned(), None);
        total += taken;
        assert_eq!(journal.end(PARTITION), JournalPosition(total));
        journal.trim(PARTITION, JournalPosition(total)).unwrap();
    }
    assert_eq!(append(&journal, 1000).unwrap(), total, "takes records again, positions without a gap");
    assert_eq!(read_all(&journal, total).len(), 1);
}

#[test]
fn by_its_own_limit() {
    fills_and_recovers(&FaultyDisk::new(1), WalConfig { bytes_max: 20_000, ..small() });
}

#[test]
fn by_the_room_that_must_stay_free() {
    let disk = FaultyDisk::new(1);
    disk.set_capacity(30_000);
    // A tenth of so small a disk counts, and room for writing out what is in the journal.
    fills_and_recovers(&disk, small());
    assert!(disk.paths().iter().map(|path| disk.read(path).unwrap().len()).sum::<usize>() < 27_000);
}

#[test]
fn what_the_store_has_not_confirmed_keeps_as_much_free() {
    let disk = FaultyDisk::new(1);
    disk.set_capacity(100_000);
    let journal = open(&disk, small());
    fill(&journal);
    // Of the disk, not of the journal: behind its records an older segment may have a seal, or not.
    let used: usize = disk.paths().iter().map(|path| disk.read(path).unwrap().len()).sum();
    assert!((45_000..=50_500).contains(&used), "{used} of 100000 bytes used, nothing confirmed");
    assert!(matches!(journal.full(), Some(AppendError::Full { free_bytes, reserve_bytes, .. }) if reserve_bytes <= free_bytes));
    let config = WalConfig { disk_free_min_bytes: 20_000, ..small() };
    drop(journal);
    let journal = open(&disk, config);
    assert!(journal.full().is_none(), "the setting bounds it");
    fill(&journal);
    assert!(journal.used_bytes() > 75_000, "{} of 100000 bytes used", journal.used_bytes());
}

#[test]
fn by_a_disk_that_has_less_than_it_says() {
    let disk = FaultyDisk::new(1);
    disk.set_hidden_capacity(30_000);
    fills_and_recovers(&disk, small());
}

#[test]
fn even_when_all_is_in_one_segment() {
    let config = WalConfig { segment_bytes: u64::MAX, ..WalConfig::in_dir(DIR) };
    let disk = FaultyDisk::new(1);
    disk.set_capacity(60_000);
    fills_and_recovers(&disk, config);
}

#[test]
fn a_small_record_still_fits_where_a_large_one_does_not() {
    let journal = open(&FaultyDisk::new(1), WalConfig { bytes_max: 20_000, ..small() });
    let error = append(&journal, 30_000).unwrap_err();
    assert!(matches!(error, AppendError::Full { limit_bytes: 20_000, .. }), "{error}");
    assert_eq!(append(&journal, 10_000).unwrap(), 0);
}

#[test]
fn a_write_without_room_leaves_no_trace() {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk, small());
    append(&journal, 100).unwrap();
    disk.fail(Op::Write, 1, ErrorKind::StorageFull);
    // The writer's seal may be the write that fails; then this append is the first to fit again.
    let first = append(&journal, 2000);
    assert!(matches!(first, Ok(1) | Err(AppendError::Full { .. })), "{first:?}");
    append(&journal, 100).unwrap();
    let records = read_all(&journal, 0);
    disk.crash_after(0);
    drop(journal);
    disk.restart();
    assert_eq!(read_all(&open(&disk, small()), 0), records);
}

#[test]
fn whatever_it_is_that_finds_no_room() {
    for op in [Op::Create, Op::Write] {
        for nth in 1..12 {
            for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
                let disk = FaultyDisk::new(nth);
                let journal = open(&disk, small());
                disk.fail(op, nth, kind);
                let taken = (0..12).filter(|_| append(&journal, 1500).is_ok()).count();
                assert_eq!(journal.poisoned(), None, "{op:?} number {nth}: {kind}");
                // A seal that found no room is no loss; anything else costs one append its answer.
                assert!(taken >= 11, "{op:?} number {nth}: {taken} of 12 were taken");
                let records = read_all(&journal, 0);
                assert_eq!(records.len(), taken);
                disk.crash_after(0);
                drop(journal);
                disk.restart();
                assert_eq!(read_all(&open(&disk, small()), 0), records, "{op:?} number {nth}");
            }
        }
    }
}

#[test]
fn a_write_that_cannot_be_taken_back_poisons() {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk, WalConfig::in_dir(DIR));
    disk.set_hidden_capacity(1000);
    disk.fail(Op::Truncate, 1, ErrorKind::InvalidData);
    let error = append(&journal, 5000).unwrap_err();
    assert!(matches!(error, AppendError::Poisoned { .. }), "{error}");
}
