//! Actions and cohorts over the API, as PostHog's clients make, read, change and delete them; and queries that name them.

use crate::world::{Answer, KEY, NOON, World};
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, UnixMicros};
use aqueduct_store::{Commit, DistinctIdRecord, PersonRecord, Store};
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

/// Four persons: number, distinct ids, properties.
fn fill(world: &World) {
    let persons = [
        (1, vec!["ann", "ann-2"], r#"{"email":"ann@example.com"}"#),
        (2, vec!["bob"], r#"{"email":"bob@example.com"}"#),
        (3, vec!["cid"], "{}"),
        (9, vec!["eve"], r#"{"email":"eve@else.com"}"#),
    ];
    let mut commit = Commit::new(PartitionId(0), JournalPosition(1));
    for (number, distinct_ids, properties) in persons {
        let id = Uuid::from_u128(number);
        commit.persons.push(PersonRecord {
            project: ProjectId(1),
            id,
            created_at: UnixMicros(NOON.0 + i64::try_from(number).expect("small")),
            properties: properties.into(),
            is_identified: true,
            version: 1,
            is_deleted: false,
            last_seen_at: None,
        });
        for distinct_id in distinct_ids {
            let distinct_id = distinct_id.into();
            commit.distinct_ids.push(DistinctIdRecord {
                project: ProjectId(1),
                distinct_id,
                person: id,
                version: 0,
                is_personless: false,
                spent: 0,
            });
        }
    }
    world.store.commit(commit).expect("commits");
    // All events are person 9's.
    world.store_event(2, "buy", "eve");
    world.store_event(3, "look", "eve");
}

async fn made(world: &World, path: &str, body: Value) -> Value {
    let answer = world.ask("POST", path, Some(body)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json()
}

async fn changed(world: &World, path: &str, body: Value) -> Value {
    let answer = world.ask("PATCH", path, Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

async fn query(world: &World, query: Value) -> Answer {
    world.ask("POST", "/api/projects/1/query/", Some(json!({"query": query}))).await
}

/// Ids of a cohort's members, by their last digit.
async fn members(world: &World, id: &Value) -> Vec<u128> {
    let persons = world.get(&format!("/api/environments/1/cohorts/{id}/persons/")).await;
    let id = |person: &Value| person["id"].as_str().expect("an id").parse::<Uuid>().expect("a uuid").as_u128();
    persons["results"].as_array().expect("a list").iter().map(id).collect()
}

fn with_email(text: &str) -> Value {
    json!({"properties": {"type": "OR", "values": [{"type": "AND", "values": [
        {"type": "person", "key": "email", "operator": "icontains", "value": text}]}]}})
}

#[tokio::test]
async fn actions_live_and_die() {
    let world = World::new().await;
    fill(&world);
    let step = json!({"event": "buy", "properties": [{"key": "n", "value": 2, "type": "event"}], "id": "of an older client"});
    let action = made(&world, "/api/projects/1/actions/", json!({"name": "Bought", "tags": ["shop"], "steps": [step]})).await;
    assert_eq!((action["id"].as_i64(), action["steps"][0]["event"].as_str(), action["team_id"].as_i64()), (Some(1), Some("buy"), Some(1)));
    assert_eq!(action["created_by"]["id"], 1);
    assert_eq!(world.get("/api/environments/1/actions").await["results"][0], action);

    let counted = |text: &str| json!({"kind": "HogQLQuery", "query": text});
    let found = query(&world, counted("SELECT count() FROM events WHERE matchesAction('Bought')")).await;
    assert_eq!(found.json()["results"], json!([[1]]));
    let series = json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-1d"}, "series": [{"kind": "ActionsNode", "id": 1}]});
    let trend = query(&world, series.clone()).await.json();
    assert_eq!((trend["results"][0]["label"].as_str(), trend["results"][0]["count"].as_f64()), (Some("Bought"), Some(1.0)));

    let renamed = changed(&world, "/api/projects/1/actions/1/", json!({"name": "Paid", "pinned_at": "2026-01-01T00:00:00Z"})).await;
    assert_eq!((renamed["name"].as_str(), renamed["tags"][0].as_str()), (Some("Paid"), Some("shop")));
    assert!(renamed["pinned_at"].is_string());
    assert_eq!(changed(&world, "/api/projects/1/actions/1/", json!({"pinned_at": null})).await["pinned_at"], Value::Null);
    let again = world.ask("POST", "/api/projects/1/actions/", Some(json!({"name": "Paid"}))).await;
    assert_eq!(again.error(), r#"400 validation_error unique [name] "Paid" is taken."#);

    changed(&world, "/api/projects/1/actions/1/", json!({"deleted": true})).await;
    assert_eq!(world.get("/api/projects/1/actions/").await["count"], 0);
    assert_eq!(world.get("/api/projects/1/actions/1/").await["deleted"], true);
    let refused = query(&world, series).await;
    assert_eq!(refused.error(), "400 validation_error invalid_input [series] Action ID 1 ('Paid') was deleted");
    changed(&world, "/api/projects/1/actions/1/", json!({"deleted": false})).await;
    let gone = world.ask("DELETE", "/api/projects/1/actions/1/", None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(world.ask("GET", "/api/projects/1/actions/7/", None).await.status, StatusCode::NOT_FOUND);
    let nameless = world.ask("POST", "/api/projects/1/actions/", Some(json!({"steps": []}))).await;
    assert_eq!(nameless.error(), "400 validation_error required [name] This field is required.");
    let wrong = world.ask("POST", "/api/projects/1/actions/", Some(json!({"name": "x", "steps": [{"url_matching": "near"}]}))).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn dynamic_cohorts_find_their_members() {
    let world = World::new().await;
    fill(&world);
    let cohort = made(&world, "/api/projects/1/cohorts/", json!({"name": "Ours", "filters": with_email("@example.com")})).await;
    let shown = |cohort: &Value| [cohort["count"].clone(), cohort["is_calculating"].clone(), cohort["is_static"].clone()];
    assert_eq!(shown(&cohort), [json!(2), json!(false), json!(false)]);
    assert_eq!(cohort["cohort_type"], "person_property");
    assert_eq!(members(&world, &cohort["id"]).await, [1, 2]);
    let page = world.get("/api/projects/1/cohorts/1/persons/?limit=1").await;
    assert_eq!((page["results"].as_array().map(Vec::len), page["count"].as_i64()), (Some(1), Some(2)));
    assert!(page["next"].as_str().is_some_and(|next| next.ends_with("?limit=1&offset=1")), "{page}");

    let bought = json!({"properties": {"type": "AND", "values": [
        {"type": "behavioral", "key": "buy", "event_type": "events", "value": "performed_event", "time_value": 7, "time_interval": "day"},
        {"type": "cohort", "key": "id", "value": 1, "negation": true}]}});
    let second = made(&world, "/api/projects/1/cohorts/", json!({"name": "Bought", "filters": bought})).await;
    assert_eq!((second["count"].as_i64(), second["cohort_type"].as_str()), (Some(1), Some("behavioral")));
    assert_eq!(members(&world, &second["id"]).await, [9]);

    let counted = json!({"kind": "HogQLQuery", "query": "SELECT count() FROM events WHERE person_id IN COHORT 'Bought'"});
    assert_eq!(query(&world, counted.clone()).await.json()["results"], json!([[2]]));
    let looped = json!({"filters": {"properties": {"type": "AND", "values": [{"type": "cohort", "key": "id", "value": 2}]}}});
    let refused = world.ask("PATCH", "/api/projects/1/cohorts/1/", Some(looped)).await;
    assert_eq!(refused.error(), "400 validation_error invalid_input [filters] Cohorts cannot reference other cohorts in a loop.");

    let widened = changed(&world, "/api/projects/1/cohorts/1/", json!({"filters": with_email("@")})).await;
    assert_eq!(widened["count"], 3);
    assert_eq!(query(&world, counted.clone()).await.json()["results"], json!([[0]]), "the other cohort leaves out more now");
    changed(&world, "/api/projects/1/cohorts/2/", json!({"deleted": true})).await;
    assert_eq!(world.get("/api/projects/1/cohorts/").await["count"], 1);
    assert_eq!(query(&world, counted).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_cannot_be_understood_makes_no_cohort() {
    let world = World::new().await;
    let cases = [
        (json!({"filters": with_email("a")}), "400 validation_error required [name] This field is required."),
        (json!({"name": "x"}), "400 validation_error required [filters] A cohort that is not static needs criteria."),
        (json!({"name": "x", "filters": {}}), "400 validation_error invalid_input [filters] it has no criteria"),
        (
            json!({"name": "x", "filters": {"properties": {"type": "AND", "values": [{"type": "cohort", "value": 77}]}}}),
            "400 validation_error invalid_input [filters] Invalid Cohort ID in filter: 77",
        ),
        (
            json!({"name": "x", "groups": [{}]}),
            "400 validation_error invalid_input [groups] Expected a list of groups with properties, event_id or action_id.",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(world.ask("POST", "/api/projects/1/cohorts/", Some(body)).await.error(), expected);
    }
    assert_eq!(world.get("/api/projects/1/cohorts/").await["count"], 0);
}

/// A form with text fields and a file.
async fn upload(world: &World, method: &str, path: &str, fields: &[(&str, &str)], csv: &str) -> Answer {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--edge\r\nContent-Disposition: form-data; name=\"csv\"; filename=\"people.csv\"\r\nContent-Type: text/csv\r\n\r\n";
    body += &format!("{csv}\r\n--edge--\r\n");
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {KEY}"));
    let request = request.header("content-type", "multipart/form-data; boundary=edge");
    world.send(request.body(Body::from(body)).expect("request")).await
}

#[tokio::test]
async fn static_cohorts_keep_their_members() {
    let world = World::new().await;
    fill(&world);
    let fields = [("name", "Guests"), ("is_static", "true")];
    let answer = upload(&world, "POST", "/api/projects/1/cohorts/", &fields, "distinct_id\nann-2\nnobody\neve\n").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!((answer.json()["count"].as_i64(), answer.json()["is_static"].as_bool()), (Some(2), Some(true)));
    assert_eq!(members(&world, &json!(1)).await, [1, 9]);
    let more = upload(&world, "PATCH", "/api/projects/1/cohorts/1/", &[], "bob@example.com\nann\n").await;
    assert_eq!(more.json()["count"], 3);
    let add = json!({"person_ids": [Uuid::from_u128(3), Uuid::from_u128(77)]});
    assert_eq!(changed(&world, "/api/projects/1/cohorts/1/add_persons_to_static_cohort/", add.clone()).await, json!({"success": true}));
    assert_eq!(members(&world, &json!(1)).await, [1, 2, 3, 9]);
    let gone = json!({"person_id": Uuid::from_u128(1)});
    changed(&world, "/api/projects/1/cohorts/1/remove_person_from_static_cohort/", gone.clone()).await;
    let path = "/api/projects/1/cohorts/1/remove_person_from_static_cohort/";
    assert_eq!(world.ask("PATCH", path, Some(gone)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(members(&world, &json!(1)).await, [2, 3, 9]);
    assert_eq!(world.get("/api/projects/1/cohorts/1/").await["count"], 3);

    let refused = upload(&world, "POST", "/api/projects/1/cohorts/", &fields, "distinct_id\n").await;
    assert_eq!(refused.error(), "400 validation_error invalid_input [csv] The file names nobody.");
    let dynamic = made(&world, "/api/projects/1/cohorts/", json!({"name": "Ours", "filters": with_email("@example.com")})).await;
    let path = format!("/api/projects/1/cohorts/{}/add_persons_to_static_cohort/", dynamic["id"]);
    assert_eq!(world.ask("PATCH", &path, Some(add)).await.status, StatusCode::BAD_REQUEST);

    let copy = world.get(&format!("/api/projects/1/cohorts/{}/duplicate_as_static_cohort/", dynamic["id"])).await;
    assert_eq!((copy["name"].as_str(), copy["is_static"].as_bool()), (Some("Ours (static copy)"), Some(true)));
    assert_eq!(members(&world, &copy["id"]).await, [1, 2]);
    let actors = json!({"kind": "ActorsQuery", "properties": [{"type": "person", "key": "email", "operator": "is_set"}]});
    let of_query = made(&world, "/api/projects/1/cohorts/", json!({"name": "Asked", "is_static": true, "query": actors})).await;
    assert_eq!(members(&world, &of_query["id"]).await, [1, 2, 9]);
    let of_ids = json!({"name": "Given", "is_static": true, "_create_static_person_ids": [Uuid::from_u128(2)]});
    assert_eq!(made(&world, "/api/projects/1/cohorts/", of_ids).await["count"], 1);
}
