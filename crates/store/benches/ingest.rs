//! What an event costs on its way into the store: push, sort, merge in memory, flush, compaction. One element is one event.

mod events;

use aqueduct_store::{Store, StoreConfig};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn ingest(c: &mut Criterion) {
    let all = events::events(200_000, 42);
    let some = &all[..5_000];
    let mut group = c.benchmark_group("ingest");
    group.sample_size(10);
    group.throughput(Throughput::Elements(some.len() as u64));
    group.bench_function("push", |b| b.iter(|| black_box(events::rows(some))));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut number = 0;
    group.bench_function("commit_one", |b| {
        b.iter_batched(
            || {
                number += 1;
                (events::open(&dir.path().join(number.to_string()), StoreConfig::default()), events::commit(events::rows(some), 1))
            },
            |(store, commit)| {
                store.commit(commit).expect("commits");
                store
            },
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("commit_tiers", |b| {
        b.iter_batched(
            || {
                number += 1;
                let commits: Vec<_> = all.chunks(4_000).map(|some| events::commit(events::rows(some), 1)).collect();
                (events::open(&dir.path().join(number.to_string()), StoreConfig::default()), commits)
            },
            |(store, commits)| {
                for commit in commits {
                    store.commit(commit).expect("commits");
                }
                store
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("flush", |b| {
        b.iter_batched(
            || {
                number += 1;
                let store = events::open(&dir.path().join(number.to_string()), StoreConfig::default());
                events::commit_all(&store, &all, 4_000);
                store
            },
            |store| {
                store.flush().expect("flushes");
                store
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("compact_4", |b| {
        b.iter_batched(
            || {
                number += 1;
                let config = StoreConfig { compaction_fanout: 4, ..StoreConfig::default() };
                let store = events::open(&dir.path().join(number.to_string()), config);
                for quarter in all.chunks(all.len() / 4) {
                    events::commit_all(&store, quarter, 4_000);
                    store.flush().expect("flushes");
                }
                store
            },
            |store| {
                while store.work().expect("works") {}
                store
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
