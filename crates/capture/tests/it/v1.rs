//! Protocol v1: headers, encodings, one result per event, error tags.

use crate::support::{Answer, Behaviour, Edge, NOW, gzip, post};
use aqueduct_capture::CaptureConfig;
use aqueduct_event::{RawBatch, UnixMicros};
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::io::Write;

const PATH: &str = "/i/v1/analytics/events";
const ID: &str = "A1B2C3D4-e5f6-4a7b-8c9d-0e1f2a3b4c5d";
const HEADERS: [(&str, &str); 7] = [
    ("authorization", "Bearer phc_known"),
    ("content-type", "application/json"),
    ("user-agent", "posthog-rs/0.21.0"),
    ("posthog-sdk-info", "posthog-rs/0.21.0"),
    ("posthog-attempt", "1"),
    ("posthog-request-id", "00000000-0000-4000-8000-000000000001"),
    ("posthog-request-timestamp", "2023-11-14T22:13:30Z"),
];

/// A request with the usual headers; a header in `other` replaces its namesake, an empty one removes it.
fn request(other: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let kept = HEADERS.iter().filter(|(name, _)| other.iter().all(|(changed, _)| changed != name));
    let all: Vec<(&str, &str)> = kept.chain(other).copied().filter(|(_, value)| !value.is_empty()).collect();
    post(PATH, &all, body)
}

fn event(more: &Value) -> Value {
    let mut event = json!({"event": "e", "uuid": ID, "distinct_id": "ann", "timestamp": "2023-11-14T21:13:20Z", "options": {}});
    for (key, value) in more.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event
}

fn body(events: &[Value]) -> String {
    json!({"created_at": "2023-11-14T22:13:30Z", "batch": events}).to_string()
}

