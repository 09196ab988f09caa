//! Projects are made, listed and changed over every path that PostHog's clients use.

use crate::world::World;
use expect_test::expect;
use serde_json::json;

#[tokio::test]
async fn made_and_found_again() {
    let world = World::new().await;
    let made =
        world.ask("POST", "/api/organizations/@current/projects/", Some(json!({"name": "Shop", "timezone": "America/New_York"}))).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!((made["id"].as_u64(), made["name"].as_str(), made["timezone"].as_str()), (Some(2), Some("Shop"), Some("America/New_York")));
    assert!(made["api_token"].as_str().expect("token").starts_with("phc_"));
    let organization = made["organization"].as_str().expect("id").to_owned();
    for path in [
        "/api/projects/2/".to_owned(),
        "/api/projects/2".to_owned(),
        "/api/environments/2/".to_owned(),
        format!("/api/organizations/{organization}/projects/2/"),
        "/api/organizations/@current/projects/2".to_owned(),
    ] {
        assert_eq!(world.get(&path).await["uuid"], made["uuid"], "{path}");
    }
    assert_eq!(world.get("/api/projects/@current/").await["id"], 1);
    let list = world.get("/api/projects/?limit=1").await;
    assert_eq!((list["count"].as_u64(), list["results"][0]["id"].as_u64()), (Some(2), Some(1)));
    assert_eq!(list["next"], "http://localhost:8000/api/projects/?limit=1&offset=1");
    let second = world.get("/api/projects/?limit=1&offset=1").await;
    assert_eq!((second["next"].as_str(), second["results"][0]["id"].as_u64()), (None, Some(2)));
    let organization = world.get("/api/organizations/@current/").await;
    assert_eq!(organization["projects"].as_array().expect("list").len(), 2);
    assert_eq!(world.get("/api/organizations/").await["count"], 1);
}

#[tokio::test]
async fn changed() {
    let world = World::new().await;
    let change = json!({
        "name": "Renamed", "timezone": "Asia/Tokyo", "week_start_day": 1, "anonymize_ips": true, "app_urls": ["https://a.example"],
        "test_account_filters": [{"key": "email", "value": "@a.example", "operator": "not_icontains", "type": "person"}],
        "session_recording_opt_in": true, "autocapture_opt_out": true, "no_such_setting": 1, "id": 77, "api_token": "mine",
    });
    let changed = world.ask("PATCH", "/api/projects/1/", Some(change.clone())).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let read = world.get("/api/projects/1/").await;
    for key in ["name", "timezone", "week_start_day", "anonymize_ips", "app_urls", "test_account_filters", "session_recording_opt_in"] {
        assert_eq!(read[key], change[key], "{key}");
    }
    assert_eq!((read["id"].as_u64(), read["api_token"].as_str()), (Some(1), Some("phc_first")));
    assert!(read.get("no_such_setting").is_none());
    let reset = world.ask("PATCH", "/api/projects/1/reset_token/", None).await.json();
    assert_ne!(reset["api_token"], "phc_first");
}

#[tokio::test]
async fn wrong_values_are_named() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for change in [
        json!({"timezone": "Mars/Olympus"}),
        json!({"name": ""}),
        json!({"week_start_day": 3}),
        json!({"week_start_day": -1}),
        json!({"test_account_filters": {}}),
        json!({"app_urls": "https://a.example"}),
        json!({"session_recording_opt_in": "yes"}),
    ] {
        answers.push(world.ask("PATCH", "/api/projects/1/", Some(change)).await.error());
    }
    answers.push(world.ask("POST", "/api/organizations/@current/projects/", Some(json!({"timezone": "Nowhere"}))).await.error());
    expect![[r#"
        400 validation_error invalid_input [timezone] Found "Mars/Olympus", expected an IANA time zone such as "Europe/Berlin" or "UTC".
        400 validation_error invalid_input [name] Found "", expected 1 to 200 characters.
        400 validation_error invalid_input [week_start_day] Found "3", expected 0 (Sunday) or 1 (Monday).
        400 validation_error invalid_input [week_start_day] invalid value: integer `-1`, expected u8
        400 validation_error invalid_input [test_account_filters] Found "{}", expected a list.
        400 validation_error invalid_input [app_urls] Expected a list of items.
        400 validation_error invalid_input [session_recording_opt_in] Must be a valid boolean.
        400 validation_error invalid_input [timezone] Found "Nowhere", expected an IANA time zone such as "Europe/Berlin" or "UTC"."#]]
    .assert_eq(&answers.join("\n"));
}
