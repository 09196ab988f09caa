//! Changes of persons: what goes into the journal for each request.

use crate::world::World;
use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{Command, CommandedChange, JournalPosition, LetterId, Minute, PartitionId, ProjectId, Record, UnixMicros, Verdict};
use aqueduct_store::{Accounts, Commit, DeadLetter, DistinctIdRecord, LetterChange, PersonRecord, Store};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

const ANN: Uuid = Uuid::from_u128(1);

async fn world() -> World {
    let world = World::new().await;
    let person = PersonRecord {
        project: ProjectId(1),
        id: ANN,
        created_at: crate::world::NOON,
        properties: r#"{"plan":"pro"}"#.into(),
        is_identified: true,
        version: 1,
        is_deleted: false,
        last_seen_at: None,
    };
    let distinct_id = |text: &str| DistinctIdRecord {
        project: ProjectId(1),
        distinct_id: text.into(),
        person: ANN,
        version: 0,
        is_personless: false,
        spent: 0,
    };
    let bob = PersonRecord { id: Uuid::from_u128(2), properties: "{}".into(), ..person.clone() };
    let (persons, distinct_ids) = (vec![person, bob], vec![distinct_id("ann"), distinct_id("b")]);
    world.store.commit(Commit { persons, distinct_ids, ..Commit::new(PartitionId(0), JournalPosition(1)) }).expect("commits");
    world
}

/// The command that a request put into the journal, or the name, sender and properties of its event.
fn told(world: &World) -> Value {
    let record = world.replays.0.lock().expect("not poisoned").pop().expect("a record");
    match Record::decode(&record).expect("a record") {
        Record::Command(Command { project, change, .. }) => {
            assert_eq!(project, ProjectId(1));
            match change {
                CommandedChange::Delete { persons, erases_events, keeps_persons } => {
                    json!(["delete", persons, erases_events, keeps_persons])
                }
                CommandedChange::Split { person, keeps } => json!(["split", person, keeps]),
                CommandedChange::UnsetGroupProperty { type_index, key, property } => json!(["unset", type_index, key, property]),
            }
        }
        Record::Batch(batch) => {
            let event = batch.events[0];
            assert_eq!(batch.token, "phc_first");
            json!([event.event, event.distinct_id, serde_json::from_str::<Value>(event.properties).expect("JSON")])
        }
        Record::Replay(_) => panic!("a replay"),
    }
}

#[tokio::test]
async fn each_request_is_one_record() {
    let world = world().await;
    let ann = format!("/api/projects/1/persons/{ANN}/");
    for (method, path, body, status, expected) in [
        ("PATCH", "", json!({"properties": {"a": 1}}), 202, json!(["$set", "ann", {"$set": {"a": 1}}])),
        ("POST", "update_property/", json!({"key": "a", "value": null}), 400, json!(null)),
        ("POST", "update_property/", json!({"key": "a", "value": [1]}), 202, json!(["$set", "ann", {"$set": {"a": [1]}}])),
        ("POST", "delete_property/", json!({"$unset": "plan"}), 201, json!(["$delete_person_property", "ann", {"$unset": ["plan"]}])),
        ("POST", "split/", json!({"main_distinct_id": "b"}), 201, json!(["split", ANN, "b"])),
        ("POST", "split/", json!({}), 201, json!(["split", ANN, ""])),
        ("POST", "split/", json!({"main_distinct_id": "nobody"}), 400, json!(null)),
        ("POST", "delete_events/", json!({}), 202, json!(["delete", [ANN], true, true])),
        ("DELETE", "", json!({}), 202, json!(["delete", [ANN], false, false])),
        ("DELETE", "?delete_events=true", json!({}), 202, json!(["delete", [ANN], true, false])),
    ] {
        let answer = world.ask(method, &format!("{ann}{path}"), Some(body.clone())).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {body}: {}", answer.text);
        let records = world.replays.0.lock().expect("not poisoned").len();
        assert_eq!(if records == 0 { json!(null) } else { told(&world) }, expected, "{method} {path} {body}");
    }
    assert_eq!(world.ask("DELETE", "/api/projects/1/persons/nobody/", None).await.status, 404);
}

#[tokio::test]
async fn many_at_once() {
    let world = world().await;
    let bulk = "/api/projects/1/persons/bulk_delete/";
    let answer =
        world.ask("POST", bulk, Some(json!({"ids": [ANN, Uuid::from_u128(99)], "distinct_ids": ["b"], "delete_events": true}))).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!((&answer.json()["persons_found"], &answer.json()["persons_deleted"]), (&json!(1), &json!(1)), "one person under two names");
    assert_eq!(told(&world), json!(["delete", [ANN], true, false]));
    let nobody = world.ask("POST", bulk, Some(json!({"distinct_ids": ["nobody"]}))).await;
    assert_eq!((nobody.status, world.replays.0.lock().expect("not poisoned").len()), (StatusCode::ACCEPTED, 0));
    for wrong in [json!({}), json!({"distinct_ids": vec!["x"; 1001]})] {
        assert_eq!(world.ask("POST", bulk, Some(wrong)).await.status, 400);
    }
}

