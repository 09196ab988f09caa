//! Counts of rows and persons by group, which are made in one pass over the parts, by definition.

use super::{Dice, Seen, agree};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Keys as HogQL, the order of the answer, and what they are of an event.
type Key = (&'static str, &'static str, fn(&Seen) -> Vec<Json>);

fn text(event: &Seen, key: &str) -> Json {
    event.properties[key].clone()
}

const KEYS: [Key; 6] = [
    ("event", "event", |event| vec![json!(event.name)]),
    ("properties.k AS k", "ifNull(k, '~')", |event| vec![text(event, "k")]),
    ("toDate(timestamp) AS day", "day", |event| vec![json!(event.at.strftime("%Y-%m-%d").to_string())]),
    ("event, properties.$group_0 AS g", "event, ifNull(g, '~')", |event| vec![json!(event.name), text(event, "$group_0")]),
    ("upper(event) AS big", "big", |event| vec![json!(event.name.to_uppercase())]),
    // A comparison with what is not there is false.
    ("properties.n > 2 AS many", "toString(many)", |event| vec![json!(u8::from(event.properties["n"].as_i64().is_some_and(|n| n > 2)))]),
];

/// Keys, rows and persons.
type Group<'e> = (Vec<Json>, usize, BTreeSet<&'e String>);

type Condition = (&'static str, fn(&Seen) -> bool);

const CONDITIONS: [Condition; 4] = [
    ("", |_| true),
    ("WHERE event = 'view'", |event| event.name == "view"),
    ("WHERE properties.k = 'x' AND event != 'buy'", |event| event.properties["k"] == "x" && event.name != "buy"),
    ("WHERE timestamp >= '2020-01-03'", |event| event.at.strftime("%Y-%m-%d").to_string().as_str() >= "2020-01-03"),
];

fn ask(dice: &mut Dice) -> Json {
    let (key, condition) = (dice.below(KEYS.len() + 1), CONDITIONS[dice.below(CONDITIONS.len())].0);
    let hogql = match KEYS.get(key) {
        Some((keys, order, _)) => {
            let names = keys.split(", ").map(|key| key.rsplit(" AS ").next().unwrap_or(key)).collect::<Vec<_>>().join(", ");
            format!("SELECT {keys}, count(), uniq(person_id) FROM events {condition} GROUP BY {names} ORDER BY {order}")
        }
        None => format!("SELECT count(), count(DISTINCT person_id) FROM events {condition}"),
    };
    json!({"kind": "HogQLQuery", "query": hogql})
}

#[tokio::test]
async fn counts() {
    let expect = |sight: &super::Sight, query: &Json| {
        let hogql = query["query"].as_str().expect("a query");
        let (_, passes) = CONDITIONS.iter().rev().find(|(condition, _)| hogql.contains(condition)).expect("a condition");
        let events = sight.events.iter().filter(|event| passes(event));
        let Some((_, _, of)) = KEYS.iter().find(|(keys, ..)| hogql.starts_with(&format!("SELECT {keys}, count"))) else {
            let persons: BTreeSet<&String> = events.clone().map(|event| &event.person).collect();
            return vec![json!([events.count(), persons.len()])];
        };
        // NULL comes last, as asked for.
        let ordered =
            |keys: &[Json]| keys.iter().map(|key| if key.is_null() { "~".to_owned() } else { key.to_string() }).collect::<Vec<_>>();
        let mut groups: BTreeMap<Vec<String>, Group<'_>> = BTreeMap::new();
        for event in events {
            let keys = of(event);
            let group = groups.entry(ordered(&keys)).or_insert_with(|| (keys, 0, BTreeSet::new()));
            group.1 += 1;
            group.2.insert(&event.person);
        }
        let row = |(mut keys, rows, persons): Group<'_>| {
            keys.extend([json!(rows), json!(persons.len())]);
            Json::Array(keys)
        };
        groups.into_values().map(row).collect()
    };
    agree(23, false, ask, expect, Json::clone).await;
}
