//! Requests of real SDKs (`fixtures/sdk`): every one is a success, and becomes exactly the batch that is written beside it.

use crate::support::Edge;
use aqueduct_event::{RawBatch, UnixMicros, timestamp};
use axum::body::Body;
use base64::Engine;
use expect_test::expect_file;
use http::{Request, StatusCode};
use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Recorded {
    received_at: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body_base64: String,
}

fn recordings(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            recordings(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

fn request(recorded: &Recorded) -> Request<Body> {
    let request = Request::builder().method(recorded.method.as_str()).uri(recorded.target.as_str());
    let request = recorded.headers.iter().fold(request, |request, (name, value)| request.header(name.as_str(), value.as_str()));
    let body = base64::engine::general_purpose::STANDARD.decode(&recorded.body_base64).expect("base64");
    request.body(body.into()).expect("a request")
}

/// The batch, a line for each thing. A uuid of version 7 of the second of receipt may have been made by the edge, and is not written out.
fn described(record: &[u8]) -> String {
    let batch = RawBatch::decode(record).expect("a batch");
    let mut text = String::new();
    let time = |time: UnixMicros| time.to_rfc3339();
    let sent_at = batch.sent_at.map_or("(not told)".to_owned(), time);
    writeln!(text, "{} {} sent {sent_at} historical {} by {}", batch.path, batch.token, batch.historical, batch.user_agent)
        .expect("memory");
    for event in batch.events {
        let made = event.uuid.get_timestamp().is_some_and(|made| made.to_unix().0 == batch.received_at.millis() as u64 / 1_000);
        let uuid = if made && event.uuid.get_version_num() == 7 { "(new)".to_owned() } else { event.uuid.to_string() };
        writeln!(
            text,
            "\n{} {uuid} {} {:?}{}",
            time(event.timestamp),
            event.event,
            event.distinct_id,
            if event.cookieless { " cookieless" } else { "" }
        )
        .expect("memory");
        for (name, json) in [("properties", event.properties), ("$set", event.set), ("$set_once", event.set_once), ("$unset", event.unset)]
        {
            if !json.is_empty() {
                serde_json::from_str::<serde_json::Value>(json).expect("JSON");
                writeln!(text, "  {name} {json}").expect("memory");
            }
        }
    }
    text
}

#[tokio::test]
async fn every_recorded_request_is_taken_as_it_was_meant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sdk");
    let mut paths = Vec::new();
    recordings(&folder, &mut paths);
    assert!(paths.len() > 15, "fixtures are there");
    for path in paths {
        let recorded: Recorded = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("a recording");
        let edge = Edge::new();
        edge.clock.set(timestamp::rfc3339(&recorded.received_at).expect("a time"));
        let answer = edge.send(request(&recorded)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", path.display(), answer.text());
        let mut text = String::new();
        for record in edge.records() {
            text.push_str(&described(&record));
        }
        if text.is_empty() {
            text = "no events\n".to_owned();
        }
        expect_file![path.with_extension("txt")].assert_eq(&text);
    }
}
