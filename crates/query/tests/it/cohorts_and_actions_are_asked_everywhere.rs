//! An action or a cohort in a question gives the numbers that its definition gives, written out by hand.

use crate::world::{Event, Layout, NOW, Running, World, action, cohort};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const HOUR: i64 = 3_600_000_000;

fn event(distinct_id: &str, name: &str, hours_ago: i64, properties: Json, elements_chain: &str) -> Event {
    let at = UnixMicros(NOW.0 - hours_ago * HOUR);
    Event { distinct_id: distinct_id.to_owned(), at, name: name.to_owned(), properties, elements_chain: elements_chain.to_owned() }
}

/// What the action "Bought" stands for, as an expression.
const BOUGHT: &str = "(event = 'paid' AND properties.plan = 'pro') OR (event = '$autocapture' AND properties.$current_url LIKE '%/buy%' \
     AND match(elements_chain, '(^|;)button(\\\\.|$|;|:)') AND arrayExists(x -> x = 'Buy', elements_chain_texts))";

fn world() -> World {
    let button = r#"button.big:attr__class="big"nth-child="1"text="Buy";div:nth-child="1""#;
    let link = r#"a:href="/buy"nth-child="1"text="Buy""#;
    let at = |url: &str| json!({"$current_url": url});
    let events = vec![
        event("ann", "look", 80, json!({}), ""),
        event("ann", "paid", 75, json!({"plan": "pro"}), ""),
        event("ann", "paid", 50, json!({"plan": "free"}), ""),
        event("ann", "$autocapture", 26, at("https://shop.example/buy?x=1"), button),
        event("bob", "look", 70, json!({}), ""),
        event("bob", "$autocapture", 60, at("https://shop.example/buy"), link),
        event("bob", "$autocapture", 55, at("https://shop.example/home"), button),
        event("bob", "paid", 30, json!({"plan": "pro"}), ""),
        event("cid", "look", 40, json!({}), ""),
        event("cid", "paid", 39, json!({"plan": "free"}), ""),
        event("dan", "$autocapture", 45, at("https://shop.example/buy"), button),
        event("dan", "look", 44, json!({}), ""),
        event("dan", "paid", 20, json!({"plan": "pro"}), ""),
        event("dan", "paid", 2, json!({"plan": "pro"}), ""),
    ];
    let person = |id: &str, plan: &str| (vec![id.to_owned()], json!({"plan": plan}));
    let steps = json!([
        {"event": "paid", "properties": [{"type": "event", "key": "plan", "value": "pro"}]},
        {"event": "$autocapture", "tag_name": "button", "text": "Buy", "url": "/buy", "url_matching": "contains"},
    ]);
    let pro = json!({"type": "AND", "values": [{"type": "person", "key": "plan", "value": "pro"}]});
    let lookers = json!([{"type": "behavioral", "key": "look", "event_type": "events", "value": "performed_event",
        "time_value": 2, "time_interval": "day"}]);
    let buyers = json!([{"type": "behavioral", "key": 3, "event_type": "actions", "value": "performed_event_multiple",
        "operator": "gte", "operator_value": 2, "time_value": 30, "time_interval": "day"}]);
    World {
        events,
        persons: vec![person("ann", "pro"), person("bob", "free"), person("cid", "pro"), person("dan", "pro")],
        actions: vec![action(3, "Bought", steps), action(4, "Anything", json!([]))],
        cohorts: vec![cohort(1, "Professionals", &pro), cohort(2, "Lookers", &lookers), cohort(5, "Buyers", &buyers)],
        ..World::default()
    }
}

fn running() -> Running {
    world().start(ProjectId(1), Layout::Mixed, QueryConfig::default())
}

fn by_hand() -> Json {
    json!({"kind": "EventsNode", "event": null, "properties": [{"type": "hogql", "key": BOUGHT}]})
}

fn look() -> Json {
    json!({"kind": "EventsNode", "event": "look"})
}

