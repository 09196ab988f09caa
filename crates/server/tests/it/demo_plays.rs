//! The demo: history and live traffic over HTTP, against a running server and with one of its own.

use crate::process::{Server, TOKEN, aqueduct, ask};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn history_then_live() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    let url = format!("http://{}", server.address);
    let demo = aqueduct().args(["demo", "--url", &url, "--token", TOKEN, "--days", "5", "--visitors", "30", "--rate", "0"]).output();
    let demo = demo.expect("runs");
    assert_eq!(demo.status.code(), Some(0), "{}", String::from_utf8_lossy(&demo.stderr));
    let begun = Instant::now();
    while server.query("SELECT count() FROM events WHERE event = 'signed up'")[0].as_u64() < Some(3) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    let range = server.query("SELECT min(timestamp), max(timestamp) FROM events");
    let day = |at: usize| range[at].as_str().and_then(|time| time.get(..10)).expect("a day").to_owned();
    assert_ne!(day(0), day(1), "the history is of several days");
    let mut live = aqueduct().args(["demo", "--url", &url, "--token", TOKEN, "--days", "0", "--rate", "50"]).spawn().expect("starts");
    let before = server.query("SELECT count() FROM events")[0].as_u64();
    let begun = Instant::now();
    while server.query("SELECT count() FROM events")[0].as_u64() <= before {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    live.kill().expect("kills");
    live.wait().expect("waits");
}

#[test]
fn with_a_server_of_its_own() {
    let directory = tempfile::tempdir().expect("directory");
    let mut command = aqueduct();
    command.args([
        "demo",
        "--serve",
        "--days",
        "2",
        "--visitors",
        "10",
        "--listen",
        "127.0.0.1:0",
        "--ops-listen",
        "127.0.0.1:0",
        "--data-dir",
    ]);
    command.arg(directory.path()).env("AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY", crate::process::KEY).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().expect("stdout")), &mut line).expect("a line");
    let address = line.trim_end().strip_prefix("listening on http://").expect("the first line").to_owned();
    let project: Value = serde_json::from_str(&ask(&address, "GET", "/api/projects/1/", None).1).expect("JSON");
    assert_eq!(project["api_token"], "phc_live_sample_data");
    child.kill().expect("kills");
    child.wait().expect("waits");
}

#[test]
fn a_wrong_address_is_usage() {
    let demo = aqueduct().args(["demo", "--url", "ftp://example"]).output().expect("runs");
    assert_eq!(demo.status.code(), Some(2));
}
