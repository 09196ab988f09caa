//! Deadline and cancellation stop the work and say so.

use crate::world::{Event, Layout, NOW, World};
use aqueduct_event::{ProjectId, UnixMicros};
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

#[tokio::test]
async fn an_operator_that_holds_too_much() {
    let events = (0..5_000_i64).map(|at| Event {
        distinct_id: format!("d{}", at % 100),
        at: UnixMicros(NOW.0 - at * 1_000),
        name: "view".to_owned(),
        properties: json!({"$current_url": format!("/{at}")}),
        elements_chain: String::new(),
    });
    let world = World { events: events.collect(), ..World::default() };
    let view = json!([{"kind": "EventsNode", "event": "view", "math": "dau"}]);
    // Without a filter, rows are read where they lie and nothing is held.
    let of_url = json!([{"key": "$current_url", "value": "/", "operator": "icontains", "type": "event"}]);
    let step = json!({"kind": "EventsNode", "event": "view", "properties": of_url});
    let entity = json!({"id": "view", "type": "events"});
    let queries = [
        json!({"kind": "TrendsQuery", "series": view}),
        json!({"kind": "FunnelsQuery", "series": [step, step]}),
        json!({"kind": "RetentionQuery", "retentionFilter": {"targetEntity": entity, "returningEntity": entity}}),
        json!({"kind": "StickinessQuery", "series": view}),
        json!({"kind": "LifecycleQuery", "series": view}),
        json!({"kind": "PathsQuery", "pathsFilter": {"includeEventTypes": ["custom_event"]}}),
        json!({"kind": "HogQLQuery", "query": "select event, uniq(person_id) from events group by event"}),
    ];
    for (bytes, fits) in [(1_000, false), (64 << 20, true)] {
        let config = QueryConfig { query_memory_bytes_max: bytes, ..QueryConfig::default() };
        let running = world.start(ProjectId(1), Layout::Memory, config);
        for query in &queries {
            let answer = running.ask(query.clone()).await;
            assert!(answer.is_ok() == fits && (fits || matches!(answer, Err(QueryError::Memory(_)))), "{bytes} bytes: {query}: {answer:?}");
        }
    }
}
