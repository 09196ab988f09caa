//! After a failed write or sync nothing is acknowledged any more, everybody is told, and a new start keeps what was acknowledged.

use crate::{PARTITION, append_all, block_on, open, read_all};
use aqueduct_event::JournalPosition;
use aqueduct_journal::{AppendError, FaultyDisk, Journal, Op};
use bytes::Bytes;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

fn poisoned_by(op: Op) {
    let disk = FaultyDisk::new(1);
    let journal = Arc::new(open(&disk));
    append_all(&journal, [vec![1; 100], vec![2; 100]]);
    let watcher = {
        let journal = Arc::clone(&journal);
        std::thread::spawn(move || block_on(journal.until_poisoned()))
    };
    disk.fail(op, 1, ErrorKind::InvalidData);
    block_on(async {
        let failed = journal.append(0, Bytes::from_static(b"lost")).await;
        assert!(matches!(failed, Err(AppendError::Poisoned { .. })), "{failed:?}");
        let refused = journal.append(0, Bytes::from_static(b"later")).await;
        assert!(matches!(refused, Err(AppendError::Poisoned { .. })), "{refused:?}");
    });
    let cause = journal.poisoned().unwrap();
    assert_eq!(watcher.join().unwrap(), cause);
    assert_eq!(read_all(&journal, 0).len(), 2, "what was acknowledged can be read");
    let mut reader = journal.reader(PARTITION, JournalPosition(2)).unwrap();
    block_on(async {
        let waited = tokio::time::timeout(Duration::from_millis(10), reader.next(1)).await;
        assert!(waited.is_err(), "a reader waits");
        journal.close().await;
        assert_eq!(reader.next(1).await.unwrap(), [], "until the journal is closed");
    });
    drop(reader);
    drop(journal);
    disk.restart();
    let journal = open(&disk);
    let records = read_all(&journal, 0);
    assert_eq!(&records[..2], [(0, vec![1; 100]), (1, vec![2; 100])]);
    let position = append_all(&journal, [vec![3]])[0];
    assert!(position > 2, "position 2 was in the air");
}

#[test]
fn by_a_failed_write() {
    // A seal may be written before: then it is the seal's write that fails.
    poisoned_by(Op::Write);
}

#[test]
fn by_a_failed_sync() {
    poisoned_by(Op::Sync);
}

#[test]
fn by_a_segment_that_may_or_may_not_have_its_name() {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk);
    append_all(&journal, [vec![1; 3500]]);
    disk.fail(Op::SyncDir, 1, ErrorKind::StorageFull);
    let failed = block_on(journal.append(0, Bytes::from(vec![2; 3500])));
    assert!(matches!(failed, Err(AppendError::Poisoned { .. })), "{failed:?}");
    drop(journal);
    disk.restart();
    assert_eq!(read_all(&open(&disk), 0), [(0, vec![1; 3500])]);
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_written_again_before_it_is_read() {
    for seed in 0..30 {
        let disk = FaultyDisk::new(seed);
        let journal = open(&disk);
        append_all(&journal, [vec![1; 100]]);
        disk.fail(Op::Sync, 1, ErrorKind::InvalidData);
        assert!(block_on(journal.append(0, Bytes::from(vec![2; 100]))).is_err());
        drop(journal);
        // Only the process starts again: the lost write still looks as if it were there.
        disk.kill_process();
        let journal = open(&disk);
        let seen = read_all(&journal, 0);
        assert_eq!(seen.len(), 2);
        // A reader has seen it, so it must survive from now on.
        disk.crash_after(0);
        drop(journal);
        disk.restart();
        assert_eq!(read_all(&open(&disk), 0), seen, "seed {seed}");
    }
}
