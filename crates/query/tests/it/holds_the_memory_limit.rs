//! A query that would need more memory than it may take is refused, while others go on.

use crate::world::{Event, Layout, NOW, Running, World};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::{QueryConfig, QueryError};
use serde_json::{Value as Json, json};

const MIB: usize = 1024 * 1024;

fn config() -> QueryConfig {
    QueryConfig {
        query_memory_bytes_max: 24 * MIB,
        memory_bytes_max: 512 * MIB,
        spill_bytes_max: 0,
        seconds_max: 50,
        ..QueryConfig::default()
    }
}

/// What happens instead of the refusal, if anything.
async fn refused(running: &Running, query: Json) -> Option<String> {
    let others = running.hogql("select sum(number) from numbers(1000)");
    let (heavy, light) = tokio::join!(running.ask(query.clone()), others);
    assert_eq!(light.expect("rows"), [json!([499_500])]);
    match heavy {
        Ok(body) => Some(format!("{query}: {} characters", body["results"].to_string().len())),
        Err(error @ QueryError::Memory(_)) => {
            assert_eq!((error.status(), error.kind(), error.code()), (503, "server_error", "memory_limit_exceeded"));
            None
        }
        Err(other) => Some(format!("{query}: {other:?}")),
    }
}

#[tokio::test]
async fn of_hogql() {
    let running = World::default().start(ProjectId(1), Layout::Memory, config());
    let mut wrong = Vec::new();
    for text in [
        "select count() from (select number, count() from numbers(20000000) group by number)",
        "select length(groupArray(number)) from numbers(20000000)",
        "select uniqExact(number) from numbers(20000000)",
        "select length(groupUniqArray(toString(number))) from numbers(5000000)",
        "select count() from numbers(5000000) a join (select number from numbers(5000000)) b on a.number = b.number",
    ] {
        wrong.extend(refused(&running, json!({"kind": "HogQLQuery", "query": text})).await);
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(running.hogql("select 1").await.expect("rows"), [json!([1])]);
}

#[tokio::test]
async fn of_insights() {
    let event = |number: i64| Event {
        distinct_id: format!("person {}", number / 4),
        at: UnixMicros(NOW.0 - number * 1_000_000),
        name: format!("event {number}"),
        properties: json!({"many": format!("a value of some length {number}"), "$current_url": format!("https://a.example/{number}/{}", "x".repeat(100))}),
        elements_chain: String::new(),
    };
    let world = World { events: (0..20_000).map(event).collect(), ..World::default() };
    let running = world.start(ProjectId(1), Layout::Memory, QueryConfig { query_memory_bytes_max: MIB / 2, ..config() });
    let trend = json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": null}], "interval": "hour",
        "dateRange": {"date_from": "-30d"}, "breakdownFilter": {"breakdown": "many", "breakdown_limit": 100_000}});
    assert_eq!(refused(&running, trend).await, None);
    let paths = json!({"kind": "PathsQuery", "pathsFilter": {"includeEventTypes": ["custom_event"], "stepLimit": 20, "edgeLimit": 100_000},
        "dateRange": {"date_from": "-30d"}});
    assert_eq!(refused(&running, paths).await, None);
    // rows are small; what the breakdown's values take is more than may be held
    let step = |name: &str| json!({"kind": "EventsNode", "event": null, "name": name});
    let funnel = json!({"kind": "FunnelsQuery", "series": [step("a"), step("b")], "dateRange": {"date_from": "-30d"},
        "breakdownFilter": {"breakdown": "$current_url"}});
    assert_eq!(refused(&running, funnel).await, None);
    assert_eq!(running.hogql("select count() from events").await.expect("rows"), [json!([20_000])]);
}

#[tokio::test]
async fn of_sessions() {
    let event = |number: u128| Event {
        distinct_id: "ann".to_owned(),
        at: UnixMicros(NOW.0 - 1_000_000),
        name: "$pageview".to_owned(),
        properties: json!({"$session_id": uuid::Uuid::from_u128(0x016f_8ecf_6c00_7000_8000_0000_0000_0000 + number).to_string()}),
        elements_chain: String::new(),
    };
    let world = World { events: (0..10_000).map(event).collect(), ..World::default() };
    let few = QueryConfig { query_memory_bytes_max: 2 * MIB, ..config() };
    let running = world.start(ProjectId(1), Layout::Memory, few);
    let count = |text: &str| json!({"kind": "HogQLQuery", "query": text});
    assert_eq!(refused(&running, count("select count() from sessions")).await, None);
    assert_eq!(refused(&running, count("select count() from events where session.duration = 0")).await, None);
    let running = world.start(ProjectId(1), Layout::Memory, config());
    assert_eq!(running.hogql("select count() from sessions").await.expect("rows"), [json!([10_000])]);
}
