//! How large the index of arrivals is and how long a look-up in it takes: `cargo bench -p aqueduct-store --bench seen -- --keys 10000000`.
//!
//! Fills the index through the store's public interface in a temporary directory, spread over the window, with a flush for each 250,000 arrivals and all
//! background work done; then asks for keys that are not there, and for some that are.

use aqueduct_event::{JournalPosition, PartitionId, ProjectId, SystemClock, UnixMicros};
use aqueduct_store::{Commit, EmbeddedStore, Seen, SeenRule, Store, StoreConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const COMMIT: u64 = 5_000;
const FLUSH: u64 = 250_000;
const ASKED: u64 = 1_000_000;
const KEYS: u64 = 1_000_000;
const WINDOW_MICROS: u64 = 7 * 24 * 3_600_000_000;

/// Arrivals of events that are numbered in order.
fn arrivals(rule: SeenRule, numbers: std::ops::Range<u64>, micros_each: u64) -> Vec<Seen> {
    let seen = |number: u64| Seen {
        key: rule.key(ProjectId(1), Uuid::from_u128(u128::from(number)), "$pageview", "0190d8a0-aaaa-7000-8000-00000000abcd"),
        received_at: UnixMicros(1_700_000_000_000_000 + (number * micros_each) as i64),
    };
    numbers.map(seen).collect()
}

fn fill(store: &EmbeddedStore, keys: u64, micros_each: u64) -> (Duration, Duration) {
    let (rule, mut commits, mut work) = (store.seen_rule(), Duration::ZERO, Duration::ZERO);
    for from in (0..keys).step_by(COMMIT as usize) {
        let to = (from + COMMIT).min(keys);
        let seen = arrivals(rule, from..to, micros_each);
        let begun = Instant::now();
        store.commit(Commit { seen, ..Commit::new(PartitionId(0), JournalPosition(to)) }).expect("the store takes it");
        commits += begun.elapsed();
        if to.is_multiple_of(FLUSH) || to == keys {
            let begun = Instant::now();
            store.flush().expect("written out");
            while store.work().expect("merged") {}
            work += begun.elapsed();
        }
    }
    (commits, work)
}

/// Nanoseconds for each look-up, in batches as processing asks for them.
fn look_up(store: &EmbeddedStore, numbers: std::ops::Range<u64>, micros_each: u64, is_there: bool) -> f64 {
    let (count, mut took) = (numbers.end - numbers.start, Duration::ZERO);
    for from in numbers.clone().step_by(COMMIT as usize) {
        let again = arrivals(store.seen_rule(), from..(from + COMMIT).min(numbers.end), micros_each);
        let begun = Instant::now();
        let found = store.seen(&again).expect("an answer");
        took += begun.elapsed();
        assert!(found.iter().all(|found| found.is_some() == is_there), "exact");
    }
    took.as_nanos() as f64 / count as f64
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = args.iter().position(|arg| arg == "--keys").and_then(|place| args.get(place + 1)?.parse().ok());
    let keys: u64 = given.unwrap_or(KEYS);
    let dir = tempfile::tempdir().expect("a directory");
    let config = StoreConfig { dir: dir.path().to_owned(), flush_rows: usize::MAX, background: false, ..StoreConfig::default() };
    let store = EmbeddedStore::open(config, Arc::new(SystemClock)).expect("the store opens");
    // A little less than the window, so that nothing is given up.
    let micros_each = (WINDOW_MICROS - 1_000_000) / keys.max(1);
    let (commits, work) = fill(&store, keys, micros_each);
    let stats = store.seen_stats();
    let each = |duration: Duration| duration.as_nanos() as f64 / keys as f64;
    let new = look_up(&store, keys..keys + ASKED.min(keys), 0, false);
    let known = look_up(&store, 0..20_000.min(keys), micros_each, true);
    println!("keys                     {keys}");
    println!("runs                     {}", stats.runs);
    println!("memory                   {} bytes, {:.2} per key", stats.run_memory_bytes, stats.run_memory_bytes as f64 / keys as f64);
    println!("files                    {} bytes, {:.2} per key", stats.file_bytes, stats.file_bytes as f64 / keys as f64);
    println!("commit                   {:.0} ns per key", each(commits));
    println!("flush and merges         {:.0} ns per key, in the background", each(work));
    println!("look-up of a new key     {new:.0} ns");
    println!("look-up of a known key   {known:.0} ns");
    let begun = Instant::now();
    drop(store);
    let config = StoreConfig { dir: dir.path().to_owned(), ..StoreConfig::default() };
    let store = EmbeddedStore::open(config, Arc::new(SystemClock)).expect("the store opens again");
    println!("open again               {} ms", begun.elapsed().as_millis());
    assert_eq!(store.seen_stats().arrivals, stats.arrivals, "all are there");
}
