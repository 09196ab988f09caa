//! An answer is given again exactly as long as computing it again would give the same.

use crate::world::{Event, Layout, NOW, Running, World};
use aqueduct_catalog::PropertyType;
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::{Answer, Ask, Asker, QueryConfig, Staleness, Tolerance};
use serde_json::{Value as Json, json};

const HOUR: i64 = 3_600 * 1_000_000;

fn event(name: &str) -> Event {
    Event { distinct_id: "ann".to_owned(), at: NOW, name: name.to_owned(), properties: json!({"n": "5"}), elements_chain: String::new() }
}

fn world() -> World {
    World { events: vec![event("paid")], persons: vec![(vec!["ann".to_owned()], json!({}))], ..World::default() }
}

async fn ask(running: &Running, query: Json, tolerance: Tolerance) -> Answer {
    let ask = Ask { request: running.request(query), tolerance, asker: Asker::default() };
    running.engine.answer(ask).await.expect("an answer")
}

fn counts() -> Json {
    json!({"kind": "HogQLQuery", "query": "select count() from events"})
}

#[tokio::test]
async fn until_a_row_of_the_project_becomes_visible() {
    let (ours, theirs) = (world(), world());
    let running = World::start_all(&[(ProjectId(1), &ours), (ProjectId(2), &theirs)], Layout::Memory, QueryConfig::default());
    let first = ask(&running[0], counts(), Tolerance::Exact).await;
    let second = ask(&running[0], counts(), Tolerance::Exact).await;
    assert!(!first.is_cached && second.is_cached && first.body == second.body);
    assert_eq!((first.last_refresh, &first.cache_key), (second.last_refresh, &second.cache_key));
    let foreign = ask(&running[1], counts(), Tolerance::Exact).await;
    assert!(!foreign.is_cached && foreign.cache_key != first.cache_key, "another project's answer is its own");
    running[1].add(&theirs, &[event("more")]);
    assert!(ask(&running[0], counts(), Tolerance::Exact).await.is_cached, "another project's rows change nothing");
    running[0].add(&ours, &[event("more")]);
    let third = ask(&running[0], counts(), Tolerance::Exact).await;
    assert_eq!((third.is_cached, &third.body["results"]), (false, &json!([[2]])));
    assert!(!ask(&running[0], counts(), Tolerance::Nothing).await.is_cached, "forced");
}

#[tokio::test]
async fn until_a_definition_or_a_setting_of_the_project_changes() {
    let ours = World { types: [("n".to_owned(), PropertyType::String)].into(), ..world() };
    let mut running = ours.start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let typed = || json!({"kind": "HogQLQuery", "query": "select properties.n from events"});
    assert_eq!(ask(&running, typed(), Tolerance::Exact).await.body["results"], json!([["5"]]));
    assert!(ask(&running, counts(), Tolerance::Exact).await.body["results"] == json!([[1]]));
    running.known.types.lock().expect("not poisoned").insert("n".to_owned(), PropertyType::Numeric);
    let changed = ask(&running, typed(), Tolerance::Exact).await;
    assert_eq!((changed.is_cached, &changed.body["results"]), (false, &json!([[5.0]])));
    assert!(ask(&running, counts(), Tolerance::Exact).await.is_cached, "it never asked for the type");
    running.facts.timezone = "Asia/Tokyo".to_owned();
    assert!(!ask(&running, counts(), Tolerance::Exact).await.is_cached, "dates mean something else now");
}

#[tokio::test]
async fn until_the_clock_passes_what_the_query_depends_on() {
    let running = world().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let trend = || json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": "paid"}], "dateRange": {"date_from": "-1d"}});
    let clock = || json!({"kind": "HogQLQuery", "query": "select now()"});
    let first = ask(&running, trend(), Tolerance::Exact).await;
    assert_eq!(first.body["results"][0]["data"], json!([0.0, 1.0]));
    let now = ask(&running, clock(), Tolerance::Exact).await;
    running.clock.set(UnixMicros(NOW.0 + 5 * HOUR));
    assert!(ask(&running, trend(), Tolerance::Exact).await.is_cached);
    assert_ne!(ask(&running, clock(), Tolerance::Exact).await.body["results"], now.body["results"]);
    running.clock.set(UnixMicros(NOW.0 + 7 * HOUR));
    assert!(!ask(&running, trend(), Tolerance::Exact).await.is_cached, "older than PostHog's rule for days");
    running.clock.set(UnixMicros(NOW.0 + 12 * HOUR));
    let next_day = ask(&running, trend(), Tolerance::Exact).await;
    assert_eq!((next_day.is_cached, &next_day.body["results"][0]["data"]), (false, &json!([1.0, 0.0])), "midnight has passed");
}

#[tokio::test]
async fn an_older_one_only_for_those_who_tolerate_it() {
    let ours = world();
    let running = ours.start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let staleness = || running.engine.kept(&running.request(counts())).expect("readable").map(|(_, staleness)| staleness);
    assert_eq!(staleness(), None);
    let first = ask(&running, counts(), Tolerance::Lazy).await;
    assert_eq!(staleness(), Some(Staleness::Exact));
    running.add(&ours, &[event("more")]);
    assert_eq!(staleness(), Some(Staleness::Tolerable));
    let lazy = ask(&running, counts(), Tolerance::Lazy).await;
    assert_eq!((lazy.is_cached, lazy.body), (true, first.body));
    running.clock.set(UnixMicros(NOW.0 + 13 * HOUR));
    assert_eq!(staleness(), Some(Staleness::Stale));
    assert_eq!(ask(&running, counts(), Tolerance::Lazy).await.body["results"], json!([[2]]));
}

#[tokio::test]
async fn slack_and_size_are_settings() {
    let ours = world();
    let slack = ours.start(ProjectId(1), Layout::Memory, QueryConfig { cache_slack_seconds: 5, ..QueryConfig::default() });
    ask(&slack, counts(), Tolerance::Exact).await;
    slack.add(&ours, &[event("more")]);
    assert!(ask(&slack, counts(), Tolerance::Exact).await.is_cached);
    slack.clock.set(UnixMicros(NOW.0 + 6_000_000));
    assert!(!ask(&slack, counts(), Tolerance::Exact).await.is_cached);
    let none = ours.start(ProjectId(1), Layout::Memory, QueryConfig { cache_bytes_max: 0, ..QueryConfig::default() });
    ask(&none, counts(), Tolerance::Exact).await;
    assert!(!ask(&none, counts(), Tolerance::Exact).await.is_cached);
}
