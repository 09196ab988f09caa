//! What the journal claims, one file per claim.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod agrees_with_the_suite;
mod backs_up;
mod checks_and_repairs;
mod opens_v1;
mod poisons;
mod refuses_when_full;
mod says_why_it_cannot_open;
mod shares_syncs;
mod survives_crashes;
mod tells_torn_from_damaged;
mod trims_segments;

use aqueduct_event::{JournalPosition, PartitionId};
use aqueduct_journal::{BoxFuture, Disk, FaultyDisk, Journal, WalConfig, WalJournal};
use bytes::Bytes;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PARTITION: PartitionId = PartitionId(0);
const DIR: &str = "/journal";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Small segments and next to no cache, so that little data meets every path.
fn small() -> WalConfig {
    WalConfig { segment_bytes: 4096, read_cache_bytes: 1000, retain_bytes: 0, ..WalConfig::in_dir(DIR) }
}

fn open(disk: &FaultyDisk) -> WalJournal {
    WalJournal::open(small(), Arc::new(disk.clone())).unwrap()
}

/// Appends one after the other; each is a group of its own.
fn append_all(journal: &WalJournal, payloads: impl IntoIterator<Item = Vec<u8>>) -> Vec<u64> {
    block_on(async {
        let mut positions = Vec::new();
        for payload in payloads {
            positions.push(journal.append(0, Bytes::from(payload)).await.unwrap().position.0);
        }
        positions
    })
}

/// All records from `from` to the end, as a reader sees them.
fn read_all(journal: &WalJournal, from: u64) -> Vec<(u64, Vec<u8>)> {
    let end = journal.end(PARTITION).0;
    let mut reader = journal.reader(PARTITION, JournalPosition(from)).unwrap();
    let mut records = Vec::new();
    while records.last().map_or(from, |(position, _)| position + 1) < end {
        let entries = block_on(reader.next(2000)).unwrap();
        assert!(!entries.is_empty());
        records.extend(entries.into_iter().map(|entry| (entry.position.0, entry.payload.to_vec())));
    }
    records
}

fn segments(disk: &dyn Disk) -> Vec<PathBuf> {
    let mut names = disk.list(Path::new(DIR)).unwrap();
    names.retain(|name| name.ends_with(".journal"));
    names.sort();
    names.into_iter().map(|name| Path::new(DIR).join(name)).collect()
}

/// Polls all of them until all are done.
async fn join_all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Some(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, result) in &mut futures {
            if let Some(running) = future
                && let std::task::Poll::Ready(done) = running.as_mut().poll(context)
            {
                (*future, *result) = (None, Some(done));
            }
        }
        if futures.iter().any(|(future, _)| future.is_some()) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(futures.iter_mut().filter_map(|(_, result)| result.take()).collect())
    })
    .await
}
