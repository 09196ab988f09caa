//! The embedded store passes the suite of its trait.

use aqueduct_event::SystemClock;
use aqueduct_store::conformance;
use aqueduct_store::{EmbeddedStore, StoreConfig};
use std::sync::Arc;

#[test]
fn embedded_store_conforms() {
    conformance::run(&|| Box::new(EmbeddedStore::open(StoreConfig::default(), Arc::new(SystemClock)).expect("opens")));
}
