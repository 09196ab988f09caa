//! Any bytes where a journal's segment is expected: the start says what is wrong, or goes on; and then nothing that was readable is lost by going on.
//!
//! The first byte chooses: the whole file is the input; the input follows a valid header; or the input edits a file that a journal wrote.

#![no_main]

use aqueduct_event::{JournalPosition, PartitionId};
use aqueduct_journal::{FaultyDisk, Journal, WalConfig, WalJournal};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/journal";
const SEGMENT: &str = "/journal/00000000000000000000.journal";
const HEADER_BYTES: usize = 64;
const PARTITION: PartitionId = PartitionId(0);

fuzz_target!(|data: &[u8]| {
    let Some((choice, input)) = data.split_first() else { return };
    let disk = FaultyDisk::new(1);
    let written = written(&disk);
    let bytes = match choice % 3 {
        0 => input.to_vec(),
        1 => [&written[..HEADER_BYTES], input].concat(),
        _ => edited(written, input),
    };
    disk.put(Path::new(SEGMENT), &bytes);
    let Some(journal) = open(&disk) else { return };
    let mut records = read_all(&journal);
    let Ok(receipt) = block_on(journal.append(0, Bytes::from_static(b"after"))) else { panic!("a journal that was opened takes a record") };
    assert!(records.last().is_none_or(|(last, _)| *last < receipt.position.0), "a position is used twice");
    records.push((receipt.position.0, Bytes::from_static(b"after")));
    assert_eq!(read_all(&journal), records);
    drop(journal);
    let again = open(&disk).expect("what was opened once and closed in order opens again");
    assert_eq!(read_all(&again), records);
});

fn open(disk: &FaultyDisk) -> Option<WalJournal> {
    WalJournal::open(WalConfig::in_dir(DIR), Arc::new(disk.clone())).ok()
}

/// A segment with four groups and a seal.
fn written(disk: &FaultyDisk) -> Vec<u8> {
    let journal = open(disk).expect("an empty directory");
    for number in 0..4_u8 {
        let payload = Bytes::from(vec![number; usize::from(number) * 20]);
        block_on(journal.append(0, payload)).expect("an empty disk has room");
    }
    drop(journal);
    disk.read(Path::new(SEGMENT)).expect("it was written")
}

/// Each three bytes of input: where, and by what a byte is changed. A rest of one byte cuts the file there.
fn edited(mut bytes: Vec<u8>, input: &[u8]) -> Vec<u8> {
    let edits = input.chunks_exact(3);
    if let [cut] = edits.remainder() {
        bytes.truncate(usize::from(*cut) * 2);
    }
    for edit in edits {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= edit[2];
        }
    }
    bytes
}

fn read_all(journal: &WalJournal) -> Vec<(u64, Bytes)> {
    let end = journal.end(PARTITION).0;
    // A journal that begins later than 0 says so, and where.
    let first = match journal.reader(PARTITION, JournalPosition(0)).map(|_| ()) {
        Err(aqueduct_journal::ReadError::Trimmed { first, .. }) => first,
        _ => JournalPosition(0),
    };
    let mut reader = journal.reader(PARTITION, first).expect("the journal's own beginning");
    let mut records = Vec::new();
    while records.last().map_or(first.0, |(position, _)| position + 1) < end {
        let entries = block_on(reader.next(1 << 20)).expect("what was checked at the start can be read");
        records.extend(entries.into_iter().map(|entry| (entry.position.0, entry.payload)));
    }
    records
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