fn kept<T>(edge: &Edge, look: impl FnOnce(RawBatch<'_>) -> T) -> T {
    let records = edge.records();
    assert_eq!(records.len(), 1);
    look(RawBatch::decode(&records[0]).expect("a batch"))
}

fn tag(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_good_batch() {
    let edge = Edge::new();
    for path in [PATH.to_owned(), format!("{PATH}/")] {
        let mut good = request(&[("x-forwarded-for", "203.0.113.7")], body(&[event(&json!({"properties": {"a": 1}}))]));
        *good.uri_mut() = path.parse().expect("a path");
        let answer = edge.send(good).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.text(), format!(r#"{{"results":{{"{ID}":{{"result":"ok"}}}}}}"#));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("accept"), Some("application/json"));
        assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate, br, zstd"));
        assert_eq!(answer.header("posthog-request-id"), Some("00000000-0000-4000-8000-000000000001"));
        assert_eq!(answer.header("date"), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
        assert_eq!(answer.header("aqueduct-durability"), Some("fsync"));
        assert_eq!(answer.header("retry-after"), None);
        kept(&edge, |batch| {
            assert_eq!((batch.token, batch.path, batch.client_ip), ("phc_known", PATH, "203.0.113.7"));
            assert_eq!(batch.sent_at, Some(UnixMicros(NOW.0 + 10_000_000)));
            let event = batch.events[0];
            assert_eq!(event.uuid.to_string(), ID.to_lowercase());
            // The client's clock is ten seconds ahead.
            assert_eq!(event.timestamp, UnixMicros(NOW.0 - 3_610_000_000));
            assert_eq!(event.properties, r#"{"a":1,"$lib":"posthog-rs","$lib_version":"0.21.0"}"#);
        });
    }
}

#[tokio::test]
async fn every_encoding_under_its_cap() {
    let text = body(&[event(&json!({"properties": {"x": "y".repeat(3_000)}}))]);
    let zlib = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let raw = {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let brotli = {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4_096, 5, 22).write_all(text.as_bytes()).expect("memory");
        out
    };
    let zstd = zstd::encode_all(text.as_bytes(), 3).expect("memory");
    let packed = [
        ("gzip", gzip(&text)),
        ("deflate", zlib),
        ("deflate", raw),
        ("br", brotli),
        ("zstd", zstd),
        ("identity", text.clone().into_bytes()),
    ];
    let tight = CaptureConfig { v1_body_decoded_bytes_max: text.len() - 1, ..CaptureConfig::default() };
    let exact = CaptureConfig { v1_body_decoded_bytes_max: text.len(), ..CaptureConfig::default() };
    for (encoding, bytes) in packed {
        for name in [encoding.to_owned(), encoding.to_uppercase()] {
            let edge = Edge::with(Behaviour::Works, exact.clone());
            let answer = edge.send(request(&[("content-encoding", &name)], bytes.clone())).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
            assert_eq!(kept(&edge, |batch| batch.events.len()), 1, "{name}");
        }
        let edge = Edge::with(Behaviour::Works, tight.clone());
        let answer = edge.send(request(&[("content-encoding", encoding)], bytes.clone())).await;
        assert_eq!((answer.status, &*tag(&answer)), (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"), "{encoding}");
        if encoding != "identity" {
            let answer = edge.send(request(&[("content-encoding", encoding)], &b"no such data"[..])).await;
            assert_eq!((answer.status, &*tag(&answer)), (StatusCode::BAD_REQUEST, "request_decoding_error"), "{encoding}");
            let answer = edge.send(request(&[("content-encoding", encoding)], bytes[..bytes.len() / 2].to_vec())).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{encoding} cut");
        }
    }
    // The encoding is what the header says, never guessed.
    assert_eq!(tag(&Edge::new().send(request(&[], gzip(&text))).await), "request_decoding_error");
}

#[tokio::test]
async fn headers_are_checked_in_order() {
    let edge = Edge::new();
    let good = body(&[event(&json!({}))]);
    for (other, status, expected) in [
        (&[("authorization", "")][..], StatusCode::UNAUTHORIZED, "missing_authorization"),
        (&[("authorization", ""), ("user-agent", "")], StatusCode::UNAUTHORIZED, "missing_authorization"),
        (&[("user-agent", "")], StatusCode::BAD_REQUEST, "missing_required_headers"),
        (&[("content-type", "")], StatusCode::BAD_REQUEST, "missing_required_headers"),
        (&[("posthog-sdk-info", "")], StatusCode::BAD_REQUEST, "missing_required_headers"),
        (&[("posthog-attempt", ""), ("posthog-request-id", "")], StatusCode::BAD_REQUEST, "missing_required_headers"),
        (&[("posthog-request-timestamp", "")], StatusCode::BAD_REQUEST, "missing_required_headers"),
        (&[("authorization", "Basic abc")], StatusCode::BAD_REQUEST, "invalid_header_value"),
        (&[("authorization", "Bearer phx_personal")], StatusCode::UNAUTHORIZED, "invalid_api_token"),
        (&[("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_content_type"),
        (&[("content-encoding", "lz4")], StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
        (&[("posthog-request-id", "x")], StatusCode::BAD_REQUEST, "invalid_header_value"),
        (&[("posthog-attempt", "0")], StatusCode::BAD_REQUEST, "invalid_header_value"),
        (&[("posthog-attempt", "one")], StatusCode::BAD_REQUEST, "invalid_header_value"),
        (&[("posthog-request-timestamp", "yesterday")], StatusCode::BAD_REQUEST, "invalid_header_value"),
    ] {
        let answer = edge.send(request(other, good.clone())).await;
        assert_eq!((answer.status, &*tag(&answer)), (status, expected), "{other:?}");
        assert!(answer.json()["error_description"].is_string() && answer.json()["error_uri"].is_string());
        assert_eq!(answer.header("retry-after"), None, "{other:?}");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate, br, zstd"), "{other:?}");
    }
    let answer = edge.send(request(&[("user-agent", ""), ("posthog-attempt", "")], good.clone())).await;
    assert_eq!(answer.json()["error_description"], "request is missing required headers: user-agent, posthog-attempt");
    for other in [("authorization", "bEARER   phc_known "), ("content-type", "Application/JSON; charset=utf-8"), ("posthog-attempt", "7")] {
        assert_eq!(edge.send(request(&[other], good.clone())).await.status, StatusCode::OK, "{other:?}");
    }
}

#[tokio::test]
async fn what_refuses_the_whole_batch() {
    let edge = Edge::new();
    let other = "00000000-0000-4000-8000-00000000000b";
    let with = |changes: Value| body(&[event(&json!({"uuid": other})), event(&changes)]);
    for (body, expected) in [
        (String::new(), "empty_body"),
        ("{".to_owned(), "request_parsing_error"),
        ("[]".to_owned(), "request_parsing_error"),
        ("{}".to_owned(), "request_parsing_error"),
        (r#"{"created_at":"2023-11-14T22:13:30Z"}"#.to_owned(), "request_parsing_error"),
        (r#"{"created_at":"2023-11-14T22:13:30Z","batch":{}}"#.to_owned(), "request_parsing_error"),
        (r#"{"created_at":"2023-11-14T22:13:30Z","batch":[1]}"#.to_owned(), "request_parsing_error"),
        (json!({"batch": [event(&json!({}))]}).to_string(), "request_parsing_error"),
        (body(&[]), "empty_batch"),
        (json!({"created_at": "yesterday", "batch": [event(&json!({}))]}).to_string(), "invalid_batch"),
        (with(json!({"uuid": ""})), "missing_event_uuid"),
        (with(json!({"uuid": null})), "missing_event_uuid"),
        (with(json!({"uuid": "x"})), "invalid_event_uuid"),
        (with(json!({"uuid": 5})), "invalid_event_uuid"),
        (with(json!({"uuid": other.to_uppercase()})), "duplicate_event_uuid"),
    ] {
        let answer = edge.send(request(&[], body.clone())).await;
        assert_eq!((answer.status, &*tag(&answer)), (StatusCode::BAD_REQUEST, expected), "{body}");
        assert_eq!(answer.header("posthog-request-id"), Some("00000000-0000-4000-8000-000000000001"));
    }
    let mut not_text = body(&[event(&json!({}))]).into_bytes();
    not_text[3] = 0xff;
    assert_eq!(tag(&edge.send(request(&[], not_text)).await), "request_decoding_error");
    assert!(edge.records().is_empty());
}

#[tokio::test]
async fn what_drops_one_event() {
    let long = "é".repeat(201);
    let deep_options = json!({"cookieless_mode": [true]});
    let table = [
        (json!({"event": "$performance_event"}), "dropped_performance_event"),
        (json!({"event": ""}), "missing_event_name"),
        (json!({"event": null}), "missing_event_name"),
        (json!({"event": long}), "event_name_too_long"),
        (json!({"distinct_id": ""}), "missing_distinct_id"),
        (json!({"distinct_id": "   "}), "missing_distinct_id"),
        (json!({"distinct_id": long}), "distinct_id_too_large"),
        (json!({"distinct_id": "null"}), "invalid_distinct_id"),
        (json!({"distinct_id": " [object Object] "}), "invalid_distinct_id"),
        (json!({"distinct_id": "USER"}), "invalid_distinct_id"),
        (json!({"timestamp": "2023-11-14T21:13:20"}), "invalid_event_timestamp"),
        (json!({"timestamp": null}), "invalid_event_timestamp"),
        (json!({"properties": [1]}), "malformed_event_properties"),
        (json!({"properties": "x"}), "malformed_event_properties"),
        (json!({"options": 5}), "invalid_options"),
        (json!({"options": {"process_person_profile": "maybe"}}), "invalid_options"),
        (json!({"options": deep_options}), "invalid_options"),
        (json!({"properties": {"x": "y".repeat(1_000_000)}}), "event_too_big"),
    ];
    let other = "00000000-0000-4000-8000-00000000000b";
    for (changes, expected) in table {
        let edge = Edge::new();
        let answer = edge.send(request(&[], body(&[event(&changes), event(&json!({"uuid": other}))]))).await;
        assert_eq!(answer.status, StatusCode::OK);
        let results = &answer.json()["results"];
        assert_eq!(results[ID], json!({"result": "drop", "details": expected}));
        assert_eq!(results[other], json!({"result": "ok"}), "{expected}");
        assert_eq!(kept(&edge, |batch| batch.events.len()), 1, "{expected}");
        // All dropped is a success too, and leaves nothing.
        let answer = edge.send(request(&[], body(&[event(&changes)]))).await;
        assert_eq!((answer.status, answer.json()["results"][ID]["result"].as_str()), (StatusCode::OK, Some("drop")), "{expected}");
        assert!(edge.records().is_empty(), "{expected}");
    }
}

#[tokio::test]
async fn options_are_written_into_the_properties() {
    let edge = Edge::new();
    let full = event(&json!({
        "distinct_id": "  ann ",
        "session_id": "s\"1", "window_id": "w",
        "options": {"cookieless_mode": "TRUE", "disable_skew_correction": 1, "product_tour_id": 42, "process_person_profile": false, "unknown": []},
        "properties": {"$lib": "web", "$session_id": "old", "é\n": [1, {"b": null}], "n": 1},
    }));
    assert_eq!(edge.send(request(&[], body(&[full]))).await.status, StatusCode::OK);
    kept(&edge, |batch| {
        let event = batch.events[0];
        assert_eq!((event.distinct_id, event.cookieless), ("ann", true));
        assert_eq!(event.timestamp, UnixMicros(NOW.0 - 3_600_000_000), "the clock was not to be corrected");
        assert_eq!(
            event.properties,
            concat!(
                r#"{"é\n":[1,{"b":null}],"n":1,"$session_id":"s\"1","$window_id":"w","$cookieless_mode":true,"$ignore_sent_at":true,"#,
                r#""$product_tour_id":"42","$process_person_profile":false,"$lib":"posthog-rs","$lib_version":"0.21.0"}"#
            )
        );
    });
    let bare = request(&[("posthog-sdk-info", "nameless")], body(&[event(&json!({"properties": null, "options": null}))]));
    assert_eq!(edge.send(bare).await.status, StatusCode::OK);
    assert_eq!(kept(&edge, |batch| batch.events[0].properties.to_owned()), "{}");
}

#[tokio::test]
async fn flags_of_the_batch() {
    let edge = Edge::new();
    let text = json!({"created_at": "2023-11-14T22:13:30Z", "historical_migration": true, "capture_internal": true, "more": 1, "batch": [event(&json!({}))]});
    assert_eq!(edge.send(request(&[("x-forwarded-for", "203.0.113.7")], text.to_string())).await.status, StatusCode::OK);
    assert_eq!(kept(&edge, |batch| (batch.historical, batch.client_ip.to_owned())), (true, "127.0.0.1".to_owned()));
}

#[tokio::test]
async fn a_future_time_is_now() {
    let edge = Edge::new();
    edge.send(request(&[], body(&[event(&json!({"timestamp": "2023-11-20T00:00:00Z"}))]))).await;
    assert_eq!(kept(&edge, |batch| batch.events[0].timestamp), NOW);
}

#[tokio::test]
async fn transient_failures_ask_for_a_retry() {
    let good = body(&[event(&json!({}))]);
    let config = CaptureConfig { append_timeout_ms: 50, ..CaptureConfig::default() };
    for behaviour in [Behaviour::Full, Behaviour::Poisoned, Behaviour::Closed, Behaviour::Hangs] {
        let answer = Edge::with(behaviour, config.clone()).send(request(&[], good.clone())).await;
        assert_eq!((answer.status, &*tag(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"), "{behaviour:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let config = CaptureConfig { request_timeout_ms: 50, ..CaptureConfig::default() };
    let answer = Edge::with(Behaviour::Hangs, config).send(request(&[], good)).await;
    assert_eq!((answer.status, &*tag(&answer)), (StatusCode::GATEWAY_TIMEOUT, "gateway_timeout"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let config = CaptureConfig { body_gap_timeout_ms: 50, ..CaptureConfig::default() };
    let stalled = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let answer = Edge::with(Behaviour::Works, config).send(request(&[], stalled)).await;
    assert_eq!((answer.status, &*tag(&answer)), (StatusCode::REQUEST_TIMEOUT, "body_read_timeout"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}
