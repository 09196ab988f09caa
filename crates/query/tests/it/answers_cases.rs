//! Cases as data: events, queries, the rows that are right. Each case is answered from every layout of the store.
//!
//! ```text
//! # a remark
//! timezone Europe/Berlin
//! type Numeric price
//! event <distinct id> <time> <name> <properties>
//! person <distinct id>,<distinct id> <properties>
//! group <type> <key> <properties>
//! merge <from> <into>
//! created <distinct id or group key> <time>
//! monday                   weeks begin on it
//! test_accounts <filters>
//! cleaning <path cleaning rules>
//! chain <elements chain of the last event>
//!
//! > SELECT …                 one query; it may go on in lines that begin with a blank
//! ["a row", 1]
//! ! text of the error        instead of rows
//!
//! >> {"kind": …}             a query object
//! {"label": "a", …}          one item of an insight, in order; fields that are not named are not compared
//! ```
//! Rows in any order when the query has no ORDER BY.

use crate::world::{Event, LAYOUTS, World};
use aqueduct_catalog::PropertyType;
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use serde_json::{Value as Json, json};
use std::fmt::Write;

#[derive(Debug)]
struct Question {
    query: Json,
    line: usize,
    rows: Vec<Json>,
    error: Option<String>,
    ordered: bool,
}

fn parse(text: &str) -> (World, Vec<Question>) {
    let mut world = World::default();
    let mut questions: Vec<Question> = Vec::new();
    let mut open: Option<(String, usize, bool)> = None;
    for (at, line) in text.lines().enumerate() {
        if let Some((query, ..)) = &mut open
            && line.starts_with(' ')
        {
            query.push('\n');
            query.push_str(line);
            continue;
        }
        if let Some((query, line, raw)) = open.take() {
            questions.push(question(query, line, raw));
        }
        if let Some(query) = line.strip_prefix(">>") {
            open = Some((query.trim().to_owned(), at + 1, true));
        } else if let Some(query) = line.strip_prefix('>') {
            open = Some((query.trim().to_owned(), at + 1, false));
        } else if line.starts_with(['[', '{']) {
            let row = serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}: {line}", at + 1));
            questions.last_mut().expect("a query before rows").rows.push(row);
        } else if let Some(error) = line.strip_prefix('!') {
            questions.last_mut().expect("a query before an error").error = Some(error.trim().to_owned());
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            define(&mut world, line);
        }
    }
    if let Some((query, line, raw)) = open.take() {
        questions.push(question(query, line, raw));
    }
    (world, questions)
}

fn question(text: String, line: usize, raw: bool) -> Question {
    let ordered = text.to_lowercase().contains("order");
    let query = if raw { serde_json::from_str(&text).expect("a query object") } else { json!({"kind": "HogQLQuery", "query": text}) };
    Question { query, line, rows: Vec::new(), error: None, ordered }
}

fn define(world: &mut World, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let json = |text: &str| serde_json::from_str::<Json>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    match word {
        "timezone" => world.timezone = Some(rest.to_owned()),
        "type" => {
            let (kind, key) = rest.split_once(' ').expect("a type and a key");
            let kind = match kind {
                "Numeric" => PropertyType::Numeric,
                "Boolean" => PropertyType::Boolean,
                "DateTime" => PropertyType::DateTime,
                _ => PropertyType::String,
            };
            world.types.insert(key.to_owned(), kind);
        }
        "event" => {
            let parts: Vec<&str> = rest.splitn(4, ' ').collect();
            let at: jiff::Timestamp = parts[1].parse().expect("a time");
            world.events.push(Event {
                distinct_id: parts[0].to_owned(),
                at: UnixMicros(at.as_microsecond()),
                name: parts[2].replace('_', " ").replace("  ", "_"),
                properties: parts.get(3).map_or_else(|| json!({}), |text| json(text)),
                elements_chain: String::new(),
            });
        }
        "chain" => rest.clone_into(&mut world.events.last_mut().expect("an event before its chain").elements_chain),
        "person" => {
            let (ids, properties) = rest.split_once(' ').expect("ids and properties");
            world.persons.push((ids.split(',').map(str::to_owned).collect(), json(properties)));
        }
        "group" => {
            let parts: Vec<&str> = rest.splitn(3, ' ').collect();
            world.groups.push((parts[0].to_owned(), parts[1].to_owned(), json(parts[2])));
        }
        "created" => {
            let (name, at) = rest.split_once(' ').expect("a name and a time");
            let at: jiff::Timestamp = at.parse().expect("a time");
            world.created.insert(name.to_owned(), UnixMicros(at.as_microsecond()));
        }
        "monday" => world.weeks_start_on_monday = true,
        "test_accounts" => world.test_account_filters = Some(json(rest)),
        "cleaning" => world.path_cleaning_filters = Some(json(rest)),
        "merge" => {
            let (from, to) = rest.split_once(' ').expect("two ids");
            world.merges.push((from.to_owned(), to.to_owned()));
        }
        other => panic!("unknown word {other:?}"),
    }
}

/// Numbers are equal by value: `2` is `2.0`.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap_or(f64::NAN), right.as_f64().unwrap_or(f64::NAN));
            (left - right).abs() <= 1e-9 * left.abs().max(1.0)
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(got), Json::Object(want)) => want.iter().all(|(key, want)| got.get(key).is_some_and(|got| same(got, want))),
        _ => left == right,
    }
}

fn matches(question: &Question, rows: &[Json]) -> bool {
    if rows.len() != question.rows.len() {
        return false;
    }
    if question.ordered || rows.iter().any(Json::is_object) {
        return rows.iter().zip(&question.rows).all(|(got, want)| same(got, want));
    }
    let mut left: Vec<&Json> = rows.iter().collect();
    question.rows.iter().all(|want| left.iter().position(|got| same(got, want)).map(|at| left.remove(at)).is_some())
}

#[tokio::test]
async fn every_case_in_every_layout() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("cases").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let only = std::env::var("CASE").ok();
    let (mut failures, mut asked) = (String::new(), 0);
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let (world, questions) = parse(&std::fs::read_to_string(&path).expect("a case"));
        // without events all layouts are one
        let layouts = if world.events.is_empty() { &LAYOUTS[..1] } else { &LAYOUTS[..] };
        for layout in layouts.iter().copied() {
            let running = world.start(ProjectId(7), layout, QueryConfig::default());
            for question in &questions {
                asked += 1;
                let place = format!("{name}:{} ({layout:?})", question.line);
                match (running.ask(question.query.clone()).await, &question.error) {
                    (Ok(body), None) => {
                        // An object is its only item.
                        let results = &body["results"];
                        let rows = results.as_array().cloned().unwrap_or_else(|| vec![results.clone()]);
                        if !matches(question, &rows) {
                            let shown: Vec<String> = rows.iter().map(Json::to_string).collect();
                            let _ = writeln!(failures, "{place}: found\n{}", shown.join("\n"));
                        }
                    }
                    (Err(error), Some(want)) if error.to_string().contains(want.as_str()) => {}
                    (Err(error), _) => {
                        let _ = writeln!(failures, "{place}: {error}");
                    }
                    (Ok(body), Some(want)) => {
                        let _ = writeln!(failures, "{place}: expected error {want:?}, found {}", body["results"]);
                    }
                }
            }
            if !failures.is_empty() {
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(asked > 0);
}
