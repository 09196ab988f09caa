//! What an event costs on its way into the store: push, sort, merge in memory, flush, compaction. One element is one event.

mod events;

use aqueduct_store::{EmbeddedStore, Store, StoreConfig};
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use events::cpu::{CpuTime, rows};
use std::cell::Cell;
use std::hint::black_box;
use std::path::PathBuf;

/// Rows of a commit, as `process` makes them under load.
const COMMIT_ROWS: usize = 4_000;

/// A directory for each store.
struct Dirs {
    dir: tempfile::TempDir,
    number: Cell<u32>,
}

impl Dirs {
    fn next(&self) -> PathBuf {
        self.number.set(self.number.get() + 1);
        self.dir.path().join(self.number.get().to_string())
    }

    fn store(&self) -> EmbeddedStore {
        events::open(&self.next(), StoreConfig { compaction_fanout: 4, ..StoreConfig::default() })
    }
}

/// Measures `act` on what `prepare` makes; neither making nor dropping it is measured.
fn measure<T>(
    group: &mut BenchmarkGroup<'_, CpuTime>,
    name: &str,
    mut prepare: impl FnMut() -> T,
    mut act: impl FnMut(T) -> EmbeddedStore,
) {
    group.bench_function(name, |b| b.iter_batched(&mut prepare, &mut act, BatchSize::PerIteration));
}

fn ingest(c: &mut Criterion<CpuTime>) {
    let all = events::events(200_000, 42);
    let dirs = Dirs { dir: tempfile::tempdir().expect("a temporary directory"), number: Cell::new(0) };
    let mut group = c.benchmark_group("ingest");
    group.sample_size(10);
    group.throughput(rows(COMMIT_ROWS));
    group.bench_function("push", |b| b.iter(|| black_box(events::rows(&all[..COMMIT_ROWS]))));
    let one = || (dirs.store(), vec![events::commit(events::rows(&all[..COMMIT_ROWS]), 1)]);
    measure(&mut group, "commit_one", one, commit_each);
    group.throughput(rows(all.len()));
    let many = || (dirs.store(), all.chunks(COMMIT_ROWS).map(|some| events::commit(events::rows(some), 1)).collect());
    measure(&mut group, "commit_and_merge", many, commit_each);
    let filled = || {
        let store = dirs.store();
        events::commit_all(&store, &all, COMMIT_ROWS);
        store
    };
    measure(&mut group, "flush", filled, |store| {
        store.flush().expect("flushes");
        store
    });
    let in_four_segments = || {
        let store = dirs.store();
        for quarter in all.chunks(all.len() / 4) {
            events::commit_all(&store, quarter, COMMIT_ROWS);
            store.flush().expect("flushes");
        }
        store
    };
    measure(&mut group, "compact_four", in_four_segments, |store| {
        while store.work().expect("works") {}
        store
    });
    group.finish();
}

fn commit_each((store, commits): (EmbeddedStore, Vec<aqueduct_store::Commit>)) -> EmbeddedStore {
    for commit in commits {
        store.commit(commit).expect("commits");
    }
    store
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(CpuTime); targets = ingest);
criterion_main!(benches);
