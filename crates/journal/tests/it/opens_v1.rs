//! A directory written by the first release is read by every later one. The fixture was written by `writes_the_fixture` below.

use crate::{PARTITION, append_all, block_on};
use aqueduct_event::{JournalPosition, ManualClock, UnixMicros};
use aqueduct_journal::{FaultyDisk, Journal, WalArgs, WalConfig, WalJournal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1")
}

/// Three segments; record 7 was appended after a start that found no seal.
fn expected() -> Vec<(u64, Vec<u8>)> {
    let mut records: Vec<_> = (0..7).map(|number| (number, vec![b'a' + number as u8; number as usize * 100])).collect();
    records.push((7 + 65_536, b"after a crash".to_vec()));
    records
}

#[test]
fn opens_v1() {
    let copy = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(fixture()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["00000000000000000000.journal", "00000000000000000005.journal", "00000000000000065543.journal"]);
    let journal = WalJournal::open_local(WalConfig::in_dir(copy.path())).unwrap();
    assert_eq!(crate::read_all(&journal, 0), expected());
    assert_eq!(append_all(&journal, [vec![1]]), [8 + 65_536]);
}

/// Today's program still writes version 1 byte for byte. When this fails the format has changed: it needs a new version number and a fixture of its own.
#[test]
fn writes_the_fixture() {
    let disk = FaultyDisk::new(1);
    let open = || {
        let config = WalConfig { segment_bytes: 1600, ..WalConfig::in_dir(crate::DIR) };
        let clock = Arc::new(ManualClock::new(UnixMicros(1_700_000_000_000_000)));
        WalJournal::open_with(WalArgs { config, disk: Arc::new(disk.clone()), clock, floor: JournalPosition(0) }).unwrap()
    };
    let records = expected();
    let journal = open();
    append_all(&journal, records[..7].iter().map(|(_, payload)| payload.clone()));
    block_on(journal.close());
    drop(journal);
    let last = crate::segments(&disk).pop().unwrap();
    let bytes = disk.read(&last).unwrap();
    disk.put(&last, &bytes[..bytes.len() - 24]);
    let journal = open();
    append_all(&journal, [records[7].1.clone()]);
    assert_eq!(journal.end(PARTITION).0, records[7].0 + 1);
    drop(journal);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(fixture()).unwrap();
        for path in crate::segments(&disk) {
            std::fs::write(fixture().join(path.file_name().unwrap()), disk.read(&path).unwrap()).unwrap();
        }
    }
    for path in crate::segments(&disk) {
        let name = path.file_name().unwrap();
        let (written, fixture) = (disk.read(&path).unwrap(), std::fs::read(fixture().join(name)).unwrap());
        // Whether a seal stands at the end of a full segment is a matter of timing.
        let common = written.len().min(fixture.len());
        assert!(written.len().abs_diff(fixture.len()) % 24 == 0 && common + 24 >= written.len().max(fixture.len()), "{}", name.display());
        assert_eq!(written[..common], fixture[..common], "{}", name.display());
    }
}