/// A dead letter of somebody, and a warning that names them.
fn leave_notes(world: &World, position: u64, who: &str) {
    let letter = DeadLetter {
        id: LetterId { partition: PartitionId(0), position: JournalPosition(position), index: 0 },
        project: ProjectId(1),
        received_at: crate::world::NOON,
        events: 1,
        reason: DeadReason::Panicked,
        detail: "".into(),
        uuid: Uuid::from_u128(u128::from(position)),
        event: "e".into(),
        distinct_id: who.into(),
        payload: "{}".into(),
        replays: 0,
        is_amended: false,
    };
    let mut commit = Commit::new(PartitionId(0), JournalPosition(position + 1));
    commit.verdicts.add(letter.tally_key(), 1);
    commit.dead_letters.push(LetterChange::Keep(letter));
    world.store.commit(commit).expect("commits");
    world.catalog.warn(ProjectId(1), "cannot_merge", json!({ "distinctId": who }));
}

#[tokio::test]
async fn notes_on_a_person_go_with_its_events() {
    let world = world().await;
    world.store_event(5, "seen", "only-in-rows");
    for (position, who) in [(10, "ann"), (11, "b"), (12, "bob"), (13, "only-in-rows")] {
        leave_notes(&world, position, who);
    }
    let left = async || {
        let letters = world.get("/api/projects/1/dead_letters/").await;
        let letters =
            letters["results"].as_array().expect("a list").iter().map(|letter| letter["distinct_id"].as_str().expect("text").to_owned());
        let warnings = world.catalog.ingestion_warnings(ProjectId(1), UnixMicros(0), 100).await.expect("lists");
        (letters.collect::<Vec<_>>(), warnings.len())
    };
    let ann = format!("/api/projects/1/persons/{ANN}/");
    assert_eq!(world.ask("DELETE", &ann, None).await.status, 202);
    assert_eq!(left().await.1, 4, "without its events nothing goes");
    assert_eq!(world.ask("DELETE", &format!("{ann}?delete_events=true"), None).await.status, 202);
    assert_eq!(left().await, (vec!["bob".to_owned(), "only-in-rows".to_owned()], 2));
    // A person that is gone is known by its rows.
    let gone = format!("/api/projects/1/persons/{}/delete_events/", Uuid::from_u128(9));
    assert_eq!(world.ask("POST", &gone, None).await.status, 202);
    assert_eq!(left().await, (vec!["bob".to_owned()], 1));
    let account = world.store.account(Minute(0)..=Minute(u32::MAX)).expect("reads").totals;
    let count = |verdict| account.get(&(ProjectId(1), verdict)).copied().unwrap_or(0);
    let erased = Verdict::Dropped(DropReason::Erased);
    assert_eq!((count(erased), count(Verdict::DeadLettered(DeadReason::Panicked))), (3, 1));
}

#[tokio::test]
async fn found_by_properties_and_values() {
    let world = world().await;
    let found = |operator: &str, value: &str| {
        let filters = json!([{"key": "plan", "value": value, "operator": operator, "type": "person"}]).to_string();
        format!("/api/projects/1/persons/?properties={}", form_urlencoded::byte_serialize(filters.as_bytes()).collect::<String>())
    };
    assert_eq!(world.get(&found("exact", "pro")).await["results"][0]["id"], json!(ANN));
    assert_eq!(world.get(&found("exact", "free")).await["count"], 0);
    assert_eq!(world.get(&found("is_not", "pro")).await["results"][0]["id"], json!(Uuid::from_u128(2)));
    assert_eq!(world.ask("GET", "/api/projects/1/persons/?properties=%7B", None).await.status, 400);
    assert_eq!(world.get("/api/projects/1/persons/values/?key=plan").await, json!([{"name": "pro", "count": 1}]));
}

#[tokio::test]
async fn needs_the_right_to_write() {
    let world = world().await;
    let key = world.ask("POST", "/api/personal_api_keys/", Some(json!({"label": "reader", "scopes": ["person:read"]}))).await.json();
    let bearer = format!("Bearer {}", key["value"].as_str().expect("a key"));
    let answer = world.ask_with("DELETE", &format!("/api/projects/1/persons/{ANN}/"), &[("authorization", &bearer)], None).await;
    assert_eq!((answer.status, world.replays.0.lock().expect("not poisoned").len()), (StatusCode::FORBIDDEN, 0));
}
