//! Actions and cohorts are there after the file is opened again, without a clean close; deleted ones too.

use crate::{open, started};
use aqueduct_catalog::{ActionPatch, ActionStep, CatalogError, CohortMember, CohortPatch, Matching, NewProject};
use aqueduct_event::ProjectId;
use serde_json::json;
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);

fn named(name: &str) -> ActionPatch {
    ActionPatch { name: Some(name.to_owned()), ..ActionPatch::default() }
}

fn member(number: u128) -> CohortMember {
    CohortMember { person: Uuid::from_u128(number), distinct_id: format!("d{number}").into() }
}

#[tokio::test]
async fn an_action_with_all_its_fields() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let step = ActionStep {
        event: Some("$pageview".to_owned()),
        url: Some("/buy".to_owned()),
        url_matching: Some(Matching::Regex),
        properties: json!([{"key": "plan", "value": "pro"}]),
        ..ActionStep::default()
    };
    let new = ActionPatch { steps: Some(vec![step]), tags: Some(vec!["shop".to_owned()]), ..named(" Bought ") };
    let action = catalog.create_action(PROJECT, new, Some(1)).await.expect("creates");
    assert_eq!((action.id, action.name.as_str(), action.deleted), (1, "Bought", false));
    let patch = ActionPatch { description: Some("a purchase".to_owned()), pinned: Some(true), ..ActionPatch::default() };
    let changed = catalog.update_action(PROJECT, 1, patch).await.expect("updates");
    assert_eq!(changed.steps, action.steps);
    assert!(changed.pinned_at.is_some());
    assert_eq!(open(directory.path()).await.action(PROJECT, 1), Some(changed));
}

#[tokio::test]
async fn living_actions_have_names_of_their_own() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let first = catalog.create_action(PROJECT, named("Bought"), None).await.expect("creates");
    let again = catalog.create_action(PROJECT, named("Bought"), None).await;
    assert!(matches!(again, Err(CatalogError::Taken { field: "name", .. })), "{again:?}");
    let other = catalog.create_project(NewProject::default()).await.expect("creates");
    catalog.create_action(other.id, named("Bought"), None).await.expect("another project may use it");
    let gone = ActionPatch { deleted: Some(true), ..ActionPatch::default() };
    catalog.update_action(PROJECT, first.id, gone).await.expect("deletes");
    catalog.create_action(PROJECT, named("Bought"), None).await.expect("the name is free");
    let back = catalog.update_action(PROJECT, first.id, ActionPatch { deleted: Some(false), ..ActionPatch::default() }).await;
    assert!(matches!(back, Err(CatalogError::Taken { field: "name", .. })), "{back:?}");
    assert!(catalog.action(other.id, first.id).is_none(), "a number of another project leads nowhere");
}

#[tokio::test]
async fn a_name_is_needed() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let nameless = catalog.create_action(PROJECT, ActionPatch::default(), None).await;
    assert!(matches!(nameless, Err(CatalogError::Invalid { field: "name", .. })), "{nameless:?}");
    let nameless = catalog.create_cohort(PROJECT, CohortPatch::default(), false, None).await;
    assert!(matches!(nameless, Err(CatalogError::Invalid { field: "name", .. })), "{nameless:?}");
    let patch = CohortPatch { name: Some("a".to_owned()), filters: Some(json!([1])), ..CohortPatch::default() };
    let bad = catalog.create_cohort(PROJECT, patch, false, None).await;
    assert!(matches!(bad, Err(CatalogError::Invalid { field: "filters", .. })), "{bad:?}");
}

#[tokio::test]
async fn members_come_and_go() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let patch = CohortPatch { name: Some("VIPs".to_owned()), ..CohortPatch::default() };
    let cohort = catalog.create_cohort(PROJECT, patch.clone(), true, Some(1)).await.expect("creates");
    assert_eq!(cohort.count, Some(0));
    let revision = catalog.revision();
    let added = catalog.add_cohort_members(PROJECT, cohort.id, vec![member(2), member(1), member(2)]).await.expect("adds");
    assert_ne!(catalog.revision(), revision, "caches see that members changed");
    assert_eq!(added.count, Some(2));
    catalog.add_cohort_members(PROJECT, cohort.id, vec![member(1), member(3)]).await.expect("adds");
    catalog.remove_cohort_members(PROJECT, cohort.id, vec![member(2).person, member(9).person]).await.expect("removes");
    let again = open(directory.path()).await;
    assert_eq!(*again.cohort_members(cohort.id), [member(1), member(3)]);
    assert_eq!(again.cohort(PROJECT, cohort.id).expect("there").count, Some(2));

    let dynamic = catalog.create_cohort(PROJECT, patch, false, None).await.expect("creates");
    assert_eq!(dynamic.count, None);
    let refused = catalog.add_cohort_members(PROJECT, dynamic.id, vec![member(1)]).await;
    assert!(matches!(refused, Err(CatalogError::Invalid { field: "cohort", .. })), "{refused:?}");
    let counted = catalog.note_cohort_count(PROJECT, dynamic.id, Some(7)).await.expect("notes");
    assert_eq!((counted.count, counted.errors_calculating), (Some(7), 0));
    let failed = catalog.note_cohort_count(PROJECT, dynamic.id, None).await.expect("notes");
    assert_eq!((failed.count, failed.errors_calculating), (Some(7), 1));
    let deleted = CohortPatch { deleted: Some(true), ..CohortPatch::default() };
    let deleted = catalog.update_cohort(PROJECT, dynamic.id, deleted).await.expect("deletes");
    assert_eq!(open(directory.path()).await.cohort(PROJECT, dynamic.id), Some(deleted));
}
