//! Answers carry the fields that PostHog's clients read.

use crate::world::{Event, Layout, NOW, World};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::{QueryConfig, QueryError};
use serde_json::{Value as Json, json};

fn event(name: &str, seconds_ago: i64) -> Event {
    Event {
        distinct_id: "ann".to_owned(),
        at: UnixMicros(NOW.0 - seconds_ago * 1_000_000),
        name: name.to_owned(),
        properties: json!({"a": [1, {"b": null}], "c": 1.5}),
        elements_chain: String::new(),
    }
}

#[tokio::test]
async fn a_select_without_limit_gives_a_hundred_rows_and_says_that_there_are_more() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let body = running.ask(json!({"kind": "HogQLQuery", "query": "SELECT number FROM numbers(250)"})).await.expect("an answer");
    assert_eq!(body["results"].as_array().map(Vec::len), Some(100));
    assert_eq!((&body["hasMore"], &body["limit"], &body["offset"]), (&json!(true), &json!(100), &json!(0)));
    assert_eq!(body["columns"], json!(["number"]));
    assert_eq!(body["types"], json!([["number", "UInt64"]]));
    assert_eq!(body["hogql"], json!("SELECT number FROM numbers(250) LIMIT 100"));
    assert_eq!((&body["is_cached"], &body["query_status"], &body["error"]), (&json!(false), &Json::Null, &Json::Null));
    assert_eq!(body["timings"].as_array().and_then(|timings| timings.last()).map(|last| last["k"].clone()), Some(json!(".")));
}

#[tokio::test]
async fn a_union_gives_a_hundred_rows_of_each_side() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let query = "SELECT number FROM numbers(250) UNION ALL SELECT number FROM numbers(250)";
    let body = running.ask(json!({"kind": "HogQLQuery", "query": query})).await.expect("an answer");
    assert_eq!(body["results"].as_array().map(Vec::len), Some(200));
}

#[tokio::test]
async fn names_and_types_of_columns() {
    let world = World { events: vec![event("view", 5)], ..World::default() };
    let running = world.start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let query =
        "SELECT event, count() AS n, count(), properties.c, event = 'view', timestamp, person_id FROM events GROUP BY 1, 4, 5, 6, 7";
    let body = running.ask(json!({"kind": "HogQLQuery", "query": query})).await.expect("an answer");
    let types: Vec<(String, String)> = serde_json::from_value(body["types"].clone()).expect("pairs");
    let types: Vec<(&str, &str)> = types.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    assert_eq!(
        types,
        [
            ("event", "String"),
            ("n", "UInt64"),
            ("count()", "UInt64"),
            ("c", "Nullable(String)"),
            ("event = 'view'", "UInt8"),
            ("timestamp", "DateTime64(6, 'UTC')"),
            ("person_id", "UUID"),
        ]
    );
}

#[tokio::test]
async fn the_list_of_events() {
    let world = World {
        events: vec![event("old", 100_000), event("first", 30), event("second", 20), event("third", 10)],
        persons: vec![(vec!["ann".to_owned()], json!({"email": "ann@example.com"}))],
        ..World::default()
    };
    let running = world.start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let query = json!({"kind": "EventsQuery", "select": ["*", "person", "person_display_name -- Person", "event"], "limit": 2});
    let body = running.ask(query).await.expect("an answer");
    let rows = body["results"].as_array().expect("rows");
    assert_eq!(rows.iter().map(|row| row[3].clone()).collect::<Vec<_>>(), [json!("third"), json!("second")]);
    assert_eq!(body["columns"], json!(["*", "person", "person_display_name -- Person", "event"]));
    assert_eq!((&body["hasMore"], &body["limit"]), (&json!(true), &json!(2)));
    assert_eq!(rows[0][0]["properties"], json!({"a": [1, {"b": null}], "c": 1.5}));
    assert_eq!(rows[0][0]["timestamp"], json!("2020-01-20T11:59:50Z"));
    assert_eq!(rows[0][1]["properties"]["email"], json!("ann@example.com"));
    assert_eq!(rows[0][2]["display_name"], json!("ann@example.com"));
    assert_eq!(body["nextCursor"], json!("2020-01-20T11:59:40Z"));
}

#[tokio::test]
async fn errors_have_status_type_and_code() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    for (query, status, code) in [
        (json!({"kind": "HogQLQuery", "query": "SELECT FROM"}), 400, "syntax_error"),
        (json!({"kind": "HogQLQuery", "query": "SELECT x FROM events"}), 400, "hogql_error"),
        (json!({"kind": "Unheard"}), 400, "invalid_input"),
        (json!({"query": "SELECT 1"}), 400, "invalid_input"),
    ] {
        let error = running.ask(query.clone()).await.expect_err("an error");
        assert_eq!((error.status(), error.kind(), error.code()), (status, "validation_error", code), "{query}");
    }
    let internal = QueryError::Internal("secret".to_owned());
    assert_eq!((internal.status(), internal.detail().as_str()), (500, "A server error occurred."));
}

