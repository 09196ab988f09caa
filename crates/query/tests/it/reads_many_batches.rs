//! Answers over more rows than one batch, with more distinct values than a batch has rows.

use crate::world::{Event, Layout, NOW, World};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use serde_json::json;

const EVENTS: i64 = 40_000;

#[tokio::test]
async fn counts_sums_groups_and_the_newest() {
    let events = (0..EVENTS).map(|at| Event {
        distinct_id: format!("d{}", at % 30_000),
        at: UnixMicros(NOW.0 - at * 1_000_000),
        name: if at % 2 == 0 { "even".to_owned() } else { "odd".to_owned() },
        properties: json!({"n": at, "url": format!("/{at}")}),
        elements_chain: String::new(),
    });
    let world = World { events: events.collect(), ..World::default() };
    for layout in [Layout::Memory, Layout::Mixed] {
        let running = world.start(ProjectId(1), layout, QueryConfig::default());
        for (query, rows) in [
            ("select count(), uniq(distinct_id), sum(toInt(properties.n)) from events", vec![json!([40_000, 30_000, 799_980_000])]),
            ("select event, count() from events where properties.n != '1' group by event order by event", {
                vec![json!(["even", 20_000]), json!(["odd", 19_999])]
            }),
            (
                "select distinct_id, count() as c from events group by distinct_id order by c desc, distinct_id limit 1",
                vec![json!(["d0", 2])],
            ),
            ("select count() from (select properties.url as u from events group by u)", vec![json!([40_000])]),
            ("select properties.url from events order by timestamp desc limit 2", vec![json!(["/0"]), json!(["/1"])]),
            ("select properties.url from events where event = 'odd' order by timestamp limit 1", vec![json!(["/39999"])]),
            ("select count() from events where lower(properties.url) = '/39999'", vec![json!([1])]),
        ] {
            assert_eq!(running.hogql(query).await.expect("rows"), rows, "{query} ({layout:?})");
        }
    }
}
