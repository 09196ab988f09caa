//! Salts exist around today, stay the same over a restart, and are removed days later.

use crate::{NOON, clock};
use aqueduct_catalog::Catalog;
use aqueduct_event::{ManualClock, UnixMicros};
use std::sync::Arc;

#[tokio::test]
async fn around_today() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("catalog.sqlite");
    let clock = clock();
    let catalog = Catalog::open(&path, Arc::<ManualClock>::clone(&clock)).await.expect("opens");
    let today = catalog.salt("2026-03-01").expect("there at once");
    assert!(catalog.salt("2026-02-26").is_some() && catalog.salt("2026-03-03").is_some());
    assert_ne!(Some(today), catalog.salt("2026-03-02"));
    assert_eq!(catalog.salt("2026-03-05"), None);
    catalog.close().await.expect("closes");

    let catalog = Catalog::open(&path, Arc::<ManualClock>::clone(&clock)).await.expect("opens");
    assert_eq!(catalog.salt("2026-03-01"), Some(today));
    clock.set(UnixMicros(NOON.0 + 6 * 24 * 3_600_000_000));
    catalog.flush().await.expect("flushes");
    assert_eq!(catalog.salt("2026-03-01"), None);
    assert!(catalog.salt("2026-03-07").is_some());
}
