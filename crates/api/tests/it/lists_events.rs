//! Events by the older addresses, and values of their properties.

use crate::world::{NOON, World};
use serde_json::json;

fn numbers(page: &serde_json::Value) -> Vec<u64> {
    page["results"].as_array().expect("a list").iter().map(|event| event["properties"]["n"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn newest_first_filtered_and_one_by_one() {
    let world = World::new().await;
    for (number, event, who) in [(1, "seen", "ann"), (2, "paid", "bob"), (3, "seen", "bob")] {
        world.store_event(number, event, who);
    }
    let all = world.get("/api/projects/1/events/").await;
    assert_eq!((all["results"].as_array().map(Vec::len), &all["next"]), (Some(3), &json!(null)));
    let event = all["results"].as_array().expect("a list").iter().find(|event| event["properties"]["n"] == 2).expect("there");
    assert_eq!((event["event"].as_str(), event["distinct_id"].as_str()), (Some("paid"), Some("bob")));
    for (query, expected) in [
        ("event=paid", vec![2]),
        ("distinct_id=ann", vec![1]),
        ("properties=%5B%7B%22key%22%3A%22n%22%2C%22value%22%3A2%2C%22operator%22%3A%22gt%22%2C%22type%22%3A%22event%22%7D%5D", vec![3]),
        ("after=2027-01-01T00:00:00Z", vec![]),
        ("before=2020-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(numbers(&world.get(&format!("/api/projects/1/events/?{query}")).await), expected, "{query}");
    }
    let page = world.get("/api/projects/1/events/?limit=2&event=seen").await;
    assert_eq!((numbers(&page).len(), &page["next"]), (2, &json!(null)));
    let next = world.get("/api/projects/1/events/?limit=2").await["next"].as_str().expect("an address").to_owned();
    assert!(next.starts_with("http://localhost:8000/api/projects/1/events/?limit=2&before=2026-03-01T12"), "{next} after {NOON:?}");
    let id = event["id"].as_str().expect("a uuid");
    assert_eq!(world.get(&format!("/api/projects/1/events/{id}/")).await["event"], "paid");
    assert_eq!(world.ask("GET", "/api/projects/1/events/00000000-0000-0000-0000-0000000000ff/", None).await.status, 404);
    assert_eq!(world.ask("GET", "/api/projects/1/events/x' OR 1=1/".replace(' ', "%20").as_str(), None).await.status, 404);
    assert_eq!(world.get("/api/event/").await["results"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn values_are_counted() {
    let world = World::new().await;
    for (number, event) in [(1, "seen"), (2, "paid"), (3, "paid")] {
        world.store_event(number, event, "ann");
    }
    assert_eq!(world.get("/api/projects/1/events/values/?key=n").await, json!([{"name": 1}, {"name": 2}, {"name": 3}]));
    assert_eq!(world.get("/api/event/values/?key=n&value=2").await, json!([{"name": 2}]));
    assert_eq!(world.get("/api/projects/1/events/values/?key=n&event_name=seen").await, json!([{"name": 1}]));
    assert_eq!(world.get("/api/projects/1/events/values/?key=none").await, json!([]));
    assert_eq!(world.ask("GET", "/api/projects/1/events/values/", None).await.status, 400);
}
