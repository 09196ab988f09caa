//! Live events: what arrived in the last seconds and what arrives from then on, once each, in the order of arrival.

use crate::world::{KEY, World};
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn new_events_once_in_order() {
    let world = World::new().await;
    world.store_event(0, "arrived", "ann");
    let request = Request::get("/api/projects/1/live/").header("authorization", format!("Bearer {KEY}")).body(Body::empty());
    let response = world.open(request.expect("request")).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for number in 1..=3 {
        world.store_event(number, "arrived", "bob");
    }
    let mut seen: Vec<Value> = Vec::new();
    while seen.len() < 4 {
        let frame = tokio::time::timeout(Duration::from_secs(5), body.frame()).await.expect("in time").expect("goes on").expect("readable");
        let text = String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text");
        seen.extend(text.lines().filter_map(|line| line.strip_prefix("data: ")).map(|json| serde_json::from_str(json).expect("JSON")));
    }
    let numbers: Vec<_> = seen.iter().map(|event| event["properties"]["n"].clone()).collect();
    assert_eq!(numbers, [0, 1, 2, 3].map(Value::from));
    assert_eq!(
        (&seen[0]["event"], &seen[0]["distinct_id"], &seen[0]["timestamp"]),
        (&json!("arrived"), &json!("ann"), &json!("2026-03-01T12:30:00.000000Z"))
    );
    world.store_event(4, "arrived", "bob");
    let frame = tokio::time::timeout(Duration::from_secs(5), body.frame()).await.expect("in time").expect("goes on").expect("readable");
    let text = String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text");
    assert_eq!(text.matches("data: ").count(), 1, "sent ones are not sent again: {text}");
}
