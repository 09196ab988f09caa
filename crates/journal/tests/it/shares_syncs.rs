//! Many appends share one sync, and while a sync is under way nobody is told too early.

use crate::{DIR, PARTITION, block_on};
use aqueduct_event::JournalPosition;
use aqueduct_journal::{FaultyDisk, Journal, WalConfig, WalJournal};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_hundred_appends_need_a_few_syncs_and_none_is_acknowledged_before_its_own() {
    let disk = FaultyDisk::new(1);
    let journal = Arc::new(WalJournal::open(WalConfig::in_dir(DIR), Arc::new(disk.clone())).unwrap());
    let before = disk.syncs();
    disk.hold_syncs(true);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let appends: Vec<_> = (0..100)
        .map(|number| {
            let journal = Arc::clone(&journal);
            runtime.spawn(async move { journal.append(number, Bytes::from(vec![1; 100])).await.unwrap() })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    assert!(appends.iter().all(|append| !append.is_finished()), "acknowledged before the sync");
    assert_eq!(journal.end(PARTITION), JournalPosition(0), "readers see nothing of it");
    disk.hold_syncs(false);
    runtime.block_on(async {
        for append in appends {
            append.await.unwrap();
        }
    });
    let syncs = disk.syncs() - before;
    assert!((1..=4).contains(&syncs), "{syncs} syncs");
}

#[test]
fn appends_wait_for_room_in_the_queue_instead_of_piling_up() {
    let disk = FaultyDisk::new(1);
    let config = WalConfig { queue_bytes_max: 0, ..WalConfig::in_dir(DIR) };
    let journal = Arc::new(WalJournal::open(config, Arc::new(disk.clone())).unwrap());
    disk.hold_syncs(true);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let appends: Vec<_> = (0..6)
        .map(|_| {
            let journal = Arc::clone(&journal);
            runtime.spawn(async move { journal.append(0, Bytes::from(vec![1; 6 << 20])).await.unwrap() })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    disk.hold_syncs(false);
    block_on(async {
        for append in appends {
            append.await.unwrap();
        }
    });
    assert_eq!(journal.end(PARTITION), JournalPosition(6));
}

#[test]
fn an_append_whose_caller_went_away_does_no_harm() {
    let disk = FaultyDisk::new(1);
    let journal = WalJournal::open(WalConfig::in_dir(DIR), Arc::new(disk.clone())).unwrap();
    disk.hold_syncs(true);
    block_on(async {
        let gone = tokio::time::timeout(Duration::from_millis(10), journal.append(0, Bytes::from_static(b"gone"))).await;
        assert!(gone.is_err());
        disk.hold_syncs(false);
        journal.append(0, Bytes::from_static(b"here")).await.unwrap();
    });
    let payloads: Vec<_> = crate::read_all(&journal, 0).into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, [b"gone".to_vec(), b"here".to_vec()]);
}
