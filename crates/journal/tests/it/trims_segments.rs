//! Trimming removes whole confirmed segments, oldest first, the active one only at rest; readers that hold one go on.

use crate::{DIR, PARTITION, append_all, block_on, open, read_all, segments};
use aqueduct_event::JournalPosition;
use aqueduct_journal::{FaultyDisk, Journal, Op, ReadError, WalConfig, WalJournal};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn twelve_records_in_six_segments() -> (FaultyDisk, WalJournal) {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk);
    append_all(&journal, (0..12).map(|number| vec![number; 1500]));
    assert_eq!(segments(&disk).len(), 6);
    (disk, journal)
}

#[test]
fn whole_segments_only() {
    let (disk, journal) = twelve_records_in_six_segments();
    let used = journal.used_bytes();
    journal.trim(PARTITION, JournalPosition(1)).unwrap();
    assert_eq!(segments(&disk).len(), 6);
    journal.trim(PARTITION, JournalPosition(5)).unwrap();
    assert_eq!(segments(&disk).len(), 4);
    assert!(journal.used_bytes() < used);
    let refused = journal.reader(PARTITION, JournalPosition(3)).map(|_| ());
    assert!(matches!(refused, Err(ReadError::Trimmed { wanted: JournalPosition(3), first: JournalPosition(4) })), "{refused:?}");
    assert_eq!(read_all(&journal, 4).len(), 8);
    journal.trim(PARTITION, JournalPosition(12)).unwrap();
    assert_eq!(segments(&disk).len(), 1, "the active one stays");
    drop(journal);
    assert_eq!(append_all(&open(&disk), [vec![1]]), [12]);
}

#[test]
fn a_reader_that_lags_is_told() {
    let (_disk, journal) = twelve_records_in_six_segments();
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).unwrap();
    assert_eq!(block_on(reader.next(1)).unwrap()[0].position, JournalPosition(0));
    journal.trim(PARTITION, JournalPosition(12)).unwrap();
    assert_eq!(block_on(reader.next(1)).unwrap()[0].position, JournalPosition(1), "from the file that it holds");
    assert!(matches!(block_on(reader.next(1)), Err(ReadError::Trimmed { wanted: JournalPosition(2), .. })));
}

#[test]
fn what_cannot_be_removed_is_named_and_tried_again() {
    let (disk, journal) = twelve_records_in_six_segments();
    disk.fail(Op::Remove, 2, ErrorKind::PermissionDenied);
    let error = journal.trim(PARTITION, JournalPosition(12)).unwrap_err();
    assert_eq!(error.path, segments(&disk)[0]);
    assert_eq!(read_all(&journal, 2).len(), 10, "nothing is lost");
    journal.trim(PARTITION, JournalPosition(12)).unwrap();
    assert_eq!(segments(&disk).len(), 1);
}

#[test]
fn a_journal_at_rest_gives_back_a_confirmed_active_segment_too() {
    let disk = FaultyDisk::new(1);
    let journal = WalJournal::open(WalConfig { retain_bytes: 0, ..WalConfig::in_dir(DIR) }, Arc::new(disk.clone())).unwrap();
    append_all(&journal, (0..3).map(|number| vec![number; 1 << 20]));
    journal.trim(PARTITION, JournalPosition(2)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(journal.used_bytes() > 3 << 20, "not all of it is confirmed");
    journal.trim(PARTITION, JournalPosition(3)).unwrap();
    let begun = Instant::now();
    while journal.used_bytes() > 1000 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} bytes stay", journal.used_bytes());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(segments(&disk).len(), 1);
    assert!(journal.reader(PARTITION, JournalPosition(3)).is_ok(), "a reader that has read everything goes on");
    assert_eq!(append_all(&journal, [vec![1]]), [3]);
    assert_eq!(read_all(&journal, 3), [(3, vec![1])]);
}

#[test]
fn what_is_confirmed_stays_for_audits_until_room_is_short() {
    let disk = FaultyDisk::new(1);
    let config =
        WalConfig { segment_bytes: 4096, bytes_max: 160_000, retain_bytes: u64::MAX, read_cache_bytes: 1000, ..WalConfig::in_dir(DIR) };
    let journal = WalJournal::open(config, Arc::new(disk.clone())).unwrap();
    append_all(&journal, (0..12).map(|number| vec![number; 1500]));
    journal.trim(PARTITION, JournalPosition(12)).unwrap();
    let used = journal.used_bytes();
    assert!((10_000..14_500).contains(&used), "a sixteenth of the journal's limit stays, by whole segments: {used}");
    let first = 12 - read_all(&journal, 6).len() as u64;
    assert!(first <= 6 && journal.reader(PARTITION, JournalPosition(0)).is_err());
    // With the store at rest the journal fills up to its limit: the retained records count for nothing.
    let fits = (0..200_u8).take_while(|number| block_on(journal.append(0, vec![*number; 1500].into())).is_ok()).count();
    assert!(fits as u64 * 1500 > 160_000 - 2 * 4096 - 1500, "{fits}");
    assert!(journal.reader(PARTITION, JournalPosition(6)).is_err(), "given up");
    assert_eq!(read_all(&journal, 12).len(), fits, "and nothing else");
}
