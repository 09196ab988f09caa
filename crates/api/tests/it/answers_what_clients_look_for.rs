//! What clients of PostHog ask for besides: lists of what there is none of, activity, properties and cohorts of persons, elements of clicks.

use crate::world::{NOON, World};
use aqueduct_catalog::EventSeen;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, UnixMicros};
use aqueduct_store::{Commit, DistinctIdRecord, EventRow, EventRows, PersonMode, PersonRecord, Store};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const P: &str = "/api/projects/1";
const ANN: Uuid = Uuid::from_u128(11);

/// Ann with her properties, and a click of hers.
fn with_ann(world: &World) {
    let properties: Arc<str> = Arc::from(r#"{"plan":"pro","email":"ann@example.com"}"#);
    let person = PersonRecord {
        project: ProjectId(1),
        id: ANN,
        created_at: NOON,
        properties: Arc::clone(&properties),
        is_identified: true,
        version: 1,
        last_seen_at: None,
        is_deleted: false,
    };
    let distinct_id =
        DistinctIdRecord { project: ProjectId(1), distinct_id: "ann".into(), person: ANN, version: 0, is_personless: false, spent: 0 };
    let row = EventRow {
        project: ProjectId(1),
        uuid: Uuid::from_u128(77),
        event: "$autocapture",
        distinct_id: "ann",
        person: ANN,
        timestamp: UnixMicros(NOON.0 - 1),
        created_at: NOON,
        person_created_at: NOON,
        person_properties: &properties,
        person_mode: PersonMode::Full,
        elements_chain: r#"a.btn:href="/buy"nth-child="1"nth-of-type="2"text="Buy";div:nth-child="0"nth-of-type="0""#,
    };
    let mut events = EventRows::default();
    events.push(&row, std::iter::empty());
    let commit =
        Commit { events, persons: vec![person], distinct_ids: vec![distinct_id], ..Commit::new(PartitionId(0), JournalPosition(1)) };
    world.store.commit(commit).expect("commits");
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|item| item["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn what_there_is_none_of_is_an_empty_list() {
    let world = World::new().await;
    for resource in [
        "feature_flags",
        "experiments",
        "surveys",
        "notebooks",
        "hog_functions",
        "insight_variables",
        "error_tracking/issues",
        "query_tab_state",
    ] {
        let list = world.get(&format!("{P}/{resource}/?limit=1")).await;
        assert_eq!(list, json!({"count": 0, "next": null, "previous": null, "results": []}), "{resource}");
    }
    assert_eq!(world.get(&format!("{P}/feature_flags/my_flags/")).await, json!([]));
    assert_eq!(world.get(&format!("{P}/session_recordings/")).await["results"], json!([]));
    assert_eq!(world.get(&format!("{P}/feature_flags/local_evaluation/")).await["flags"], json!([]));
    assert_eq!(world.get("/api/organizations/@current/invites/").await["results"], json!([]));
    assert_eq!(world.get("/api/organizations/@current/roles/").await["results"], json!([]));
    let members = world.get("/api/organizations/@current/members/").await;
    assert_eq!(
        (&members["count"], &members["results"][0]["level"], &members["results"][0]["user"]["id"]),
        (&json!(1), &json!(15), &json!(1))
    );
    assert_eq!(world.ask("GET", &format!("{P}/feature_flags/7/"), None).await.status, 404);
    assert_eq!(world.ask("POST", &format!("{P}/feature_flags/"), Some(json!({"key": "a"}))).await.status, 405);
}

#[tokio::test]
async fn activity_tells_who_made_and_changed_an_insight() {
    let world = World::new().await;
    let insight = world.ask("POST", &format!("{P}/insights/"), Some(json!({"name": "Sales"}))).await.json();
    let path = format!("{P}/insights/{}/", insight["id"]);
    let list = world.get(&format!("{path}activity/")).await;
    let entry = &list["results"][0];
    assert_eq!((&list["total_count"], &list["next"], &list["previous"]), (&json!(1), &Value::Null, &Value::Null));
    assert_eq!((entry["activity"].as_str(), entry["scope"].as_str(), &entry["user"]["id"]), (Some("created"), Some("Insight"), &json!(1)));
    assert_eq!((&entry["detail"]["name"], &entry["detail"]["short_id"]), (&json!("Sales"), &insight["short_id"]));
    assert_eq!(world.ask("GET", &format!("{P}/insights/99/activity/"), None).await.status, 404);
    world.ask("POST", &format!("{P}/insights/"), Some(json!({"name": "More"}))).await;
    let page = world.get(&format!("{P}/insights/activity/?limit=1")).await;
    assert_eq!(page["next"], json!("http://localhost:8000/api/projects/1/insights/activity/?limit=1&page=2"));
    let page = world.get(&format!("{P}/insights/activity/?limit=1&page=2")).await;
    assert_eq!((page["results"].as_array().map(Vec::len), &page["next"], &page["total_count"]), (Some(1), &Value::Null, &json!(2)));
    let renamed = world.ask("PATCH", &path, Some(json!({"name": "Turnover", "description": ""}))).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let list = world.get(&format!("{P}/insights/{}/activity/", insight["short_id"].as_str().expect("an id"))).await;
    let change = json!([{"type": "Insight", "action": "changed", "field": "name", "before": "Sales", "after": "Turnover"}]);
    assert_eq!((&list["results"][0]["activity"], &list["results"][0]["detail"]["changes"]), (&json!("updated"), &change));
    let log = world.get(&format!("{P}/activity_log/?scope=Insight&limit=2&user=1")).await;
    assert_eq!((&log["count"], log["results"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    assert!(log["next"].as_str().is_some_and(|next| next.contains("offset=2")), "{log}");
    assert_eq!(world.get(&format!("{P}/activity_log/?scopes=Cohort,Person")).await["count"], 0);
    assert_eq!(world.get(&format!("{P}/activity_log/?user=nobody")).await["count"], 0);
}

#[tokio::test]
async fn activity_tells_of_definitions_and_persons() {
    let world = World::new().await;
    with_ann(&world);
    world.catalog.observe(ProjectId(1), &[EventSeen { name: "paid", at: NOON }], &[]);
    let id = world.get(&format!("{P}/event_definitions/by_name/?name=paid")).await["id"].as_str().expect("an id").to_owned();
    let one = format!("{P}/event_definitions/{id}/");
    world.ask("PATCH", &one, Some(json!({"verified": true, "tags": []}))).await;
    assert_eq!(world.ask("DELETE", &one, None).await.status, 204);
    let found = world.get(&format!("{one}activity/")).await;
    let told = |at: usize| (&found["results"][at]["activity"], &found["results"][at]["detail"]["changes"]);
    let change = json!([{"type": "EventDefinition", "action": "created", "field": "verified", "before": null, "after": true}]);
    assert_eq!([told(0), told(1)], [(&json!("deleted"), &Value::Null), (&json!("changed"), &change)]);
    let ann = format!("{P}/persons/{ANN}/");
    assert_eq!(world.get(&format!("{ann}activity/")).await["results"], json!([]));
    world.ask("POST", &format!("{ann}update_property/"), Some(json!({"key": "secret", "value": "hidden"}))).await;
    world.ask("POST", &format!("{ann}split/"), Some(json!({}))).await;
    world.ask("DELETE", &ann, None).await;
    let list = world.get(&format!("{P}/persons/activity/")).await;
    let acts: Vec<&str> = list["results"].as_array().into_iter().flatten().filter_map(|entry| entry["activity"].as_str()).collect();
    assert_eq!(acts, ["deleted", "split_person", "updated"]);
    assert_eq!(list["results"][2]["detail"]["changes"][0]["field"], "properties");
    // What an erasure takes away is not kept here.
    assert!(["hidden", "secret", "ann"].iter().all(|word| !list.to_string().contains(&format!("\"{word}\""))), "{list}");
    assert_eq!(world.get(&format!("{ann}activity/")).await["total_count"], 3);
    assert_eq!(world.ask("GET", &format!("{P}/persons/nobody/activity/"), None).await.status, 404);
    assert_eq!(world.ask("GET", &format!("{P}/feature_flags/7/activity/"), None).await.status, 404);
}

#[tokio::test]
async fn persons_have_properties_and_cohorts() {
    let world = World::new().await;
    with_ann(&world);
    let properties = world.get(&format!("{P}/persons/properties/")).await;
    assert_eq!(properties, json!([{"name": "email", "count": 1}, {"name": "plan", "count": 1}]));
    let of_plan = |name: &str, plan: &str| json!({"name": name, "filters": {"properties": {"type": "AND", "values": [{"type": "person", "key": "plan", "value": plan}]}}});
    for body in
        [of_plan("Pro", "pro"), of_plan("Free", "free"), json!({"name": "Kept", "is_static": true, "_create_static_person_ids": [ANN]})]
    {
        assert_eq!(world.ask("POST", &format!("{P}/cohorts/"), Some(body)).await.status, 201);
    }
    let cohorts = world.get(&format!("{P}/persons/cohorts/?person_id={ANN}")).await;
    assert_eq!(names(&cohorts["results"]), ["Pro", "Kept"]);
    assert_eq!(world.ask("GET", &format!("{P}/persons/cohorts/"), None).await.status, 400);
    assert_eq!(world.ask("GET", &format!("{P}/persons/cohorts/?person_id={}", Uuid::nil()), None).await.status, 404);
}

#[tokio::test]
async fn clicks_have_their_elements() {
    let world = World::new().await;
    with_ann(&world);
    let expected = json!([
        {"text": "Buy", "tag_name": "a", "attr_class": ["btn"], "href": "/buy", "attr_id": null, "nth_child": 1, "nth_of_type": 2, "attributes": {}, "order": 0},
        {"text": null, "tag_name": "div", "attr_class": null, "href": null, "attr_id": null, "nth_child": 0, "nth_of_type": 0, "attributes": {}, "order": 1},
    ]);
    assert_eq!(world.get(&format!("{P}/events/")).await["results"][0]["elements"], expected);
    let query = |query: Value| world.ask("POST", "/api/projects/1/query/", Some(json!({ "query": query })));
    let found = query(json!({"kind": "EventsQuery", "select": ["*"], "after": "all"}));
    assert_eq!(found.await.json()["results"][0][0]["elements"], expected);
    let found = query(json!({"kind": "SessionsTimelineQuery", "personId": ANN.to_string()}));
    assert_eq!(found.await.json()["results"][0]["events"][0]["elements"], expected);
}
