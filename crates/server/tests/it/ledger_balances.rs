//! The ledger of the binary balances: with every kind of verdict, over `kill -9`, and after a dead letter was mended and replayed.

use crate::process::{KEY, Server, TOKEN, aqueduct, ask};
use aqueduct_event::{Clock, JournalPosition, RawBatch, RawEvent, SystemClock};
use aqueduct_journal::{Journal, RealDisk, WalArgs, WalConfig, WalJournal};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn event(uuid: &str, name: &str, properties: &Value) -> Value {
    json!({"uuid": format!("00000000-0000-4000-8000-0000000000{uuid}"), "event": name, "distinct_id": "ann", "properties": properties})
}

fn send(server: &Server, token: &str, events: &[Value]) -> u16 {
    ask(&server.address, "POST", "/batch/", Some(&json!({"api_key": token, "batch": events}))).0
}

/// Puts a record into the journal of a server that does not run: what the edge would never let in. An event whose properties cannot be read.
fn append_unreadable(data_dir: &Path) {
    let config = WalConfig { dir: data_dir.join("journal"), ..WalConfig::default() };
    let clock = Arc::new(SystemClock);
    let received_at = clock.now();
    let args = WalArgs { config, disk: Arc::new(RealDisk), clock, floor: JournalPosition(0) };
    let event = RawEvent {
        uuid: uuid::Uuid::from_u128(6),
        timestamp: received_at,
        event: "pay",
        distinct_id: "ann",
        cookieless: false,
        properties: "{\"deep\":",
        set: "",
        set_once: "",
        unset: "",
    };
    let events = vec![event];
    let batch = RawBatch { token: TOKEN, received_at, sent_at: None, historical: false, client_ip: "", user_agent: "", path: "/e", events };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let journal = WalJournal::open_with(args).expect("opens");
        journal.append(0, batch.encode().into()).await.expect("appended");
        journal.close().await;
    });
}

