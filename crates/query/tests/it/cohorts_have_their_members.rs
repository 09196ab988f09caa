//! Each criterion of a cohort finds the persons that it should, however their rows lie and whoever was merged.

use crate::world::{Event, LAYOUTS, NOW, Running, World, cohort};
use aqueduct_catalog::Cohort;
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use serde_json::{Value as Json, json};

const DAY: i64 = 86_400_000_000;

/// An event so many days before now.
fn event(distinct_id: &str, name: &str, days_ago: f64, properties: Json) -> Event {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "days of a test")]
    let at = UnixMicros(NOW.0 - (days_ago * DAY as f64) as i64);
    Event { distinct_id: distinct_id.to_owned(), at, name: name.to_owned(), properties, elements_chain: String::new() }
}

fn events(distinct_id: &str, name: &str, days_ago: &[f64]) -> Vec<Event> {
    days_ago.iter().map(|days| event(distinct_id, name, *days, json!({}))).collect()
}

/// Who did what: ann buys again and again, bob bought once long ago, cid only looks, dan came back, eve bought for the first time
/// yesterday, fay stopped, gus did nothing. Half of what hal did lies with who he was before he signed up.
fn world() -> World {
    let mut all = Vec::new();
    all.extend(events("ann", "buy", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    all.extend(events("ann", "look", &[1.1, 20.0]));
    all.extend(events("bob", "buy", &[40.0]));
    all.extend(events("cid", "look", &[2.0]));
    all.extend(events("dan", "buy", &[2.0, 50.0]));
    all.extend(events("dan", "look", &[2.01]));
    all.extend(events("eve", "buy", &[1.0]));
    all.extend(events("fay", "buy", &[10.0, 12.0]));
    all.push(event("hal", "buy", 1.5, json!({"plan": "pro"})));
    all.push(event("anonymous", "look", 1.6, json!({})));
    let person = |id: &str, properties: Json| (vec![id.to_owned()], properties);
    World {
        events: all,
        persons: vec![
            person("ann", json!({"email": "ann@shop.example", "age": 30})),
            person("bob", json!({"email": "bob@shop.example"})),
            person("cid", json!({"email": "cid@else.example"})),
            person("dan", json!({})),
            person("eve", json!({"email": "eve@shop.example"})),
            person("fay", json!({"email": "fay@else.example"})),
            person("gus", json!({"email": "gus@shop.example"})),
            (vec!["hal".to_owned(), "also hal".to_owned()], json!({"email": "hal@else.example"})),
        ],
        merges: vec![("anonymous".to_owned(), "hal".to_owned())],
        ..World::default()
    }
}

/// The names of the members of cohort 1, in order.
async fn members(running: &Running) -> String {
    let text = "SELECT distinct_id FROM person_distinct_ids WHERE person_id IN COHORT 1 AND distinct_id != 'also hal' ORDER BY distinct_id";
    let rows = running.hogql(text).await.unwrap_or_else(|error| panic!("{error}"));
    rows.iter().map(|row| row[0].as_str().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

async fn check_all(cases: &[(Json, &str)]) {
    for (criteria, expected) in cases {
        for layout in LAYOUTS {
            let world = World { cohorts: vec![cohort(1, "asked", criteria)], ..world() };
            let running = world.start(ProjectId(1), layout, QueryConfig::default());
            assert_eq!(members(&running).await, *expected, "{layout:?} {criteria}");
        }
    }
}

fn did(value: &str, more: Json) -> Json {
    let mut criterion = json!({"type": "behavioral", "key": "buy", "event_type": "events", "value": value});
    for (name, field) in more.as_object().expect("an object") {
        criterion[name] = field.clone();
    }
    criterion
}

fn all(criteria: Json) -> Json {
    json!({"type": "OR", "values": [{"type": "AND", "values": criteria}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn behaviour() {
    let days = |count: i64| json!({"time_value": count, "time_interval": "day"});
    let multiple = |operator: &str, count: i64| {
        did("performed_event_multiple", json!({"operator": operator, "operator_value": count, "time_value": 30, "time_interval": "day"}))
    };
    let regularly = |min: i64| {
        let more = json!({"operator": "gte", "operator_value": 1, "time_value": 1, "time_interval": "day", "min_periods": min, "total_periods": 5});
        did("performed_event_regularly", more)
    };
    let sequence = |seconds: i64| {
        let more = json!({"key": "look", "time_value": 30, "time_interval": "day", "seq_event": "buy", "seq_event_type": "events",
            "seq_time_value": seconds, "seq_time_interval": "hour"});
        did("performed_event_sequence", more)
    };
    let lately = |value: &str, count: i64| {
        did(value, json!({"time_value": 30, "time_interval": "day", "seq_time_value": count, "seq_time_interval": "day"}))
    };
    check_all(&[
        (all(json!([did("performed_event", days(30))])), "ann dan eve fay hal"),
        (all(json!([did("performed_event", json!({"time_value": "7", "time_interval": "day"}))])), "ann dan eve hal"),
        (all(json!([did("performed_event", json!({"explicit_datetime": "-60d", "explicit_datetime_to": "-30d"}))])), "bob dan"),
        (
            all(json!([did(
                "performed_event",
                json!({"time_value": 30, "time_interval": "day",
                "event_filters": [{"type": "event", "key": "plan", "value": "pro"}]})
            )])),
            "hal",
        ),
        (all(json!([did("performed_event_first_time", days(7))])), "ann eve hal"),
        (all(json!([multiple("gte", 2)])), "ann fay"),
        (all(json!([multiple("eq", 1)])), "dan eve hal"),
        (all(json!([multiple("lt", 2)])), "dan eve hal"),
        (all(json!([multiple("gt", 5)])), "ann"),
        (all(json!([multiple("lte", 2)])), "dan eve fay hal"),
        (all(json!([sequence(1)])), "dan"),
        (all(json!([sequence(3)])), "ann dan hal"),
        (all(json!([regularly(3)])), "ann"),
        (all(json!([regularly(1)])), "ann dan eve hal"),
        (all(json!([lately("stopped_performing_event", 7)])), "fay"),
        (all(json!([lately("restarted_performing_event", 7)])), "dan"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_groups_and_negation() {
    let shop = json!({"type": "person", "key": "email", "operator": "icontains", "value": "@shop"});
    let buys = did("performed_event", json!({"time_value": 30, "time_interval": "day"}));
    let not = |criterion: &Json| {
        let mut criterion = criterion.clone();
        criterion["negation"] = json!(true);
        criterion
    };
    check_all(&[
        (all(json!([shop])), "ann bob eve gus"),
        (json!([shop, buys]), "ann eve"),
        (json!({"type": "OR", "values": [shop, buys]}), "ann bob dan eve fay gus hal"),
        (all(json!([shop, not(&buys)])), "bob gus"),
        (all(json!([not(&buys)])), "bob cid gus"),
        (json!({"type": "OR", "values": [not(&buys), not(&shop)]}), "bob cid dan fay gus hal"),
        (json!({"type": "OR", "values": [buys, not(&shop)]}), "ann cid dan eve fay hal"),
        (json!({"type": "AND", "values": [{"type": "OR", "values": [shop, buys], "negation": true}]}), "cid"),
        (all(json!([{"type": "person", "key": "email", "operator": "is_not_set"}])), "dan"),
        (all(json!([{"type": "person", "key": "age", "operator": "gt", "value": 20}])), "ann"),
        (all(json!([{"type": "person", "key": "distinct_id", "value": ["cid", "dan"]}])), "cid dan"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_in_cohorts_and_kept_members() {
    let in_cohort = |id: i64| json!({"type": "cohort", "key": "id", "value": id});
    let mut kept = cohort(2, "kept", &Json::Null);
    (kept.document.is_static, kept.document.filters) = (true, Json::Null);
    let criteria = [
        (all(json!([in_cohort(2)])), "ann gus hal"),
        (all(json!([in_cohort(3)])), "ann eve hal"),
        (all(json!([in_cohort(2), in_cohort(3)])), "ann hal"),
        (all(json!([in_cohort(2), {"type": "cohort", "key": "id", "value": 3, "negation": true}])), "gus"),
        (all(json!([{"type": "cohort", "key": "id", "value": 2, "operator": "not_in"}])), "bob cid dan eve fay"),
    ];
    for (criteria, expected) in criteria {
        for layout in LAYOUTS {
            let first_time = all(json!([did("performed_event_first_time", json!({"time_value": 7, "time_interval": "day"}))]));
            let mut world = World { cohorts: vec![cohort(1, "asked", &criteria), kept.clone(), cohort(3, "new", &first_time)], ..world() };
            // Who was put in as "anonymous" is hal now; when no row knows the old id any more, the distinct id still leads to him.
            let kept = [("ann", "ann"), ("gus", "gus"), ("anonymous", "also hal"), ("nobody", "nobody")];
            world.members = kept.map(|(person, distinct_id)| (2, person.to_owned(), distinct_id.to_owned())).to_vec();
            let running = world.start(ProjectId(1), layout, QueryConfig::default());
            assert_eq!(members(&running).await, expected, "{layout:?} {criteria}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused() {
    let in_cohort = |id: i64| all(json!([{"type": "cohort", "key": "id", "value": id}]));
    let deleted = Cohort { is_deleted: true, ..cohort(4, "gone", &in_cohort(5)) };
    let cohorts = vec![
        cohort(1, "one", &in_cohort(2)),
        cohort(2, "two", &in_cohort(1)),
        cohort(3, "to the deleted", &in_cohort(4)),
        deleted,
        cohort(5, "none", &json!({})),
        cohort(6, "twice", &in_cohort(5)),
        cohort(7, "twice", &in_cohort(5)),
        cohort(8, "hogql in itself", &all(json!([{"type": "hogql", "key": "id IN COHORT 8"}]))),
        cohort(9, "unclear", &all(json!([did("performed_event", json!({}))]))),
    ];
    let running = World { cohorts, ..world() }.start(ProjectId(1), crate::world::Layout::Memory, QueryConfig::default());
    let cases = [
        ("1", "Cohort refers to itself: 1 ('one') → 2 ('two') → 1 ('one')"),
        ("3", "Cohort with ID 4 ('gone') was deleted"),
        ("4", "Cohort with ID 4 ('gone') was deleted"),
        ("5", "Cohort 5 ('none'): a group of criteria needs \"values\""),
        ("'twice'", "Found multiple cohorts with the name 'twice', use the number"),
        ("'gone'", "Could not find a cohort with the name 'gone'"),
        ("8", "Cohort refers to itself: 8 ('hogql in itself') → 8 ('hogql in itself')"),
        ("9", "Cohort 9 ('unclear'): time_interval is missing"),
        ("99", "Could not find cohort with ID 99"),
    ];
    for (id, expected) in cases {
        let error = running.hogql(&format!("SELECT count() FROM events WHERE person_id IN COHORT {id}")).await.expect_err(id);
        assert_eq!((error.detail(), error.status()), (expected.to_owned(), 400));
    }
}
