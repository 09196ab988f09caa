//! From `/batch/` to a query within a second; what was learned on the way is in the management API.

use crate::process::{Server, TOKEN, ask};
use serde_json::{Value, json};
use std::time::Duration;

fn get(server: &Server, path: &str) -> Value {
    let (status, text) = ask(&server.address, "GET", path, None);
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn within_a_second() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    server.query("SELECT 1");
    assert_eq!(server.batch("first", &["ann".to_owned()]), 200);
    let took = server.wait_for_count("SELECT count() FROM events WHERE event = 'first'", 1);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let ids: Vec<String> = (0..500).map(|number| format!("person{number}")).collect();
    assert_eq!(server.batch("many", &ids), 200);
    let took = server.wait_for_count("SELECT count() FROM events WHERE event = 'many'", 500);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(server.query("SELECT count(DISTINCT person_id) FROM events"), json!([501]));
}

#[test]
fn persons_and_definitions_follow() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    let batch = json!({"api_key": TOKEN, "batch": [
        {"event": "looked", "distinct_id": "anonymous-1", "properties": {"price": 7}},
        {"event": "$identify", "distinct_id": "ann", "properties": {"$anon_distinct_id": "anonymous-1", "$set": {"email": "ann@example.com"}}},
        {"event": "$groupidentify", "distinct_id": "ann",
            "properties": {"$group_type": "company", "$group_key": "acme", "$group_set": {"seats": 3}}},
    ]});
    assert_eq!(ask(&server.address, "POST", "/batch/", Some(&batch)).0, 200);
    server.wait_for_count("SELECT count() FROM events", 3);
    let persons = get(&server, "/api/projects/1/persons/?distinct_id=anonymous-1");
    assert_eq!((&persons["count"], &persons["results"][0]["name"]), (&json!(1), &json!("ann@example.com")));
    let definitions = get(&server, "/api/projects/1/event_definitions/?search=looked");
    assert_eq!(definitions["count"], 1);
    let properties = get(&server, "/api/projects/1/property_definitions/?search=price");
    assert_eq!(properties["results"][0]["property_type"], "Numeric");
    assert_eq!(get(&server, "/api/projects/1/groups_types/")[0]["group_type"], "company");
    let project = get(&server, "/api/projects/1/");
    assert_eq!((&project["ingested_event"], &project["has_group_types"]), (&json!(true), &json!(true)));
}

#[test]
fn projects_do_not_see_each_other() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    let (status, made) = ask(&server.address, "POST", "/api/organizations/@current/projects/", Some(&json!({"name": "Other"})));
    assert_eq!(status, 201);
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let batch = json!({"api_key": made["api_token"], "batch": [{"event": "theirs", "distinct_id": "bob"}]});
    assert_eq!(ask(&server.address, "POST", "/batch/", Some(&batch)).0, 200);
    assert_eq!(server.batch("ours", &["ann".to_owned()]), 200);
    server.wait_for_count("SELECT count() FROM events", 1);
    assert_eq!(server.query("SELECT event FROM events"), json!(["ours"]));
}
