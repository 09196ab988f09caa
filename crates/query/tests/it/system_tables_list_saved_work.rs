//! `system.*`: what people of the project saved, asked for as any other table.

use crate::world::{Layout, NOW, Running, World, action, cohort, work};
use aqueduct_catalog::{Work, WorkKind};
use aqueduct_event::ProjectId;
use aqueduct_query::{Ask, Asker, QueryConfig, Tolerance};
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn world(mark: &str) -> World {
    let insight = |id: i64, name: &str, kind: &str| {
        work(
            WorkKind::Insight,
            id,
            &json!({"name": format!("{mark}{name}"), "saved": true, "query": {"kind": "InsightVizNode", "source": {"kind": kind}}}),
        )
    };
    let gone = Work { is_deleted: true, ..insight(3, "gone", "PathsQuery") };
    World {
        works: vec![
            insight(1, "signups", "TrendsQuery"),
            insight(2, "way", "FunnelsQuery"),
            gone,
            work(
                WorkKind::Dashboard,
                1,
                &json!({"name": format!("{mark}main"), "tiles": [{"id": 100_001, "insight": 2, "color": "blue"}, {"id": 100_002, "text": {"body": "hi"}}]}),
            ),
            work(
                WorkKind::Annotation,
                1,
                &json!({"content": format!("{mark}launch"), "date_marker": "2020-01-05T10:00:00Z", "dashboard_item": 2}),
            ),
            work(WorkKind::Export, 1, &json!({"export_format": "text/csv", "export_context": {"filename": "a"}})),
        ],
        actions: vec![action(7, &format!("{mark}paid"), json!([{"event": "paid"}]))],
        cohorts: vec![cohort(4, &format!("{mark}old"), &json!([]))],
        groups: vec![("company".to_owned(), format!("{mark}acme"), json!({"size": 5}))],
        ..World::default()
    }
}

async fn check(running: &Running, query: &str, expected: Json) {
    let rows = running.hogql(query).await.unwrap_or_else(|error| unreachable!("{query}: {error}"));
    assert_eq!(json!(rows), expected, "{query}");
}

#[tokio::test]
async fn saved_work_is_rows() {
    let running = world("").start(ProjectId(1), Layout::Memory, QueryConfig::default());
    for (query, expected) in [
        (
            "select id, name, query.source.kind, deleted, saved, favorited, toString(created_at), team_id from system.insights order by id",
            json!([
                [1, "signups", "TrendsQuery", 0, 1, null, "2020-01-20 12:00:00.000000", 1],
                [2, "way", "FunnelsQuery", 0, 1, null, "2020-01-20 12:00:00.000000", 1],
                [3, "gone", "PathsQuery", 1, 1, null, "2020-01-20 12:00:00.000000", 1]
            ]),
        ),
        ("select count() from system.insights where JSONExtractString(query, 'source', 'kind') = 'FunnelsQuery'", json!([[1]])),
        (
            "select d.name, i.name, t.color from system.dashboard_tiles t join system.dashboards d on t.dashboard_id = d.id \
             join system.insights i on i.id = t.insight_id",
            json!([["main", "way", "blue"]]),
        ),
        ("select insights.name from system.insights where insights.id = 1", json!([["signups"]])),
        (
            "select content, scope, creation_type, toDate(date_marker), dashboard_item_id from system.annotations",
            json!([["launch", "dashboard_item", "USR", "2020-01-05", 2]]),
        ),
        ("select id, name, JSONExtractString(steps_json, 1, 'event') from system.actions", json!([[7, "paid", "paid"]])),
        ("select id, name, is_static, deleted from system.cohorts", json!([[4, "old", 0, 0]])),
        ("select export_format, export_context.filename from system.exports", json!([["text/csv", "a"]])),
        ("select group_key, group_type_index, group_properties.size from system.groups", json!([["acme", 0, "5"]])),
        ("select group_type from system.group_type_mappings", json!([["company"]])),
        ("select key, rollout_percentage from system.feature_flags", json!([])),
        ("select count() from system.experiments", json!([[0]])),
    ] {
        check(&running, query, expected).await;
    }
    let body = running.ask(json!({"kind": "HogQLQuery", "query": "select * from system.surveys"})).await.expect("an answer");
    let columns = ["id", "team_id", "name", "type", "questions", "appearance", "start_date", "end_date", "created_at"];
    assert_eq!(body["columns"], json!(columns));
}

#[tokio::test]
async fn other_projects_have_their_own() {
    let (ours, theirs) = (world(""), world("theirs "));
    let running = World::start_all(&[(ProjectId(1), &ours), (ProjectId(2), &theirs)], Layout::Memory, QueryConfig::default());
    for table in
        ["insights", "dashboards", "dashboard_tiles", "annotations", "exports", "actions", "cohorts", "groups", "group_type_mappings"]
    {
        for (running, project) in running.iter().zip([1, 2]) {
            let rows = running.hogql(&format!("select * from system.{table}")).await.expect("rows");
            assert!(!rows.is_empty(), "{table}");
            assert_eq!(
                format!("{rows:?}").contains("theirs"),
                project == 2 && !["dashboard_tiles", "exports", "group_type_mappings"].contains(&table),
                "{table}"
            );
            let teams = running.hogql(&format!("select distinct team_id from system.{table}")).await.expect("rows");
            assert_eq!(json!(teams), json!([[project]]), "{table}");
        }
    }
}

#[tokio::test]
async fn an_answer_about_them_is_kept_until_they_change() {
    let running = world("").start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let ask = async |query: &str| {
        let request = running.request(json!({"kind": "HogQLQuery", "query": query}));
        running.engine.answer(Ask { request, tolerance: Tolerance::Exact, asker: Asker::default() }).await.expect("an answer")
    };
    let (names, other) = ("select name from system.insights where not deleted order by id", "select count() from events");
    for query in [names, other] {
        assert!(!ask(query).await.is_cached);
    }
    assert!(ask(names).await.is_cached);
    let renamed = work(WorkKind::Insight, 2, &json!({"name": "path"}));
    running.known.works.lock().expect("not poisoned")[1] = Arc::new(renamed);
    let changed = ask(names).await;
    assert_eq!((changed.is_cached, &changed.body["results"]), (false, &json!([["signups"], ["path"]])));
    assert!(ask(other).await.is_cached, "it asked for no work, {NOW:?}");
}
