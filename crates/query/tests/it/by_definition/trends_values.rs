//! The math of a trend over the rows of one cell, word by word.

use super::{Seen, Sight};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What is counted once however often it appears.
pub(crate) struct Counted;

impl Counted {
    /// The rows of persons and groups that no earlier bucket has; `known` grows. Other math counts every row.
    pub(crate) fn unknown<'s>(rows: Vec<&'s Seen>, math: &str, known: &mut Vec<String>) -> Vec<&'s Seen> {
        if !matches!(math, "dau" | "unique_group") {
            return rows;
        }
        let who = |event: &Seen| event.actor(math == "unique_group");
        let rows: Vec<&Seen> = rows.into_iter().filter(|event| who(event).is_some_and(|who| !known.contains(&who))).collect();
        known.extend(rows.iter().filter_map(|event| who(event)));
        rows
    }
}

/// The value of a cell.
pub(crate) fn value(sight: &Sight, series: &Json, math: &str, rows: &[&Seen]) -> f64 {
    let distinct = |of: &dyn Fn(&Seen) -> Option<String>| rows.iter().filter_map(|event| of(event)).collect::<BTreeSet<_>>().len() as f64;
    let numbers = || rows.iter().filter_map(|event| event.properties["n"].as_f64()).collect::<Vec<_>>();
    if series["math_property"] == "$session_duration" {
        let sessions: BTreeSet<String> = rows.iter().map(|event| event.text("$session_id")).collect();
        return statistic("avg", sessions.iter().map(|session| duration(sight, session)).collect());
    }
    match math {
        "total" => rows.len() as f64,
        "dau" | "weekly_active" | "monthly_active" | "first_time_for_user" | "first_matching_event_for_user" => {
            distinct(&|event| Some(event.person.clone()))
        }
        "unique_session" => distinct(&|event| Some(event.text("$session_id"))),
        "unique_group" => distinct(&|event| event.actor(true)),
        // The sum of no numbers is NULL, and so is what is computed with it.
        "hogql" if numbers().is_empty() => 0.0,
        "hogql" => numbers().iter().sum::<f64>() * 2.0 + rows.len() as f64,
        other => match other.strip_suffix("_count_per_actor") {
            None => statistic(other, numbers()),
            Some(other) => {
                let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
                rows.iter().for_each(|event| *counts.entry(&event.person).or_default() += 1.0);
                statistic(other, counts.into_values().collect())
            }
        },
    }
}

/// How long a session lasts, from its first event to its last; rows without one are in a session of no length.
fn duration(sight: &Sight, session: &str) -> f64 {
    let times = || sight.events.iter().filter(|event| !session.is_empty() && event.text("$session_id") == session).map(|event| &event.at);
    match (times().min(), times().max()) {
        (Some(first), Some(last)) => last.duration_since(first).as_secs() as f64,
        _ => 0.0,
    }
}

fn statistic(name: &str, mut numbers: Vec<f64>) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    numbers.sort_by(f64::total_cmp);
    let quantile = |at: f64| {
        let place = at * (numbers.len() - 1) as f64;
        let (low, high) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
        low + (high - low) * (place - place.floor())
    };
    match name {
        "sum" => numbers.iter().sum(),
        "avg" => numbers.iter().sum::<f64>() / numbers.len() as f64,
        "max" => numbers[numbers.len() - 1],
        "median" => quantile(0.5),
        "p75" => quantile(0.75),
        "p90" => quantile(0.9),
        other => panic!("{other}"),
    }
}
