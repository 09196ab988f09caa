//! `aqueduct trace` answers where an event is; `aqueduct audit` proves that none is missing, of a running server and of a stopped one.

use crate::process::{KEY, Server, TOKEN, aqueduct, ask};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

fn run(arguments: &[&str]) -> Output {
    aqueduct().args(arguments).output().expect("runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn trace(server: &Server, id: &str, more: &[&str]) -> Output {
    let url = format!("http://{}", server.address);
    run(&[&["trace", id, "--url", &url, "--api-key", KEY], more].concat())
}

const STORED: &str = "50000000-0000-4000-8000-000000000001";
const REFUSED: &str = "50000000-0000-4000-8000-000000000002";
const UNKNOWN: &str = "50000000-0000-4000-8000-000000000003";

fn send(server: &Server) {
    let stored = json!({"api_key": TOKEN, "batch": [{"event": "e", "uuid": STORED, "distinct_id": "ann/1", "properties": {"$lib": "posthog-js", "$lib_version": "1.2"}}]});
    assert_eq!(ask(&server.address, "POST", "/batch/", Some(&stored)).0, 200);
    let refused = json!({"api_key": TOKEN, "batch": [{"event": "e", "uuid": REFUSED}]});
    assert_eq!(ask(&server.address, "POST", "/batch/", Some(&refused)).0, 400);
    let unknown = json!({"api_key": "phc_nobodys_token", "batch": [{"event": "e", "uuid": UNKNOWN, "distinct_id": "ann/1"}]});
    assert_eq!(ask(&server.address, "POST", "/batch/", Some(&unknown)).0, 200);
    server.wait_for_count("SELECT count() FROM events", 1);
}

fn audit_of_stopped(data_dir: &Path) -> Output {
    let data_dir = data_dir.to_str().expect("a text");
    run(&["audit", "--data-dir", data_dir])
}

/// The project's owners are told of a refusal within a round of the recorder.
fn await_warning(server: &Server) {
    let begun = Instant::now();
    loop {
        let warnings = ask(&server.address, "GET", "/api/projects/1/ingestion_warnings/?q=missing_distinct_id", None).1;
        if warnings.contains(REFUSED) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{warnings}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn from_running_to_stopped() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    send(&server);
    let answer: Value = serde_json::from_slice(&trace(&server, STORED, &["--json"]).stdout).expect("JSON");
    assert_eq!((&answer["verdict"], &answer["events"][0]["received"]["sdk"]), (&json!("visible"), &json!("posthog-js/1.2")), "{answer}");
    let by_sender = text(&trace(&server, "ann/1", &[]));
    assert!(by_sender.contains("visible") && by_sender.contains(STORED), "{by_sender}");
    let refused = text(&trace(&server, REFUSED, &[]));
    assert!(refused.contains("refused (missing_distinct_id)") && refused.contains("What to do"), "{refused}");
    let unknown = text(&trace(&server, UNKNOWN, &[]));
    assert!(unknown.contains("dropped (unknown_token)"), "{unknown}");
    await_warning(&server);

    let url = format!("http://{}", server.address);
    let audit = run(&["audit", "--url", &url, "--api-key", KEY]);
    assert!(
        audit.status.success() && text(&audit).contains("project 1: 1 events accepted, 1 visible, 0 missing, 0 extra"),
        "{}",
        text(&audit)
    );
    let no_key = run(&["audit", "--url", &url]);
    assert!(!no_key.status.success() && text(&no_key).contains("--api-key"), "{}", text(&no_key));
    let locked = audit_of_stopped(directory.path());
    assert!(!locked.status.success() && text(&locked).contains("--url"), "{}", text(&locked));

    server.signal("TERM");
    server.wait();
    let audit = audit_of_stopped(directory.path());
    assert!(audit.status.success() && text(&audit).contains("sound: nothing is missing"), "{}", text(&audit));
    // Receipts and refusals are there again after a restart.
    let again = Server::start(directory.path());
    let refused = text(&trace(&again, REFUSED, &[]));
    assert!(refused.contains("refused (missing_distinct_id)"), "{refused}");
    let stored: Value = serde_json::from_slice(&trace(&again, STORED, &["--json"]).stdout).expect("JSON");
    assert_eq!(stored["events"][0]["received"]["path"], "/batch", "{stored}");
}

#[test]
fn wrong_usage_is_told() {
    let directory = tempfile::tempdir().expect("directory");
    let nothing = audit_of_stopped(directory.path());
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing));
    assert_eq!(run(&["audit", "--from", "some day"]).status.code(), Some(2));
    assert_eq!(run(&["trace", "x", "--url", "ftp://example.com"]).status.code(), Some(2));
}
