//! What is exported can be imported again: nothing is lost, nothing comes twice, whatever the form, and also when the import is killed on its way.

use crate::process::{KEY, Server, TOKEN, aqueduct};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

const COUNT: &str = "SELECT count() FROM events";
/// Of the import that is killed.
const EVENTS: u64 = 12_000;

fn event(number: u64) -> Value {
    let mut event = json!({
        "uuid": format!("018f0000-0000-4000-8000-{number:012x}"), "event": format!("e{}", number % 3), "distinct_id": format!("p{}", number % 50),
        "timestamp": format!("2024-01-{:02}T{:02}:00:{:02}.{:06}Z", 1 + number % 28, number % 24, number % 60, number),
        "properties": {"n": number, "text": "\u{e9} \"q\"\n", "list": [1, null, {"a": 1.5}], "none": null},
    });
    if number.is_multiple_of(7) {
        event["properties"]["$set"] = json!({"plan": number % 5});
    }
    if number.is_multiple_of(11) {
        event["elements_chain"] = json!("a:href=\"/x\"nth-child=\"1\"");
    }
    event
}

fn lines(path: &Path, events: impl IntoIterator<Item = Value>) {
    let text: String = events.into_iter().map(|event| event.to_string() + "\n").collect();
    std::fs::write(path, text).expect("writes");
}

/// Runs a command of the binary in a directory.
fn run(dir: &Path, words: &[&str]) -> Output {
    let mut command = aqueduct();
    command.current_dir(dir).args(words).output().expect("runs")
}

fn import(server: &Server, dir: &Path, words: &[&str]) -> (Value, String) {
    let url = format!("http://{}", server.address);
    let all = [&["import", "--json", "--url", &url, "--token", TOKEN, "--api-key", KEY], words].concat();
    let output = run(dir, &all);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    (serde_json::from_slice(&output.stdout).expect("JSON"), said)
}

fn export(server: &Server, dir: &Path, words: &[&str]) -> String {
    let url = format!("http://{}", server.address);
    let output = run(dir, &[&["export", "--url", &url, "--api-key", KEY], words].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Exported rows by id, without what belongs to the day of the import.
fn rows(text: &str) -> BTreeMap<String, Value> {
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).expect("JSON");
        row.as_object_mut().expect("an object").retain(|key, _| key != "created_at" && key != "person_properties");
        (row["uuid"].as_str().expect("an id").to_owned(), row)
    };
    text.lines().map(row).collect()
}

#[test]
fn a_round_trip() {
    let root = tempfile::tempdir().expect("directory");
    let dir = root.path();
    let (first, second) = (Server::start(&dir.join("first")), Server::start(&dir.join("second")));
    let identify = json!({"event": "$identify", "distinct_id": "p1", "timestamp": "2024-02-01T00:00:00Z", "properties": {"$anon_distinct_id": "anon"}});
    let anonymous = json!({"event": "early", "distinct_id": "anon", "timestamp": "2024-01-31T00:00:00Z", "properties": {}});
    // In the order of time: so it comes from an export, and persons follow from the order of their events.
    let mut events: Vec<Value> = (0..1500).map(event).chain([anonymous, identify]).collect();
    events.sort_by_key(|event| event["timestamp"].to_string());
    lines(&dir.join("in.ndjson"), events);
    let (outcome, _) = import(&first, dir, &["in.ndjson"]);
    assert_eq!(outcome, json!({"accepted": 1502, "stored": 1502, "dropped": 0, "missing": 0, "rejected": 0, "verified": true}));
    let exported = export(&first, dir, &["--output", "-", "--sort-memory", "1"]);
    let times: Vec<Value> = exported.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["timestamp"].clone()).collect();
    assert!(times.is_sorted_by_key(ToString::to_string), "in the order of time");
    let found = rows(&exported);
    assert_eq!(found.len(), 1502);
    for number in 0..1500 {
        let (sent, row) = (event(number), &found[&format!("018f0000-0000-4000-8000-{number:012x}")]);
        assert_eq!((&row["properties"], &row["timestamp"]), (&sent["properties"], &sent["timestamp"]));
        assert_eq!(row["elements_chain"], *sent.get("elements_chain").unwrap_or(&json!("")));
    }
    std::fs::write(dir.join("out.ndjson"), &exported).expect("writes");
    import(&second, dir, &["out.ndjson"]);
    assert_eq!(rows(&export(&second, dir, &[])), found, "equal rows");
    let persons = |server: &Server| -> Vec<Value> {
        let text = export(server, dir, &["persons"]);
        let mut persons: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        persons.iter_mut().for_each(|person| _ = person["properties"].as_object_mut().expect("an object").remove("$creator_event_uuid"));
        persons
    };
    assert_eq!(persons(&second), persons(&first), "and equal persons");

    let march = export(&first, dir, &["--from", "2024-01-10", "--to", "2024-01-12T00:00:00Z", "--event", "e1", "--event", "e2"]);
    let expected = (0..1500).filter(|number| [9, 10].contains(&(number % 28)) && number % 3 > 0).count();
    assert_eq!(march.lines().count(), expected);
    export(&first, dir, &["--output", "out.parquet"]);
    assert!(std::fs::read(dir.join("out.parquet")).expect("reads").starts_with(b"PAR1"));

    // The same of a directory, once its server is stopped; what a kill left in the journal is not left out in silence.
    let offline = |name: &str| run(dir, &["export", "--data-dir", name]);
    assert!(!offline("first").status.success(), "a server uses it");
    first.signal("TERM");
    first.wait();
    let output = offline("first");
    assert_eq!(String::from_utf8_lossy(&output.stdout), exported);
    second.batch("late", &["x".to_owned()]);
    second.signal("KILL");
    drop(second);
    let output = offline("second");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("not stopped in order"));
}

