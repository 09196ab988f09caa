//! Results as files.

use crate::world::World;
use http::StatusCode;
use serde_json::{Value, json};

const EXPORTS: &str = "/api/projects/1/exports/";

async fn content(world: &World, body: Value) -> crate::world::Answer {
    let made = world.ask("POST", EXPORTS, Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let id = made.json()["id"].clone();
    assert_eq!(world.get(&format!("{EXPORTS}{id}/")).await["has_content"], true);
    world.ask("GET", &format!("{EXPORTS}{id}/content/"), None).await
}

#[tokio::test]
async fn as_csv_json_and_parquet() {
    let world = World::new().await;
    world.store_event(1, "=cmd()", "ann");
    let source = json!({"kind": "HogQLQuery", "query": "SELECT event, 1 AS n FROM events"});
    let context = json!({"source": source, "filename": "my \"file\"; x"});
    let csv = content(&world, json!({"export_format": "text/csv", "export_context": context})).await;
    assert_eq!(csv.text, "event,n\r\n'=cmd(),1\r\n");
    assert_eq!(csv.headers["content-disposition"], "attachment; filename=\"my file x.csv\"");
    let json_file = content(&world, json!({"export_format": "application/json", "export_context": context})).await;
    assert_eq!(json_file.json(), json!([{"event": "=cmd()", "n": 1}]));
    let parquet = content(&world, json!({"export_format": "application/vnd.apache.parquet", "export_context": context})).await;
    assert!(parquet.text.starts_with("PAR1"));
    assert_eq!(world.get(EXPORTS).await["count"], 3);
}

#[tokio::test]
async fn of_a_query_at_once() {
    let world = World::new().await;
    let query = json!({"query": {"kind": "HogQLQuery", "query": "SELECT -1 AS a, '-1' AS b"}});
    let file = world.ask("POST", "/api/projects/1/query/?format=csv", Some(query.clone())).await;
    assert_eq!(
        (file.text.as_str(), file.headers["content-type"].to_str().expect("text")),
        ("a,b\r\n-1,'-1\r\n", "text/csv; charset=utf-8")
    );
    assert_eq!(world.ask("POST", "/api/projects/1/query/?format=json", Some(query.clone())).await.json(), json!([{"a": -1, "b": "-1"}]));
    assert_eq!(world.ask("POST", "/api/projects/1/query/?format=xlsx", Some(query)).await.status, 400);
}

#[tokio::test]
async fn of_a_query_with_what_is_put_over_it() {
    let world = World::new().await;
    let file = |body: Value| world.ask("POST", "/api/projects/1/query/?format=csv", Some(body));
    let variables = json!({"1": {"code_name": "n", "value": 1}});
    let query = json!({"kind": "HogQLQuery", "query": "SELECT {variables.n} AS n", "variables": variables});
    assert_eq!(file(json!({"query": query, "variables_override": {"1": {"value": 5}}})).await.text, "n\r\n5\r\n");
    world.store_event(1, "seen", "ann");
    let query = json!({"kind": "HogQLQuery", "query": "SELECT count() AS n FROM events WHERE {filters}"});
    let never = json!({"properties": [{"type": "event", "key": "n", "value": 7}]});
    assert_eq!(file(json!({"query": query, "filters_override": never})).await.text, "n\r\n0\r\n");
    // A file has an answer, whatever the mode; and one that is kept is given.
    for (refresh, runs) in [("blocking", 1), ("async", 0), ("force_async", 1), ("lazy_async", 0)] {
        let before = ran(&world).await;
        assert_eq!(file(json!({"query": query, "refresh": refresh})).await.text, "n\r\n1\r\n", "{refresh}");
        assert_eq!(ran(&world).await - before, runs, "{refresh}");
    }
}

/// Queries that were computed so far, but for those that ask this.
async fn ran(world: &World) -> i64 {
    let log = world.get("/api/projects/1/query_log/?limit=1000").await;
    let entries = log["results"].as_array().expect("a list").iter();
    i64::try_from(entries.filter(|entry| entry["is_cached"] == false).count()).expect("few")
}

#[tokio::test]
async fn of_a_saved_insight() {
    let world = World::new().await;
    let query = json!({"kind": "DataTableNode", "source": {"kind": "HogQLQuery", "query": "SELECT 1 AS a"}});
    let insight = world.ask("POST", "/api/projects/1/insights/", Some(json!({"query": query}))).await.json()["id"].clone();
    assert_eq!(content(&world, json!({"export_format": "csv", "insight": insight})).await.text, "a\r\n1\r\n");
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_once() {
    let world = World::new().await;
    for wrong in [
        json!({"export_format": "image/png"}),
        json!({"export_format": "text/csv"}),
        json!({"export_format": "text/csv", "insight": 99}),
        json!({"export_format": "text/csv", "export_context": {"source": {"kind": "HogQLQuery", "query": "SELEC"}}}),
    ] {
        assert_eq!(world.ask("POST", EXPORTS, Some(wrong.clone())).await.status, 400, "{wrong}");
    }
    assert_eq!(world.get(EXPORTS).await["count"], 0);
}
