//! The stream has the shape that it claims.

use super::*;
use serde_json::Value;
use std::collections::HashMap;

const PLAN: Plan =
    Plan { seed: 42, stream: 0, events: 100_000, persons: 2_000, start_millis: 1_767_225_600_000, span_millis: 90 * 86_400_000 };

#[test]
fn same_seed_same_events_and_streams_differ() {
    let first: Vec<_> = Generator::new(PLAN).take(500).collect();
    assert_eq!(first, Generator::new(PLAN).take(500).collect::<Vec<_>>());
    let other: Vec<_> = Generator::new(Plan { stream: 1, ..PLAN }).take(500).collect();
    assert!(first.iter().zip(&other).all(|(a, b)| a.uuid != b.uuid));
}

#[test]
fn time_order_span_names_sessions_and_pages() {
    let events: Vec<_> = Generator::new(PLAN).take(100_000).collect();
    assert!(events.windows(2).all(|pair| pair[0].time_millis <= pair[1].time_millis));
    let span = events[events.len() - 1].time_millis - PLAN.start_millis;
    let filled = span as f64 / PLAN.span_millis as f64;
    assert!((0.9..1.1).contains(&filled), "{filled} of the span");

    let mut names = HashMap::<_, u32>::new();
    let mut sessions = HashMap::<_, u32>::new();
    let mut persons = HashMap::<_, u32>::new();
    for event in &events {
        *names.entry(event.name).or_default() += 1;
        *sessions.entry(event.session).or_default() += 1;
        *persons.entry(event.person).or_default() += 1;
    }
    assert_eq!(names.len(), 40);
    let views = f64::from(names["$pageview"]) / 100_000.0;
    assert!((0.43..0.47).contains(&views), "{views} page views");
    let mean = 100_000.0 / sessions.len() as f64;
    assert!((8.0..10.0).contains(&mean), "{mean} events a session");
    assert!(persons.len() > 1_900 && persons[&1] > 20 * persons.get(&1_999).copied().unwrap_or(1).min(30));
}

#[test]
fn properties_are_json_of_the_promised_size() {
    let (mut bytes, mut keys_min, mut keys_max, mut person_bytes, mut known, mut pricing, mut views) = (0, usize::MAX, 0, 0, 0, 0, 0);
    let mut browsers = HashMap::<String, u32>::new();
    let count = 20_000;
    for event in Generator::new(PLAN).take(count) {
        let mut line = String::new();
        write_ndjson(&event, &mut line);
        let value: Value = serde_json::from_str(&line).expect("JSON");
        let properties = value["properties"].as_object().expect("object");
        bytes += value["properties"].to_string().len();
        if value["person_properties"]["email"].is_string() {
            person_bytes += value["person_properties"].to_string().len();
            known += 1;
        }
        keys_min = keys_min.min(properties.len());
        keys_max = keys_max.max(properties.len());
        *browsers.entry(properties["$browser"].as_str().expect("text").to_owned()).or_default() += 1;
        if event.name == "$pageview" {
            views += 1;
            pricing += u32::from(properties["$current_url"].as_str().expect("text").contains("pricing"));
        }
    }
    let (mean, person_mean) = (bytes / count, person_bytes / known);
    assert!((660..720).contains(&mean), "{mean} bytes of properties");
    assert!((150..185).contains(&person_mean), "{person_mean} bytes of person properties");
    assert!(keys_min == 24 && keys_max <= 29, "{keys_min} to {keys_max} keys");
    assert_eq!(browsers.len(), 15);
    let share = f64::from(pricing) / f64::from(views);
    assert!((0.044..0.054).contains(&share), "{share} about pricing");
}

#[test]
fn the_form_of_an_sdk() {
    let mut sets = 0;
    for event in Generator::new(PLAN).take(2_000) {
        let mut text = String::new();
        write_http(&event, &mut text);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["uuid"].as_str().expect("uuid").len(), 36);
        assert!(value["timestamp"].as_str().expect("time").ends_with('Z'));
        sets += usize::from(value["properties"]["$set"].is_object());
    }
    assert!((40..200).contains(&sets), "{sets} events with $set");
}
