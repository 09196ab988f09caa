//! Lifecycle by definition: what an actor is in an interval, asked interval by interval.

use super::{Dice, Seen, Sight, agree, days};
use jiff::Zoned;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

fn ask(dice: &mut Dice) -> Json {
    let (from, to) = days(dice);
    let mut query = json!({
        "kind": "LifecycleQuery",
        "series": [{"kind": "EventsNode", "event": dice.pick(&[json!("view"), json!("$pageview"), Json::Null])}],
        "interval": dice.pick(&["hour", "day", "day", "week", "month"]),
        "dateRange": {"date_from": from, "date_to": to},
    });
    if dice.once_in(3) {
        query["aggregation_group_type_index"] = json!(0);
    }
    query
}

fn expect(sight: &Sight, query: &Json) -> Vec<Json> {
    let interval = query["interval"].as_str().expect("an interval");
    let from = sight.midnight(query["dateRange"]["date_from"].as_str().expect("a day"));
    let day = query["dateRange"]["date_to"].as_str().expect("a day");
    let to = if interval == "hour" { sight.midnight(day) } else { sight.end(day) };
    let starts = sight.starts(&from, &to, interval);
    let by_group = query["aggregation_group_type_index"].is_number();
    let name = query["series"][0]["event"].as_str();
    let rows: Vec<(String, &Seen)> = sight
        .events
        .iter()
        .filter(|event| name.is_none_or(|name| name == event.name))
        .filter_map(|event| Some((event.actor(by_group)?, event)))
        .collect();
    let actors: BTreeSet<&String> = rows.iter().map(|(actor, _)| actor).collect();
    let active = |actor: &str, start: &Zoned| {
        let end = Sight::plus(start, interval, 1);
        rows.iter().any(|(who, event)| who == actor && event.at >= *start && event.at < end)
    };
    let first = Sight::plus(&starts[0], interval, -1);
    let exists = |actor: &str| by_group || sight.world.persons.iter().any(|(ids, _)| ids[0] == actor);
    let status = |actor: &str, start: &Zoned| {
        let before = Sight::plus(start, interval, -1);
        let seen_before = rows.iter().any(|(who, event)| who == actor && event.at >= first && event.at < *start);
        let created = sight.world.created.get(actor).filter(|_| exists(actor));
        let created = created.map(|at| jiff::Timestamp::from_microsecond(at.0).expect("a time").to_zoned(sight.zone.clone()));
        let came = created.is_some_and(|at| sight.floor(&at, interval) == *start);
        match (active(actor, start), active(actor, &before)) {
            (true, _) if came && !seen_before => Some("new"),
            (true, true) => Some("returning"),
            (true, false) => Some("resurrecting"),
            (false, true) => Some("dormant"),
            (false, false) => None,
        }
    };
    let of = |wanted: &str| {
        let sign = if wanted == "dormant" { -1.0 } else { 1.0 };
        let count = |start: &Zoned| actors.iter().filter(|actor| status(actor, start) == Some(wanted)).count() as f64 * sign + 0.0;
        json!([wanted, starts.iter().map(count).collect::<Vec<_>>()])
    };
    ["new", "returning", "resurrecting", "dormant"].map(of).to_vec()
}

#[tokio::test]
async fn lifecycle() {
    agree(2, false, ask, expect, |item| json!([item["status"], item["data"]])).await;
}
