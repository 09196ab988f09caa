//! Events, properties and warnings of a project, searched, filtered and cut into pages.

use crate::world::{NOON, World};
use aqueduct_catalog::{EventSeen, PropertyParent, PropertySeen, PropertyType};
use aqueduct_event::ProjectId;
use serde_json::{Value, json};

fn names(page: &Value) -> Vec<&str> {
    page["results"].as_array().expect("list").iter().map(|entry| entry["name"].as_str().expect("name")).collect()
}

fn observe(world: &World) {
    let events = ["paid", "$pageview", "signed up"].map(|name| EventSeen { name, at: NOON });
    let property =
        |key, property_type, event| PropertySeen { parent: PropertyParent::Event, group_type_index: None, key, property_type, event };
    let properties = [
        property("price", Some(PropertyType::Numeric), Some("paid")),
        property("currency", Some(PropertyType::String), Some("paid")),
        property("$browser", Some(PropertyType::String), Some("$pageview")),
        property("$feature/new", Some(PropertyType::String), None),
        PropertySeen { parent: PropertyParent::Person, ..property("plan", Some(PropertyType::String), None) },
        PropertySeen { parent: PropertyParent::Group, group_type_index: Some(1), ..property("seats", None, None) },
    ];
    world.catalog.observe(ProjectId(1), &events, &properties);
}

#[tokio::test]
async fn events() {
    let world = World::new().await;
    observe(&world);
    let base = "/api/projects/1/event_definitions";
    let all = world.get(base).await;
    assert_eq!(names(&all), ["$pageview", "paid", "signed up"]);
    assert_eq!(all["results"][0]["last_seen_at"], "2026-03-01T12:00:00.000000Z");
    assert_eq!(names(&world.get(&format!("{base}/?search=UP%20sign")).await), ["signed up"]);
    assert_eq!(names(&world.get(&format!("{base}/?event_type=event_custom&ordering=-name")).await), ["signed up", "paid"]);
    assert_eq!(names(&world.get(&format!("{base}/?event_type=event_posthog")).await), ["$pageview"]);
    assert_eq!(names(&world.get(&format!("{base}/?limit=1&offset=1")).await), ["paid"]);
    let one = format!("{base}/{}/", all["results"][1]["id"].as_str().expect("id"));
    assert_eq!(world.get(&one).await["name"], "paid");
    let bad = world.ask("GET", &format!("{base}/?ordering=size"), None).await;
    assert_eq!(bad.error(), "400 validation_error invalid_choice [ordering] \"size\" is not a valid choice.");
    world.ask("POST", "/api/projects/", Some(json!({"name": "Other"}))).await;
    assert_eq!(world.get("/api/projects/2/event_definitions/").await["count"], 0);
}

#[tokio::test]
async fn properties() {
    let world = World::new().await;
    observe(&world);
    let base = "/api/environments/1/property_definitions/";
    let all = world.get(base).await;
    assert_eq!(names(&all), ["$browser", "$feature/new", "currency", "price"]);
    let price = &all["results"][3];
    assert_eq!((&price["property_type"], &price["is_numerical"]), (&json!("Numeric"), &json!(true)));
    assert_eq!(names(&world.get(&format!("{base}?type=person")).await), ["plan"]);
    assert_eq!(names(&world.get(&format!("{base}?type=group&group_type_index=1")).await), ["seats"]);
    assert_eq!(names(&world.get(&format!("{base}?is_numerical=true")).await), ["price"]);
    assert_eq!(names(&world.get(&format!("{base}?is_feature_flag=true")).await), ["$feature/new"]);
    assert_eq!(names(&world.get(&format!("{base}?properties=price,currency")).await), ["currency", "price"]);
    let of_paid = world.get(&format!("{base}?event_names=%5B%22paid%22%5D")).await;
    assert_eq!(names(&of_paid), ["currency", "price", "$browser", "$feature/new"]);
    assert_eq!(of_paid["results"][0]["is_seen_on_filtered_events"], true);
    assert_eq!(names(&world.get(&format!("{base}?event_names=%5B%22paid%22%5D&filter_by_event_names=true")).await), ["currency", "price"]);
    assert_eq!(world.ask("GET", &format!("{base}?type=group"), None).await.status, 400);
    let one = format!("{base}{}/", price["id"].as_str().expect("id"));
    let changed = world.ask("PATCH", &one, Some(json!({"property_type": "String"}))).await;
    assert_eq!((changed.status.as_u16(), changed.json()["property_type"].as_str()), (200, Some("String")));
    assert_eq!(world.ask("PATCH", &one, Some(json!({"property_type": "Number"}))).await.status, 400);
}

