//! Refusals: plain text, the status that SDKs act on, and nothing in the journal.

use crate::support::{Edge, TOKEN, batch, event, post};
use http::StatusCode;

#[tokio::test]
async fn bad_events_are_named() {
    let edge = Edge::new();
    let deep = format!(r#"{{"event":"e","distinct_id":"ann","properties":{{"x":{}{}}}}}"#, "[".repeat(500), "]".repeat(500));
    let table = [
        (batch(&[]), "request holds no event"),
        ("[]".to_owned(), "request holds no event"),
        (batch(&[r#"{"event":"","distinct_id":"ann"}"#]), "event submitted with an empty event name"),
        (batch(&[&event(r#","properties":{"$cookieless_mode":"yes"}"#)]), "event submitted with invalid cookieless mode"),
        (batch(&[&event(r#","properties":{"$cookieless_mode":null}"#)]), "event submitted with invalid cookieless mode"),
        (batch(&[r#"{"distinct_id":"ann"}"#]), "failed to hydrate events from request: non-engage request missing event name attribute"),
        (
            format!(r#"{{"api_key":"{TOKEN}","distinct_id":"ann"}}"#),
            "failed to hydrate events from request: non-engage request missing event name attribute",
        ),
        ("{}".to_owned(), "failed to hydrate events from request: non-engage request missing event name attribute"),
        ("{".to_owned(), "failed to parse request: unexpected end after byte 1"),
        (r#"{"a":1}x"#.to_owned(), "failed to parse request: more text after the value at byte 7"),
        (r#"{"a":NaN}"#.to_owned(), "failed to parse request: expected a value at byte 5"),
        ("42".to_owned(), "failed to parse request: expected an object or an array of objects at byte 0"),
        ("[1]".to_owned(), "failed to parse request: expected an object or an array of objects at byte 1"),
        (r#""text""#.to_owned(), "failed to parse request: expected an object or an array of objects at byte 0"),
        (batch(&[&event(r#","properties":[1]"#)]), "failed to parse request: properties at byte 76 must be an object"),
        (batch(&[&event(r#","$set":"x""#)]), "failed to parse request: $set at byte 70 must be an object"),
        (batch(&[&event(r#","uuid":"not-a-uuid""#)]), "failed to parse request: uuid at byte 70 is not a UUID"),
        (batch(&[&event(r#","uuid":7"#)]), "failed to parse request: uuid at byte 70 must be a text"),
        (batch(&[&deep]), "failed to parse request: nested deeper than 127 levels at byte 203"),
        ("[".repeat(100_000), "failed to parse request: nested deeper than 127 levels at byte 127"),
    ];
    for (body, expected) in table {
        let answer = edge.post("/batch/", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{expected}");
        // Columns are ours to change; the sentence is not.
        let sentence = |text: &str| text.split(" at byte ").next().unwrap_or_default().to_owned();
        assert_eq!(sentence(answer.text()), sentence(expected));
        assert_eq!(answer.header("retry-after"), None);
    }
    assert!(edge.records().is_empty());
}

#[tokio::test]
async fn wrong_methods_are_refused() {
    let edge = Edge::new();
    for (method, path) in
        [("PUT", "/e/"), ("DELETE", "/batch/"), ("PATCH", "/capture"), ("GET", "/i/v1/analytics/events"), ("POST", "/array/t/config")]
    {
        let request = http::Request::builder().method(method).uri(path).body(axum::body::Body::empty()).expect("a request");
        assert_eq!(edge.send(request).await.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
    }
    assert_eq!(edge.post("/nowhere", "{}").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn performance_events_are_dropped_in_silence() {
    let edge = Edge::new();
    let performance = r#"{"event":"$performance_event","distinct_id":"ann"}"#;
    let answer = edge.post("/batch/", batch(&[performance])).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"status":"Ok"}"#));
    assert!(edge.records().is_empty());
    let names = edge.accepted(post("/batch/", &[], batch(&[performance, &event("")])), |batch| batch.events.len()).await;
    assert_eq!(names, 1);
}

#[tokio::test]
async fn ai_batches_hold_ai_events_only() {
    let edge = Edge::new();
    let generation = r#"{"event":"$ai_generation","distinct_id":"ann"}"#;
    for path in ["/i/v0/ai/batch/", "/i/v0/ai/batch", "/batch/"] {
        assert_eq!(edge.post(path, batch(&[generation])).await.status, StatusCode::OK, "{path}");
    }
    let answer = edge.post("/i/v0/ai/batch/", batch(&[generation, &event("")])).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::BAD_REQUEST, "event e is not an AI event"));
}
