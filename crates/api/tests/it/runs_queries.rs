//! The query endpoint: answers, errors, polling and cancelling in PostHog's form.

use crate::world::{Answer, World};
use aqueduct_query::QueryConfig;
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
        assert_eq!(body["timezone"], json!("UTC"));
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

/// Status, whether it is cached, the results, and whether a query runs in the background.
async fn mode(world: &World, refresh: Value) -> (u16, Value, Value, bool) {
    let mut body = hogql("SELECT count() FROM events");
    body["refresh"] = refresh;
    let answer = post(world, body).await;
    let body = answer.json();
    if let Some(id) = body["query_status"]["id"].as_str() {
        poll(world, id).await;
    }
    (answer.status.as_u16(), body["is_cached"].clone(), body["results"].clone(), body["query_status"]["complete"] == json!(false))
}

#[tokio::test]
async fn every_mode_over_what_is_kept() {
    let world = World::new().await;
    let (computed, kept) = (json!(false), json!(true));
    world.store_event(0, "paid", "ann");
    assert_eq!(mode(&world, json!("async")).await, (202, Value::Null, Value::Null, true), "nothing is kept");
    for refresh in ["blocking", "async", "lazy_async", "async_except_on_cache_miss", "force_cache"] {
        assert_eq!(mode(&world, json!(refresh)).await, (200, kept.clone(), json!([[1]]), false), "{refresh}: the background kept it");
    }
    assert_eq!(mode(&world, json!("force_blocking")).await, (200, computed.clone(), json!([[1]]), false));
    assert_eq!(mode(&world, json!(true)).await, (200, computed.clone(), json!([[1]]), false));
    assert_eq!(mode(&world, json!("force_async")).await, (202, Value::Null, Value::Null, true));
    world.store_event(1, "paid", "bob");
    assert_eq!(mode(&world, json!("lazy_async")).await, (200, kept.clone(), json!([[1]]), false), "an older answer will do");
    assert_eq!(mode(&world, json!("async_except_on_cache_miss")).await, (202, kept.clone(), json!([[1]]), true), "the older one meanwhile");
    world.store_event(2, "paid", "cid");
    assert_eq!(mode(&world, json!("async")).await, (202, kept.clone(), json!([[2]]), true));
    world.store_event(3, "paid", "dan");
    assert_eq!(mode(&world, json!(false)).await, (200, computed, json!([[4]]), false), "never a stale one without asking");
}

#[tokio::test]
async fn an_answer_says_how_fresh_it_is() {
    let world = World::new().await;
    let trend = json!({"query": {"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": "paid"}], "interval": "day", "dateRange": {"date_from": "-30d"}}});
    let first = post(&world, trend.clone()).await.json();
    let second = post(&world, trend).await.json();
    let fields = ["last_refresh", "cache_target_age", "next_allowed_client_refresh", "timezone"].map(|name| second[name].clone());
    assert_eq!(
        fields,
        [json!("2026-03-01T12:30:00.000000Z"), json!("2026-03-01T18:30:00.000000Z"), json!("2026-03-01T12:45:00.000000Z"), json!("UTC")]
    );
    assert_eq!((&first["is_cached"], &second["is_cached"], &first["cache_key"]), (&json!(false), &json!(true), &second["cache_key"]));
    assert!(second["cache_key"].as_str().is_some_and(|key| key.starts_with("cache_1_")) && second["query_status"].is_null());
}

const ENDLESS: &str = "SELECT count() FROM numbers(1000000000000) WHERE number * 3 = number + 1";