#[tokio::test]
async fn warnings() {
    let world = World::new().await;
    for distinct_id in ["a", "b"] {
        world.catalog.warn(ProjectId(1), "cannot_merge_already_identified", json!({"distinctId": distinct_id}));
    }
    world.catalog.warn(ProjectId(1), "group_key_too_long", json!({}));
    let list = world.get("/api/projects/1/ingestion_warnings/").await;
    let merge =
        list["results"].as_array().expect("list").iter().find(|kind| kind["type"] == "cannot_merge_already_identified").expect("kind");
    assert_eq!(merge["count"], 2);
    assert_eq!(merge["sparkline"], json!([[2, "2026-03-01"]]));
    assert_eq!(merge["warnings"].as_array().expect("list").len(), 2);
}

#[tokio::test]
async fn notes_are_kept_with_definitions() {
    let world = World::new().await;
    observe(&world);
    for (resource, kind) in [("event_definitions", "event"), ("property_definitions", "property")] {
        let list = format!("/api/projects/1/{resource}/");
        let id = world.get(&list).await["results"][0]["id"].as_str().expect("an id").to_owned();
        let change = json!({"description": "When money came", "tags": ["a", "b"], "verified": true});
        let changed = world.ask("PATCH", &format!("{list}{id}/"), Some(change)).await;
        assert_eq!(changed.status, 200, "{kind}: {}", changed.text);
        world.ask("PATCH", &format!("{list}{id}/"), Some(json!({"hidden": true}))).await;
        let found = &world.get(&list).await["results"][0];
        assert_eq!((&found["description"], &found["tags"]), (&json!("When money came"), &json!(["a", "b"])), "{kind}");
        assert_eq!((&found["verified"], &found["verified_by"]["id"], &found["hidden"]), (&json!(true), &json!(1), &json!(true)), "{kind}");
        let nobody = format!("{list}00000000-0000-0000-0000-000000000001/");
        assert_eq!(world.ask("PATCH", &nobody, Some(json!({"hidden": true}))).await.status, 404, "{kind}");
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_until_it_occurs_again() {
    let world = World::new().await;
    observe(&world);
    let (events, properties) = ("/api/projects/1/event_definitions", "/api/projects/1/property_definitions");
    let paid = world.get(&format!("{events}/by_name/?name=paid")).await;
    let together = format!("{properties}/seen_together/?event_names=[%22paid%22,%22signed%20up%22]&property_name=price");
    assert_eq!(world.get(&together).await, json!({"paid": true, "signed up": false}));
    let one = format!("{events}/{}/", paid["id"].as_str().expect("an id"));
    world.ask("PATCH", &one, Some(json!({"description": "money"}))).await;
    assert_eq!(world.ask("DELETE", &one, None).await.status, 204);
    assert_eq!(world.ask("DELETE", &one, None).await.status, 404);
    assert_eq!(world.ask("GET", &format!("{events}/by_name/?name=paid"), None).await.status, 404);
    assert_eq!(names(&world.get(&format!("{events}/")).await), ["$pageview", "signed up"]);
    assert_eq!(world.get(&together).await["paid"], json!(false));
    let price = world.get(&format!("{properties}/?search=price")).await["results"][0]["id"].clone();
    let price = format!("{properties}/{}/", price.as_str().expect("an id"));
    assert_eq!(world.ask("DELETE", &price, None).await.status, 204);
    assert_eq!(world.ask("DELETE", &price, None).await.status, 404);
    assert_eq!(world.ask("DELETE", &format!("{properties}/x/"), None).await.status, 404);
    assert_eq!(world.get(&format!("{properties}/?search=price")).await["count"], 0);
    observe(&world);
    let anew = world.get(&format!("{events}/by_name/?name=paid")).await;
    assert_ne!(anew["id"], paid["id"]);
    assert_eq!(anew["description"], Value::Null);
    assert_eq!(world.get(&together).await["paid"], json!(true));
    assert_eq!(world.get(&format!("{properties}/?search=price")).await["results"][0]["property_type"], "Numeric");
}
