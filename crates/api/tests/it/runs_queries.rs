//! The query endpoint: answers, errors, polling and cancelling in PostHog's form.

use crate::world::{Answer, World};
use expect_test::expect;
use serde_json::{Value, json};
use std::time::Duration;

fn hogql(query: &str) -> Value {
    json!({"query": {"kind": "HogQLQuery", "query": query}})
}

async fn post(world: &World, body: Value) -> Answer {
    world.ask("POST", "/api/projects/1/query/", Some(body)).await
}

#[tokio::test]
async fn answers_on_every_path() {
    let world = World::new().await;
    world.store_event(0, "paid", "ann");
    world.store_event(1, "paid", "bob");
    for path in
        ["/api/projects/1/query", "/api/projects/@current/query/", "/api/environments/1/query/", "/api/projects/1/query/HogQLQuery/"]
    {
        let answer = world.ask("POST", path, Some(hogql("SELECT event, count() AS c FROM events GROUP BY event"))).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let body = answer.json();
        assert_eq!((&body["results"], &body["columns"]), (&json!([["paid", 2]]), &json!(["event", "c"])), "{path}");
        assert_eq!((&body["is_cached"], &body["timezone"]), (&json!(false), &json!("UTC")));
    }
    world.ask("POST", "/api/projects/", Some(json!({"name": "Other"}))).await;
    let other = world.ask("POST", "/api/projects/2/query/", Some(hogql("SELECT count() FROM events"))).await.json();
    assert_eq!(other["results"], json!([[0]]), "another project's events");
}

#[tokio::test]
async fn errors_have_the_form() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for body in [
        json!({}),
        json!({"query": "SELECT 1"}),
        json!({"query": {}}),
        json!({"query": {"kind": "NoSuchQuery"}}),
        json!({"query": {"kind": "HogQLQuery", "query": "SELECT 1"}, "refresh": "sometimes"}),
        json!({"query": {"kind": "HogQLQuery", "query": "SELECT 1"}, "client_query_id": "x".repeat(200)}),
        hogql("SELECT nothing FROM events"),
        hogql("SELECT FROM"),
    ] {
        let answer = post(&world, body).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        let error = answer.error();
        // The words of the language's errors are the engine's.
        answers.push(if error.contains("_error [-]") { error.split(" [").next().unwrap_or_default().to_owned() } else { error });
    }
    let mismatch = world.ask("POST", "/api/projects/1/query/TrendsQuery/", Some(hogql("SELECT 1"))).await;
    answers.push(mismatch.error());
    expect![[r#"
        400 validation_error required [query] This field is required.
        400 validation_error invalid_input [query] Expected an object with "kind".
        400 validation_error invalid_input [query] query.kind is missing
        400 validation_error invalid_input [query] Can't get a runner for an unknown query kind: NoSuchQuery
        400 validation_error invalid_choice [refresh] "sometimes" is not a valid choice.
        400 validation_error max_length [client_query_id] Ensure this field has no more than 128 characters.
        400 validation_error hogql_error
        400 validation_error syntax_error
        400 validation_error invalid_input [query] The path says TrendsQuery, the query says HogQLQuery."#]]
    .assert_eq(&answers.join("\n"));
}

#[tokio::test]
async fn in_the_background() {
    let world = World::new().await;
    world.store_event(0, "paid", "ann");
    let mut body = hogql("SELECT count() FROM events");
    body["refresh"] = json!("force_async");
    body["client_query_id"] = json!("mine");
    let started = post(&world, body).await;
    assert_eq!(started.status, 202);
    let status = &started.json()["query_status"];
    assert_eq!((&status["id"], &status["query_async"], &status["team_id"]), (&json!("mine"), &json!(true), &json!(1)));
    let done = poll(&world, "mine").await;
    assert_eq!((done.status.as_u16(), &done.json()["query_status"]["results"]["results"]), (200, &json!([[1]])));

    let mut wrong = hogql("SELECT nothing FROM events");
    wrong["async"] = json!(true);
    wrong["client_query_id"] = json!("wrong");
    assert_eq!(post(&world, wrong).await.status, 202);
    let failed = poll(&world, "wrong").await;
    let status = failed.json()["query_status"].clone();
    assert_eq!((failed.status.as_u16(), &status["error"], &status["complete"]), (400, &json!(true), &json!(true)));
    assert!(status["error_message"].is_string());
    assert_eq!(world.ask("GET", "/api/projects/1/query/unknown/", None).await.status, 404);
    world.ask("POST", "/api/projects/", Some(json!({"name": "Other"}))).await;
    assert_eq!(world.ask("GET", "/api/projects/2/query/mine/", None).await.status, 404, "another project's query");
}

async fn poll(world: &World, id: &str) -> Answer {
    for _ in 0..200 {
        let answer = world.ask("GET", &format!("/api/projects/1/query/{id}/"), None).await;
        if answer.status != 202 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the query did not end");
}

#[tokio::test]
async fn cancelled_upgraded_and_checked() {
    let world = World::new().await;
    let cancelled = world.ask("DELETE", "/api/projects/1/query/unknown/", None).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.json()["message"].as_str()), (200, Some("No such query is running.")));
    let upgraded = world.ask("POST", "/api/projects/1/query/upgrade/", Some(hogql("SELECT 1"))).await;
    assert_eq!(upgraded.json(), hogql("SELECT 1"));
    assert_eq!(world.ask("POST", "/api/projects/1/query/check_auth_for_async/", None).await.status, 200);
}
