//! A copy taken while commits, flushes and compactions go on is a store of one position, with all that was durable before.

use crate::world::small;
use aqueduct_event::{PartitionId, SystemClock, UnixMicros};
use aqueduct_store::conformance::{Event, commit_of, logical_rows};
use aqueduct_store::{EmbeddedStore, Store, StoreConfig, check};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

#[test]
fn under_load() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = |name: &str| StoreConfig { dir: dir.path().join(name), manifest_cache_bytes: 1 << 20, background: true, ..small() };
    let store = EmbeddedStore::open(config("store"), Arc::new(SystemClock)).expect("opens");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 1_u64.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let uuid = Uuid::from_u128(u128::from(batch));
                let event = Event { uuid, timestamp: UnixMicros(batch.cast_signed()), ..Event::default() };
                store.commit(commit_of(&[event], batch)).expect("commits");
                if batch % 20 == 0 {
                    store.flush().expect("flushes");
                }
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                store.work().expect("works");
            }
        });
        for round in 0..6 {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let durable = store.durable(PartitionId(0)).0;
            let name = format!("copy{round}");
            std::fs::create_dir(dir.path().join(&name)).expect("makes");
            store.copy_into(&dir.path().join(&name)).expect("copies");
            let found = check(&dir.path().join(&name)).expect("checks");
            let position = found.position(PartitionId(0)).0;
            assert!(found.is_sound() && position >= durable && found.rows == position, "{found:?}");
            let copy = EmbeddedStore::open(config(&name), Arc::new(SystemClock)).expect("opens");
            let view = copy.snapshot().project(aqueduct_event::ProjectId(1)).expect("a view");
            assert_eq!(logical_rows(&*view).len() as u64, position);
        }
        stop.store(true, Ordering::SeqCst);
    });
}
