//! What a query pays for a column: decoded from a segment, out of the cache, from memory. One element is one row. Prints bytes per event at rest.

mod events;

use aqueduct_event::ProjectId;
use aqueduct_store::{EmbeddedStore, EventColumn, Store, StoreConfig};
use criterion::{Criterion, criterion_group, criterion_main};
use events::cpu::{CpuTime, rows};

fn read(c: &mut Criterion<CpuTime>) {
    let all = events::events(200_000, 42);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let cached = events::open(&dir.path().join("cached"), StoreConfig::default());
    events::commit_all(&cached, &all, 4_000);
    cached.flush().expect("flushes");
    let bytes: u64 = std::fs::read_dir(dir.path().join("cached"))
        .expect("a directory")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "parquet"))
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum();
    println!("bytes per event in a flushed segment: {:.1}", bytes as f64 / all.len() as f64);
    let uncached = events::open(&dir.path().join("uncached"), StoreConfig { cache_bytes: Some(0), ..StoreConfig::default() });
    events::commit_all(&uncached, &all, 4_000);
    uncached.flush().expect("flushes");
    let memory = events::open(&dir.path().join("memory"), StoreConfig::default());
    events::commit_all(&memory, &all, 4_000);
    let mut group = c.benchmark_group("read");
    group.sample_size(20).throughput(rows(all.len()));
    for (name, store) in [("decode", &uncached), ("cache", &cached), ("memory", &memory)] {
        for column in [EventColumn::Timestamp, EventColumn::Event, EventColumn::PersonId] {
            group.bench_function(format!("{name}/{column:?}"), |b| b.iter(|| fixed(store, column)));
        }
        for key in ["$browser", "$current_url", "$insert_id", "amount"] {
            group.bench_function(format!("{name}/{key}"), |b| b.iter(|| property(store, key)));
        }
    }
    group.bench_function("memory/properties_json", |b| b.iter(|| objects(&memory)));
    group.bench_function("cache/properties_json", |b| b.iter(|| objects(&cached)));
    group.finish();
}

fn parts(store: &EmbeddedStore) -> Vec<std::sync::Arc<dyn aqueduct_store::Part>> {
    let view = store.snapshot().project(ProjectId(1)).expect("a view");
    view.shards().iter().flatten().cloned().collect()
}

fn fixed(store: &EmbeddedStore, column: EventColumn) -> usize {
    parts(store).iter().map(|part| part.column(column).expect("a column").len()).sum()
}

fn property(store: &EmbeddedStore, key: &str) -> usize {
    parts(store).iter().filter_map(|part| part.property(key).expect("a column")).count()
}

fn objects(store: &EmbeddedStore) -> usize {
    parts(store).iter().map(|part| part.properties_json(None).expect("objects").len()).sum()
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(CpuTime); targets = read);
criterion_main!(benches);
