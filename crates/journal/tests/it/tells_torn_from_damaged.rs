//! A torn tail is cut off and the start goes on; damage to acknowledged records stops the start and is named.

use crate::{DIR, PARTITION, append_all, join_all, open, read_all, segments, small};
use aqueduct_event::{JournalPosition, SystemClock};
use aqueduct_journal::{Disk, FaultyDisk, Journal, OpenError, ReadError, Turn, WalArgs, WalConfig, WalJournal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Segment header, group header, frame header.
const FIRST_PAYLOAD: usize = 64 + 24 + 16;
const GROUP: usize = 24 + 16 + 100;

/// One segment with ten groups of one record of 100 bytes, and its bytes without the seal.
fn ten_records() -> (FaultyDisk, PathBuf, Vec<u8>) {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk);
    append_all(&journal, (0..10).map(|number| vec![number; 100]));
    drop(journal);
    let path = segments(&disk).pop().unwrap();
    let mut bytes = disk.read(&path).unwrap();
    bytes.truncate(64 + 10 * GROUP);
    (disk, path, bytes)
}

fn try_open(disk: &FaultyDisk) -> Result<WalJournal, OpenError> {
    WalJournal::open(small(), Arc::new(disk.clone()))
}

fn positions(journal: &WalJournal) -> Vec<u64> {
    read_all(journal, 0).into_iter().map(|(position, _)| position).collect()
}

#[test]
fn every_cut_of_the_last_group_is_a_torn_tail() {
    let (disk, path, bytes) = ten_records();
    for cut in 64 + 9 * GROUP..bytes.len() {
        disk.put(&path, &bytes[..cut]);
        segments(&disk).into_iter().filter(|other| *other != path).for_each(|other| disk.remove(&other).unwrap());
        let journal = try_open(&disk).unwrap();
        assert_eq!(positions(&journal), Vec::from_iter(0..9), "cut at {cut}");
        assert_eq!(append_all(&journal, [vec![1]]), [9 + 65_536], "cut at {cut}");
    }
}

#[test]
fn an_unsealed_last_group_that_does_not_match_is_a_torn_tail() {
    let (disk, path, mut bytes) = ten_records();
    *bytes.last_mut().unwrap() ^= 1;
    disk.put(&path, &bytes);
    assert_eq!(positions(&try_open(&disk).unwrap()), Vec::from_iter(0..9));
}

