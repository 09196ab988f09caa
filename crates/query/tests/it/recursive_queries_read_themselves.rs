//! `WITH RECURSIVE`: steps over what the step before found, until a step finds nothing.

use crate::world::{Event, Layout, NOW, Running, World};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use serde_json::{Value as Json, json};

/// Referrals: who invited whom.
fn invitations() -> Running {
    let invited = |at: i64, who: &str, by: &str| Event {
        distinct_id: who.to_owned(),
        at: UnixMicros(NOW.0 - at),
        name: "invited".to_owned(),
        properties: json!({"by": by}),
        elements_chain: String::new(),
    };
    let pairs = [("bob", "ann"), ("cid", "ann"), ("dan", "bob"), ("eve", "dan"), ("ann", "eve"), ("zoe", "yan")];
    let events = (0..).zip(pairs).map(|(at, (who, by))| invited(at, who, by)).collect();
    World { events, ..World::default() }.start(ProjectId(1), Layout::Scattered, QueryConfig { seconds_max: 2, ..QueryConfig::default() })
}

async fn check(running: &Running, query: &str, expected: Json) {
    let rows = running.hogql(query).await.unwrap_or_else(|error| unreachable!("{query}: {error}"));
    assert_eq!(json!(rows), expected, "{query}");
}

#[tokio::test]
async fn each_step_reads_the_one_before() {
    let running = invitations();
    check(
        &running,
        "with recursive t as (select 1 as n union all select n + 1 from t where n < 5) select arraySort(groupArray(n)), sum(n) from t",
        json!([[[1, 2, 3, 4, 5], 15]]),
    )
    .await;
    check(
        &running,
        "with recursive fib(a, b) as (select 0, 1 union all select b, a + b from fib where b < 20) select a from fib order by a",
        json!([[0], [1], [1], [2], [3], [5], [8], [13]]),
    )
    .await;
    // Who came by ann, directly or not, and how far away. Dates of a calendar without gaps.
    check(
        &running,
        "with recursive tree as ( \
            select 'ann' as who, 0 as depth \
            union all \
            select e.distinct_id, tree.depth + 1 from events e join tree on e.properties.by = tree.who where tree.depth < 3 \
         ) select who, depth from tree order by depth, who",
        json!([["ann", 0], ["bob", 1], ["cid", 1], ["dan", 2], ["eve", 3]]),
    )
    .await;
    check(
        &running,
        "with recursive days as (select toDate('2020-02-27') as day union all select day + 1 from days where day < toDate('2020-03-01')) \
         select toString(day) from days order by day",
        json!([["2020-02-27"], ["2020-02-28"], ["2020-02-29"], ["2020-03-01"]]),
    )
    .await;
}

#[tokio::test]
async fn what_was_found_before_ends_a_circle() {
    let running = invitations();
    check(
        &running,
        "with recursive reached as ( \
            select 'ann' as who union distinct select e.distinct_id from events e join reached r on e.properties.by = r.who \
         ) select arraySort(groupArray(who)) from reached",
        json!([[["ann", "bob", "cid", "dan", "eve"]]]),
    )
    .await;
}

#[tokio::test]
async fn columns_take_the_type_that_all_steps_need() {
    let running = invitations();
    check(
        &running,
        "with recursive t as (select 1 as x, 0 as n union all select x / 2, n + 1 from t where n < 2) select x from t order by n",
        json!([[1.0], [0.5], [0.25]]),
    )
    .await;
    check(
        &running,
        "with recursive t as (select 'a' as x, 0 as n union all select if(n = 0, null, 'c'), n + 1 from t where n < 2) \
         select x from t order by n",
        json!([["a"], [null], ["c"]]),
    )
    .await;
}

#[tokio::test]
async fn it_is_a_table_as_any_other() {
    let running = invitations();
    // Twice in one query, behind IN, beside another CTE, and not recursive at all.
    let numbers = "with recursive t as (select 1 as n union all select n + 1 from t where n < 3)";
    check(&running, &format!("{numbers} select a.n, b.n from t a join t b on a.n = b.n + 1 order by a.n"), json!([[2, 1], [3, 2]])).await;
    check(&running, &format!("{numbers}, u as (select max(n) as m from t) select n from t, u where n = m"), json!([[3]])).await;
    check(&running, &format!("{numbers} select number from numbers(10) where number in t order by number"), json!([[1], [2], [3]])).await;
    check(&running, "with recursive t as (select 7 as n) select n from t", json!([[7]])).await;
    check(&running, "with recursive t as (select 7 as n union all select 8) select n from t order by n", json!([[7], [8]])).await;
    check(&running, "with t(a, b) as (select 1, 2) select b, a from t", json!([[2, 1]])).await;
}

#[tokio::test]
async fn what_has_no_end_is_stopped() {
    let running = invitations();
    let endless = "with recursive t as (select 1 as n union all select n + 1 from t)";
    check(&running, &format!("{endless} select n from t limit 3"), json!([[1], [2], [3]])).await;
    let error = running.hogql(&format!("{endless} select max(n) from t")).await.expect_err("no end");
    assert_eq!(error.code(), "query_timeout");
    // Nothing of it is left behind that others would wait for.
    check(&running, "select 1", json!([[1]])).await;
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let running = invitations();
    for (query, detail) in [
        (
            "with recursive t as (select 1 as n union all select a.n + 1 from t a join t b on a.n = b.n where a.n < 5) select n from t",
            "A recursive query may read itself once, `t` does it more often",
        ),
        ("with t as (select 1 as n union all select n + 1 from t where n < 5) select n from t", "Unknown table `t`."),
        (
            "with recursive t as (select 1 as n union all select n, n from t) select n from t",
            "UNION need the same number of columns, found 1 and 2",
        ),
        ("with recursive t(a, b) as (select 1 union all select a + 1 from t) select a from t", "Expected 1 column aliases, found 2"),
        ("with t(a, b) as (select 1) select a from t", "Expected 1 column aliases, found 2"),
    ] {
        let error = running.hogql(query).await.expect_err(query);
        assert_eq!((error.status(), error.detail().as_str()), (400, detail), "{query}");
    }
}

/// What holds of steps holds of any UNION: a column has the type that all of its queries need.
#[tokio::test]
async fn a_union_has_the_types_of_all_its_queries() {
    let running = invitations();
    for (query, expected) in [
        ("select x / 2 from (select 1 as x union all select 1.5) order by x", json!([[0.5], [0.75]])),
        ("select sum(x) from (select 1 as x union all select 0.5 union all select 2)", json!([[3.5]])),
        ("select x from (select 1.5 as x intersect select 3 / 2)", json!([[1.5]])),
        ("select x from (select 1 as x except select 1.0)", json!([])),
        (
            "select x = 'ann' from (select distinct_id as x from events where distinct_id = 'ann' union all select 'b') order by x",
            json!([[1], [0]]),
        ),
    ] {
        check(&running, query, expected).await;
    }
}
