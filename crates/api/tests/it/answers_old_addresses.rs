//! Old clients name no project and say resources in the singular: they get what the addresses of today give, and addresses of next pages that are theirs.

use crate::world::World;
use serde_json::json;

#[tokio::test]
async fn resources_without_a_project() {
    let world = World::new().await;
    world.store_event(1, "paid", "ann");
    let made = world.ask("POST", "/api/insight/", Some(json!({"name": "Sales", "tags": ["b", "a"]}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].clone();
    assert_eq!(world.get(&format!("/api/dashboard_item/{id}")).await["name"], "Sales");
    assert_eq!(world.ask("PATCH", &format!("/api/insight/{id}/"), Some(json!({"name": "More"}))).await.json()["name"], "More");
    assert_eq!(world.get(&format!("/api/projects/1/insights/{id}/")).await["name"], "More");
    world.ask("POST", "/api/insight/", Some(json!({"name": "Again"}))).await;
    let page = world.get("/api/insight/?limit=1").await;
    assert_eq!(page["next"], json!("http://localhost:8000/api/insight/?limit=1&offset=1"));
    for (resource, body) in [
        ("action", json!({"name": "Buy", "tags": ["c"]})),
        ("annotation", json!({"content": "Launch"})),
        ("cohort", json!({"name": "Pro", "is_static": true})),
        ("dashboard", json!({"name": "Board", "tags": ["a"]})),
    ] {
        let made = world.ask("POST", &format!("/api/{resource}"), Some(body)).await;
        assert_eq!(made.status, 201, "{resource}: {}", made.text);
        assert_eq!(world.get(&format!("/api/{resource}/")).await["count"], 1, "{resource}");
        let one = format!("/api/projects/@current/{resource}s/{}/", made.json()["id"]);
        assert_eq!(world.get(&one).await["id"], made.json()["id"], "{resource}");
    }
    for resource in ["person", "event", "feature_flag"] {
        assert!(world.get(&format!("/api/{resource}/?limit=1")).await["results"].is_array(), "{resource}");
    }
    assert_eq!(world.get("/api/projects/1/tags/").await, json!(["a", "b", "c"]));
    assert_eq!(world.ask("GET", "/api/insights/", None).await.error(), "404 invalid_request not_found [-] Endpoint not found.");
    assert_eq!(world.ask_with("GET", "/api/insight/", &[], None).await.status, 401);
}

#[tokio::test]
async fn sessions_have_properties_with_values() {
    let world = World::new().await;
    let list = world.get("/api/projects/1/sessions/property_definitions/?limit=1000").await;
    let properties = list["results"].as_array().expect("a list");
    assert!(properties.len() > 30, "{list}");
    // Each of them is one of HogQL's: none is offered that no query knows.
    for property in properties {
        let name = property["name"].as_str().expect("a name");
        let query = json!({"kind": "HogQLQuery", "query": format!("SELECT {name} FROM sessions LIMIT 1")});
        let answer = world.ask("POST", "/api/projects/1/query/", Some(json!({"query": query}))).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        let values = world.get(&format!("/api/projects/1/sessions/values/?key={name}&value=%25'%7B")).await;
        assert_eq!(values, if name == "$is_bounce" { json!([{"name": "1"}, {"name": "0"}]) } else { json!([]) }, "{name}");
    }
    let found = world.get("/api/environments/1/sessions/property_definitions/?search=DURATION").await;
    assert_eq!((&found["count"], &found["results"][0]["property_type"]), (&json!(1), &json!("Duration")));
    assert_eq!(world.ask("GET", "/api/projects/1/sessions/values/?key=event)", None).await.status, 400);
}