#[test]
fn every_flipped_byte_before_the_last_group_is_damage() {
    let (disk, path, bytes) = ten_records();
    for at in 0..64 + 9 * GROUP {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        disk.put(&path, &bytes);
        match try_open(&disk).map(|_| ()) {
            Err(OpenError::Damaged { path: found, from, to, .. }) => {
                assert_eq!(found, path);
                assert!(from <= at as u64 && (at as u64) < to, "byte {at} is not in {from}..{to}");
            }
            Err(OpenError::Version { .. }) if (8..12).contains(&at) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn damage_names_file_bytes_and_positions() {
    let (disk, path, mut bytes) = ten_records();
    bytes[FIRST_PAYLOAD + 3 * GROUP] ^= 1;
    disk.put(&path, &bytes);
    let message = try_open(&disk).map(|_| ()).unwrap_err().to_string();
    let checksums = message.find("frame 3 has checksum").unwrap();
    assert!(message.starts_with("/journal/00000000000000000000.journal is damaged from byte 508 to byte 624: "), "{message}");
    assert!(message[checksums..].ends_with("expected; position 3 is affected"), "{message}");
}

#[test]
fn the_seal_proves_the_last_group() {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk);
    append_all(&journal, [vec![1; 100], vec![2; 100]]);
    drop(journal);
    let path = segments(&disk).pop().unwrap();
    let mut bytes = disk.read(&path).unwrap();
    bytes[FIRST_PAYLOAD + GROUP] ^= 1;
    disk.put(&path, &bytes);
    assert!(matches!(try_open(&disk).map(|_| ()), Err(OpenError::Damaged { .. })));
}

#[test]
fn bytes_behind_a_seal_are_a_torn_group_unless_they_hold_one() {
    let (disk, path, bytes) = ten_records();
    let journal = try_open(&disk);
    drop(journal);
    disk.put(&path, &bytes);
    segments(&disk).into_iter().filter(|other| *other != path).for_each(|other| disk.remove(&other).unwrap());
    drop(try_open(&disk).unwrap());
    // A segment that is closed in order, then the torn rest of a group whose first block did not arrive.
    let last = segments(&disk).pop().unwrap();
    let mut sealed = disk.read(&last).unwrap();
    sealed.extend([0xAB; 700]);
    disk.put(&last, &sealed);
    let journal = try_open(&disk).unwrap();
    assert_eq!(positions(&journal), Vec::from_iter(0..10));
    drop(journal);

    // The old seal in front of a group: the disk lost the block that should have replaced it.
    let (disk, path, bytes) = ten_records();
    let whole = disk.read(&path).unwrap();
    let seal = &whole[whole.len() - 24..];
    let mut stale = bytes[..64].to_vec();
    stale.extend(&bytes[64..64 + 9 * GROUP]);
    stale.extend(seal);
    stale.extend(&bytes[64 + 9 * GROUP + 24..]);
    stale.extend(seal);
    disk.put(&path, &stale);
    assert!(matches!(try_open(&disk).map(|_| ()), Err(OpenError::Damaged { .. })));
}

#[test]
fn intact_frames_behind_a_torn_one_of_the_same_group_do_not_stop_the_start() {
    let disk = FaultyDisk::new(1);
    let (config, clock) = (WalConfig::in_dir(DIR), Arc::new(SystemClock));
    let args = WalArgs { config, disk: Arc::new(disk.clone()), clock, floor: JournalPosition(0) };
    // The writer works when all have come: they become one group, however slow the machine is.
    let (journal, mut writer) = WalJournal::open_stepped(args).unwrap();
    let mut append = |payloads: Vec<Vec<u8>>| {
        crate::block_on(async {
            let appends = join_all(payloads.into_iter().map(|payload| journal.append(0, payload.into())).collect());
            let (results, ()) = tokio::join!(appends, async { while writer.step() == Turn::Worked {} });
            assert!(results.iter().all(Result::is_ok));
        });
    };
    append(vec![vec![7; 10]]);
    append((0..20).map(|number| vec![number; 1000]).collect());
    disk.kill_process();
    drop((journal, writer));
    let path = segments(&disk).pop().unwrap();
    let bytes = disk.read(&path).unwrap();
    let whole = 64 + 24 + 16 + 10;
    // Tear one frame of the last group; its later frames stay intact.
    let mut torn = bytes[..bytes.len() - if bytes.ends_with(&[19; 1000]) { 0 } else { 24 }].to_vec();
    assert_eq!(torn.len(), whole + 24 + 20 * 1016);
    let at = torn.len() - 5 * 1016;
    torn[at] ^= 1;
    disk.put(&path, &torn);
    let journal = try_open(&disk).unwrap();
    assert_eq!(positions(&journal), [0], "the group is gone as a whole");
}

#[test]
fn a_payload_cannot_imitate_a_later_group() {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk);
    append_all(&journal, [vec![1; 50]]);
    drop(journal);
    let known = disk.read(&segments(&disk).pop().unwrap()).unwrap();
    // The payload is a whole segment of another journal; the tail that holds it is torn.
    let other = FaultyDisk::new(2);
    let journal = open(&other);
    append_all(&journal, [vec![2; 10], known]);
    drop(journal);
    let path = segments(&other).pop().unwrap();
    let mut bytes = other.read(&path).unwrap();
    bytes.truncate(bytes.len() - 24);
    bytes[64 + 24 + 16 + 10 + 4] ^= 1;
    other.put(&path, &bytes);
    assert_eq!(positions(&try_open(&other).unwrap()), [0]);
}

#[test]
fn a_missing_segment_is_damage() {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk);
    append_all(&journal, (0..12).map(|number| vec![number; 1500]));
    drop(journal);
    let files = segments(&disk);
    assert!(files.len() >= 4, "{files:?}");
    disk.remove(&files[2]).unwrap();
    let error = try_open(&disk).map(|_| ()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { path, .. } if *path == files[3]), "{error}");
    assert!(error.to_string().ends_with("positions 4 to 5 are missing"), "{error}");
}

#[test]
fn damage_that_comes_later_is_found_when_reading() {
    let (disk, path, bytes) = ten_records();
    let journal = try_open(&disk).unwrap();
    let mut damaged = bytes;
    damaged[FIRST_PAYLOAD + 2 * GROUP] ^= 1;
    let file = disk.open(Path::new(&path)).unwrap();
    file.write_at(&[&damaged], 0).unwrap();
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).unwrap();
    assert!(matches!(crate::block_on(reader.next(1_000_000)), Err(ReadError::Damaged { .. })));
    let mut behind = journal.reader(PARTITION, JournalPosition(3)).unwrap();
    assert_eq!(crate::block_on(behind.next(1_000_000)).unwrap().len(), 7, "what lies behind it can be read");
}
