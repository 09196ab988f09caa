//! What HogQL has in common with ClickHouse, where the two were once found to differ. Every answer here is one that ClickHouse gave, but for `lag` and
//! `lead`, which are PostHog's.

use crate::world::{Layout, NOW, Running, World};
use aqueduct_event::ProjectId;
use aqueduct_query::QueryConfig;
use serde_json::{Value as Json, json};

fn start() -> Running {
    let persons = vec![(vec!["ann".to_owned()], json!({"seen": NOW.0})), (vec!["bob".to_owned()], json!({}))];
    World { persons, ..World::default() }.start(ProjectId(1), Layout::Memory, QueryConfig::default())
}

async fn check(running: &Running, query: &str, expected: Json) {
    let rows = running.hogql(query).await.unwrap_or_else(|error| unreachable!("{query}: {error}"));
    assert_eq!(json!(rows), expected, "{query}");
}

#[tokio::test]
async fn rows_beside_a_row_are_those_of_its_frame() {
    let running = start();
    let numbers = |list: &str| format!("(select arrayJoin([{list}]) as x)");
    for (call, over, list, expected) in [
        ("leadInFrame(x)", "order by x", "1, 2, 2, 3", json!([[1, 0], [2, 2], [2, 0], [3, 0]])),
        (
            "leadInFrame(x)",
            "order by x rows between unbounded preceding and unbounded following",
            "1, 2, 3",
            json!([[1, 2], [2, 3], [3, 0]]),
        ),
        ("leadInFrame(x, 1, 9)", "order by x rows between unbounded preceding and 1 following", "1, 2, 3", json!([[1, 2], [2, 3], [3, 9]])),
        ("leadInFrame(x, 2, 9)", "order by x rows between unbounded preceding and 1 following", "1, 2, 3", json!([[1, 9], [2, 9], [3, 9]])),
        ("lagInFrame(x, 2, 9)", "order by x rows between 1 preceding and current row", "1, 2, 3", json!([[1, 9], [2, 9], [3, 9]])),
        ("lagInFrame(x)", "order by x", "1, 2, 2, 3", json!([[1, 0], [2, 1], [2, 2], [3, 2]])),
        ("lagInFrame(toNullable(x))", "order by x", "1, 2", json!([[1, null], [2, 1]])),
        ("lagInFrame(toString(x))", "order by x", "1, 2", json!([[1, ""], [2, "1"]])),
        ("x - lagInFrame(x, 1, x)", "order by x", "1, 3, 8", json!([[1, 0], [3, 2], [8, 5]])),
        ("lag(x)", "order by x", "1, 2", json!([[1, null], [2, 1]])),
        ("lead(x, 1, 0)", "order by x", "1, 2", json!([[1, 2], [2, 0]])),
    ] {
        check(&running, &format!("select x, {call} over ({over}) from {} order by x", numbers(list)), expected).await;
    }
    for (call, detail) in [
        ("lagInFrame()", "Function 'lagInFrame' expects 1 to 3 arguments, found 0"),
        ("lagInFrame(number, -1)", "Function 'lagInFrame' expects a number of rows, found -1"),
    ] {
        let error = running.hogql(&format!("select {call} over (order by number) from numbers(3)")).await.expect_err(call);
        assert_eq!(error.detail(), detail);
    }
}

#[tokio::test]
async fn columns_that_a_join_has_in_common_are_one_column() {
    let running = start();
    let side = |list: &str, more: &str| format!("(select arrayJoin([{list}]) as x{more})");
    for (join, expected) in
        [("join", json!([[2]])), ("left join", json!([[1], [2]])), ("right join", json!([[2], [3]])), ("full join", json!([[1], [2], [3]]))]
    {
        for using in ["(x)", "x"] {
            let query = format!("select x from {} a {join} {} b using {using} order by x", side("1, 2", ""), side("2, 3", ""));
            check(&running, &query, expected.clone()).await;
        }
    }
    let grouped = format!(
        "select x, max(z), count() from {} a join {} b using (x) group by x order by x",
        side("1, 2", ", 5 as y"),
        side("2, 2, 1", ", 7 as z")
    );
    check(&running, &grouped, json!([[1, 7, 1], [2, 7, 2]])).await;
    let ambiguous = format!("select x from {} a join {} b on a.x = b.x", side("1", ""), side("1", ""));
    let error = running.hogql(&ambiguous).await.expect_err("two columns");
    assert_eq!(error.detail(), "Ambiguous query. Found multiple sources for field: x");
}

#[tokio::test]
async fn names_of_types_are_known_without_rows() {
    let running = start();
    for (query, expected) in [
        (
            "select toTypeName(count()), toTypeName(sum(1.5)), toTypeName(max('a')) from numbers(3)",
            json!([["UInt64", "Float64", "String"]]),
        ),
        ("select toTypeName(toDate('2020-01-01')), toTypeName(1 = 1)", json!([["Date", "UInt8"]])),
        ("select toTypeName(1), toTypeName(256), toTypeName(4294967296)", json!([["UInt8", "UInt16", "UInt64"]])),
        ("select toTypeName(number) from numbers(2)", json!([["UInt64"], ["UInt64"]])),
    ] {
        check(&running, query, expected).await;
    }
}

#[tokio::test]
async fn no_value_at_all_is_null_for_what_may_be_null() {
    let running = start();
    check(
        &running,
        "select sumOrDefault(x), maxOrDefault(x), countOrDefault(x) from (select toNullable(1) as x where 0)",
        json!([[null, null, 0]]),
    )
    .await;
    check(&running, "select sumOrDefault(x), maxOrDefault(x) from (select 1 as x where 0)", json!([[0, 0]])).await;
}

#[tokio::test]
async fn persons_say_when_they_were_seen() {
    let running = start();
    let seen = "2020-01-20T12:00:00Z";
    check(&running, "select last_seen_at from persons order by last_seen_at nulls first", json!([[null], [seen]])).await;
    check(
        &running,
        "select distinct_id, person.last_seen_at from person_distinct_ids order by distinct_id",
        json!([["ann", seen], ["bob", null]]),
    )
    .await;
}
