//! Wherever a user's text meets a query it stays a text: the right answer or a clear error, never another question, a panic or an exhausted stack.

use crate::world::{Event, Layout, NOW, Running, World};
use aqueduct_event::ProjectId;
use aqueduct_query::{QueryConfig, QueryError};
use serde_json::{Value as Json, json};

/// Texts that have broken query builders.
fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "'",
        "''",
        "\\",
        "\\'",
        "'\\''",
        "' OR 1=1 --",
        "'); DROP TABLE events; --",
        "\" OR \"\"=\"",
        "`; select 1; `",
        "\0",
        "a\0b",
        "{filters}",
        "{variables.x}",
        "${x} #{x} %s %(x)s {{x}}",
        "%",
        "_",
        "%_\\%",
        "/* */ -- #",
        "\r\n\t",
        "\u{202e}\u{200b}\u{feff}",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿é́ß",
        "ｓｅｌｅｃｔ",
        "NaN",
        "null",
        "undefined",
        "-1",
        "1e999",
        "(?:a|b)*+[",
        "$$_posthog_breakdown_other_$$",
        "$$_posthog_breakdown_null_$$",
        "now()",
        "a.b.c",
        "a[1]",
        " ",
        "::",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("x".repeat(100_000));
    texts.push("'".repeat(10_000));
    texts
}

fn quoted(text: &str) -> String {
    aqueduct_query::hogql::ast::Expr::lit(text).to_string()
}

/// One event for each text: its name, the key and the value of a property, and the distinct id.
fn world() -> World {
    let event = |text: String| Event {
        distinct_id: text.clone(),
        at: NOW,
        name: text.clone(),
        properties: json!({"value": text, &text: "1"}),
        elements_chain: String::new(),
    };
    World { events: hostile().into_iter().map(event).collect(), ..World::default() }
}

fn shown(text: &str) -> String {
    text.chars().take(30).collect()
}

async fn rows(running: &Running, query: Json) -> Result<Json, QueryError> {
    Ok(running.ask(query).await?["results"].clone())
}

#[tokio::test]
async fn a_text_finds_itself_and_nothing_else() {
    let running = world().start(ProjectId(1), Layout::Mixed, QueryConfig::default());
    for text in hostile() {
        for place in ["event", "distinct_id", "properties.value"] {
            let literal = format!("select count() from events where {place} = {}", quoted(&text));
            assert_eq!(running.hogql(&literal).await.expect("rows"), [json!([1])], "{place} {:?}", shown(&text));
            let query = json!({"kind": "HogQLQuery", "query": format!("select count() from events where {place} = {{text}}"), "values": {"text": text}});
            assert_eq!(rows(&running, query).await.expect("rows"), json!([[1]]), "{place} {:?}", shown(&text));
        }
        let is_itself = |operator: &str| json!({"type": "event", "key": "value", "operator": operator, "value": text});
        for series in [
            json!({"kind": "EventsNode", "event": text}),
            json!({"kind": "EventsNode", "event": null, "properties": [is_itself("exact")]}),
            json!({"kind": "EventsNode", "event": null, "properties": [{"type": "event", "key": text, "operator": "is_set"}]}),
        ] {
            let query = json!({"kind": "TrendsQuery", "series": [series]});
            let items = rows(&running, query).await.expect("an answer");
            assert_eq!(items[0]["count"], json!(1.0), "{series} {:?}", shown(&text));
        }
        let listed = json!({"kind": "EventsQuery", "select": ["event"], "event": text, "after": "all"});
        assert_eq!(rows(&running, listed).await.expect("rows"), json!([[text]]));
    }
}

