//! A check finds every flipped byte and names it; a repair keeps all that is whole and says what is gone.

use crate::{DIR, append_all, block_on, open, read_all, segments, small};
use aqueduct_event::{JournalPosition, SystemClock};
use aqueduct_journal::{Disk, FaultyDisk, Journal, JournalCheck, RepairError, Repaired, WalArgs, WalJournal, check, repair};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Three segments with records of 100 bytes, one to a group, closed in order.
fn closed() -> (FaultyDisk, u64) {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk);
    let count = append_all(&journal, (0..70).map(|number| vec![number; 100])).len() as u64;
    block_on(journal.close());
    drop(journal);
    assert_eq!(segments(&disk).len(), 3);
    (disk, count)
}

fn checked(disk: &FaultyDisk, confirmed: u64) -> JournalCheck {
    check(disk, Path::new(DIR), JournalPosition(confirmed)).unwrap()
}

fn repaired(disk: &FaultyDisk, confirmed: u64, accept_loss: bool) -> Result<Repaired, RepairError> {
    repair(disk, Path::new(DIR), &SystemClock, JournalPosition(confirmed), accept_loss)
}

fn open_at(disk: &FaultyDisk, confirmed: u64) -> WalJournal {
    let (disk, clock) = (Arc::new(disk.clone()), Arc::new(SystemClock));
    WalJournal::open_with(WalArgs { config: small(), disk, clock, floor: JournalPosition(confirmed) }).unwrap()
}

fn flip(disk: &FaultyDisk, path: &Path, at: usize) {
    let mut bytes = disk.read(path).unwrap();
    bytes[at] ^= 0x20;
    disk.put(path, &bytes);
}

#[test]
fn a_sound_journal_is_described() {
    let (disk, count) = closed();
    let found = checked(&disk, count);
    assert!(found.is_sound());
    assert_eq!((found.first.0, found.end.0, found.records), (0, count, count));
    assert!(found.files[0].holds.starts_with("28 records, positions 0 to 27"), "{}", found.files[0].holds);
    assert_eq!(repaired(&disk, count, false).unwrap(), Repaired::default());
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let (disk, count) = closed();
    for path in segments(&disk) {
        let good = disk.read(&path).unwrap();
        // A seal behind the records is none; without it the end is not proven, that is all.
        let records = (good.len() - 64) / 140;
        for at in (0..64 + records * 140).step_by(3) {
            flip(&disk, &path, at);
            let found = match check(&disk, Path::new(DIR), JournalPosition(count)) {
                Ok(found) => found,
                Err(refused) => {
                    assert!((8..12).contains(&at), "byte {at}: {refused}");
                    disk.put(&path, &good);
                    continue;
                }
            };
            let file = found.files.iter().find(|file| file.path == path).unwrap();
            let range = file.faults.first().and_then(|fault| fault.range.clone()).unwrap_or_default();
            assert!(range.contains(&(at as u64)), "byte {at} of {}: {:?}", path.display(), file.faults);
            assert_eq!(disk.read(&path).unwrap().len(), good.len(), "a check changes nothing");
            disk.put(&path, &good);
        }
    }
    assert!(checked(&disk, count).is_sound());
}

#[test]
fn damage_below_what_the_store_has_costs_nothing() {
    let (disk, count) = closed();
    flip(&disk, &segments(&disk)[1], 200);
    assert!(WalJournal::open(small(), Arc::new(disk.clone())).is_err());
    let done = repaired(&disk, count, false).unwrap();
    assert_eq!((done.lost.len(), done.aside.len()), (0, 1));
    assert!(done.aside[0].to_string_lossy().ends_with(".journal.damaged"));
    let journal = open_at(&disk, count);
    assert_eq!(journal.end(crate::PARTITION).0, count);
    assert_eq!(append_all(&journal, [vec![1]])[0] % 65_536, count % 65_536);
}

#[test]
fn lost_records_are_named_and_need_consent() {
    for (segment, at, gone) in [(0, 64 + 24 + 16 + 3 * 140, 3..4), (1, 64 + 24 + 16, 28..29), (1, 20, 28..56)] {
        let (disk, count) = closed();
        flip(&disk, &segments(&disk)[segment], at);
        let refused = repaired(&disk, 2, false).unwrap_err();
        assert!(matches!(&refused, RepairError::WouldLose { lost } if lost[..] == [gone.clone()]), "{refused}");
        let done = repaired(&disk, 2, true).unwrap();
        assert_eq!(done.lost[..], std::slice::from_ref(&gone)[..]);
        assert!(checked(&disk, 2).is_sound());
        let journal = open_at(&disk, 2);
        let positions: Vec<u64> = read_all(&journal, 0).into_iter().map(|(position, _)| position).collect();
        let expected: Vec<u64> = (0..count).filter(|position| !gone.contains(position)).collect();
        assert_eq!(positions, expected);
    }
}

#[test]
fn a_broken_last_group_that_the_store_has_is_damage_not_a_torn_tail() {
    let (disk, count) = closed();
    let last: PathBuf = segments(&disk).pop().unwrap();
    let mut bytes = disk.read(&last).unwrap();
    bytes.truncate(bytes.len() - 24);
    *bytes.last_mut().unwrap() ^= 1;
    disk.put(&last, &bytes);
    assert!(checked(&disk, count - 1).is_sound(), "not acknowledged, as far as anybody knows");
    let found = checked(&disk, count);
    assert!(found.is_behind && !found.is_sound(), "the store has it");
    let (as_disk, clock) = (Arc::new(disk.clone()), Arc::new(SystemClock));
    let refused = WalJournal::open_with(WalArgs { config: small(), disk: as_disk, clock, floor: JournalPosition(count) });
    let refused = refused.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("is damaged from byte") && refused.ends_with(&format!("position {} is affected", count - 1)), "{refused}");
    repaired(&disk, count, true).unwrap();
    assert_eq!(append_all(&open_at(&disk, count), [vec![1]])[0] % 65_536, count);
}

#[test]
fn a_lost_journal_is_begun_anew_where_the_store_stands() {
    let disk = FaultyDisk::new(1);
    assert!(checked(&disk, 0).is_sound(), "nothing was ever there");
    assert!(checked(&disk, 500).is_behind);
    assert!(matches!(repaired(&disk, 500, false), Err(RepairError::WouldLose { lost }) if lost.first() == Some(&(500..u64::MAX))));
    disk.create_dir_all(Path::new(DIR)).unwrap();
    repaired(&disk, 500, true).unwrap();
    let journal = open_at(&disk, 500);
    assert_eq!(append_all(&journal, [vec![1]])[0] % 65_536, 500);
}

#[test]
fn a_pause_proves_the_last_group_even_over_a_power_cut() {
    // Whether an unsynced block survives differs from disk to disk.
    let disks: Vec<FaultyDisk> = (0..16).map(FaultyDisk::new).collect();
    let journals: Vec<_> = disks.iter().map(open).collect();
    journals.iter().for_each(|journal| assert_eq!(append_all(journal, [vec![1; 100]]), [0]));
    std::thread::sleep(Duration::from_millis(1_500));
    for (disk, journal) in disks.iter().zip(journals) {
        disk.crash_after(0);
        drop(journal);
        disk.restart();
        assert_eq!(append_all(&open(disk), [vec![2]]), [1], "the end is proven, no position is skipped");
    }
}
