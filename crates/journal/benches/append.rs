//! Appends by record size and number of callers, beside what the same disk does with a bare write and sync in the same run.
//!
//! `cargo bench -p aqueduct-journal`. The directory is that of `TMPDIR`; a tmpfs syncs for nothing, so point it at a disk.
#![expect(clippy::unwrap_used, reason = "a benchmark that fails stops")]

use aqueduct_journal::{Journal, WalConfig, WalJournal};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const CALLERS: [usize; 3] = [1, 16, 128];

/// One write and one sync after the other: what a journal without groups could do at best.
fn raw_fdatasync(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("raw_fdatasync");
    for size in SIZES {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| bencher.iter(|| write_and_sync(&mut file, &bytes)));
    }
    group.finish();
}

fn write_and_sync(file: &mut File, bytes: &[u8]) {
    file.write_all(bytes).unwrap();
    file.sync_data().unwrap();
}

fn append(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for callers in CALLERS {
        let mut group = criterion.benchmark_group(format!("append/{callers}_callers"));
        for size in SIZES {
            let dir = tempfile::tempdir().unwrap();
            let journal = Arc::new(WalJournal::open_local(WalConfig::in_dir(dir.path())).unwrap());
            let payload = Bytes::from(vec![7; size]);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_custom(|appends| runtime.block_on(append_many(&journal, &payload, callers, appends)));
            });
        }
        group.finish();
    }
}

/// What waiting for company is worth: 16 callers with batches of 100 events.
fn company(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("group_commit_wait_micros");
    for wait in [0, 100, 300, 1000] {
        let dir = tempfile::tempdir().unwrap();
        let config = WalConfig { group_commit_wait_micros: wait, ..WalConfig::in_dir(dir.path()) };
        let journal = Arc::new(WalJournal::open_local(config).unwrap());
        let payload = Bytes::from(vec![7; 70_000]);
        group.throughput(Throughput::Bytes(70_000));
        group.bench_function(BenchmarkId::from_parameter(wait), |bencher| {
            bencher.iter_custom(|appends| runtime.block_on(append_many(&journal, &payload, 16, appends)));
        });
    }
    group.finish();
}

/// Time for `appends` appends by `callers` that each wait for their answer. What was written is freed along the way.
async fn append_many(journal: &Arc<WalJournal>, payload: &Bytes, callers: usize, appends: u64) -> Duration {
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers as u64)
        .map(|caller| {
            let (journal, payload) = (Arc::clone(journal), payload.clone());
            let share = appends / callers as u64 + u64::from(caller < appends % callers as u64);
            tokio::spawn(async move {
                for number in 0..share {
                    let receipt = journal.append(caller, payload.clone()).await.unwrap();
                    if number % 1000 == 999 {
                        journal.trim(receipt.partition, receipt.position).unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    started.elapsed()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = raw_fdatasync, append, company
}
criterion_main!(benches);
