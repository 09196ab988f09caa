//! Personal API keys: the value is shown once, and a key gives away no more than it has.

use crate::world::World;
use expect_test::expect;
use serde_json::json;

#[tokio::test]
async fn made_used_changed_removed() {
    let world = World::new().await;
    let made = world.ask("POST", "/api/personal_api_keys/", Some(json!({"label": "robot", "scopes": ["*"]}))).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let bearer = format!("Bearer {}", made["value"].as_str().expect("value"));
    let path = format!("/api/personal_api_keys/{}/", made["id"].as_str().expect("id"));
    let current = world.ask_with("GET", "/api/personal_api_keys/@current", &[("authorization", &bearer)], None).await.json();
    assert_eq!((current["id"].as_str(), &current["value"]), (made["id"].as_str(), &json!(null)));
    assert_eq!(world.get("/api/personal_api_keys/").await.as_array().expect("list").len(), 2);
    let changed = world.ask("PATCH", &path, Some(json!({"label": "renamed"}))).await.json();
    assert_eq!((changed["label"].as_str(), changed["value"].as_str()), (Some("renamed"), None));
    assert_eq!(world.ask("DELETE", &path, None).await.status, 204);
    assert_eq!(world.ask_with("GET", "/api/projects/", &[("authorization", &bearer)], None).await.status, 401);
    assert_eq!(world.ask("GET", &path, None).await.status, 404);
}

#[tokio::test]
async fn wrong_values_are_named() {
    let world = World::new().await;
    let limited = json!({"label": "limited", "scopes": ["personal_api_key:write", "query:read"]});
    let limited = world.ask("POST", "/api/personal_api_keys/", Some(limited)).await.json();
    let bearer = format!("Bearer {}", limited["value"].as_str().expect("value"));
    let mut answers = Vec::new();
    for body in [json!({}), json!({"label": "x"}), json!({"label": "", "scopes": ["*"]}), json!({"label": "x", "scopes": ["all"]})] {
        answers.push(world.ask("POST", "/api/personal_api_keys/", Some(body)).await.error());
    }
    for scope in ["*", "query:write"] {
        let body = json!({"label": "more", "scopes": [scope]});
        answers.push(world.ask_with("POST", "/api/personal_api_keys/", &[("authorization", &bearer)], Some(body)).await.error());
    }
    expect![[r#"
        400 validation_error required [label] This field is required.
        400 validation_error required [scopes] This field is required.
        400 validation_error invalid_input [label] Found "", expected 1 to 40 characters.
        400 validation_error invalid_input [scopes] Found "all", expected a list of "*" or "<object>:read" or "<object>:write".
        400 validation_error invalid_input [scopes] This key may not give away the scope "*".
        400 validation_error invalid_input [scopes] This key may not give away the scope "query:write"."#]]
    .assert_eq(&answers.join("\n"));
}
