//! A backup of a server under load holds every event that was acknowledged before it, and a restored server knows them once.

use crate::process::{Server, TOKEN, aqueduct, ask};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const BOTH: &str = "SELECT count(), count(DISTINCT uuid) FROM events WHERE event = 'kept'";

fn run(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = aqueduct();
    command.args(arguments).args(paths);
    command.output().expect("runs")
}

#[track_caller]
fn succeed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn uuid(number: usize) -> String {
    format!("018f0000-0000-4000-8000-{number:012x}")
}

/// Five events with ids of their own.
fn send(server: &Server, name: &str, first: usize) -> u16 {
    let event = |number| json!({"event": name, "uuid": uuid(number), "distinct_id": format!("person{}", number % 7), "properties": {}});
    let body = json!({"api_key": TOKEN, "batch": (first..first + 5).map(event).collect::<Vec<_>>()});
    ask(&server.address, "POST", "/batch/", Some(&body)).0
}

#[test]
fn under_load_and_again() {
    let root = tempfile::tempdir().expect("directory");
    let (data, backup, restored) = (root.path().join("data"), root.path().join("backup"), root.path().join("restored"));
    let server = Arc::new(Server::start_with(&data, |command| command.env("AQUEDUCT_STORE_FLUSH_AGE_MS", "300")));
    let stop = Arc::new(AtomicBool::new(false));
    let sender = {
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut sent = 1_000_000;
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(send(&server, "more", sent), 200);
                sent += 5;
            }
        })
    };
    for batch in 0..40 {
        assert_eq!(send(&server, "kept", batch * 5), 200);
    }
    // What was refused is in no other file than the ledger's, once a second.
    let refused = json!({"api_key": TOKEN, "batch": [{"event": "", "distinct_id": "ann", "properties": {}}]});
    assert_eq!(ask(&server.address, "POST", "/batch/", Some(&refused)).0, 400);
    let first = run(&["backup", "--data-dir"], &[&data, &backup]);
    succeed(&first);
    std::thread::sleep(std::time::Duration::from_secs(1));
    for batch in 40..60 {
        assert_eq!(send(&server, "kept", batch * 5), 200);
    }
    let second = succeed(&run(&["backup", "--data-dir"], &[&data, &backup]));
    assert!(second.starts_with("backup 2 in "), "{second}");
    assert!(!data.join("backup-pin").exists());
    stop.store(true, Ordering::SeqCst);
    sender.join().expect("ends");
    server.signal("KILL");

    let text = succeed(&run(&["restore", "--data-dir"], &[&restored, &backup]));
    assert!(text.starts_with("restored backup 2 of ") && text.ends_with("all verified\n"), "{text}");
    succeed(&run(&["check", "--data-dir"], &[&restored]));
    let server = Server::start(&restored);
    server.wait_for_count("SELECT count(DISTINCT uuid) FROM events WHERE event = 'kept'", 300);
    assert_eq!(server.query("SELECT count() - count(DISTINCT uuid) FROM events")[0], 0, "none twice");
    let both = server.query(BOTH);
    assert_eq!(both[0], both[1], "none twice");
    let ledger: Value = serde_json::from_str(&ask(&server.ops, "GET", "/ledger?project=1", None).1).expect("JSON");
    let refused: u64 = ledger["total"]["refused"].as_object().expect("reasons").values().filter_map(Value::as_u64).sum();
    assert_eq!((refused, &ledger["total"]["residue"], &ledger["health"]["state"]), (1, &json!(0), &json!("balanced")), "{ledger}");
    assert_eq!(send(&server, "kept", 0), 200);
    assert_eq!(server.batch("after", &["ann".to_owned()]), 200);
    server.wait_for_count("SELECT count() FROM events WHERE event = 'after'", 1);
    assert_eq!(server.query(BOTH), both, "sent again, known still");
}

#[test]
fn what_is_damaged_or_not_empty_is_refused() {
    let root = tempfile::tempdir().expect("directory");
    let (data, backup) = (root.path().join("data"), root.path().join("backup"));
    let server = Server::start(&data);
    assert_eq!(send(&server, "kept", 0), 200);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    succeed(&run(&["backup", "--data-dir"], &[&data, &backup]));
    let refused = |output: Output, expected: &str| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(expected), "{text}");
    };
    refused(run(&["restore", "--data-dir"], &[&data, &backup]), "it is not empty");
    refused(run(&["restore", "--data-dir"], &[&root.path().join("new"), root.path()]), "there is no backup.json in it");
    refused(run(&["backup", "--data-dir"], &[&data, &data]), "which is of no backup");
    refused(run(&["backup", "--data-dir"], &[&root.path().join("nowhere"), &backup]), "there is no such directory");
    let segment = std::fs::read_dir(backup.join("segments")).expect("lists").next().expect("a segment").expect("an entry").path();
    let mut bytes = std::fs::read(&segment).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).expect("writes");
    refused(run(&["restore", "--data-dir"], &[&root.path().join("new"), &backup]), "of the backup is damaged");
}