#[tokio::test]
async fn every_place_takes_every_text() {
    let running = world().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let series = || json!([{"kind": "EventsNode", "event": "'"}]);
    for (place, text) in hostile().into_iter().enumerate() {
        let mut queries = vec![
            json!({"kind": "HogQLQuery", "query": text}),
            json!({"kind": "HogQLQuery", "query": format!("select {text} from events")}),
            json!({"kind": "HogQLQuery", "query": "select 1 from events where {filters}", "filters": {"dateRange": {"date_from": text, "date_to": text}}}),
            json!({"kind": "HogQLQuery", "query": "select {variables.x}", "variables": {"1": {"code_name": "x", "value": text}}}),
            json!({"kind": "TrendsQuery", "series": series(), "dateRange": {"date_from": text}}),
            json!({"kind": "TrendsQuery", "series": series(), "dateRange": {"date_to": text, "explicitDate": true}}),
            json!({"kind": "TrendsQuery", "series": series(), "interval": text}),
            json!({"kind": "TrendsQuery", "series": series(), "breakdownFilter": {"breakdown": text, "breakdown_type": "event"}}),
            json!({"kind": "TrendsQuery", "series": series(), "breakdownFilter": {"breakdown": text, "breakdown_type": "hogql"}}),
            json!({"kind": "TrendsQuery", "series": series(), "breakdownFilter": {"breakdowns": [{"property": text, "type": "person"}]}}),
            json!({"kind": "TrendsQuery", "series": series(), "breakdownFilter": {"breakdown": [text], "breakdown_type": text}}),
            json!({"kind": "TrendsQuery", "series": series(), "trendsFilter": {"formula": text}}),
            json!({"kind": "TrendsQuery", "series": series(), "compareFilter": {"compare": true, "compare_to": text}}),
            json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "math": text}]}),
            json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "math": "hogql", "math_hogql": text}]}),
            json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "math": "sum", "math_property": text}]}),
            json!({"kind": "FunnelsQuery", "series": [{"kind": "EventsNode", "event": text}, {"kind": "EventsNode", "event": text}]}),
            json!({"kind": "FunnelsQuery", "series": [{"kind": "EventsNode", "event": "a"}, {"kind": "EventsNode", "event": "b"}],
                "funnelsFilter": {"funnelAggregateByHogQL": text}}),
            json!({"kind": "RetentionQuery", "retentionFilter": {"targetEntity": {"id": text, "type": "events"}, "returningEntity": {"id": text, "type": "events"}}}),
            json!({"kind": "PathsQuery", "pathsFilter": {"includeEventTypes": ["hogql"], "pathsHogQLExpression": text}}),
            json!({"kind": "PathsQuery", "pathsFilter": {"startPoint": text, "pathGroupings": [text], "excludeEvents": [text]}}),
            json!({"kind": "StickinessQuery", "series": [{"kind": "EventsNode", "event": text}]}),
            json!({"kind": "LifecycleQuery", "series": [{"kind": "EventsNode", "event": text}]}),
            json!({"kind": "EventsQuery", "select": [text]}),
            json!({"kind": "EventsQuery", "select": ["event"], "where": [text], "orderBy": [text], "after": text, "before": text}),
            json!({"kind": "ActorsQuery", "select": ["id", text], "search": text, "orderBy": [text]}),
            json!({"kind": text}),
        ];
        let kinds = ["event", "person", "session", "group", "element", "feature", "hogql", "event_metadata"];
        let operators = ["exact", "is_not", "icontains", "regex", "not_regex", "gt", "between", "is_date_before", "semver_gt", "in"];
        let pairs = operators.iter().flat_map(|operator| kinds.iter().map(move |kind| (operator, kind)));
        // Each text takes another fifth of them.
        for (operator, kind) in pairs.enumerate().filter(|(at, _)| at % 5 == place % 5).map(|(_, pair)| pair) {
            let filter = json!({"type": kind, "key": text, "operator": operator, "value": [text], "group_type_index": 0});
            let scalar = json!({"type": kind, "key": "value", "operator": operator, "value": text, "group_type_index": 0});
            queries.push(json!({"kind": "TrendsQuery", "series": series(), "properties": [filter, scalar]}));
        }
        for query in queries {
            if let Err(error) = rows(&running, query.clone()).await {
                assert_ne!(error.status(), 500, "{error:?} of {}", shown(&query.to_string()));
                assert!(!error.detail().is_empty());
            }
        }
    }
    assert_eq!(running.hogql("select count() from events").await.expect("rows"), [json!([hostile().len()])]);
}

/// Right or refused; the engine's threads must survive it, which the query afterwards shows.
#[tokio::test]
async fn deep_and_long_queries() {
    let running = world().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let deep = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let list = |item: &str, number: usize| vec![item; number].join(", ");
    let texts = [
        format!("select {}", deep("(", ")", 100_000)),
        format!("select {}", deep("[", "]", 100_000)),
        format!("select {}", deep("abs(", ")", 110)),
        format!("select {}", deep("not ", "", 50_000)),
        format!("select {}", deep("-", "", 50_000)),
        format!("select {}", deep("if(1, ", ", 2)", 110)),
        format!("select {}", vec!["1"; 20_000].join(" + ")),
        format!("select 1 where {}", vec!["1 = 1"; 5_000].join(" and ")),
        format!("select 1 where {}", vec!["event = 'a'"; 5_000].join(" or ")),
        format!("select count() from events where event in ({})", list("'a'", 100_000)),
        format!("select [{}]", list("1", 100_000)),
        format!("select {}", list("1", 5_000)),
        format!("select concat({})", list("'a'", 10_000)),
        vec!["select 1"; 300].join(" union all "),
        format!("{} 1 {}", "select * from (select ".repeat(110), ")".repeat(110)),
        format!("select * from events e0 {}", (1..60).map(|n| format!("join events e{n} on e0.uuid = e{n}.uuid ")).collect::<String>()),
        format!("with {} select 1", (0..500).map(|n| format!("c{n} as (select {n})")).collect::<Vec<_>>().join(", ")),
        format!("select properties.{}", vec!["a"; 10_000].join(".")),
        format!("select '{}'", "a".repeat(3_000_000)),
        format!("select {}", "arrayMap(x -> x + 1, ".repeat(100)),
        format!("select {}[1]{}", deep("arrayMap(x -> [x][1], [", "])", 100), ""),
    ];
    for text in &texts {
        if let Err(error) = running.hogql(text).await {
            assert_ne!(error.status(), 500, "{error:?} of {}", shown(text));
        }
    }
    let filter = json!({"type": "event", "key": "value", "operator": "exact", "value": "a"});
    let mut group = filter.clone();
    for _ in 0..120 {
        group = json!({"type": "AND", "values": [group, filter]});
    }
    let mut wrapped = json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode"}], "properties": group});
    for _ in 0..120 {
        wrapped = json!({"kind": "InsightVizNode", "source": wrapped});
    }
    if let Err(error) = running.ask(wrapped).await {
        assert_ne!(error.status(), 500, "{error:?}");
    }
    assert_eq!(running.hogql("select 1").await.expect("rows"), [json!([1])]);
}
