//! What a caller was told is there after the file is opened again, without a clean close.

use crate::{open, started};
use aqueduct_catalog::{NewProject, Project, ProjectPatch};
use serde_json::json;

#[tokio::test]
async fn a_project_with_all_its_settings() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let new = NewProject { name: Some("Shop".to_owned()), timezone: Some("Europe/Berlin".to_owned()), ..NewProject::default() };
    let project = catalog.create_project(new).await.expect("creates");
    let patch = ProjectPatch {
        week_start_day: Some(1),
        anonymize_ips: Some(true),
        test_account_filters: Some(json!([{"key": "email", "value": "@example.com", "operator": "not_icontains", "type": "person"}])),
        path_cleaning_filters: Some(json!([{"alias": "/user", "regex": "/user/\\d+", "order": 0}])),
        settings: [("app_urls".to_owned(), json!(["https://example.com"]))].into_iter().collect(),
        ..ProjectPatch::default()
    };
    let changed = catalog.update_project(project.id, patch).await.expect("updates");
    assert_eq!(changed.api_token, project.api_token);
    let reset = catalog.reset_token(project.id).await.expect("resets");
    assert!(catalog.project_by_token(&project.api_token).is_none(), "the old token stopped working");

    // No close: what the calls answered must be on disk already.
    let again = open(directory.path()).await.project(project.id).expect("is there");
    assert_eq!(*again, Project { api_token: reset.api_token.clone(), ..Project::clone(&changed) });
    assert_eq!(again.week_start_day, 1);
}

#[tokio::test]
async fn numbers_are_not_given_out_again() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let second = catalog.create_project(NewProject::default()).await.expect("creates");
    catalog.close().await.expect("closes");
    let catalog = open(directory.path()).await;
    let third = catalog.create_project(NewProject::default()).await.expect("creates");
    assert_eq!((second.id.0, third.id.0), (2, 3));
}

#[tokio::test]
async fn the_first_event_is_noted() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let id = catalog.projects()[0].id;
    catalog.note_ingested(id);
    catalog.note_ingested(id);
    assert!(catalog.project(id).expect("there").ingested_event);
    catalog.close().await.expect("closes");
    assert!(open(directory.path()).await.project(id).expect("there").ingested_event);
}