#[tokio::test]
async fn a_query_is_watched_and_cancelled() {
    let world = World::new().await;
    let mut body = hogql(ENDLESS);
    body["refresh"] = json!("force_async");
    body["client_query_id"] = json!("long");
    for _ in 0..2 {
        assert_eq!(post(&world, body.clone()).await.status, 202, "the second time it is the same query");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let running = world.get("/api/running_queries/").await;
    assert_eq!((running["results"].as_array().map(Vec::len), &running["results"][0]["query_id"]), (Some(1), &json!("long")));
    let polled = world.ask("GET", "/api/projects/1/query/long/?show_progress=true", None).await;
    let progress = polled.json()["query_status"]["query_progress"].clone();
    assert!(polled.status == 202 && progress["rows_read"].is_u64() && progress["estimated_rows_total"].is_u64(), "{}", polled.text);
    world.ask("POST", "/api/projects/", Some(json!({"name": "Other"}))).await;
    let foreign = world.ask("DELETE", "/api/projects/2/query/long/", None).await.json();
    assert_eq!(foreign["message"], json!("No such query is running."));
    let cancelled = world.ask("DELETE", "/api/projects/1/query/long/", None).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["message"]), (200, &json!("Query cancelled.")));
    let polled = world.ask("GET", "/api/projects/1/query/long/", None).await;
    let status = polled.json()["query_status"].clone();
    assert_eq!((polled.status.as_u16(), &status["complete"], &status["error_message"]), (400, &json!(true), &json!("query was cancelled")));
    for _ in 0..100 {
        if world.get("/api/running_queries/").await["results"] == json!([]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it still runs");
}

#[tokio::test]
async fn too_many_at_once_are_told_when_to_come_again() {
    let world =
        World::with_queries(QueryConfig { threads: 1, running_max: 1, queued_max: 0, queued_seconds_max: 7, ..QueryConfig::default() })
            .await;
    let mut body = hogql(ENDLESS);
    body["refresh"] = json!("force_async");
    body["client_query_id"] = json!("long");
    post(&world, body).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = post(&world, hogql("SELECT 1")).await;
    assert_eq!(refused.headers.get("retry-after").and_then(|value| value.to_str().ok()), Some("7"));
    expect![["429 throttled_error throttled [-] too many queries of this project at the same time: 1 run and 0 wait; try again in 7 seconds, or ask for less at once"]]
        .assert_eq(&refused.error());
    world.ask("DELETE", "/api/projects/1/query/long/", None).await;
    let log = world.get("/api/projects/1/query_log/?status=ExceptionBeforeStart").await;
    assert_eq!(
        (&log["count"], &log["results"][0]["exception_code"], &log["results"][0]["query"]),
        (&json!(1), &json!(429), &json!("SELECT 1"))
    );
}

#[tokio::test]
async fn who_asked_what_is_in_the_log() {
    let world = World::new().await;
    world.store_event(0, "paid", "ann");
    let mut body = hogql("SELECT event FROM events");
    body["client_query_id"] = json!("mine");
    body["name"] = json!("my query");
    post(&world, body).await;
    let logged = world.get("/api/projects/1/query/mine/log/").await;
    let column =
        |name: &str| logged["columns"].as_array().and_then(|columns| columns.iter().position(|column| column == name)).expect("a column");
    let row = |name: &str| &logged["results"][0][column(name)];
    assert_eq!(logged["results"].as_array().map(Vec::len), Some(1), "{logged}");
    assert_eq!(
        (row("query"), row("status"), row("hogql_name")),
        (&json!("SELECT event FROM events"), &json!("QueryFinish"), &json!("my query"))
    );
    assert_eq!((row("is_personal_api_key_request"), row("read_rows"), row("created_by")), (&json!(true), &json!(1), &json!(1)));
    let log = world.get("/api/projects/1/query_log/?kind=HogQLQuery&limit=1").await;
    assert_eq!(log["count"], json!(2), "the question for the log, too");
    assert_eq!(world.ask("GET", "/api/projects/1/query/unknown/log/", None).await.json()["results"], json!([]));
}

#[tokio::test]
async fn a_dashboards_filters_and_variables_are_put_over() {
    let world = World::new().await;
    world.store_event(0, "paid", "ann");
    world.store_event(1, "paid", "ann");
    let mut body = hogql("SELECT count(), {variables.x} FROM events WHERE {filters}");
    body["query"]["variables"] = json!({"1": {"code_name": "x", "value": "own"}});
    body["variables_override"] = json!({"1": {"value": "given"}});
    body["filters_override"] = json!({"properties": [{"type": "event", "key": "n", "operator": "exact", "value": 1}]});
    assert_eq!(post(&world, body).await.json()["results"], json!([[1, "given"]]));
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
