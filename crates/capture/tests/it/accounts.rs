//! The ledger is told of every event once: acknowledged, or refused and why.

use crate::support::{Behaviour, Edge, TOKEN, batch, event, post};
use aqueduct_capture::CaptureConfig;

fn told(edge: &Edge) -> String {
    edge.told().join("\n")
}

#[tokio::test]
async fn accepted_and_refused_events_are_counted() {
    let edge = Edge::new();
    edge.post("/batch", batch(&[&event(""), &event("")])).await;
    assert_eq!(told(&edge), "acknowledged 2 at 1");
    // The whole request is refused for one of its events.
    edge.post("/batch", batch(&[&event(""), r#"{"distinct_id":"ann"}"#])).await;
    assert_eq!(told(&edge), r#"refused:missing_event_name 2 "phc_known""#);
    edge.post("/e", r#"{"event":"e","token":"phc_known"}"#).await;
    assert_eq!(told(&edge), r#"refused:missing_distinct_id 1 "phc_known""#);
    edge.post("/e", r#"{"event":"e","distinct_id":"ann"}"#).await;
    assert_eq!(told(&edge), r#"refused:missing_token 1 """#);
    edge.post("/batch", batch(&[r#"{"event":"$performance_event","distinct_id":"ann"}"#, &event("")])).await;
    assert_eq!(told(&edge), "dropped:performance_event 1 \"phc_known\"\nacknowledged 1 at 2");
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_counted_as_such() {
    let edge = Edge::new();
    edge.post("/e", "").await;
    edge.post("/batch", "{\"api_key\":\"phc_known\",\"batch\":[").await;
    edge.send(post("/batch", &[("content-encoding", "gzip")], "no gzip")).await;
    assert_eq!(told(&edge), "refused:empty_payload ? \"\"\nrefused:unparsable ? \"\"\nrefused:undecodable ? \"\"");
    // No events of ours.
    edge.post("/s", "{").await;
    assert_eq!(told(&edge), "");
}

#[tokio::test]
async fn what_is_not_durable_is_refused() {
    for (behaviour, reason) in [(Behaviour::Full, "overloaded"), (Behaviour::Closed, "not_durable")] {
        let edge = Edge::with(behaviour, CaptureConfig::default());
        edge.post("/batch", batch(&[&event(""), &event("")])).await;
        assert_eq!(told(&edge), format!("refused:{reason} 2 {TOKEN:?}"));
    }
    // What a failed disk holds is known after the next start.
    let edge = Edge::with(Behaviour::Poisoned, CaptureConfig::default());
    edge.post("/batch", batch(&[&event("")])).await;
    assert_eq!(told(&edge), "");
}

#[tokio::test]
async fn what_becomes_durable_too_late_is_neither_acknowledged_nor_refused() {
    let edge = Edge::with(Behaviour::Slow, CaptureConfig { append_timeout_ms: 10, ..CaptureConfig::default() });
    let answer = edge.post("/batch", batch(&[&event("")])).await;
    assert_eq!(answer.status, 503);
    // The journal takes it after all, and so it counts as accepted, whatever its sender was told.
    let mut records = 0;
    for _ in 0..500 {
        records += edge.records().len();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        if records > 0 {
            break;
        }
    }
    assert_eq!((records, told(&edge).as_str()), (1, ""));
}
