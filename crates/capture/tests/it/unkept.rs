//! What is taken and not kept, so that its senders do not err: session replay, logs, metrics, traces, push registrations.

use crate::support::{Behaviour, Edge, gzip, post};
use aqueduct_capture::CaptureConfig;
use axum::body::Body;
use http::{Request, StatusCode};

#[tokio::test]
async fn replay_bodies_are_checked_and_discarded() {
    let edge = Edge::new();
    let snapshot = r#"[{"event":"$snapshot","properties":{"token":"phc_known","distinct_id":"a","$snapshot_data":[{}]}}]"#;
    for body in [snapshot.as_bytes().to_vec(), gzip(snapshot)] {
        let answer = edge.post("/s/", body).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"status":"Ok"}"#));
    }
    assert_eq!(edge.post("/s/?beacon=1", snapshot).await.status, StatusCode::NO_CONTENT);
    assert_eq!(edge.post("/s/", "[").await.status, StatusCode::BAD_REQUEST);
    assert!(edge.records().is_empty());
}

#[tokio::test]
async fn telemetry_is_discarded() {
    let edge = Edge::with(Behaviour::Works, CaptureConfig { telemetry_wire_bytes_max: 1_000, ..CaptureConfig::default() });
    for path in ["/i/v1/logs?token=phc_known", "/i/v1/metrics?token=phc_known", "/i/v1/traces", "/api/push_subscriptions/"] {
        let answer = edge.send(post(path, &[], r#"{"resourceLogs":[]}"#)).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "{}"), "{path}");
        assert_eq!(edge.post(path, vec![0; 1_001]).await.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    let request = Request::delete("/api/push_subscriptions/").body(Body::from("{}")).expect("a request");
    assert_eq!(edge.send(request).await.status, StatusCode::OK);
    assert!(edge.records().is_empty());
}
