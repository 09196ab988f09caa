//! Persons and groups of a project, from the newest snapshot.

use crate::world::{NOON, World};
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, UnixMicros};
use aqueduct_store::{Commit, DistinctIdRecord, GroupRecord, PersonRecord, Store};
use serde_json::json;
use uuid::Uuid;

const ANONYMOUS: &str = "018f5c2e-7f5a-7bbb-8000-000000000001";

fn person(number: u128, properties: &str, is_identified: bool) -> PersonRecord {
    PersonRecord {
        project: ProjectId(1),
        id: Uuid::from_u128(number),
        created_at: UnixMicros(NOON.0 + i64::try_from(number).expect("small")),
        properties: properties.into(),
        is_identified,
        version: 1,
        is_deleted: false,
        last_seen_at: None,
    }
}

fn distinct_id(text: &str, number: u128) -> DistinctIdRecord {
    DistinctIdRecord {
        project: ProjectId(1),
        distinct_id: text.into(),
        person: Uuid::from_u128(number),
        version: 0,
        is_personless: false,
        spent: 0,
    }
}

fn fill(world: &World) {
    let group = |key: &str| GroupRecord {
        project: ProjectId(1),
        type_index: 0,
        key: key.into(),
        properties: r#"{"plan":"pro"}"#.into(),
        created_at: NOON,
        updated_at: NOON,
    };
    let commit = Commit {
        persons: vec![
            person(1, r#"{"email":"ann@example.com","name":"Ann"}"#, true),
            person(2, "{}", false),
            person(3, r#"{"age":7,"big":123456789012345678901234567890}"#, true),
        ],
        distinct_ids: vec![distinct_id(ANONYMOUS, 1), distinct_id("ann", 1), distinct_id("two", 2), distinct_id("three", 3)],
        groups: vec![group("acme"), group("zenith")],
        group_types: vec![(ProjectId(1), "company".into())],
        ..Commit::new(PartitionId(0), JournalPosition(1))
    };
    world.store.commit(commit).expect("commits");
}

#[tokio::test]
async fn listed_and_searched() {
    let world = World::new().await;
    assert_eq!(world.get("/api/projects/1/persons/").await["count"], 0);
    fill(&world);
    let all = world.get("/api/projects/1/persons/").await;
    assert_eq!((all["count"].as_u64(), all["next"].as_str()), (Some(3), None));
    let first = &all["results"][2];
    assert_eq!(first["distinct_ids"], json!(["ann", ANONYMOUS]), "made-up ids come last");
    assert_eq!((first["name"].as_str(), &first["is_identified"]), (Some("ann@example.com"), &json!(true)));
    assert_eq!(first["properties"]["name"], "Ann");
    for (query, expected) in [
        ("?distinct_id=two", vec![2]),
        ("?distinct_id=none", vec![]),
        ("?email=ann@example.com", vec![1]),
        ("?email=ann", vec![]),
        ("?search=EXAMPLE", vec![1]),
        ("?search=t", vec![3, 2]),
        ("?search=00000000-0000-0000-0000-000000000003", vec![3]),
        ("?limit=1&offset=1", vec![2]),
    ] {
        let page = world.get(&format!("/api/projects/1/persons/{query}")).await;
        let ids: Vec<_> = page["results"].as_array().expect("list").iter().map(|person| person["id"].clone()).collect();
        let expected: Vec<_> = expected.into_iter().map(|number| json!(Uuid::from_u128(number))).collect();
        assert_eq!(ids, expected, "{query}");
    }
    let third = world.ask("GET", "/api/projects/1/persons/three/", None).await;
    assert!(third.text.contains(r#""big":123456789012345678901234567890"#), "numbers come back as they were sent: {}", third.text);
}

#[tokio::test]
async fn one_by_id_or_distinct_id() {
    let world = World::new().await;
    fill(&world);
    for id in ["00000000-0000-0000-0000-000000000001", "ann", ANONYMOUS] {
        assert_eq!(world.get(&format!("/api/projects/1/persons/{id}/")).await["name"], "ann@example.com");
    }
    assert_eq!(world.ask("GET", "/api/projects/1/persons/nobody/", None).await.status, 404);
    world.ask("POST", "/api/projects/", Some(json!({}))).await;
    assert_eq!(world.ask("GET", "/api/projects/2/persons/ann/", None).await.status, 404, "another project's person");
}

#[tokio::test]
async fn groups_and_their_types() {
    let world = World::new().await;
    fill(&world);
    let types = world.get("/api/projects/1/groups_types/").await;
    assert_eq!(types, json!([{"group_type": "company", "group_type_index": 0, "name_singular": null, "name_plural": null}]));
    let groups = world.get("/api/projects/1/groups/?group_type_index=0&search=ZEN").await;
    assert_eq!((groups["count"].as_u64(), groups["results"][0]["group_key"].as_str()), (Some(1), Some("zenith")));
    assert_eq!(groups["results"][0]["group_properties"], json!({"plan": "pro"}));
    assert_eq!(world.get("/api/projects/1/").await["group_types"][0]["group_type"], "company");
    assert_eq!(world.ask("GET", "/api/projects/1/groups/", None).await.status, 400);
}

#[tokio::test]
async fn groups_are_found_and_their_types_named() {
    let world = World::new().await;
    fill(&world);
    let find = |key: &str| format!("/api/projects/1/groups/find/?group_type_index=0&group_key={key}");
    assert_eq!(world.get(&find("acme")).await["group_properties"], json!({"plan": "pro"}));
    assert_eq!(world.ask("GET", &find("nobody"), None).await.status, 404);
    assert_eq!(world.get("/api/projects/1/groups/property_definitions/").await, json!({"0": [{"name": "plan", "count": 2}]}));
    let values = "/api/projects/1/groups/property_values/?key=plan&group_type_index=";
    assert_eq!(world.get(&format!("{values}0")).await, json!([{"name": "pro", "count": 2}]));
    assert_eq!(world.get(&format!("{values}1")).await, json!([]));
    assert_eq!(world.get("/api/projects/1/groups/related/?group_type_index=0&id=acme").await, json!([]));
    let names = json!([{"group_type_index": 0, "name_singular": "company", "name_plural": "companies"}]);
    let named = world.ask("PATCH", "/api/projects/1/groups_types/update_metadata/", Some(names)).await;
    assert_eq!(named.status, 200, "{}", named.text);
    let named = named.json();
    assert_eq!(named[0]["name_plural"], "companies");
    assert_eq!(world.get("/api/projects/1/").await["group_types"][0]["name_plural"], "companies");
}
