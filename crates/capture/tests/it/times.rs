//! The time of an event: what was said, corrected by the sender's clock. (The shapes of times are tested where they are read.)

use crate::support::{Edge, NOW, TOKEN, event, post};
use aqueduct_event::UnixMicros;

/// Seconds between the time that is kept and the receipt.
async fn kept(query: &str, sent_at: &str, fields: &str) -> i64 {
    let body = format!(r#"{{"api_key":"{TOKEN}",{sent_at}"batch":[{}]}}"#, event(fields));
    let UnixMicros(time) = Edge::new().accepted(post(&format!("/batch/{query}"), &[], body), |batch| batch.events[0].timestamp).await;
    (time - NOW.0) / 1_000_000
}

#[tokio::test]
async fn corrected_by_what_the_clock_was_off() {
    let hour_ago = r#","timestamp":"2023-11-14T21:13:20Z""#;
    let ten_ahead = r#""sent_at":"2023-11-14T22:13:30Z","#;
    let table = [
        ("", "", "", 0),
        ("", "", hour_ago, -3_600),
        ("", "", r#","timestamp":"2023-11-14T21:13:20""#, -3_600),
        ("", "", r#","timestamp":1699996400"#, -3_600),
        ("", "", r#","timestamp":"garbage""#, 0),
        ("", ten_ahead, hour_ago, -3_610),
        ("", r#""sent_at":"2023-11-14T22:13:10.000+00:00","#, hour_ago, -3_590),
        ("", r#""sent_at":"2023-11-14T22:13:30","#, hour_ago, -3_610),
        ("", r#""sent_at":null,"#, hour_ago, -3_600),
        ("", r#""sent_at":"garbage","#, hour_ago, -3_600),
        ("?_=1700000010000", "", hour_ago, -3_610),
        ("?sent_at=1700000010000", "", hour_ago, -3_610),
        ("?_=1700000010", "", hour_ago, -3_600),
        ("?_=garbage", "", hour_ago, -3_600),
        ("?_=1700000050000", ten_ahead, hour_ago, -3_610),
        ("", ten_ahead, r#","timestamp":"2023-11-14T21:13:20Z","properties":{"$ignore_sent_at":true}"#, -3_600),
        ("", ten_ahead, r#","timestamp":"2023-11-14T21:13:20Z","properties":{"$ignore_sent_at":"true"}"#, -3_610),
        ("", "", r#","offset":5000"#, -5),
        ("", ten_ahead, r#","offset":5000,"timestamp":"2023-11-14T21:13:20Z""#, -5),
        ("", "", r#","timestamp":"2023-11-15T21:13:19Z""#, 23 * 3_600 - 1),
        ("", "", r#","timestamp":"2023-11-15T21:13:21Z""#, 0),
    ];
    for (query, sent_at, fields, expected) in table {
        assert_eq!(kept(query, sent_at, fields).await, expected, "{query} {sent_at} {fields}");
    }
}

#[tokio::test]
async fn sent_at_inside_events_of_an_array_is_not_a_clock() {
    let body = format!(
        r#"[{{"event":"e","distinct_id":"ann","token":"{TOKEN}","sent_at":"2023-11-14T22:13:30Z","timestamp":"2023-11-14T21:13:20Z"}}]"#
    );
    let kept = Edge::new().accepted(post("/e/", &[], body), |batch| (batch.sent_at, batch.events[0].timestamp)).await;
    assert_eq!(kept, (None, UnixMicros(NOW.0 - 3_600_000_000)));
}
