//! Every change of saved work that a person makes is in the log, with what changed; the log is bounded and survives.

use crate::{open, started};
use aqueduct_catalog::{
    ACTIVITY_ENTRIES_MAX, Activity, ActivityDetail, ActivityFilter, Catalog, CohortDocument, CohortKind, FieldChange, NewActivity,
    NewProject, WorkKind,
};
use aqueduct_event::ProjectId;
use serde_json::{Map, Value, json};

const ONE: ProjectId = ProjectId(1);

fn document(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

async fn all(catalog: &Catalog, filter: ActivityFilter) -> Vec<String> {
    let line = |entry: Activity| {
        let changes = entry
            .detail
            .changes
            .iter()
            .map(|change| format!(" {}:{}>{}", change.field.as_deref().unwrap_or("-"), change.before, change.after));
        format!(
            "{} {} {} {}{}",
            entry.scope,
            entry.item_id,
            entry.activity,
            entry.detail.name.unwrap_or_default(),
            changes.collect::<String>()
        )
    };
    let (count, entries) = catalog.activities(ONE, &filter, 1_000, 0).await.expect("reads");
    assert_eq!(count, entries.len());
    entries.into_iter().map(line).collect()
}

#[tokio::test]
async fn changes_of_saved_work() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let insight = catalog.create_work(ONE, WorkKind::Insight, 1, document(json!({"name": "a"}))).await.expect("makes");
    let rename = |work: &mut aqueduct_catalog::Work| work.document.extend(document(json!({"name": "b", "tags": []})));
    catalog.update_work(ONE, WorkKind::Insight, insight.id, 1, rename).await.expect("changes");
    // The same once more changes nothing, and a change that is refused neither.
    catalog.update_work(ONE, WorkKind::Insight, insight.id, 1, rename).await.expect("changes");
    let large = Value::String("x".repeat(2 << 20));
    let refused = catalog.update_work(ONE, WorkKind::Insight, insight.id, 1, |work| drop(work.document.insert("a".to_owned(), large)));
    assert!(refused.await.is_err());
    for deleted in [true, false] {
        catalog.update_work(ONE, WorkKind::Insight, insight.id, 1, |work| work.is_deleted = deleted).await.expect("changes");
    }
    let cohort = CohortDocument { name: "Pro".to_owned(), ..CohortDocument::default() };
    let cohort = catalog.create_work(ONE, CohortKind, 1, cohort).await.expect("makes");
    catalog.note_cohort_count(ONE, cohort.id, Some(3)).await.expect("counts");
    catalog.create_work(ONE, WorkKind::Export, 1, Map::new()).await.expect("makes");
    let expected = [
        "Cohort 1 created Pro",
        "Insight 1 restored b deleted:true>false",
        "Insight 1 deleted b deleted:false>true",
        "Insight 1 updated b name:\"a\">\"b\"",
        "Insight 1 created a",
    ];
    assert_eq!(all(&catalog, ActivityFilter::default()).await, expected);
    let of = |scopes: &[&str], item_id: Option<&str>, user| ActivityFilter {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        item_id: item_id.map(str::to_owned),
        user,
    };
    assert_eq!(all(&catalog, of(&["Cohort", "Person"], None, Some(1))).await.len(), 1);
    assert_eq!(all(&catalog, of(&["Insight"], Some("1"), None)).await.len(), 4);
    assert!(all(&catalog, of(&["Insigh_"], None, None)).await.is_empty() && all(&catalog, of(&[], None, Some(2))).await.is_empty());
    let other = catalog.create_project(NewProject::default()).await.expect("makes");
    assert_eq!(catalog.activities(other.id, &ActivityFilter::default(), 10, 0).await.expect("reads").0, 0);
    catalog.close().await.expect("closes");
    assert_eq!(all(&*open(directory.path()).await, ActivityFilter::default()).await, expected);
}

#[tokio::test]
async fn the_oldest_entries_go() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let entry = |number: usize| NewActivity {
        scope: "Person",
        item_id: number.to_string(),
        activity: "updated",
        user: 1,
        detail: ActivityDetail { changes: vec![FieldChange::of_field("changed", Some("properties"))], ..ActivityDetail::default() },
    };
    let entries: Vec<NewActivity> = (0..ACTIVITY_ENTRIES_MAX + 5).map(entry).collect();
    catalog.note_activity(ONE, &entries).await.expect("notes");
    let (count, page) = catalog.activities(ONE, &ActivityFilter::default(), 2, ACTIVITY_ENTRIES_MAX - 1).await.expect("reads");
    assert_eq!((count, page.len(), page[0].item_id.as_str()), (ACTIVITY_ENTRIES_MAX, 1, "5"));
}
