//! What keeps a journal from opening is said: in use, not a directory, newer, not a journal.

use crate::small;
use aqueduct_event::{JournalPosition, PartitionId, SystemClock};
use aqueduct_journal::{FaultyDisk, Journal, Op, OpenError, ReadError, WalArgs, WalConfig, WalJournal};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

fn error_of(config: WalConfig) -> OpenError {
    WalJournal::open_local(config).map(|_| ()).unwrap_err()
}

#[test]
fn in_use() {
    let dir = tempfile::tempdir().unwrap();
    let config = WalConfig::in_dir(dir.path());
    let journal = WalJournal::open_local(config.clone()).unwrap();
    assert!(matches!(error_of(config.clone()), OpenError::Locked { path } if path == dir.path()));
    drop(journal);
    WalJournal::open_local(config).unwrap();
}

#[test]
fn missing_directories_are_made() {
    let dir = tempfile::tempdir().unwrap();
    WalJournal::open_local(WalConfig::in_dir(dir.path().join("a/b/c"))).unwrap();
    assert!(dir.path().join("a/b/c/00000000000000000000.journal").is_file());
}

#[test]
fn not_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let message = error_of(WalConfig::in_dir(file.join("journal"))).to_string();
    assert!(message.starts_with("cannot create directory ") && message.contains("Not a directory"), "{message}");
}

#[test]
fn a_directory_that_cannot_be_written() {
    let disk = FaultyDisk::new(1);
    disk.fail(Op::Create, 1, ErrorKind::ReadOnlyFilesystem);
    let message = WalJournal::open(small(), Arc::new(disk)).map(|_| ()).unwrap_err().to_string();
    assert_eq!(message, "cannot make a segment in /journal: read-only filesystem or storage medium");
}

#[test]
fn a_newer_version_and_a_stranger() {
    let disk = FaultyDisk::new(1);
    drop(WalJournal::open(small(), Arc::new(disk.clone())).unwrap());
    let path = Path::new("/journal/00000000000000000000.journal");
    let mut bytes = disk.read(path).unwrap();
    bytes[8] = 2;
    disk.put(path, &bytes);
    let message = WalJournal::open(small(), Arc::new(disk.clone())).map(|_| ()).unwrap_err().to_string();
    assert_eq!(message, "/journal/00000000000000000000.journal has journal format 2, this program reads format 1");
    disk.put(path, b"{\"not\":\"a journal, but longer than its header, so that the magic is what is wrong\"}");
    let message = WalJournal::open(small(), Arc::new(disk)).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("not as a journal segment"), "{message}");
}

#[test]
fn files_that_are_not_its_own_are_left_alone() {
    let disk = FaultyDisk::new(1);
    disk.put(Path::new("/journal/notes.txt"), b"mine");
    disk.put(Path::new("/journal/00000000000000000005.journal.tmp"), b"left by a crash");
    drop(WalJournal::open(small(), Arc::new(disk.clone())).unwrap());
    let names: Vec<_> = disk.paths().into_iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["00000000000000000000.journal", "notes.txt"]);
}

#[test]
fn a_journal_that_ends_before_what_the_store_knows_is_refused() {
    let disk = FaultyDisk::new(1);
    let at = |floor| WalArgs { config: small(), disk: Arc::new(disk.clone()), clock: Arc::new(SystemClock), floor: JournalPosition(floor) };
    let journal = WalJournal::open_with(at(0)).unwrap();
    assert_eq!(crate::append_all(&journal, [vec![1], vec![2]]), [0, 1]);
    let reader = journal.reader(PartitionId(0), JournalPosition(500)).map(|_| ());
    assert!(matches!(reader, Err(ReadError::Beyond { .. })), "{reader:?}");
    drop(journal);
    let refused = WalJournal::open_with(at(500)).map(|_| ()).unwrap_err();
    let expected =
        "the journal in /journal ends at position 2, yet the store has confirmed all before 500: records between and after may be lost";
    assert_eq!(refused.to_string(), expected);
    drop(WalJournal::open_with(at(2)).unwrap());
}
