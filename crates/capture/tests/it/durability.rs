//! 200 means durable. Whatever keeps the journal from saying so is a 503 that SDKs retry.

use crate::support::{Behaviour, Edge, TOKEN, batch, event, post};
use aqueduct_capture::CaptureConfig;
use aqueduct_event::RawBatch;
use http::StatusCode;

#[tokio::test]
async fn success_says_how_durable() {
    let answer = Edge::new().post("/batch/", batch(&[&event("")])).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"status":"Ok"}"#));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("aqueduct-durability"), Some("fsync"));
}

#[tokio::test]
async fn a_beacon_gets_no_body() {
    let edge = Edge::new();
    let answer = edge.post("/e/?beacon=1", batch(&[&event("")])).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(edge.records().len(), 1);
    assert_eq!(edge.post("/e/?beacon=1", "{").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_journal_that_cannot_is_a_503() {
    let config = CaptureConfig { append_timeout_ms: 50, ..CaptureConfig::default() };
    for behaviour in [Behaviour::Full, Behaviour::Poisoned, Behaviour::Closed, Behaviour::Hangs] {
        let edge = Edge::with(behaviour, config.clone());
        for path in ["/batch/", "/e/?beacon=1"] {
            let answer = edge.post(path, batch(&[&event("")])).await;
            assert_eq!((answer.status, answer.text()), (StatusCode::SERVICE_UNAVAILABLE, "transient error, please retry"), "{behaviour:?}");
            assert_eq!(answer.header("retry-after"), Some("1"), "{behaviour:?}");
            assert_eq!(answer.header("aqueduct-durability"), None, "{behaviour:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_a_504() {
    let config = CaptureConfig { append_timeout_ms: 60_000, request_timeout_ms: 50, ..CaptureConfig::default() };
    let answer = Edge::with(Behaviour::Hangs, config).post("/batch/", batch(&[&event("")])).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::GATEWAY_TIMEOUT, "Request timeout"));
}

#[tokio::test]
async fn the_record_holds_the_facts_of_the_request() {
    let body = format!(
        r#"{{"api_key":" {TOKEN} ","historical_migration":true,"sent_at":"2023-11-14T22:13:25Z","batch":[{}]}}"#,
        event(
            r#","uuid":"018f0000-0000-7000-8000-000000000001","properties":{ "a" : 1 },"$set":{"b":2},"$set_once":{"c":3},"$unset":["d"]"#
        )
    );
    let headers = [("user-agent", "posthog-python/7.91.1"), ("x-forwarded-for", "203.0.113.7, 10.0.0.1")];
    let text = Edge::new().accepted(post("/batch/", &headers, body), |batch| format!("{batch:#?}")).await;
    expect_test::expect![[r#"
        RawBatch {
            token: "phc_known",
            received_at: UnixMicros(
                1700000000000000,
            ),
            sent_at: Some(
                UnixMicros(
                    1700000005000000,
                ),
            ),
            historical: true,
            client_ip: "203.0.113.7",
            user_agent: "posthog-python/7.91.1",
            path: "/batch",
            events: [
                RawEvent {
                    uuid: 018f0000-0000-7000-8000-000000000001,
                    timestamp: UnixMicros(
                        1700000000000000,
                    ),
                    event: "e",
                    distinct_id: "ann",
                    cookieless: false,
                    properties: "{ \"a\" : 1 }",
                    set: "{\"b\":2}",
                    set_once: "{\"c\":3}",
                    unset: "[\"d\"]",
                },
            ],
        }"#]]
    .assert_eq(&text);
}

#[tokio::test]
async fn large_requests_become_several_records_in_order() {
    let edge = Edge::new();
    let large = "x".repeat(990_000);
    let events: Vec<String> =
        (0..18).map(|n| format!(r#"{{"event":"e{n}","distinct_id":"ann","properties":{{"x":"{large}"}}}}"#)).collect();
    let body = batch(&events.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(edge.post("/batch/", body).await.status, StatusCode::OK);
    let records = edge.records();
    assert_eq!(records.len(), 2);
    let names: Vec<String> =
        records.iter().flat_map(|record| RawBatch::decode(record).expect("a batch").events).map(|event| event.event.to_owned()).collect();
    assert_eq!(names, (0..18).map(|n| format!("e{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn internal_events_come_from_here() {
    let headers = [("x-forwarded-for", "203.0.113.7")];
    let body = batch(&[&event(r#","properties":{"capture_internal":true}"#)]);
    let ip = Edge::new().accepted(post("/batch/", &headers, body), |batch| batch.client_ip.to_owned()).await;
    assert_eq!(ip, "127.0.0.1");
}
