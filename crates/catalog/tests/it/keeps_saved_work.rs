//! Saved work, links and notes: durable when the call returns, of one project, brought back after deletion.

use crate::{NOON, open, started};
use aqueduct_catalog::{NewProject, WorkKind};
use aqueduct_event::ProjectId;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);

fn document(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

#[tokio::test]
async fn survives_reopening() {
    let directory = tempfile::tempdir().expect("directory");
    let definition = Uuid::from_u128(7);
    let (insight, token) = {
        let catalog = started(directory.path()).await;
        let insight = catalog.create_work(PROJECT, WorkKind::Insight, 1, document(json!({"name": "a"}))).await.expect("saved");
        let change = |work: &mut aqueduct_catalog::Work| {
            work.document.insert("name".to_owned(), json!("b"));
            work.is_deleted = true;
        };
        let changed = catalog.update_work(PROJECT, WorkKind::Insight, insight.id, 1, change).await.expect("changed");
        let link = catalog.share(PROJECT, WorkKind::Insight, insight.id, true, false).await.expect("shared");
        catalog.note(PROJECT, definition, document(json!({"description": "d"}))).await.expect("noted");
        catalog.note(PROJECT, definition, document(json!({"verified": true}))).await.expect("noted");
        catalog.rename_organization(" Acme ").await.expect("renamed");
        // No close: what a call returned is durable.
        (changed, link.token)
    };
    let catalog = open(directory.path()).await;
    let found = catalog.work_by_short_id(PROJECT, WorkKind::Insight, &insight.short_id).expect("found");
    assert_eq!(found, insight);
    assert_eq!((found.document["name"].as_str(), found.is_deleted, found.created_at, found.short_id.len()), (Some("b"), true, NOON, 8));
    assert_eq!(catalog.link_by_token(&token).map(|link| (link.kind, link.id)), Some((WorkKind::Insight, insight.id)));
    assert_eq!(Value::Object(Map::clone(&catalog.notes(definition))), json!({"description": "d", "verified": true}));
    assert_eq!(catalog.organization().expect("one").name, "Acme");
}

#[tokio::test]
async fn belongs_to_one_project_and_kind() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let other = catalog.create_project(NewProject::default()).await.expect("made").id;
    let work = catalog.create_work(PROJECT, WorkKind::Dashboard, 1, Map::new()).await.expect("saved");
    assert!(catalog.work(other, WorkKind::Dashboard, work.id).is_none());
    assert!(catalog.work(PROJECT, WorkKind::Insight, work.id).is_none());
    assert!(catalog.work_by_short_id(other, WorkKind::Dashboard, &work.short_id).is_none());
    assert!(catalog.update_work(other, WorkKind::Dashboard, work.id, 1, |_| ()).await.is_err());
    assert!(catalog.share(other, WorkKind::Dashboard, work.id, true, false).await.is_err());
    assert!(catalog.works(other, WorkKind::Dashboard).is_empty());
}

#[tokio::test]
async fn links_are_turned_off_and_renewed() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let work = catalog.create_work(PROJECT, WorkKind::Dashboard, 1, Map::new()).await.expect("saved");
    let share = |enabled, renews| catalog.share(PROJECT, WorkKind::Dashboard, work.id, enabled, renews);
    let first = share(true, false).await.expect("shared").token;
    assert_eq!(share(false, false).await.expect("off").token, first);
    assert!(catalog.link_by_token(&first).is_none());
    assert_eq!(share(true, false).await.expect("on").token, first);
    let second = share(true, true).await.expect("renewed").token;
    assert_ne!(first, second);
    assert!(catalog.link_by_token(&first).is_none() && catalog.link_by_token(&second).is_some());
}

#[tokio::test]
async fn what_is_too_large_changes_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let work = catalog.create_work(PROJECT, WorkKind::Annotation, 1, Map::new()).await.expect("saved");
    let large = json!("x".repeat(2 << 20));
    let changed = catalog.update_work(PROJECT, WorkKind::Annotation, work.id, 1, |work| drop(work.document.insert("a".to_owned(), large)));
    assert!(changed.await.is_err());
    assert_eq!(catalog.work(PROJECT, WorkKind::Annotation, work.id), Some(work));
}
