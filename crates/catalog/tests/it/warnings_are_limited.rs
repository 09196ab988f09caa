//! Warnings reach the list, newest first; a flood of one kind does not.

use crate::{NOON, clock, open};
use aqueduct_catalog::{Bootstrap, Catalog};
use aqueduct_event::{ManualClock, ProjectId, UnixMicros};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_flood_is_cut() {
    let directory = tempfile::tempdir().expect("directory");
    let clock = clock();
    let catalog = Catalog::open(&directory.path().join("catalog.sqlite"), Arc::<ManualClock>::clone(&clock)).await.expect("opens");
    catalog.bootstrap(&Bootstrap::default()).await.expect("bootstraps");
    let one = ProjectId(1);
    for number in 0..1_000 {
        catalog.warn(one, "group_key_too_long", json!({ "number": number }));
    }
    clock.set(UnixMicros(NOON.0 + 60_000_000));
    catalog.warn(one, "group_key_too_long", json!({ "number": 1_000 }));
    catalog.warn(one, "group_key_too_long", json!({ "number": 1_001 }));
    catalog.warn(one, "client_ingestion_warning", json!({}));
    let since = UnixMicros(0);
    let all = catalog.ingestion_warnings(one, since, 100).await.expect("lists");
    assert_eq!(all.len(), 12);
    assert_eq!((all[0].kind.as_str(), all[1].details["number"].as_i64()), ("client_ingestion_warning", Some(1_000)));
    assert!(catalog.ingestion_warnings(ProjectId(2), since, 100).await.expect("lists").is_empty());
    assert_eq!(catalog.ingestion_warnings(one, UnixMicros(NOON.0 + 1), 100).await.expect("lists").len(), 2);
    catalog.warn(ProjectId(1), "merged", json!({"people": [{"distinctId": "ann"}], "why": "ann is not named here"}));
    catalog.warn(ProjectId(1), "merged", json!({"distinctId": "bob", "why": "ann is not named here"}));
    catalog.erase_warnings(one, &["ann".into()].into_iter().collect()).await.expect("erases");
    let merged = catalog.ingestion_warnings(one, since, 2).await.expect("lists");
    assert_eq!(merged.iter().filter(|warning| warning.kind == "merged").count(), 1, "bob's stays");
    catalog.close().await.expect("closes");
    let again = open(directory.path()).await;
    assert_eq!(again.ingestion_warnings(one, since, 3).await.expect("lists").len(), 3);
}