/// What it is called, and the query with a series in it.
type Question = (&'static str, fn(Json) -> Json);

async fn results(running: &Running, query: Json) -> Json {
    running.ask(query.clone()).await.unwrap_or_else(|error| panic!("{query}: {error}"))["results"].clone()
}

/// The results without what names the series.
fn numbers(mut results: Json) -> Json {
    for item in results.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
        for name in ["label", "action", "action_id", "name", "type"] {
            item.remove(name);
        }
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn goals_of_a_site_are_its_actions() {
    let session = |number: u32| format!("016f8ecf-6c00-7000-8000-00000000000{number}");
    let visit = |who: &str, name: &str, days_ago: i64, number: u32, plan: &str| {
        event(who, name, 24 * days_ago, json!({"$session_id": session(number), "plan": plan}), "")
    };
    let step = |plan: &str| json!([{"event": "paid", "properties": [{"type": "event", "key": "plan", "value": plan}]}]);
    let world = World {
        events: vec![
            visit("ann", "$pageview", 2, 1, ""),
            visit("ann", "paid", 2, 1, "pro"),
            visit("ann", "paid", 2, 1, "pro"),
            visit("bob", "$pageview", 2, 2, ""),
            visit("cid", "paid", 3, 3, "free"),
            // in the period before
            visit("cid", "paid", 9, 4, "pro"),
            // not in a session
            event("dan", "paid", 24, json!({"plan": "pro"}), ""),
        ],
        actions: vec![action(3, "Pro", step("pro")), action(4, "Free", step("free")), action(5, "Nothing", json!([]))],
        ..World::default()
    };
    let running = world.start(ProjectId(1), Layout::Mixed, QueryConfig::default());
    let goals = |more: Json| {
        let mut query = json!({"kind": "WebGoalsQuery", "dateRange": {"date_from": "-7d"}, "properties": []});
        query.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        query
    };
    let third = 1.0 / 3.0;
    let plain = results(&running, goals(json!({}))).await;
    assert_eq!(plain, json!([["Free", [1.0, null], [1.0, null], [third, null]], ["Pro", [1.0, null], [2.0, null], [third, null]]]));
    let compared = goals(json!({"compareFilter": {"compare": true}, "orderBy": ["TotalConversions", "DESC"]}));
    let compared = results(&running, compared).await;
    assert_eq!(compared, json!([["Pro", [1.0, 1.0], [2.0, 1.0], [third, 1.0]], ["Free", [1.0, 0.0], [1.0, 0.0], [third, 0.0]]]));
    let without = World { actions: Vec::new(), ..world }.start(ProjectId(1), Layout::Memory, QueryConfig::default());
    assert_eq!(results(&without, goals(json!({}))).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_what_its_steps_say() {
    let running = running();
    let queries: [Question; 8] = [
        ("trends", |series| json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-5d"}, "series": [series]})),
        ("people", |mut series| {
            series["math"] = json!("dau");
            json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-5d"}, "series": [series]})
        }),
        ("funnel", |series| json!({"kind": "FunnelsQuery", "dateRange": {"date_from": "-5d"}, "series": [look(), series]})),
        ("exclusion", |mut series| {
            series["funnelFromStep"] = json!(0);
            series["funnelToStep"] = json!(1);
            json!({"kind": "FunnelsQuery", "dateRange": {"date_from": "-5d"}, "funnelsFilter": {"exclusions": [series]},
                "series": [look(), {"kind": "EventsNode", "event": "paid", "properties": [{"type": "event", "key": "plan", "value": "free"}]}]})
        }),
        ("group of events", |series| {
            let group = json!({"kind": "GroupNode", "operator": "OR", "nodes": [series, {"kind": "EventsNode", "event": "nothing"}]});
            json!({"kind": "FunnelsQuery", "dateRange": {"date_from": "-5d"}, "series": [look(), group]})
        }),
        ("stickiness", |series| json!({"kind": "StickinessQuery", "dateRange": {"date_from": "-5d"}, "series": [series]})),
        ("lifecycle", |series| json!({"kind": "LifecycleQuery", "dateRange": {"date_from": "-5d"}, "series": [series]})),
        ("first time", |mut series| {
            series["math"] = json!("first_matching_event_for_user");
            json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-2d"}, "series": [series]})
        }),
    ];
    for (name, query) in queries {
        let found = numbers(results(&running, query(json!({"kind": "ActionsNode", "id": 3}))).await);
        let expected = numbers(results(&running, query(by_hand())).await);
        assert_eq!(found, expected, "{name}");
        assert_ne!(
            found,
            numbers(results(&running, query(json!({"kind": "EventsNode", "event": null}))).await),
            "{name} tells events apart"
        );
    }
    let events = json!({"kind": "EventsQuery", "after": "all", "select": ["uuid"], "actionId": 3});
    let by_hand = running.hogql(&format!("SELECT uuid FROM events WHERE {BOUGHT} ORDER BY uuid")).await.expect("rows");
    assert_eq!(by_hand.len(), 6);
    assert_eq!(results(&running, events).await, Json::Array(by_hand.clone()));
    for text in [
        "SELECT uuid FROM events WHERE matchesAction('Bought') ORDER BY uuid",
        "SELECT uuid FROM events WHERE matchesAction(3) ORDER BY uuid",
        "SELECT e.uuid FROM events e JOIN persons p ON e.person_id = p.id WHERE matchesAction('Bought') ORDER BY e.uuid",
    ] {
        assert_eq!(running.hogql(text).await.expect(text), by_hand, "{text}");
    }
    let all = running.hogql("SELECT countIf(matchesAction('Anything')) = count() FROM events").await.expect("rows");
    assert_eq!(all, [json!([1])], "an action without steps is every event");
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_actions() {
    let running = running();
    let query = |target: Json, returning: Json| {
        json!({"kind": "RetentionQuery", "dateRange": {"date_from": "-5d"}, "retentionFilter": {"period": "Day", "totalIntervals": 5,
            "targetEntity": target, "returningEntity": returning}})
    };
    let (bought, look) = (json!({"id": 3, "type": "actions"}), json!({"id": "look", "type": "events"}));
    let by_hand = json!({"id": null, "type": "events", "properties": [{"type": "hogql", "key": BOUGHT}]});
    let found = results(&running, query(look.clone(), bought.clone())).await;
    assert_eq!(found, results(&running, query(look.clone(), by_hand.clone())).await);
    assert_eq!(results(&running, query(bought, look.clone())).await, results(&running, query(by_hand, look)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_bear_the_names_of_actions() {
    let running = running();
    let series = json!({"kind": "ActionsNode", "id": 3});
    let trend = results(&running, json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-5d"}, "series": [series]})).await;
    assert_eq!((&trend[0]["label"], &trend[0]["action"]["name"], &trend[0]["count"]), (&json!("Bought"), &json!("Bought"), &json!(6.0)));
    let funnel = results(&running, json!({"kind": "FunnelsQuery", "dateRange": {"date_from": "-5d"}, "series": [look(), series]})).await;
    let step = &funnel[1];
    assert_eq!([&step["action_id"], &step["name"], &step["type"]], [&json!(3), &json!("Bought"), &json!("actions")]);
    let life = results(&running, json!({"kind": "LifecycleQuery", "dateRange": {"date_from": "-5d"}, "series": [series]})).await;
    assert_eq!((&life[0]["label"], &life[0]["action"]["type"]), (&json!("Bought - new"), &json!("actions")));
    let missing = json!({"kind": "TrendsQuery", "series": [{"kind": "ActionsNode", "id": 77}]});
    let error = running.ask(missing).await.expect_err("no such action");
    assert_eq!((error.detail(), error.status()), ("Action ID 77 does not exist!".to_owned(), 400));
}

/// Cohort 1: ann, cid, dan. Cohort 2: cid and dan (looked in the last two days). Cohort 5: ann and dan (bought twice).
#[tokio::test(flavor = "multi_thread")]
async fn cohorts_filter_every_insight() {
    let running = running();
    let filters = [
        (json!([{"type": "cohort", "key": "id", "value": 2}]), "distinct_id IN ('cid', 'dan')"),
        (json!([{"type": "cohort", "key": "id", "value": "5", "operator": "in"}]), "distinct_id IN ('ann', 'dan')"),
        (json!([{"type": "cohort", "key": "id", "value": 1, "operator": "not_in"}]), "distinct_id = 'bob'"),
        (
            json!({"type": "OR", "values": [{"type": "AND", "values": [{"type": "cohort", "key": "id", "value": 2},
                {"type": "cohort", "key": "id", "value": 5}]}, {"type": "cohort", "key": "id", "value": 1, "operator": "not_in"}]}),
            "distinct_id IN ('dan', 'bob')",
        ),
    ];
    let queries = [
        json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": null, "math": "dau"}]}),
        json!({"kind": "FunnelsQuery", "series": [look(), {"kind": "EventsNode", "event": "paid"}]}),
        json!({"kind": "StickinessQuery", "series": [{"kind": "EventsNode", "event": null}]}),
        json!({"kind": "LifecycleQuery", "series": [{"kind": "EventsNode", "event": null}]}),
        json!({"kind": "RetentionQuery", "retentionFilter": {"period": "Day", "totalIntervals": 5,
            "targetEntity": {"id": "look", "type": "events"}, "returningEntity": {"id": "paid", "type": "events"}}}),
        json!({"kind": "PathsQuery", "pathsFilter": {"includeEventTypes": ["custom_event"]}}),
    ];
    for (cohorts, members) in filters {
        for query in &queries {
            let with = |properties: &Json| {
                let mut query = query.clone();
                query["dateRange"] = json!({"date_from": "-5d"});
                query["properties"] = properties.clone();
                query
            };
            let expected = results(&running, with(&json!([{"type": "hogql", "key": members}]))).await;
            assert_eq!(results(&running, with(&cohorts)).await, expected, "{cohorts} {query}");
        }
        let events = |properties: &Json| json!({"kind": "EventsQuery", "after": "all", "select": ["uuid"], "properties": properties});
        let expected = results(&running, events(&json!([{"type": "hogql", "key": members}]))).await;
        assert_eq!(results(&running, events(&cohorts)).await, expected, "{cohorts}");
    }
    let actors = json!({"kind": "ActorsQuery", "select": ["properties.plan"], "properties": [{"type": "cohort", "key": "id", "value": 5}]});
    assert_eq!(results(&running, actors).await, json!([["pro"], ["pro"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_of_test_users() {
    let tests = Some(json!([{"type": "cohort", "key": "id", "value": 5, "operator": "not_in"}]));
    let running = World { test_account_filters: tests, ..world() }.start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let people = json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-5d"}, "filterTestAccounts": true,
        "trendsFilter": {"display": "BoldNumber"}, "series": [{"kind": "EventsNode", "event": null, "math": "dau"}]});
    assert_eq!(results(&running, people).await[0]["aggregated_value"], 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_break_down() {
    let running = running();
    let broken_down = |mut query: Json| {
        query["dateRange"] = json!({"date_from": "-5d"});
        query["breakdownFilter"] = json!({"breakdown_type": "cohort", "breakdown": [2, 5, "all"]});
        query
    };
    let people = json!({"kind": "EventsNode", "event": null, "math": "dau"});
    let trends = json!({"kind": "TrendsQuery", "trendsFilter": {"display": "BoldNumber"}, "series": [people, look()]});
    let shown: Vec<Json> = results(&running, broken_down(trends))
        .await
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| json!([item["label"], item["breakdown_value"], item["aggregated_value"]]))
        .collect();
    assert_eq!(
        Json::Array(shown),
        json!([
            ["All events - Lookers", 2, 2.0],
            ["look - Lookers", 2, 2.0],
            ["All events - Buyers", 5, 2.0],
            ["look - Buyers", 5, 2.0],
            ["All events - all users", "all", 4.0],
            ["look - all users", "all", 4.0],
        ])
    );
    let one = json!({"kind": "TrendsQuery", "series": [look()]});
    let labels = results(&running, broken_down(one.clone())).await;
    assert_eq!(labels[0]["label"], "Lookers");
    let source = broken_down(json!({"kind": "TrendsQuery", "trendsFilter": {"display": "BoldNumber"}, "series": [look()]}));
    let actors =
        json!({"kind": "ActorsQuery", "select": ["id"], "source": {"kind": "InsightActorsQuery", "source": source, "breakdown": 5}});
    assert_eq!(results(&running, actors).await.as_array().map(Vec::len), Some(2));

    let funnel = json!({"kind": "FunnelsQuery", "series": [look(), {"kind": "EventsNode", "event": "paid"}]});
    let mut steps: Vec<String> = results(&running, broken_down(funnel))
        .await
        .as_array()
        .expect("a list")
        .iter()
        .map(|steps| format!("{} {} {} {}", steps[0]["breakdown"], steps[0]["breakdown_value"], steps[0]["count"], steps[1]["count"]))
        .collect();
    steps.sort();
    assert_eq!(steps, [r#""Buyers" 5 2 2"#, r#""Lookers" 2 2 2"#, r#""all users" 0 4 4"#]);

    let retention = json!({"kind": "RetentionQuery", "retentionFilter": {"period": "Week", "totalIntervals": 1,
        "targetEntity": {"id": "look", "type": "events"}, "returningEntity": {"id": "paid", "type": "events"}}});
    let rows = results(&running, broken_down(retention)).await;
    let mut sizes: Vec<String> = Vec::new();
    for row in rows.as_array().expect("a list").iter().filter(|row| row["values"][0]["count"] != 0.0) {
        sizes.push(format!("{} {}", row["breakdown_value"], row["values"][0]["count"]));
    }
    sizes.sort();
    sizes.dedup();
    assert!(sizes.iter().any(|size| size.starts_with("\"5\"")) && sizes.iter().any(|size| size.starts_with("\"0\"")), "{sizes:?}");
    let missing = json!({"kind": "TrendsQuery", "series": [look()], "breakdownFilter": {"breakdown_type": "cohort", "breakdown": [99]}});
    let error = running.ask(missing).await.expect_err("no such cohort");
    assert_eq!(error.detail(), "Could not find cohort with ID 99");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_knows_cohorts() {
    let running = running();
    let cases = [
        (
            "SELECT distinct_id, count() FROM events WHERE person_id IN COHORT 5 GROUP BY distinct_id ORDER BY distinct_id",
            json!([["ann", 4], ["dan", 4]]),
        ),
        ("SELECT uniq(person_id) FROM events WHERE person_id NOT IN COHORT 'Buyers'", json!([[2]])),
        ("SELECT count() FROM persons WHERE id IN COHORT 2", json!([[2]])),
        ("SELECT count() FROM sessions WHERE person_id IN COHORT 2", json!([[0]])),
        (
            "SELECT e.distinct_id IN ('ann', 'dan') = (e.person_id IN COHORT 5) AS same, count() FROM events e JOIN persons p ON p.id = e.person_id GROUP BY same",
            json!([[true, 14]]),
        ),
        ("SELECT count() FROM cohort_people WHERE cohort_id = 5", json!([[2]])),
        ("SELECT cohort_id, count() FROM cohort_people GROUP BY cohort_id ORDER BY cohort_id", json!([[1, 3], [2, 2], [5, 2]])),
        ("SELECT count() FROM events WHERE person_id IN (SELECT person_id FROM cohort_people WHERE cohort_id = 1)", json!([[10]])),
        ("SELECT count() FROM static_cohort_people", json!([[0]])),
    ];
    for (text, expected) in cases {
        let found = Json::Array(running.hogql(text).await.unwrap_or_else(|error| panic!("{text}: {error}")));
        let as_text = found.to_string().replace("[[1,14]]", "[[true,14]]");
        assert_eq!(as_text, expected.to_string(), "{text}");
    }
    let metadata =
        running.ask(json!({"kind": "HogQLMetadata", "language": "hogQL", "query": "SELECT 1 FROM events WHERE person_id IN COHORT 77"}));
    assert_eq!(metadata.await.expect("checks")["errors"][0]["message"], "Could not find cohort with ID 77");
}

/// Who did what when: person, event, hours ago.
fn histories() -> impl Strategy<Value = Vec<(u8, bool, i64)>> {
    prop::collection::vec((0_u8..6, any::<bool>(), 0_i64..24 * 12), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Random histories, a cohort of both kinds of criteria: its members' events are those that the conditions written out give.
    #[test]
    fn a_cohort_is_its_criteria(history in histories(), days in 1_i64..12, times in 1_i64..4, negated: bool) {
        let name = |buys: bool| if buys { "buy" } else { "look" };
        let events = history.iter().map(|(person, buys, hours)| event(&format!("p{person}"), name(*buys), *hours, json!({}), "")).collect();
        let persons = (0..6).map(|person| (vec![format!("p{person}")], json!({"is_even": (person % 2 == 0).to_string()}))).collect();
        let criteria = json!({"type": "AND", "values": [
            {"type": "behavioral", "key": "buy", "event_type": "events", "value": "performed_event_multiple", "operator": "gte",
                "operator_value": times, "time_value": days, "time_interval": "day"},
            {"type": "person", "key": "is_even", "value": "true", "negation": negated},
        ]});
        let world = World { events, persons, cohorts: vec![cohort(1, "asked", &criteria)], ..World::default() };
        let not = if negated { "NOT" } else { "" };
        let by_hand = format!(
            "person_id IN (SELECT person_id FROM events WHERE event = 'buy' AND timestamp > toDateTime('2020-01-20 12:00:00') - INTERVAL {days} DAY \
             GROUP BY person_id HAVING count() >= {times}) AND person_id {not} IN (SELECT id FROM persons WHERE properties.is_even = 'true')"
        );
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        for layout in [Layout::Scattered, Layout::Compacted] {
            let running = world.start(ProjectId(1), layout, QueryConfig::default());
            let (found, expected, trend) = runtime.block_on(async {
                let count = |condition: &str| format!("SELECT count(), uniq(person_id) FROM events WHERE {condition}");
                let found = running.hogql(&count("person_id IN COHORT 1")).await.expect("rows");
                let expected = running.hogql(&count(&by_hand)).await.expect("rows");
                let trend = json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-30d"}, "trendsFilter": {"display": "BoldNumber"},
                    "series": [{"kind": "EventsNode", "event": null}], "properties": [{"type": "cohort", "key": "id", "value": 1}]});
                (found, expected, results(&running, trend).await[0]["aggregated_value"].as_f64())
            });
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(trend, expected[0][0].as_f64());
        }
    }
}
