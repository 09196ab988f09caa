//! The query log: who asked what, what it took, how it ended; by project, over restarts, as an API and as a table.

use crate::world::{Event, Layout, NOW, World};
use aqueduct_event::ProjectId;
use aqueduct_query::{Ask, Asker, Outcome, QueryConfig, Tolerance};
use serde_json::json;

fn world() -> World {
    let event = |number: i64| Event {
        distinct_id: "ann".to_owned(),
        at: NOW,
        name: "paid".to_owned(),
        properties: json!({"n": number}),
        elements_chain: String::new(),
    };
    World { events: (0..10).map(event).collect(), ..World::default() }
}

#[tokio::test]
async fn what_a_query_took_and_how_it_ended() {
    let (ours, theirs) = (world(), World::default());
    let running = World::start_all(&[(ProjectId(1), &ours), (ProjectId(2), &theirs)], Layout::Memory, QueryConfig::default());
    let mut request = running[0].request(json!({"kind": "HogQLQuery", "query": "select properties.n from events"}));
    request.query_id = Some("first".to_owned());
    let asker = Asker { user: Some(7), with_key: true, name: Some("a name".to_owned()), endpoint: "/query/" };
    for tolerance in [Tolerance::Nothing, Tolerance::Exact] {
        running[0].engine.answer(Ask { request: request.clone(), tolerance, asker: asker.clone() }).await.expect("an answer");
    }
    assert!(running[0].hogql("select nothing from events").await.is_err());
    let trend = json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": "paid"}]});
    running[0].ask(json!({"kind": "InsightVizNode", "source": trend})).await.expect("an answer");
    let log = running[0].engine.log(ProjectId(1));
    let shown: Vec<_> =
        log.iter().map(|entry| (entry.kind.as_str(), entry.is_cached, entry.outcome, entry.read_rows, entry.result_rows)).collect();
    assert_eq!(
        shown,
        [
            ("TrendsQuery", false, Outcome::QueryFinish, 10, 1),
            ("HogQLQuery", false, Outcome::ExceptionBeforeStart, 0, 0),
            ("HogQLQuery", true, Outcome::QueryFinish, 0, 10),
            ("HogQLQuery", false, Outcome::QueryFinish, 10, 10),
        ]
    );
    let first = &log[3];
    assert_eq!((first.user, first.with_key, first.name.as_str(), first.query_id.as_str()), (7, true, "a name", "first"));
    assert!(first.read_bytes > 0 && first.result_bytes > 0 && first.started_at == NOW, "{first:?}");
    let table = "select query_id, query, status, exception_code, read_rows, created_by, is_personal_api_key_request, event_date from query_log where query_id = 'first' order by read_rows desc limit 1";
    assert_eq!(
        running[0].hogql(table).await.expect("rows"),
        [json!(["first", "select properties.n from events", "QueryFinish", 0, 10, 7, true, "2020-01-20"])]
    );
    assert_eq!(running[0].hogql("select count(), countIf(type != 'QueryFinish') from raw_query_log").await.expect("rows"), [json!([5, 1])]);
    assert_eq!(running[1].hogql("select count() from query_log").await.expect("rows"), [json!([0])], "another project's queries");
}

#[tokio::test]
async fn a_restart_keeps_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = QueryConfig { log_dir: Some(dir.path().join("queries")), ..QueryConfig::default() };
    let running = world().start(ProjectId(1), Layout::Memory, config.clone());
    running.hogql("select 1").await.expect("rows");
    drop(running);
    let running = world().start(ProjectId(1), Layout::Memory, config);
    assert_eq!(running.hogql("select query from query_log").await.expect("rows"), [json!(["select 1"])]);
}
