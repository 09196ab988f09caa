//! The embedded store passes the suite of its trait, with limits so small that rows pass through every physical state.

use crate::world::{TestWorld, small};
use aqueduct_store::StoreConfig;
use aqueduct_store::conformance::run;

#[test]
fn with_small_limits() {
    run(&|| Box::new(TestWorld::new(small())));
}

#[test]
fn with_one_shard_and_few_property_columns() {
    run(&|| Box::new(TestWorld::new(StoreConfig { shards: 1, property_columns_max: 3, row_group_rows_max: 50, ..small() })));
}

#[test]
fn with_defaults() {
    run(&|| Box::new(TestWorld::new(StoreConfig::default())));
}
