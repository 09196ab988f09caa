//! Every backend passes the conformance suite: on the real disk, on the faulty one, with small and large segments, and in memory.

use crate::small;
use aqueduct_journal::{FaultyDisk, MemoryJournal, WalConfig, WalJournal, conformance};
use std::cell::Cell;
use std::sync::Arc;

#[test]
fn memory() {
    conformance::run(MemoryJournal::new);
}

fn on_the_real_disk(config: &WalConfig) {
    let root = tempfile::tempdir().unwrap();
    let count = Cell::new(0);
    conformance::run(|| {
        count.set(count.get() + 1);
        let dir = root.path().join(count.get().to_string()).join("journal");
        WalJournal::open_local(WalConfig { dir, ..config.clone() }).unwrap()
    });
}

#[test]
fn wal_on_the_real_disk() {
    on_the_real_disk(&WalConfig::default());
}

#[test]
fn wal_with_small_segments_and_no_cache_on_the_real_disk() {
    on_the_real_disk(&WalConfig { read_cache_bytes: 0, ..small() });
}

#[test]
fn wal_that_waits_for_company() {
    on_the_real_disk(&WalConfig { group_commit_wait_micros: 300, retain_bytes: 0, ..WalConfig::default() });
}

#[test]
fn wal_on_the_faulty_disk() {
    conformance::run(|| WalJournal::open(small(), Arc::new(FaultyDisk::new(1))).unwrap());
}