#[tokio::test]
async fn metadata_says_what_is_wrong_and_where() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let check = |text: &str| json!({"kind": "HogQLMetadata", "language": "hogQL", "query": text});
    assert_eq!(running.ask(check("SELECT event FROM events")).await.expect("an answer")["isValid"], json!(true));
    let body = running.ask(check("SELECT evnt FROM events")).await.expect("an answer");
    assert_eq!(body["isValid"], json!(false));
    assert_eq!(body["errors"], json!([{"message": "Unable to resolve field: evnt", "start": 7, "end": 11}]));
    for (text, message, part) in [
        (
            "SELECT 1, upper(lowr(event)) FROM events",
            "Unsupported function call 'lowr(...)'. Perhaps you meant 'lower(...)'?",
            "lowr(event)",
        ),
        ("SELECT 1 FROM evnts AS e", "Unknown table `evnts`.", "evnts AS e"),
        ("SELECT event FROM events WHERE evnt = 'a'", "Unable to resolve field: evnt", "evnt"),
        ("SELECT a FROM (SELECT evnt AS a FROM events)", "Unable to resolve field: evnt", "evnt"),
        ("SELECT event FORM events e", "unexpected `events`, expected the end of the query", "events"),
    ] {
        let body = running.ask(check(text)).await.expect("an answer");
        let error = &body["errors"][0];
        let place = |end: &str| usize::try_from(error[end].as_u64().unwrap_or_default()).unwrap_or_default();
        assert_eq!((&error["message"], &text[place("start")..place("end")]), (&json!(message), part), "{text}");
    }
    let body =
        running.ask(check("SELECT event AS e, properties.n AS n FROM events WHERE person.properties.age > 5")).await.expect("an answer");
    assert_eq!((&body["isValid"], &body["isValidView"], &body["errors"]), (&json!(true), &json!(true), &json!([])));
    let notices = json!([
        {"message": "Field 'event' is of type 'String'", "start": 7, "end": 12},
        {"message": "Event property 'n' is of type 'String'.", "start": 19, "end": 31},
        {"message": "Person property 'age' is of type 'String'.", "start": 55, "end": 76}
    ]);
    assert_eq!(body["notices"], notices);
    let filled = json!({"kind": "HogQLMetadata", "language": "hogQL", "query": "SELECT {variables.x}", "variables": {"1": {"code_name": "x", "value": 5}}});
    assert_eq!(running.ask(filled).await.expect("an answer")["isValid"], json!(true));
    for (text, source, is_valid) in [
        ("event", "SELECT 1 FROM events", true),
        ("number + 1", "SELECT 1 FROM numbers(5)", true),
        ("event", "SELECT 1 FROM numbers(5)", false),
    ] {
        let source = json!({"kind": "HogQLQuery", "query": source});
        let expr = json!({"kind": "HogQLMetadata", "language": "hogQLExpr", "query": text, "sourceQuery": source});
        assert_eq!(running.ask(expr).await.expect("an answer")["isValid"], json!(is_valid), "{text}");
    }
}

#[tokio::test]
async fn the_schema_says_what_can_be_asked() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let schema = running.ask(json!({"kind": "DatabaseSchemaQuery"})).await.expect("an answer");
    for (table, field, kind) in [
        ("events", "properties", "json"),
        ("events", "timestamp", "datetime"),
        ("events", "elements_chain_texts", "array"),
        ("events", "person", "field_traverser"),
        ("persons", "is_identified", "boolean"),
        ("persons", "pdi", "lazy_table"),
        ("groups", "index", "integer"),
        ("sessions", "$pageview_count", "integer"),
        ("sessions", "$start_timestamp", "datetime"),
        ("query_log", "event_date", "date"),
        ("system.insights", "query", "json"),
        ("system.insights", "created_at", "datetime"),
    ] {
        assert_eq!(schema["tables"][table]["fields"][field]["type"], json!(kind), "{table}.{field}");
    }
    assert_eq!((&schema["tables"]["system.cohorts"]["type"], &schema["tables"]["events"]["type"]), (&json!("system"), &json!("posthog")));
    assert_eq!(schema["tables"]["events"]["fields"]["person"]["table"], json!("persons"));
}

#[tokio::test]
async fn what_may_be_chosen_of_a_funnel_are_its_periods_and_values() {
    let running = World { events: vec![event("view", 5), event("pay", 3)], ..World::default() }.start(
        ProjectId(1),
        Layout::Memory,
        QueryConfig::default(),
    );
    let options = async |funnel: Json| {
        let mut source = json!({"kind": "FunnelsQuery", "series": [{"event": "view"}, {"event": "pay"}]});
        source.as_object_mut().expect("an object").extend(funnel.as_object().expect("an object").clone());
        let source = json!({"kind": "FunnelsActorsQuery", "source": source, "funnelStep": 1});
        let body = running.ask(json!({"kind": "InsightActorsQueryOptions", "source": source})).await.expect("an answer");
        (body["compare"].clone(), body["breakdown"].clone())
    };
    assert_eq!(options(json!({})).await, (Json::Null, Json::Null));
    let periods = json!([{"label": "Current", "value": "current"}, {"label": "Previous", "value": "previous"}]);
    let one = json!({"breakdownFilter": {"breakdown": "c"}, "compareFilter": {"compare": true}});
    assert_eq!(options(one).await, (periods, json!([{"label": "1.5", "value": "1.5"}])));
    let several = json!({"breakdownFilter": {"breakdown": ["c", "never"]}, "funnelsFilter": {"funnelVizType": "trends"}});
    let both = json!([{"label": "1.5, None (i.e. no value)", "value": "[\"1.5\",\"\"]"}]);
    assert_eq!(options(several).await, (Json::Null, both));
    let cohorts = json!({"breakdownFilter": {"breakdown_type": "cohort", "breakdown": ["all"]}});
    assert_eq!(options(cohorts).await, (Json::Null, json!([{"label": "all users", "value": 0}])));
}
