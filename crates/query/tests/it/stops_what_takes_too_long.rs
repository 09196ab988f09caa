//! Deadline and cancellation stop the work and say so.

use crate::world::{Layout, World};
use aqueduct_event::ProjectId;
use aqueduct_query::{QueryConfig, QueryError, QueryRequest};
use serde_json::json;
use std::time::Duration;

const ENDLESS: &str = "select count() from numbers(1000000000000) where number * 3 = number + 1";

#[tokio::test]
async fn a_query_past_its_deadline() {
    let config = QueryConfig { seconds_max: 1, ..QueryConfig::default() };
    let running = World::default().start(ProjectId(1), Layout::Memory, config);
    let error = running.hogql(ENDLESS).await.expect_err("too long");
    assert!(matches!(error, QueryError::Timeout { seconds: 1 }), "{error}");
    assert_eq!(running.hogql("select 1").await.expect("rows"), [json!([1])]);
}

#[tokio::test]
async fn a_cancelled_query() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let query = json!({"kind": "HogQLQuery", "query": ENDLESS});
    let request = QueryRequest { project: running.facts.clone(), query, query_id: Some("q".to_owned()) };
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(running.engine.cancel(ProjectId(1), "q"));
        assert!(!running.engine.cancel(ProjectId(1), "q"));
    };
    let (answer, ()) = tokio::join!(running.engine.run(request), cancel);
    assert!(matches!(answer, Err(QueryError::Cancelled)), "{answer:?}");
}
