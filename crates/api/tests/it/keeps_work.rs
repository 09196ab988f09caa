//! Annotations, insights and dashboards: made, listed, changed, deleted and brought back; shared by link without a key.

use crate::world::World;
use http::{Request, StatusCode};
use serde_json::{Value, json};

const P: &str = "/api/projects/1";
const COUNT: &str = "SELECT count() AS n FROM events";

async fn made(world: &World, resource: &str, body: Value) -> Value {
    let answer = world.ask("POST", &format!("{P}/{resource}/"), Some(body)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json()
}

async fn patched(world: &World, path: &str, body: Value) -> Value {
    let answer = world.ask("PATCH", &format!("{P}/{path}/"), Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

fn ids(page: &Value) -> Vec<i64> {
    page["results"].as_array().expect("a list").iter().map(|item| item["id"].as_i64().expect("a number")).collect()
}

/// Asks without any credentials.
async fn anybody(world: &World, path: &str) -> crate::world::Answer {
    world.send(Request::builder().uri(path).body(axum::body::Body::empty()).expect("request")).await
}

#[tokio::test]
async fn annotations() {
    let world = World::new().await;
    let first = made(&world, "annotations", json!({"content": "Launch", "date_marker": "2026-01-02T00:00:00Z", "scope": "project"})).await;
    assert_eq!(
        (first["content"].as_str(), first["scope"].as_str(), first["creation_type"].as_str()),
        (Some("Launch"), Some("project"), Some("USR"))
    );
    assert_eq!(first["created_by"]["id"], 1);
    let second = made(&world, "annotations", json!({"content": "Later", "date_marker": "2026-02-01T00:00:00Z"})).await;
    let (first, second) = (first["id"].as_i64().expect("a number"), second["id"].as_i64().expect("a number"));
    for (query, expected) in [
        ("", vec![second, first]),
        ("?search=LAUNCH", vec![first]),
        ("?scope=project", vec![first]),
        ("?date_from=2026-01-15T00:00:00Z", vec![second]),
        ("?limit=1", vec![second]),
        ("?after=2026-03-01T00:00:00Z&before=2026-03-02T00:00:00Z", vec![second, first]),
        ("?after=2026-03-02T00:00:00Z", vec![]),
        ("?apply_all=true", vec![first]),
        ("?apply_all=false", vec![second]),
        ("?deleted=true", vec![]),
    ] {
        assert_eq!(ids(&world.get(&format!("{P}/annotations/{query}")).await), expected, "{query}");
    }
    let changed = patched(&world, &format!("annotations/{first}"), json!({"content": "Start", "unknown": 1})).await;
    assert_eq!((changed["content"].as_str(), changed.get("unknown")), (Some("Start"), None));
    patched(&world, &format!("annotations/{first}"), json!({"deleted": true})).await;
    assert_eq!(ids(&world.get(&format!("{P}/annotations/")).await), [second]);
    assert_eq!(ids(&world.get(&format!("{P}/annotations/?deleted=true")).await), [first]);
    assert_eq!(world.ask("GET", &format!("{P}/annotations/{first}/"), None).await.status, 404);
    patched(&world, &format!("annotations/{first}"), json!({"deleted": false})).await;
    assert_eq!(world.get(&format!("{P}/annotations/{first}/")).await["content"], "Start");
    for wrong in [json!({"content": 5}), json!({"scope": "world"}), json!({"date_marker": "soon"}), json!({"content": "x".repeat(401)})] {
        assert_eq!(world.ask("POST", &format!("{P}/annotations/"), Some(wrong)).await.status, 400);
    }
    assert_eq!(world.ask("DELETE", &format!("{P}/annotations/{second}/"), None).await.status, 405);
}

#[tokio::test]
async fn insights_have_their_result() {
    let world = World::new().await;
    world.store_event(1, "seen", "ann");
    let query = json!({"kind": "DataVisualizationNode", "source": {"kind": "HogQLQuery", "query": COUNT}});
    let insight = made(&world, "insights", json!({"name": "How many", "query": query, "saved": true, "tags": ["a"]})).await;
    let (id, short_id) = (insight["id"].as_i64().expect("a number"), insight["short_id"].as_str().expect("text").to_owned());
    assert_eq!((&insight["query"], &insight["result"], insight["saved"].as_bool()), (&query, &Value::Null, Some(true)));
    for path in [id.to_string(), short_id.clone()] {
        let found = world.get(&format!("{P}/insights/{path}/")).await;
        assert_eq!((&found["result"], &found["columns"]), (&json!([[1]]), &json!(["n"])));
    }
    let kept = world.get(&format!("{P}/insights/{id}/?refresh=force_cache")).await;
    assert_eq!((&kept["result"], &kept["is_cached"]), (&json!([[1]]), &json!(true)));
    let broken = made(&world, "insights", json!({"name": "Broken", "query": {"kind": "HogQLQuery", "query": "SELEC"}})).await;
    let broken = broken["id"].as_i64().expect("a number");
    let found = world.get(&format!("{P}/insights/{broken}/")).await;
    assert_eq!((&found["result"], &found["query_status"]["error"]), (&Value::Null, &json!(true)));
    let short = format!("?short_id={short_id}");
    for (query, expected) in [
        ("", vec![broken, id]),
        ("?saved=true", vec![id]),
        (short.as_str(), vec![id]),
        ("?search=many", vec![id]),
        ("?insight=SQL&order=id", vec![id, broken]),
        ("?insight=FUNNELS", vec![]),
        ("?created_by=9", vec![]),
    ] {
        assert_eq!(ids(&world.get(&format!("{P}/insights/{query}")).await), expected, "{query}");
    }
    assert_eq!(world.get(&format!("{P}/insights/?refresh=true&short_id={short_id}")).await["results"][0]["result"], json!([[1]]));
    patched(&world, &format!("insights/{id}"), json!({"deleted": true})).await;
    assert_eq!(ids(&world.get(&format!("{P}/insights/")).await), [broken]);
    assert_eq!(world.ask("POST", &format!("{P}/insights/"), Some(json!({"query": "SELECT 1"}))).await.status, 400);
}

#[tokio::test]
async fn results_come_as_refresh_says() {
    let world = World::new().await;
    world.store_event(1, "seen", "ann");
    let query = json!({"kind": "HogQLQuery", "query": "SELECT count() AS n FROM events WHERE {filters}"});
    let insight = made(&world, "insights", json!({"query": query})).await["id"].clone();
    let path = |query: &str| format!("{P}/insights/{insight}/?{query}");
    let begun = world.get(&path("refresh=async")).await;
    let status = &begun["query_status"];
    assert_eq!((&begun["result"], &status["query_async"], &status["error"]), (&Value::Null, &json!(true), &json!(false)));
    let poll = format!("{P}/query/{}/", status["id"].as_str().expect("an id"));
    let mut done = world.get(&path("refresh=false")).await;
    for _ in 0..500 {
        if world.ask("GET", &poll, None).await.status == StatusCode::OK {
            done = world.get(&path("refresh=force_cache")).await;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((&done["result"], &done["is_cached"], &done["query_status"]), (&json!([[1]]), &json!(true), &Value::Null));
    // An older answer is given beside the query that replaces it.
    world.store_event(2, "seen", "ann");
    let stale = world.get(&path("refresh=async")).await;
    assert_eq!((&stale["result"], stale["query_status"]["id"].is_string()), (&json!([[1]]), true));
    assert_eq!(world.get(&path("refresh=blocking")).await["result"], json!([[2]]));
    let none = "filters_override=%7B%22properties%22%3A%5B%7B%22type%22%3A%22event%22%2C%22key%22%3A%22n%22%2C%22value%22%3A7%7D%5D%7D";
    assert_eq!(world.get(&path(none)).await["result"], json!([[0]]));
    for wrong in ["refresh=sometimes", "filters_override=%7B"] {
        assert_eq!(world.ask("GET", &path(wrong), None).await.status, 400, "{wrong}");
    }
    let cancel = world.ask("POST", &format!("{P}/insights/cancel/"), Some(json!({"client_query_id": "any"}))).await;
    assert_eq!(cancel.status, StatusCode::CREATED);
}

#[tokio::test]
async fn dashboards_and_insights_agree() {
    let world = World::new().await;
    world.store_event(1, "seen", "ann");
    let dashboard = made(&world, "dashboards", json!({"name": "Board", "pinned": true})).await["id"].as_i64().expect("a number");
    let query = json!({"kind": "HogQLQuery", "query": COUNT});
    let insight = made(&world, "insights", json!({"name": "A", "query": query, "dashboards": [dashboard]})).await;
    assert_eq!(insight["dashboards"], json!([dashboard]));
    let id = insight["id"].as_i64().expect("a number");
    let board = world.get(&format!("{P}/dashboards/{dashboard}/")).await;
    let tile = &board["tiles"][0];
    assert_eq!((&tile["insight"]["id"], &tile["insight"]["result"]), (&json!(id), &json!([[1]])));
    assert_eq!(insight["dashboard_tiles"][0]["id"], tile["id"]);
    let edits = json!({"tiles": [{"id": tile["id"], "color": "blue", "layouts": {"sm": {"x": 1}}}, {"text": {"body": "Words"}}]});
    let board = patched(&world, &format!("dashboards/{dashboard}"), edits).await;
    assert_eq!((&board["tiles"][0]["color"], &board["tiles"][1]["text"]["body"]), (&json!("blue"), &json!("Words")));
    let copy = made(&world, "dashboards", json!({"name": "Copy", "use_dashboard": dashboard})).await;
    assert_eq!((copy["tiles"].as_array().map(Vec::len), copy["name"].as_str()), (Some(2), Some("Copy")));
    assert_eq!(
        ids(&world.get(&format!("{P}/dashboards/")).await),
        [dashboard, copy["id"].as_i64().expect("a number")],
        "pinned ones first"
    );
    patched(&world, &format!("insights/{id}"), json!({"dashboards": []})).await;
    let board = world.get(&format!("{P}/dashboards/{dashboard}/")).await;
    assert_eq!(board["tiles"].as_array().map(Vec::len), Some(1), "the text is left");
    assert_eq!(world.ask("POST", &format!("{P}/insights/"), Some(json!({"dashboards": [99]}))).await.status, 400);
    patched(&world, &format!("dashboards/{dashboard}"), json!({"deleted": true})).await;
    assert_eq!(world.ask("GET", &format!("{P}/dashboards/{dashboard}/"), None).await.status, 404);
}

#[tokio::test]
async fn a_link_shows_one_thing_to_anybody() {
    let world = World::new().await;
    world.store_event(1, "seen", "ann");
    let board = made(&world, "dashboards", json!({"name": "<b>Board</b>"})).await["id"].as_i64().expect("a number");
    let query = json!({"kind": "HogQLQuery", "query": COUNT});
    made(&world, "insights", json!({"name": "A", "query": query, "dashboards": [board]})).await;
    let sharing = format!("dashboards/{board}/sharing");
    assert_eq!(world.get(&format!("{P}/{sharing}/")).await["enabled"], false);
    let token = patched(&world, &sharing, json!({"enabled": true})).await["access_token"].as_str().expect("a token").to_owned();
    let shown = anybody(&world, &format!("/shared/{token}.json")).await;
    assert_eq!((shown.status, &shown.json()["dashboard"]["tiles"][0]["insight"]["result"]), (StatusCode::OK, &json!([[1]])));
    assert!(!shown.text.contains("@") && !shown.text.contains("created_by") && !shown.text.contains("phc_"), "{}", shown.text);
    let page = anybody(&world, &format!("/shared/{token}")).await;
    assert!(page.text.contains("&lt;b&gt;Board") && !page.text.contains("<b>Board"), "{}", page.text);
    assert!(page.headers["content-security-policy"].to_str().expect("text").starts_with("default-src 'none'"));
    // Nothing else is open to who has the link.
    assert_eq!(anybody(&world, &format!("{P}/dashboards/{board}/")).await.status, 401);
    assert_eq!(anybody(&world, "/shared/other.json").await.status, 404);
    let renewed =
        world.ask("POST", &format!("{P}/{sharing}/refresh/"), None).await.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(anybody(&world, &format!("/shared/{token}.json")).await.status, 404, "the old address");
    assert_eq!(anybody(&world, &format!("/shared/{renewed}.json")).await.status, 200);
    assert_eq!(world.get(&format!("{P}/dashboards/{board}/")).await["is_shared"], true);
    patched(&world, &sharing, json!({"enabled": false})).await;
    assert_eq!(anybody(&world, &format!("/shared/{renewed}.json")).await.status, 404, "turned off");
    patched(&world, &sharing, json!({"enabled": true})).await;
    patched(&world, &format!("dashboards/{board}"), json!({"deleted": true})).await;
    assert_eq!(anybody(&world, &format!("/shared/{renewed}.json")).await.status, 404, "deleted");
}

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let world = World::new().await;
    world.ask("POST", "/api/projects/", Some(json!({}))).await;
    let id = made(&world, "dashboards", json!({"name": "Mine"})).await["id"].clone();
    for path in [format!("dashboards/{id}"), format!("dashboards/{id}/sharing")] {
        assert_eq!(world.ask("GET", &format!("/api/projects/2/{path}/"), None).await.status, 404, "{path}");
    }
    assert_eq!(world.get("/api/projects/2/dashboards/").await["count"], 0);
}
