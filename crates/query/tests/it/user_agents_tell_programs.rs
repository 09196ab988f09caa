//! Functions of user agents, and the fields of events that stand for them.

use crate::world::{Event, Layout, NOW, Running, World};
use aqueduct_event::ProjectId;
use aqueduct_query::QueryConfig;
use serde_json::{Value as Json, json};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

fn start() -> Running {
    let seen = |properties: Json| Event {
        distinct_id: "ann".to_owned(),
        at: NOW,
        name: "$pageview".to_owned(),
        properties,
        elements_chain: String::new(),
    };
    let events = vec![
        seen(json!({"$raw_user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "n": 1})),
        seen(json!({"$user_agent": "curl/8.4.0", "n": 2})),
        seen(json!({"$raw_user_agent": BROWSER, "n": 3})),
        seen(json!({"n": 4})),
    ];
    World { events, ..World::default() }.start(ProjectId(1), Layout::Scattered, QueryConfig::default())
}

async fn check(running: &Running, query: &str, expected: Json) {
    let rows = running.hogql(query).await.unwrap_or_else(|error| unreachable!("{query}: {error}"));
    assert_eq!(json!(rows), expected, "{query}");
}

#[tokio::test]
async fn events_say_what_sent_them() {
    let running = start();
    check(
        &running,
        "select properties.n, $virt_is_bot, $virt_traffic_type, $virt_traffic_category, $virt_bot_name, $virt_bot_operator from events order by 1",
        json!([
            ["1", true, "Bot", "search_crawler", "Googlebot", "Google"],
            ["2", true, "Automation", "http_client", "curl", "curl"],
            ["3", false, "Regular", "regular", "", ""],
            ["4", true, "Automation", "no_user_agent", "", ""]
        ]),
    )
    .await;
    // Under an alias, in a join, as a property, as a key, beside an alias that takes a name away.
    check(
        &running,
        "select count() from events e join events f on e.uuid = f.uuid where e.$virt_is_bot and not f.properties.$virt_is_bot",
        json!([[0]]),
    )
    .await;
    check(
        &running,
        "select $virt_traffic_type, count() from events group by 1 order by 1",
        json!([["Automation", 2], ["Bot", 1], ["Regular", 1]]),
    )
    .await;
    check(&running, "select 'x' as properties, $virt_bot_name as name from events where name = 'curl'", json!([["x", "curl"]])).await;
    let body = running.ask(json!({"kind": "HogQLQuery", "query": "select * from events"})).await.expect("an answer");
    assert!(!body["columns"].to_string().contains("$virt"), "only who asks for them gets them");
}

#[tokio::test]
async fn an_insight_filters_and_breaks_down_by_them() {
    let running = start();
    let trend = json!({
        "kind": "TrendsQuery",
        "series": [{"kind": "EventsNode", "event": "$pageview"}],
        "dateRange": {"date_from": "2020-01-20", "date_to": "2020-01-20"},
        "properties": [{"key": "$virt_is_bot", "type": "event", "operator": "exact", "value": ["true"]}],
        "breakdownFilter": {"breakdown": "$virt_bot_name", "breakdown_type": "event"},
    });
    let body = running.ask(trend).await.expect("an answer");
    let mut found: Vec<(String, Json)> = body["results"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|series| (series["breakdown_value"].as_str().unwrap_or_default().to_owned(), series["count"].clone()))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(
        found.iter().filter(|(name, count)| ["curl", "Googlebot"].contains(&name.as_str()) && *count == json!(1.0)).count(),
        2,
        "{found:?}"
    );
}

#[tokio::test]
async fn functions_take_any_text() {
    let running = start();
    check(
        &running,
        "select isLikelyBot('GPTBot/1.0'), getTrafficType('GPTBot/1.0', '1.2.3.4'), getBotType(''), getBotName(null), getTrafficCategory(null), getBotOperator('x')",
        json!([[true, "AI Agent", "no_user_agent", "", "no_user_agent", ""]]),
    )
    .await;
    for (call, detail) in [
        ("getBotName()", "Function 'getBotName' expects 1 or 2 arguments, found 0"),
        ("convertCurrency('USD', 'EUR', 1)", "convertCurrency needs exchange rates, which this server does not have"),
        ("embedText('a')", "embedText needs a language model, which this server does not have"),
    ] {
        let error = running.hogql(&format!("select {call}")).await.expect_err(call);
        assert_eq!((error.status(), error.detail().as_str()), (400, detail), "{call}");
    }
}
