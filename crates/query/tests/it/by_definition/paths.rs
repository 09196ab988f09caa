//! Paths by definition: lists of nodes, cut and counted.

use super::{Dice, Seen, Sight, agree, days};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

fn ask(dice: &mut Dice) -> Json {
    let (from, to) = if dice.once_in(6) { days(dice) } else { ("2019-12-30".to_owned(), "2020-01-02".to_owned()) };
    let mut filter = json!({});
    filter["includeEventTypes"] = dice.pick(&[
        json!(["$pageview"]),
        json!(["$pageview", "custom_event"]),
        json!(["custom_event", "$screen"]),
        json!(["$pageview", "$screen", "custom_event"]),
        json!([]),
    ]);
    if dice.once_in(3) {
        filter["startPoint"] = json!(dice.pick(&["/", "/a", "/a/", "view"]));
    }
    if dice.once_in(3) {
        filter["endPoint"] = json!(dice.pick(&["/b", "/a", "buy"]));
    }
    if dice.once_in(2) {
        filter["stepLimit"] = json!(dice.below(6) + 1);
    }
    if dice.once_in(4) {
        filter["edgeLimit"] = json!(dice.below(4) + 1);
    }
    if dice.once_in(4) {
        filter["minEdgeWeight"] = json!(2);
    }
    if dice.once_in(4) {
        filter["excludeEvents"] = json!(["/a", "buy"]);
    }
    if dice.once_in(4) {
        filter["pathGroupings"] = json!(["/b/*"]);
    }
    if dice.once_in(4) {
        filter["localPathCleaningFilters"] = json!([{"alias": "/c", "regex": "^/b$"}]);
    }
    json!({"kind": "PathsQuery", "dateRange": {"date_from": from, "date_to": to}, "pathsFilter": filter})
}

/// The node of an event; `None` when it is none.
fn node(event: &Seen, filter: &Json) -> Option<String> {
    let list = |key: &str| filter[key].as_array().cloned().unwrap_or_default();
    let kinds = list("includeEventTypes");
    let included =
        kinds.is_empty() || kinds.contains(&json!(event.name)) || (kinds.contains(&json!("custom_event")) && !event.name.starts_with('$'));
    if !included {
        return None;
    }
    let mut node = match event.name.as_str() {
        "$pageview" => {
            let url = event.text("$current_url");
            if url.len() > 1 { url.strip_suffix('/').unwrap_or(&url).to_owned() } else { url }
        }
        "$screen" => String::new(),
        name => name.to_owned(),
    };
    if !list("localPathCleaningFilters").is_empty() && node == "/b" {
        "/c".clone_into(&mut node);
    }
    if !list("pathGroupings").is_empty() && node.contains("/b/") {
        "/b/*".clone_into(&mut node);
    }
    (!list("excludeEvents").contains(&json!(node))).then_some(node)
}

fn cut(path: &[(String, i64)], filter: &Json) -> Option<Vec<(String, i64)>> {
    let point = |key: &str| {
        let point = filter[key].as_str()?;
        Some(if point.len() > 1 { point.trim_end_matches('/').to_owned() } else { point.to_owned() })
    };
    let limit = usize::try_from(filter["stepLimit"].as_u64().unwrap_or(5)).expect("small");
    let place = |path: &[(String, i64)], point: &str| path.iter().position(|(node, _)| node == point);
    match (point("startPoint"), point("endPoint")) {
        (None, None) => Some(path.iter().take(limit).cloned().collect()),
        (Some(start), None) => Some(path[place(path, &start)?..].iter().take(limit).cloned().collect()),
        (None, Some(end)) => {
            let whole = &path[..=place(path, &end)?];
            Some(whole[whole.len().saturating_sub(limit)..].to_vec())
        }
        (Some(start), Some(end)) => {
            let rest = &path[place(path, &start)?..];
            let whole = &rest[..=place(rest, &end)?];
            if whole.len() <= limit {
                return Some(whole.to_vec());
            }
            let half = limit / 2;
            let dots = ("...".to_owned(), whole[half].1);
            Some([&whole[..half], &[dots], &whole[whole.len() - half..]].concat())
        }
    }
}

fn expect(sight: &Sight, query: &Json) -> Vec<Json> {
    let filter = &query["pathsFilter"];
    let from = sight.midnight(query["dateRange"]["date_from"].as_str().expect("a day"));
    let to = sight.end(query["dateRange"]["date_to"].as_str().expect("a day"));
    let mut of_persons: BTreeMap<&str, Vec<(String, i64)>> = BTreeMap::new();
    for event in sight.events.iter().filter(|event| event.at >= from && event.at <= to) {
        if let Some(node) = node(event, filter) {
            of_persons.entry(&event.person).or_default().push((node, event.at.timestamp().as_microsecond()));
        }
    }
    let mut edges: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
    for steps in of_persons.values() {
        for session in steps.chunk_by(|a, b| b.1 - a.1 < 1_800_000_000) {
            // The last of steps to the same node stays; a nameless end is none.
            let mut path: Vec<(String, i64)> = Vec::new();
            for step in session {
                if path.last().is_some_and(|last| last.0 == step.0) {
                    path.pop();
                }
                path.push(step.clone());
            }
            if path.last().is_some_and(|last| last.0.is_empty()) {
                path.pop();
            }
            let path = cut(&path, filter).unwrap_or_default();
            for (at, pair) in path.windows(2).enumerate() {
                let edge = (format!("{}_{}", at + 1, pair[0].0), format!("{}_{}", at + 2, pair[1].0));
                edges.entry(edge).or_default().push(pair[1].1 - pair[0].1);
            }
        }
    }
    let mut edges: Vec<_> =
        edges.into_iter().filter(|(_, times)| times.len() as u64 >= filter["minEdgeWeight"].as_u64().unwrap_or(0)).collect();
    edges.sort_by_key(|(_, times)| std::cmp::Reverse(times.len()));
    edges.truncate(usize::try_from(filter["edgeLimit"].as_u64().unwrap_or(50)).expect("small"));
    let mut reached: BTreeSet<String> =
        edges.iter().map(|((source, _), _)| source.clone()).filter(|source| source.starts_with("1_")).collect();
    for _ in 0..10 {
        let next: Vec<String> =
            edges.iter().filter(|((source, _), _)| reached.contains(source)).map(|((_, target), _)| target.clone()).collect();
        reached.extend(next);
    }
    let mean = |times: &[i64]| times.iter().sum::<i64>() as f64 / 1_000.0 / times.len() as f64;
    edges
        .iter()
        .filter(|((source, _), _)| reached.contains(source))
        .map(|((source, target), times)| json!([source, target, times.len(), mean(times)]))
        .collect()
}

#[tokio::test]
async fn paths() {
    agree(3, true, ask, expect, |item| json!([item["source"], item["target"], item["value"], item["average_conversion_time"]])).await;
}
