//! Stickiness by definition: for each actor the set of intervals in which it was active often enough.

use super::{Dice, Sight, agree, days};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

fn ask(dice: &mut Dice) -> Json {
    let (from, to) = days(dice);
    let mut query = json!({
        "kind": "StickinessQuery",
        "series": [{"kind": "EventsNode", "event": dice.pick(&[json!("view"), json!("$pageview"), Json::Null])}],
        "interval": dice.pick(&["hour", "day", "day", "week", "month"]),
        "dateRange": {"date_from": from, "date_to": to},
        "stickinessFilter": {},
    });
    match dice.below(4) {
        0 => {
            query["series"][0]["math"] = json!("unique_group");
            query["series"][0]["math_group_type_index"] = json!(0);
        }
        1 => {
            query["series"][0]["math"] = json!("hogql");
            query["series"][0]["math_hogql"] = json!("properties.k");
        }
        _ => {}
    }
    if dice.once_in(3) {
        query["intervalCount"] = json!(dice.below(3) + 1);
    }
    if dice.once_in(3) {
        query["stickinessFilter"]["stickinessCriteria"] =
            json!({"operator": dice.pick(&["gte", "lte", "exact"]), "value": dice.below(3) + 1});
    }
    if dice.once_in(3) {
        query["stickinessFilter"]["computedAs"] = json!("cumulative");
    }
    if dice.once_in(3) {
        query["properties"] = json!([{"key": "k", "value": dice.pick(&[json!("x"), json!(["x", "y"])]), "type": "event"}]);
    }
    query
}

fn expect(sight: &Sight, query: &Json) -> Vec<Json> {
    let interval = query["interval"].as_str().expect("an interval");
    let from = sight.midnight(query["dateRange"]["date_from"].as_str().expect("a day"));
    let day = query["dateRange"]["date_to"].as_str().expect("a day");
    let to = if interval == "hour" { sight.midnight(day) } else { sight.end(day) };
    let lower = if interval == "month" { sight.floor(&from, "month") } else { from.clone() };
    let intervals = sight.starts(&from, &to, interval).len();
    let count = query["intervalCount"].as_i64();
    let mut active: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for event in sight.events.iter().filter(|event| event.at >= lower && event.at <= to) {
        let named = query["series"][0]["event"].as_str().is_none_or(|name| name == event.name);
        let passes = match &query["properties"][0]["value"] {
            Json::String(value) => event.text("k") == *value,
            Json::Array(values) => values.iter().any(|value| value == &event.properties["k"]),
            _ => true,
        };
        let actor = match query["series"][0]["math"].as_str() {
            Some("hogql") => event.properties["k"].as_str().map(str::to_owned),
            math => event.actor(math.is_some()),
        };
        let Some(actor) = actor.filter(|_| named && passes) else { continue };
        let place = match count {
            None => sight.floor(&event.at, interval).to_string(),
            // Whole intervals that fit between the event and the end.
            Some(count) => ((1_i64..).take_while(|age| Sight::plus(&to, interval, -age) >= event.at).count() as i64 / count).to_string(),
        };
        *active.entry(actor).or_default().entry(place).or_default() += 1;
    }
    let criteria = &query["stickinessFilter"]["stickinessCriteria"];
    let holds = |events: i64| match (criteria["operator"].as_str(), criteria["value"].as_i64()) {
        (Some("gte"), Some(value)) => events >= value,
        (Some("lte"), Some(value)) => events <= value,
        (_, Some(value)) => events == value,
        _ => true,
    };
    let numbers: Vec<usize> = active.values().map(|places| places.values().filter(|events| holds(**events)).count()).collect();
    let columns = intervals.div_ceil(usize::try_from(count.unwrap_or(1)).expect("small"));
    let is_cumulative = query["stickinessFilter"]["computedAs"] == "cumulative";
    let data =
        (1..=columns).map(|column| numbers.iter().filter(|number| **number == column || (is_cumulative && **number > column)).count());
    vec![json!(data.collect::<Vec<_>>())]
}

#[tokio::test]
async fn stickiness() {
    agree(1, false, ask, expect, |item| item["data"].clone()).await;
}
