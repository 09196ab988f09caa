//! Projects made at the same time all get numbers and tokens of their own.

use crate::{open, started};
use aqueduct_catalog::{CatalogError, NewProject, ProjectPatch};
use std::collections::HashSet;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let mut tasks = Vec::new();
    for number in 0..50 {
        let catalog = Arc::clone(&catalog);
        tasks.push(tokio::spawn(async move {
            let new = NewProject { name: Some(format!("project {number}")), ..NewProject::default() };
            catalog.create_project(new).await.expect("creates")
        }));
    }
    let mut ids = HashSet::new();
    let mut tokens = HashSet::new();
    for task in tasks {
        let project = task.await.expect("runs");
        assert_eq!(catalog.project_by_token(&project.api_token).expect("found").id, project.id);
        ids.insert(project.id);
        tokens.insert(project.api_token.clone());
    }
    assert_eq!((ids.len(), tokens.len()), (50, 50));
    catalog.close().await.expect("closes");
    assert_eq!(open(directory.path()).await.projects().len(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_once_do_not_undo_each_other() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let id = catalog.projects()[0].id;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let catalog = Arc::clone(&catalog);
        let patch =
            ProjectPatch { settings: serde_json::Map::from_iter([(format!("key{number}"), number.into())]), ..ProjectPatch::default() };
        tasks.push(tokio::spawn(async move { catalog.update_project(id, patch).await.expect("updates") }));
    }
    catalog.note_ingested(id);
    for task in tasks {
        task.await.expect("runs");
    }
    let project = catalog.project(id).expect("there");
    assert_eq!(project.settings.as_object().expect("object").len(), 20);
    assert!(project.ingested_event);
}

#[tokio::test]
async fn wrong_values_are_named() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let refused = |new: NewProject| {
        let catalog = Arc::clone(&catalog);
        async move { catalog.create_project(new).await.expect_err("refused").to_string() }
    };
    let timezone = NewProject { timezone: Some("Mars/Olympus".to_owned()), ..NewProject::default() };
    assert_eq!(
        refused(timezone).await,
        "timezone: found \"Mars/Olympus\", expected an IANA time zone such as \"Europe/Berlin\" or \"UTC\""
    );
    let name = NewProject { name: Some("  ".to_owned()), ..NewProject::default() };
    assert_eq!(refused(name).await, "name: found \"\", expected 1 to 200 characters");
    let missing = catalog.update_project(aqueduct_event::ProjectId(99), ProjectPatch::default()).await.expect_err("refused");
    assert!(matches!(missing, CatalogError::NotFound { what: "project", .. }));
}

#[tokio::test]
async fn time_zones_take_their_canonical_spelling() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let new = NewProject { timezone: Some("europe/berlin".to_owned()), ..NewProject::default() };
    assert_eq!(catalog.create_project(new).await.expect("creates").timezone, "Europe/Berlin");
    for zone in ["UTC", "US/Pacific", "Asia/Kolkata", "America/Argentina/Buenos_Aires", "Etc/GMT+3"] {
        let new = NewProject { timezone: Some(zone.to_owned()), ..NewProject::default() };
        assert_eq!(catalog.create_project(new).await.expect("creates").timezone, zone);
    }
}
