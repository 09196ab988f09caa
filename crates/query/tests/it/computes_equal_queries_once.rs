//! Equal queries of one moment are computed once, and the work goes on while anybody waits for it.

use crate::world::{Layout, Running, World};
use aqueduct_event::ProjectId;
use aqueduct_query::{Answer, Ask, Asker, QueryConfig, QueryError, Tolerance};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn ask(running: &Running, id: &str, rows: u64) -> impl Future<Output = Result<Answer, QueryError>> + Send + use<> {
    let query = json!({"kind": "HogQLQuery", "query": format!("select count() from numbers({rows}) where number * 3 = number + 2")});
    let mut request = running.request(query);
    request.query_id = Some(id.to_owned());
    let engine = Arc::clone(&running.engine);
    async move { engine.answer(Ask { request, tolerance: Tolerance::Nothing, asker: Asker::default() }).await }
}

const MANY: u64 = 4_000_000;

#[tokio::test]
async fn one_computation_for_all() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig { cache_bytes_max: 0, ..QueryConfig::default() });
    let (first, second, other) = tokio::join!(ask(&running, "a", MANY), ask(&running, "b", MANY), ask(&running, "c", MANY + 1));
    let (first, second, other) = (first.expect("an answer"), second.expect("an answer"), other.expect("an answer"));
    assert!(Arc::ptr_eq(&first.body, &second.body), "the second waited for the first");
    assert!(!Arc::ptr_eq(&first.body, &other.body) && first.body["results"] == other.body["results"]);
    let again = ask(&running, "d", MANY).await.expect("an answer");
    assert!(!Arc::ptr_eq(&first.body, &again.body));
}

#[tokio::test]
async fn cancelling_one_leaves_the_others_their_answer() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(running.engine.running(None).len(), 2);
        assert!(running.engine.cancel(ProjectId(1), "a"));
    };
    let (first, second, ()) = tokio::join!(ask(&running, "a", MANY), ask(&running, "b", MANY), cancel);
    assert!(matches!(first, Err(QueryError::Cancelled)), "{first:?}");
    assert_eq!(second.expect("an answer").body["results"], json!([[1]]));
    assert!(running.engine.running(None).is_empty());
}