fn ledger(server: &Server, query: &str) -> Value {
    let (status, text) = ask(&server.ops, "GET", &format!("/ledger{query}"), None);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The figures of all projects once nothing is in flight and the account balances.
fn settled(server: &Server) -> Value {
    let begun = Instant::now();
    loop {
        let report = ledger(server, "");
        let total = &report["total"];
        let sum = |name: &str| -> i64 { total[name].as_object().map_or(0, |reasons| reasons.values().filter_map(Value::as_i64).sum()) };
        let number = |name: &str| total[name].as_i64().unwrap_or(0);
        let ended = number("duplicate") + sum("refused") + sum("dropped") + sum("dead_lettered");
        assert_eq!(number("received"), number("visible") + number("in_flight") + ended + number("residue"), "{report}");
        assert_eq!(number("residue"), 0, "{report}");
        assert_ne!(report["health"]["state"], "alarm", "{report}");
        if number("in_flight") == 0 && report["health"]["state"] == "balanced" {
            return report;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{report}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn send_everything(server: &Server) {
    assert_eq!(send(server, TOKEN, &[event("01", "pay", &json!({})), event("02", "pay", &json!({}))]), 200);
    // Again: duplicates.
    assert_eq!(send(server, TOKEN, &[event("01", "pay", &json!({})), event("02", "pay", &json!({}))]), 200);
    // By rule: of a project that nobody knows, a heatmap, a cookieless event where that is off.
    assert_eq!(send(server, "phc_nobody", &[event("03", "pay", &json!({}))]), 200);
    assert_eq!(send(server, TOKEN, &[event("04", "$$heatmap", &json!({})), event("05", "pay", &json!({"$cookieless_mode": true}))]), 200);
    // Refused: three events of a request without a name in one, and a body that cannot be read.
    let nameless = json!({"distinct_id": "ann"});
    assert_eq!(send(server, TOKEN, &[event("07", "pay", &json!({})), event("08", "pay", &json!({})), nameless]), 400);
    assert_eq!(ask(&server.address, "POST", "/batch/", Some(&json!("no batch"))).0, 400);
}

#[test]
fn over_kills_and_replays() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    send_everything(&server);
    let report = settled(&server);
    let total = &report["total"];
    assert_eq!(
        (total["received"].as_i64(), total["accepted"].as_i64(), total["visible"].as_i64()),
        (Some(10), Some(7), Some(2)),
        "{report}"
    );
    assert_eq!(total["duplicate"], 2, "{report}");
    assert_eq!(total["refused"], json!({"missing_event_name": 3}), "{report}");
    assert_eq!(total["dropped"], json!({"unknown_token": 1, "heatmap": 1, "cookieless": 1}), "{report}");
    assert_eq!((&total["unreadable_requests"]["unparsable"], &total["data_loss_percent"]), (&json!(1), &json!(0.0)), "{report}");
    // The account is saved each second; a kill takes back what of the refusals is younger.
    std::thread::sleep(Duration::from_millis(2_500));
    server.signal("KILL");
    let _ = server.wait();

    let server = Server::start(directory.path());
    let again = settled(&server);
    assert_eq!(again["total"], report["total"]);
    let (status, text) = ask(&server.ops, "GET", "/_readiness", None);
    assert_eq!((status, text.as_str()), (200, "ok\nledger: balanced\n"));
    assert!(ask(&server.ops, "GET", "/metrics", None).1.contains("aqueduct_ledger_residue_events 0"));
    // At once after more events: what is not saved is counted again from the journal.
    send_everything(&server);
    server.signal("KILL");
    let _ = server.wait();
    append_unreadable(directory.path());
    append_unreadable(directory.path());

    let server = Server::start(directory.path());
    let report = settled(&server);
    let total = &report["total"];
    assert_eq!((&total["accepted"], &total["visible"], &total["duplicate"]), (&json!(16), &json!(2), &json!(6)), "{report}");
    assert_eq!(total["dead_lettered"], json!({"malformed_properties": 2}), "{report}");
    mend(&server, directory.path());
}

/// Runs a subcommand on a server; answers stdout.
fn letters(server: &Server, arguments: &[&str]) -> String {
    let url = format!("http://{}", server.address);
    let output = aqueduct().arg("dead-letters").args(["--url", &url, "--api-key", KEY]).args(arguments).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn mend(server: &Server, directory: &Path) {
    let list = letters(server, &["list"]);
    let ids: Vec<&str> = list.lines().map(|line| line.split('\t').next().expect("an id")).collect();
    assert_eq!(ids.len(), 2, "{list}");
    let shown: Value = serde_json::from_str(&letters(server, &["show", ids[0]])).expect("JSON");
    let mut payload = shown["payload"].clone();
    assert!(payload["events"][0]["properties"].is_string(), "{payload}");
    payload["events"][0]["properties"] = json!({"deep": "mended"});
    let file = directory.join("mended.json");
    std::fs::write(&file, payload.to_string()).expect("written");
    letters(server, &["fix", ids[0], file.to_str().expect("a path")]);
    letters(server, &["replay", ids[0]]);
    server.wait_for_count("SELECT count() FROM events WHERE properties.deep = 'mended'", 1);
    // The letter is one of the events received: it moved to another verdict, and nothing was received by it.
    let total = settled(server)["total"].clone();
    assert_eq!(
        (&total["accepted"], &total["visible"], &total["dead_lettered"]),
        (&json!(16), &json!(3), &json!({"malformed_properties": 1}))
    );
    letters(server, &["discard", ids[1]]);
    let total = settled(server)["total"].clone();
    assert_eq!((&total["dropped"]["discarded"], &total["dead_lettered"]["malformed_properties"]), (&json!(1), &Value::Null));
    assert_eq!(letters(server, &["list"]), "");
    // A project's own account, through the API.
    let (status, text) = ask(&server.address, "GET", "/api/projects/1/ledger/?interval=hour", None);
    let body: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &body["health"]["state"], &body["total"]["visible"]), (200, &json!("balanced"), &json!(3)), "{text}");
    let (status, text) = ask(&server.address, "GET", "/api/projects/1/ledger/?interval=week", None);
    assert_eq!(status, 400, "{text}");
}

#[test]
fn subcommands_say_what_is_missing() {
    let run = |arguments: &[&str]| {
        let output = aqueduct().arg("dead-letters").args(arguments).output().expect("runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let (code, text) = run(&["--api-key", "phx_x", "--url", "http://127.0.0.1:1", "list"]);
    assert_eq!((code, text.contains("check --url, and that the server runs")), (Some(1), true), "{text}");
    let (code, text) = run(&["--api-key", "phx_x", "show", "nonsense"]);
    assert_eq!((code, text.contains("such as 0-4711-0")), (Some(2), true), "{text}");
}
