//! Where a distinct id may be, what becomes of odd ones, and that a request without one is refused whole.

use crate::support::{Edge, batch, post};
use http::StatusCode;

async fn kept(fields: &str) -> String {
    let body = batch(&[&format!(r#"{{"event":"e",{fields}}}"#)]);
    Edge::new().accepted(post("/batch/", &[], body), |batch| batch.events[0].distinct_id.to_owned()).await
}

#[tokio::test]
async fn found_and_coerced() {
    let table = [
        (r#""distinct_id":"ann""#, "ann"),
        (r#""$distinct_id":"ann""#, "ann"),
        (r#""properties":{"distinct_id":"ann"}"#, "ann"),
        (r#""distinct_id":null,"properties":{"distinct_id":"ann"}"#, "ann"),
        (r#""distinct_id":"ann","properties":{"distinct_id":"bob"}"#, "ann"),
        (r#""properties":{"distinct_id":"bob"},"distinct_id":"ann""#, "ann"),
        (r#""distinct_id":23"#, "23"),
        (r#""distinct_id":-1.5"#, "-1.5"),
        (r#""distinct_id":12345678901234567890123"#, "12345678901234567890123"),
        (r#""distinct_id":true"#, "true"),
        (r#""distinct_id":["a", "b"]"#, r#"["a","b"]"#),
        (r#""distinct_id":{"b": 1, "a": [2]}"#, r#"{"b":1,"a":[2]}"#),
        (r#""properties":{"distinct_id":7}"#, "7"),
        (r#""distinct_id":"a\u0000b""#, "a\u{fffd}b"),
        (r#""distinct_id":"a\u0062\n""#, "ab\n"),
        (r#""distinct_id":"\ud83d\ude00""#, "😀"),
        (r#""distinct_id":"\ud83d!""#, "\u{fffd}!"),
        (r#""distinct_id":" ann ""#, " ann "),
        (r#""\u0064istinct_id":"ann""#, "ann"),
    ];
    for (fields, expected) in table {
        assert_eq!(kept(fields).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn cut_to_200_characters() {
    for character in ["x", "é", "😀"] {
        let id = kept(&format!(r#""distinct_id":"{}""#, character.repeat(222))).await;
        assert_eq!(id, character.repeat(200));
    }
}

#[tokio::test]
async fn missing_refuses_the_whole_request() {
    let edge = Edge::new();
    let good = r#"{"event":"e","distinct_id":"ann"}"#;
    for bad in [
        r#"{"event":"e"}"#,
        r#"{"event":"e","distinct_id":""}"#,
        r#"{"event":"e","distinct_id":null}"#,
        r#"{"event":"e","distinct_id":null,"properties":{"distinct_id":null}}"#,
        r#"{"event":"e","distinct_id":"","properties":{"distinct_id":"ann"}}"#,
        r#"{"event":"e","properties":{"distinct_id":""}}"#,
    ] {
        let answer = edge.post("/batch/", batch(&[good, bad])).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::BAD_REQUEST, "event submitted without a distinct_id"), "{bad}");
    }
    assert!(edge.records().is_empty());
}
