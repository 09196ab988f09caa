//! What the catalog claims.

mod actions_and_cohorts;
mod bootstraps_once;
mod checks_and_copies;
mod creates_concurrently;
mod definitions_are_learned;
mod invites_and_members;
mod keeps_saved_work;
mod logs_activity;
mod refuses_foreign_files;
mod salts_come_and_go;
mod sessions_and_passwords;
mod survives_reopening;
mod warnings_are_limited;

use aqueduct_catalog::{Bootstrap, Catalog};
use aqueduct_event::{ManualClock, UnixMicros};
use std::path::Path;
use std::sync::Arc;

/// 2026-03-01 12:30 UTC.
const NOON: UnixMicros = UnixMicros(1_772_368_200_000_000);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOON))
}

async fn open(directory: &Path) -> Arc<Catalog> {
    Catalog::open(&directory.join("catalog.sqlite"), clock()).await.expect("opens")
}

async fn started(directory: &Path) -> Arc<Catalog> {
    let catalog = open(directory).await;
    catalog.bootstrap(&Bootstrap::default()).await.expect("bootstraps");
    catalog
}