#[test]
fn an_import_that_is_killed_goes_on() {
    let root = tempfile::tempdir().expect("directory");
    let dir = root.path();
    let server = Server::start(&dir.join("data"));
    // Half of them have no id of their own.
    let events = (0..EVENTS).map(|number| {
        let mut event = event(number);
        if number % 2 == 0 {
            event.as_object_mut().expect("an object").remove("uuid");
        }
        event
    });
    lines(&dir.join("in.ndjson"), events);
    let url = format!("http://{}", server.address);
    let mut goes_on = 0;
    loop {
        let mut command = aqueduct();
        command.current_dir(dir).args(["import", "in.ndjson", "--url", &url, "--token", TOKEN, "--api-key", KEY, "--workers", "2"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(400));
        if child.try_wait().expect("waits").is_some() || goes_on >= 3 {
            assert!(child.wait().expect("waits").success());
            break;
        }
        child.kill().expect("kills");
        child.wait().expect("waits");
        goes_on += 1;
    }
    assert!(goes_on > 0, "it was killed on its way");
    let (outcome, said) = import(&server, dir, &["in.ndjson"]);
    assert_eq!((&outcome["accepted"], &outcome["stored"]), (&json!(EVENTS), &json!(EVENTS)), "{said}");
    assert_eq!(server.query(COUNT)[0], EVENTS);
    assert!(
        std::fs::read_dir(dir).expect("lists").all(|entry| !entry.expect("an entry").file_name().to_string_lossy().contains("import-"))
    );
    // One that forgot everything finds all of it there.
    let (outcome, _) = import(&server, dir, &["in.ndjson", "--restart"]);
    assert_eq!(outcome["stored"], EVENTS);
    assert_eq!(server.query(COUNT)[0], EVENTS);
}

#[test]
fn forms_and_faults() {
    let root = tempfile::tempdir().expect("directory");
    let dir = root.path();
    let server = Server::start(&dir.join("data"));
    let batch = |numbers: std::ops::Range<u64>| json!({"api_key": "of another", "sent_at": "2024-01-01T00:00:00Z", "batch": numbers.map(event).collect::<Vec<_>>()});
    lines(&dir.join("a.ndjson"), [batch(0..20), batch(20..30)]);
    std::fs::write(dir.join("b.json"), serde_json::to_string_pretty(&batch(30..50)).expect("JSON")).expect("writes");
    let list: Vec<Value> = (50..60).map(event).collect();
    std::fs::write(dir.join("c.json"), serde_json::to_string_pretty(&list).expect("JSON")).expect("writes");
    let long = json!({"event": "long", "distinct_id": "x", "properties": {"text": "x".repeat(1_100_000)}});
    let text = format!("{}\nno event\n{{\"event\":\"a\"}}\n{long}\n{}\n", event(60), event(61));
    std::fs::write(dir.join("d.ndjson"), text).expect("writes");
    let (outcome, said) = import(&server, dir, &["a.ndjson", "b.json", "c.json", "d.ndjson", "--rejects", "bad"]);
    assert_eq!((&outcome["stored"], &outcome["rejected"]), (&json!(62), &json!(3)), "{said}");
    for line in ["d.ndjson:2: is not JSON", "d.ndjson:3: has no `distinct_id`", "d.ndjson:4: has 1100"] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(std::fs::read_to_string(dir.join("bad")).expect("reads"), format!("no event\n{{\"event\":\"a\"}}\n{long}\n"));
    assert_eq!(server.query("SELECT count(), countIf(timestamp < '2024-02-01') FROM events"), json!([62, 62]));

    let mut command = aqueduct();
    command.current_dir(dir).args(["import", "--url", &format!("http://{}", server.address), "--token", TOKEN]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    child.stdin.take().expect("stdin").write_all(event(62).to_string().as_bytes()).expect("writes");
    assert!(child.wait().expect("waits").success(), "stdin, without a key");
    server.wait_for_count(COUNT, 63);
    let unknown = run(dir, &["import", "a.ndjson", "--url", &format!("http://{}", server.address), "--token", "phc_unknown"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", String::from_utf8_lossy(&unknown.stderr));
    let wrong = run(dir, &["import", "a.ndjson", "--url", &format!("http://{}", server.address), "--token", "phc_other", "--api-key", KEY]);
    assert_eq!(wrong.status.code(), Some(2), "a token that is not the project's");
}
