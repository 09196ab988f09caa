//! Actions and cohorts are there after the file is opened again, without a clean close; deleted ones too.

use crate::{open, started};
use aqueduct_catalog::{
    Action, ActionDocument, ActionKind, ActionStep, CatalogError, CohortDocument, CohortKind, CohortMember, Matching, NewProject,
};
use aqueduct_event::{ProjectId, UnixMicros};
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);

fn named(name: &str) -> ActionDocument {
    ActionDocument { name: name.to_owned(), ..ActionDocument::default() }
}

fn cohort(name: &str, is_static: bool) -> CohortDocument {
    CohortDocument { name: name.to_owned(), is_static, ..CohortDocument::default() }
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
    let new = ActionDocument { steps: vec![step], tags: vec!["shop".to_owned()], ..named(" Bought ") };
    let action = catalog.create_work(PROJECT, ActionKind, 1, new).await.expect("creates");
    assert_eq!((action.id, action.document.name.as_str(), action.is_deleted), (1, "Bought", false));
    let revision = catalog.revision();
    let change = |action: &mut Action| action.document.pinned_at = Some(UnixMicros(5));
    let changed = catalog.update_work(PROJECT, ActionKind, 1, 1, change).await.expect("updates");
    assert_ne!(catalog.revision(), revision, "caches see that an action changed");
    assert_eq!((&changed.document.steps, changed.document.pinned_at), (&action.document.steps, Some(UnixMicros(5))));
    assert_eq!(open(directory.path()).await.work(PROJECT, ActionKind, 1), Some(changed));
}

#[tokio::test]
async fn living_actions_have_names_of_their_own() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let first = catalog.create_work(PROJECT, ActionKind, 1, named("Bought")).await.expect("creates");
    let again = catalog.create_work(PROJECT, ActionKind, 1, named(" Bought")).await;
    assert!(matches!(again, Err(CatalogError::Taken { field: "name", .. })), "{again:?}");
    let other = catalog.create_project(NewProject::default()).await.expect("creates");
    catalog.create_work(other.id, ActionKind, 1, named("Bought")).await.expect("another project may use it");
    let set_deleted = |deleted| catalog.update_work(PROJECT, ActionKind, first.id, 1, move |action| action.is_deleted = deleted);
    set_deleted(true).await.expect("deletes");
    catalog.create_work(PROJECT, ActionKind, 1, named("Bought")).await.expect("the name is free");
    let back = set_deleted(false).await;
    assert!(matches!(back, Err(CatalogError::Taken { field: "name", .. })), "{back:?}");
    assert!(catalog.work(other.id, ActionKind, first.id).is_none(), "a number of another project leads nowhere");
}

#[tokio::test]
async fn a_name_is_needed() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let nameless = catalog.create_work(PROJECT, ActionKind, 1, named("  ")).await;
    assert!(matches!(nameless, Err(CatalogError::Invalid { field: "name", .. })), "{nameless:?}");
    let nameless = catalog.create_work(PROJECT, CohortKind, 1, CohortDocument::default()).await;
    assert!(matches!(nameless, Err(CatalogError::Invalid { field: "name", .. })), "{nameless:?}");
    let bad = catalog.create_work(PROJECT, CohortKind, 1, CohortDocument { filters: json!([1]), ..cohort("a", false) }).await;
    assert!(matches!(bad, Err(CatalogError::Invalid { field: "filters", .. })), "{bad:?}");
}

#[tokio::test]
async fn members_come_and_go() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let vips = catalog.create_work(PROJECT, CohortKind, 1, cohort("VIPs", true)).await.expect("creates");
    let revision = catalog.revision();
    let added = catalog.add_cohort_members(PROJECT, vips.id, 1, vec![member(2), member(1), member(2)]).await.expect("adds");
    assert_ne!(catalog.revision(), revision, "caches see that members changed");
    assert_eq!(added.document.count, Some(2));
    catalog.add_cohort_members(PROJECT, vips.id, 1, vec![member(1), member(3)]).await.expect("adds");
    catalog.remove_cohort_members(PROJECT, vips.id, 1, vec![member(2).person, member(9).person]).await.expect("removes");
    let again = open(directory.path()).await;
    assert_eq!(*again.cohort_members(vips.id), [member(1), member(3)]);
    assert_eq!(again.work(PROJECT, CohortKind, vips.id).expect("there").document.count, Some(2));

    let dynamic = catalog.create_work(PROJECT, CohortKind, 1, cohort("VIPs", false)).await.expect("creates");
    assert_eq!(dynamic.document.count, None);
    let refused = catalog.add_cohort_members(PROJECT, dynamic.id, 1, vec![member(1)]).await;
    assert!(matches!(refused, Err(CatalogError::Invalid { field: "cohort", .. })), "{refused:?}");
    let counted = catalog.note_cohort_count(PROJECT, dynamic.id, Some(7)).await.expect("notes").document.clone();
    assert_eq!((counted.count, counted.errors_calculating), (Some(7), 0));
    let failed = catalog.note_cohort_count(PROJECT, dynamic.id, None).await.expect("notes").document.clone();
    assert_eq!((failed.count, failed.errors_calculating), (Some(7), 1));
    let deleted = catalog.update_work(PROJECT, CohortKind, dynamic.id, 1, |cohort| cohort.is_deleted = true).await.expect("deletes");
    assert_eq!(open(directory.path()).await.work(PROJECT, CohortKind, dynamic.id), Some(deleted));
}

