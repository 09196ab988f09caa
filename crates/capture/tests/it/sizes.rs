//! Byte caps: on the wire, while decompressing, per event. Over them: 413, by which SDKs learn to split.

use crate::support::{Behaviour, Edge, batch, event, gzip, post};
use aqueduct_capture::CaptureConfig;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};

fn small() -> Edge {
    Edge::with(Behaviour::Works, CaptureConfig { body_wire_bytes_max: 1_000, body_decoded_bytes_max: 5_000, ..CaptureConfig::default() })
}

fn padded(bytes: usize) -> String {
    let empty = batch(&[&event(r#","properties":{"x":""}"#)]);
    batch(&[&event(&format!(r#","properties":{{"x":"{}"}}"#, "a".repeat(bytes - empty.len())))])
}

#[tokio::test]
async fn wire_cap_with_and_without_a_length() {
    let edge = small();
    assert_eq!(edge.post("/batch/", padded(1_000)).await.status, StatusCode::OK);
    let answer = edge.post("/batch/", padded(1_001)).await;
    assert_eq!(
        (answer.status, answer.text()),
        (StatusCode::PAYLOAD_TOO_LARGE, "maximum event size exceeded: request body is larger than 1000 bytes")
    );
    let chunks = |bytes: usize| {
        let text = padded(bytes);
        let parts: Vec<Result<Bytes, std::io::Error>> = text.as_bytes().chunks(100).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        Request::post("/batch/").body(Body::from_stream(futures::stream::iter(parts))).expect("a request")
    };
    assert_eq!(edge.send(chunks(1_000)).await.status, StatusCode::OK);
    assert_eq!(edge.send(chunks(1_001)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn decoded_cap_is_exact() {
    let edge = small();
    assert_eq!(edge.post("/batch/", gzip(padded(5_000))).await.status, StatusCode::OK);
    let answer = edge.post("/batch/", gzip(padded(5_001))).await;
    assert_eq!(
        (answer.status, answer.text()),
        (StatusCode::PAYLOAD_TOO_LARGE, "maximum event size exceeded: request body is larger than 5000 bytes after decompression")
    );
    // A bomb: a megabyte of the same letter in a few hundred bytes.
    assert_eq!(edge.post("/batch/", gzip("a".repeat(800_000))).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn lz64_is_capped_too() {
    let config = CaptureConfig { body_decoded_bytes_max: 100, ..CaptureConfig::default() };
    let edge = Edge::with(Behaviour::Works, config);
    let answer = edge.post("/e/?compression=lz64", include_str!("lz64.txt").trim()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_bomb_is_cut_off_beside_the_runtime_too() {
    let config = CaptureConfig { body_decoded_bytes_max: 3_000_000, ..CaptureConfig::default() };
    let bomb = gzip(vec![b' '; 4_000_000]);
    assert!(bomb.len() < 10_000);
    assert_eq!(Edge::with(Behaviour::Works, config).post("/batch/", bomb).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn bodies_beyond_what_is_decoded_inline_are_whole() {
    let edge = Edge::new();
    for bytes in [60_000, 70_000, 900_000] {
        let properties = edge.accepted(post("/batch/", &[], padded(bytes)), |batch| batch.events[0].properties.len()).await;
        assert_eq!(properties, bytes - overhead());
    }
    // Small on the wire, large after decompression.
    let events: Vec<String> = (0..3).map(|_| event(&format!(r#","properties":{{"x":"{}"}}"#, "a".repeat(900_000)))).collect();
    let body = gzip(batch(&events.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(body.len() < 60_000);
    assert_eq!(edge.accepted(post("/batch/", &[], body), |batch| batch.events.len()).await, 3);
}

/// Bytes of a padded batch that are not its properties.
fn overhead() -> usize {
    batch(&[&event(r#","properties":"#)]).len()
}

#[tokio::test]
async fn one_event_too_large_refuses_the_request() {
    let edge = Edge::new();
    let large = event(&format!(r#","properties":{{"x":"{}"}}"#, "a".repeat(1_000_000)));
    let answer = edge.post("/batch/", batch(&[&event(""), &large])).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.text(), format!("maximum event size exceeded: an event has {} bytes, at most 1000000 are taken", large.len()));
    assert!(edge.records().is_empty());
}
