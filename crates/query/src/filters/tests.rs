//! Filters as the expressions that they become.

use super::*;
use serde_json::json;

fn check(filters: Value, want: Option<&str>) {
    let now: Zoned = "2020-03-15T10:20:30+00:00[UTC]".parse().unwrap();
    let type_of = |_: &str, _: Option<u8>, key: &str| match key {
        "flag" => Some(PropertyType::Boolean),
        "size" => Some(PropertyType::Numeric),
        _ => None,
    };
    let rules = json!([{"regex": "/users/\\d+", "alias": "/users/:id"}]);
    let context = FilterContext { now: &now, type_of: &type_of, path_cleaning: &rules };
    let found = condition(&filters, Scope::Event, &context).unwrap().map(|expr| expr.to_string());
    let want = want.map(|text| parse_expr(text).unwrap().to_string());
    assert_eq!(found, want, "{filters}");
}

#[test]
fn places() {
    check(json!([{"key": "a", "value": "x"}]), Some("properties.a = 'x'"));
    check(json!([{"key": "a", "value": "x", "type": "person"}]), Some("person.properties.a = 'x'"));
    check(json!([{"key": "a", "value": "x", "type": "group", "group_type_index": 2}]), Some("group_2.properties.a = 'x'"));
    check(json!([{"key": "$group_0", "value": "x", "type": "event_metadata"}]), Some("$group_0 = 'x'"));
    check(json!([{"key": "beta", "value": "x", "type": "feature"}]), Some("properties.`$feature/beta` = 'x'"));
    check(json!([{"key": "1 + 1", "type": "hogql"}]), Some("1 + 1"));
    check(json!([{"key": "id", "value": 7, "type": "cohort"}]), Some("person_id IN COHORT 7"));
}

#[test]
fn elements_of_exceptions() {
    check(
        json!([{"key": "$exception_types", "value": ["TypeError", "KeyError"]}]),
        Some(
            "arrayExists(element -> element IN ('TypeError', 'KeyError'), JSONExtract(ifNull(toString(properties.$exception_types), ''), 'Array(String)'))",
        ),
    );
    check(
        json!([{"key": "$exception_values", "value": "boom", "operator": "icontains"}]),
        Some(
            "arrayExists(element -> toString(element) ILIKE '%boom%', JSONExtract(ifNull(toString(properties.$exception_values), ''), 'Array(String)'))",
        ),
    );
}

#[test]
fn paths_are_compared_as_the_project_cleans_them() {
    check(
        json!([{"key": "$pathname", "value": "/users/7", "operator": "is_cleaned_path_exact"}]),
        Some(
            "replaceRegexpAll(toString(properties.$pathname), '/users/\\\\d+', '/users/:id') = replaceRegexpAll('/users/7', '/users/\\\\d+', '/users/:id')",
        ),
    );
}

#[test]
fn cohorts_and_who_is_not_in_them() {
    check(json!([{"key": "id", "value": 7, "type": "cohort", "operator": "not_in"}]), Some("person_id NOT IN COHORT 7"));
    check(json!([{"key": "id", "value": "7", "type": "cohort", "negation": true}]), Some("person_id NOT IN COHORT 7"));
}

#[test]
fn lists_and_groups() {
    check(json!([]), None);
    check(json!([{"key": "a", "value": []}]), None);
    check(json!([{"key": "a", "value": ["x"]}]), Some("properties.a = 'x'"));
    check(json!([{"key": "a", "value": ["x", "y"]}]), Some("properties.a IN ('x', 'y')"));
    check(json!([{"key": "a", "value": ["x", "y"], "operator": "is_not"}]), Some("properties.a = null OR properties.a NOT IN ('x', 'y')"));
    let group = json!({"type": "OR", "values": [
        {"type": "AND", "values": [{"key": "a", "value": "x"}, {"key": "b", "value": "y"}]},
        {"type": "AND", "values": []},
    ]});
    check(group, Some("properties.a = 'x' AND properties.b = 'y'"));
}

#[test]
fn operators() {
    check(json!([{"key": "a", "operator": "is_set", "value": "is_set"}]), Some("properties.a != null"));
    check(json!([{"key": "a", "operator": "icontains", "value": "5%"}]), Some("toString(properties.a) ILIKE '%5\\\\%%'"));
    check(json!([{"key": "size", "operator": "gt", "value": "12"}]), Some("properties.size > 12.0"));
    check(json!([{"key": "flag", "value": ["true"]}]), Some("properties.flag = true"));
    check(json!([{"key": "flag", "value": "yes"}]), Some("JSONExtractString(properties, 'flag') = 'yes'"));
    check(
        json!([{"key": "flag", "operator": "is_not", "value": ["true", "false", "yes", "no"], "type": "person"}]),
        Some(
            "(person.properties.flag = null OR person.properties.flag NOT IN (true, false)) AND JSONExtractString(person.properties, 'flag') NOT IN ('yes', 'no')",
        ),
    );
    check(
        json!([{"key": "size", "operator": "between", "value": [1, 2]}]),
        Some("toFloat(properties.size) >= 1.0 AND toFloat(properties.size) <= 2.0"),
    );
    check(
        json!([{"key": "a", "operator": "is_date_before", "value": "-1d"}]),
        Some("toDateTime(properties.a) < toDateTime64('2020-03-14 10:20:30.000000', 6, 'UTC')"),
    );
}

#[test]
fn contradictions_are_named() {
    let now: Zoned = "2020-03-15T10:20:30+00:00[UTC]".parse().unwrap();
    let context = FilterContext { now: &now, type_of: &|_, _, _| None, path_cleaning: &Value::Null };
    for filters in [
        json!([{"key": "a", "operator": "between", "value": [2, 1]}]),
        json!([{"key": "a", "operator": "regex", "value": "("}]),
        json!([{"key": "a", "operator": "sounds_like", "value": "x"}]),
        json!([{"key": "a", "operator": "semver_gt", "value": "one"}]),
        json!("a = 1"),
    ] {
        assert!(condition(&filters, Scope::Event, &context).is_err(), "{filters}");
    }
}
