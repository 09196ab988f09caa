//! A store in a directory of its own, that can be crashed.

use aqueduct_event::SystemClock;
use aqueduct_store::conformance::{Backend, World};
use aqueduct_store::{EmbeddedStore, StoreConfig};
use std::sync::Arc;

/// Limits so small that a few hundred rows are compacted several times.
pub(crate) fn small() -> StoreConfig {
    StoreConfig { shards: 4, flush_rows: 100, compaction_fanout: 2, background: false, ..StoreConfig::default() }
}

pub(crate) struct TestWorld {
    pub(crate) config: StoreConfig,
    store: Option<EmbeddedStore>,
    dir: tempfile::TempDir,
}

impl TestWorld {
    pub(crate) fn new(config: StoreConfig) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = StoreConfig { dir: dir.path().join("store"), ..config };
        let store = Some(open(&config));
        Self { config, store, dir }
    }

    /// Closes the store; the directory stays while the guard lives.
    pub(crate) fn into_parts(self) -> (StoreConfig, tempfile::TempDir) {
        drop(self.store);
        (self.config, self.dir)
    }

    pub(crate) fn embedded(&self) -> &EmbeddedStore {
        self.store.as_ref().expect("open")
    }
}

pub(crate) fn open(config: &StoreConfig) -> EmbeddedStore {
    EmbeddedStore::open(config.clone(), Arc::new(SystemClock)).expect("the store opens")
}

impl World for TestWorld {
    fn store(&self) -> &dyn Backend {
        self.embedded()
    }

    fn crash(&mut self) {
        self.store = None;
        self.store = Some(open(&self.config));
    }
}