#[tokio::test]
async fn those_that_had_tables_of_their_own_are_taken_over() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("catalog.sqlite");
    let mut connection = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.expect("connects");
    sqlx::migrate!("./migrations").run_to(3, &mut connection).await.expect("migrates");
    let before = r#"
        INSERT INTO organizations VALUES ('00000000-0000-0000-0000-000000000001', 'o', 1, 1);
        INSERT INTO users VALUES (1, '00000000-0000-0000-0000-000000000002', 'a@b.c', '', '', NULL, 1);
        INSERT INTO projects VALUES (1, '00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000001', 'p', 'phc_t', 'phs_t', 'UTC',
            0, FALSE, '[]', '[]', FALSE, '{}', 1, 1);
        INSERT INTO actions VALUES (3, 1, 'Bought', 'd', '["shop"]', '[{"event":"buy"}]', TRUE, 'f', 7, FALSE, 1, 10, 11);
        INSERT INTO actions VALUES (4, 1, 'Gone', '', '[]', '[]', FALSE, '', NULL, TRUE, NULL, 12, 13);
        INSERT INTO cohorts VALUES (5, 1, 'VIPs', '', 'null', '{"kind":"ActorsQuery"}', TRUE, FALSE, 1, 9, 2, 1, 14, 15);
        INSERT INTO cohorts VALUES (6, 1, 'Old', '', '{"properties":{}}', 'null', FALSE, TRUE, NULL, NULL, 0, NULL, 16, 17);
        INSERT INTO cohort_members VALUES (5, '00000000-0000-0000-0000-000000000008', 'd8');
        UPDATE sequences SET next = 7 WHERE name IN ('action', 'cohort');
    "#;
    sqlx::raw_sql(before).execute(&mut connection).await.expect("inserts");
    drop(connection);

    let catalog = open(directory.path()).await;
    let step = ActionStep { event: Some("buy".to_owned()), ..ActionStep::default() };
    let document = ActionDocument {
        description: "d".to_owned(),
        tags: vec!["shop".to_owned()],
        steps: vec![step],
        post_to_slack: true,
        slack_message_format: "f".to_owned(),
        pinned_at: Some(UnixMicros(7)),
        ..named("Bought")
    };
    let bought = catalog.work(PROJECT, ActionKind, 3).expect("there");
    assert_eq!((&bought.document, bought.is_deleted, bought.created_by, bought.updated_at), (&document, false, Some(1), UnixMicros(11)));
    let gone = catalog.work(PROJECT, ActionKind, 4).expect("there");
    assert_eq!((&gone.document, gone.is_deleted, gone.created_by, gone.created_at), (&named("Gone"), true, None, UnixMicros(12)));
    let vips = catalog.work(PROJECT, CohortKind, 5).expect("there");
    let document = CohortDocument {
        query: json!({"kind": "ActorsQuery"}),
        count: Some(1),
        last_calculation: Some(UnixMicros(9)),
        errors_calculating: 2,
        ..cohort("VIPs", true)
    };
    assert_eq!((&vips.document, vips.is_deleted), (&document, false));
    assert_eq!(*catalog.cohort_members(5), [member(8)]);
    let old = catalog.work(PROJECT, CohortKind, 6).expect("there");
    let document = CohortDocument { filters: json!({"properties": {}}), ..cohort("Old", false) };
    assert_eq!((&old.document, old.is_deleted), (&document, true));
    assert_eq!(catalog.create_work(PROJECT, ActionKind, 1, named("Next")).await.expect("creates").id, 7);
}
