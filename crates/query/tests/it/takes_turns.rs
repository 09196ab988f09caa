//! A bounded number of queries runs; a heavy project neither fills the queue of another nor delays it for long.

use crate::world::{Layout, Running, World};
use aqueduct_event::ProjectId;
use aqueduct_query::{QueryConfig, QueryError, QueryRequest};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ENDLESS: &str = "select count() from numbers(1000000000000) where number * 3 = number + 1";

fn endless(running: &Running, id: usize) -> tokio::task::JoinHandle<Option<QueryError>> {
    let query = json!({"kind": "HogQLQuery", "query": format!("{ENDLESS} + {id}")});
    let request = QueryRequest { project: running.facts.clone(), query, query_id: Some(id.to_string()) };
    let engine = Arc::clone(&running.engine);
    tokio::spawn(async move { engine.run(request).await.err() })
}

#[tokio::test]
async fn a_flood_of_one_project_leaves_room_for_another() {
    let config = QueryConfig {
        running_max: 4,
        project_running_max: 2,
        queued_max: 5,
        queued_seconds_max: 2,
        seconds_max: 60,
        ..QueryConfig::default()
    };
    let nothing = World::default();
    let running = World::start_all(&[(ProjectId(1), &nothing), (ProjectId(2), &nothing)], Layout::Memory, config);
    let flood: Vec<_> = (0..10).map(|id| endless(&running[0], id)).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    assert_eq!(running[1].hogql("select 1").await.expect("rows"), [json!([1])]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let refused = flood.iter().filter(|query| query.is_finished()).count();
    assert_eq!(refused, 3, "two run and five wait");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(flood.iter().filter(|query| !query.is_finished()).count(), 2, "those that waited gave up");
    for id in 0..10 {
        running[0].engine.cancel(ProjectId(1), &id.to_string());
    }
    let mut codes: Vec<u16> = Vec::new();
    for query in flood {
        let error = query.await.expect("ends").expect("no answer");
        assert_eq!(error.retry_seconds(), (error.status() == 429).then_some(2));
        codes.push(error.status());
    }
    codes.sort_unstable();
    assert_eq!(codes, [429, 429, 429, 429, 429, 429, 429, 429, 499, 499]);
    assert_eq!(running[0].hogql("select 1").await.expect("rows"), [json!([1])], "places are free again");
}
