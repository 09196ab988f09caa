//! `SAMPLE`: the events of a part of all distinct ids, the same ones each time, and the same ones that ClickHouse takes.

use crate::world::{Event, LAYOUTS, Layout, NOW, Running, World};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use serde_json::{Value as Json, json};

/// Two events for each of 200 distinct ids.
fn world() -> World {
    let event = |at: i64| Event {
        distinct_id: format!("user {}", at % 200),
        at: UnixMicros(NOW.0 - at * 1_000_000),
        name: "seen".to_owned(),
        properties: json!({}),
        elements_chain: String::new(),
    };
    World { events: (0..400).map(event).collect(), persons: vec![(vec!["user 3".to_owned()], json!({"a": 1}))], ..World::default() }
}

fn start(layout: Layout) -> Running {
    world().start(ProjectId(1), layout, QueryConfig::default())
}

async fn one(running: &Running, query: &str) -> Json {
    let rows = running.hogql(query).await.unwrap_or_else(|error| unreachable!("{query}: {error}"));
    rows[0][0].clone()
}

#[tokio::test]
async fn a_sample_is_a_range_of_hashes() {
    let half = 1_u64 << 63;
    for layout in LAYOUTS {
        let running = start(layout);
        for (sample, condition) in [
            ("SAMPLE 0.5", format!("hash < {half}")),
            ("SAMPLE 1/2 OFFSET 1/2", format!("hash >= {half}")),
            ("SAMPLE 1 / 10", format!("hash < {}", u64::MAX / 10)),
            ("SAMPLE 0.1 OFFSET 0.5", format!("hash >= {half} and hash < {}", half + u64::MAX / 10)),
            ("SAMPLE 1", "1".to_owned()),
            ("SAMPLE 0", "1".to_owned()),
            ("SAMPLE 0.5 OFFSET 1", "0".to_owned()),
            // Of 400 rows.
            ("SAMPLE 200", format!("hash < {half}")),
            ("SAMPLE 4000", "1".to_owned()),
        ] {
            let of_hash = format!("select count() from (select cityHash64(distinct_id) as hash from events) where {condition}");
            let expected = one(&running, &of_hash).await;
            assert_eq!(one(&running, &format!("select count() from events {sample}")).await, expected, "{layout:?} {sample}");
            let rows = one(&running, &format!("select length(groupArray(uuid)) from events as e {sample} where event = 'seen'")).await;
            assert_eq!(rows, expected, "{layout:?} {sample}");
        }
    }
}

#[tokio::test]
async fn distinct_ids_are_in_it_whole_and_halves_make_the_whole() {
    let running = start(Layout::Mixed);
    let torn = "select count() from (select distinct_id, count() as c from events SAMPLE 0.3 group by distinct_id) where c != 2";
    assert_eq!(one(&running, torn).await, json!(0));
    let both = "select uniqExact(distinct_id) from (select distinct_id from events SAMPLE 1/2 union all select distinct_id from events SAMPLE 1/2 OFFSET 1/2)";
    assert_eq!(one(&running, both).await, json!(200));
    let (first, all) = ("select count() from events SAMPLE 1/2", "select count() from events");
    let first = one(&running, first).await.as_i64().unwrap_or_default();
    assert!((1..400).contains(&first) && one(&running, all).await == json!(400), "{first}");
}

#[tokio::test]
async fn a_joined_table_is_sampled_before_the_join() {
    let running = start(Layout::Memory);
    let half = one(&running, "select count() from events SAMPLE 1/2").await;
    let joined = "select countIf(e.event = 'seen') from (select distinct distinct_id from events) d left join events e SAMPLE 1/2 on d.distinct_id = e.distinct_id";
    assert_eq!(one(&running, joined).await, half);
    let rows =
        "select count() from (select distinct distinct_id from events) d left join events e SAMPLE 1/2 on d.distinct_id = e.distinct_id";
    let outer = one(&running, rows).await.as_i64().unwrap_or_default();
    assert_eq!(outer, half.as_i64().unwrap_or_default() / 2 + 200, "ids outside of the sample stay, without an event");
}

#[tokio::test]
async fn placeholders_give_the_ratio_and_other_tables_are_refused() {
    let running = start(Layout::Memory);
    let query = json!({"kind": "HogQLQuery", "query": "select count() from events SAMPLE {ratio}", "values": {"ratio": 0.5}});
    let body = running.ask(query).await.expect("an answer");
    assert_eq!(body["results"][0][0], one(&running, "select count() from events SAMPLE 1/2").await);
    for (query, detail) in [
        ("select count() from persons SAMPLE 0.1", "Illegal SAMPLE: table persons doesn't support sampling"),
        ("select count() from (select 1) s SAMPLE 0.1", "Illegal SAMPLE: table s doesn't support sampling"),
        ("select count() from events SAMPLE 1/0", "SAMPLE takes a number or a ratio such as 0.1 or 1/10, found 1/0"),
    ] {
        let error = running.hogql(query).await.expect_err(query);
        assert_eq!((error.status(), error.detail().as_str()), (400, detail), "{query}");
    }
}
