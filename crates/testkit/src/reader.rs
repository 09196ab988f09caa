//! Somebody who asks the query engine, over the simulated store and in its thread, and compares the answers with the model and with what it saw before.
//!
//! In: a [`Question`] about one project. Out: the first answer that is wrong.
//!
//! # Invariants checked
//! - An answer is about the records up to one position: all of their rows, and nothing of a later one; also where the answer was kept from an earlier time.
//! - Nothing is seen that was not sent, or that its sender was told is no good.
//! - What was seen once is seen again, but for what was erased: at once while the server lives, and after a crash as soon as the store stands there again.

use crate::check::{Finding, broken};
use crate::messages::{Sent, Told};
use crate::model::{EventKey, Model, ModelRow};
use crate::server::Server;
use aqueduct_event::{JournalPosition, ProjectId, UnixMicros};
use aqueduct_query::{Ask, Asker, ProjectFacts, QueryRequest, Tolerance};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const DAY_MICROS: i64 = 24 * 3_600_000_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Each event with its person, in HogQL.
    Rows,
    /// Events and persons by name of event, in HogQL.
    Counts,
    /// Events and persons by day, as an insight.
    Trend,
    /// The events, as the list of the web page asks for them.
    List,
}

impl Question {
    pub(crate) const ALL: [Self; 4] = [Self::Rows, Self::Counts, Self::Trend, Self::List];
}

/// What there must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// Of the records before `position`.
    pub(crate) model: &'a Model,
    /// The project.
    pub(crate) number: u32,
    /// Where the store stands.
    pub(crate) position: JournalPosition,
    /// What clients sent.
    pub(crate) sent: &'a [Sent],
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Events, and the earliest position at which each was seen.
    seen: BTreeMap<EventKey, JournalPosition>,
    /// The furthest position of this life of the server.
    furthest: JournalPosition,
}

/// An event as HogQL shows it: id, name, distinct id, person, number, property of the person.
type Shown = (String, String, String, String, String, String);

impl Reader {
    /// The server was started again: what is not durable has to come again first.
    pub(crate) fn restarted(&mut self) {
        self.furthest = JournalPosition(0);
    }

    pub(crate) fn ask(&mut self, server: &Server, question: Question, seen: &Seen<'_>) -> Result<(), Finding> {
        if seen.position < self.furthest {
            return broken(format!("the store stands at {}, after it stood at {}", seen.position, self.furthest));
        }
        self.furthest = seen.position;
        let what = |what: String| format!("{question:?} of project {} at {}: {what}", seen.number, seen.position);
        let checked = match question {
            Question::Rows => self.rows(server, seen),
            Question::Counts => counts(server, seen),
            Question::Trend => trend(server, seen),
            Question::List => self.list(server, seen),
        };
        checked.map_err(|finding| match finding {
            Finding::Broken(text) => Finding::Broken(what(text)),
            other => other,
        })
    }

    fn rows(&mut self, server: &Server, seen: &Seen<'_>) -> Result<(), Finding> {
        let text = "SELECT uuid, event, distinct_id, person_id, properties.n, person.properties.p FROM events LIMIT 50000";
        let results = answer(server, seen.number, json!({"kind": "HogQLQuery", "query": text}))?;
        let mut found: Vec<Shown> = Vec::new();
        for row in list_of(&results) {
            found.push((shown(&row[0]), shown(&row[1]), shown(&row[2]), shown(&row[3]), shown(&row[4]), shown(&row[5])));
        }
        found.sort();
        let mut expected: Vec<Shown> = seen.rows().map(|row| seen.shown(row)).collect();
        expected.sort();
        same(&found, &expected)?;
        self.remember(found.into_iter().map(|row| (row.0, row.1, row.2)), seen)
    }

    fn list(&mut self, server: &Server, seen: &Seen<'_>) -> Result<(), Finding> {
        let query = json!({"kind": "EventsQuery", "select": ["uuid", "event", "distinct_id"], "after": "all", "limit": 10_000});
        let results = answer(server, seen.number, query)?;
        let mut found: Vec<(String, String, String)> = Vec::new();
        for row in list_of(&results) {
            found.push((shown(&row[0]), shown(&row[1]), shown(&row[2])));
        }
        found.sort();
        // The list ends at the present time, by a clock that may have been set back.
        let until = UnixMicros(server.now().0 + 5_000_000);
        let key = |row: &ModelRow| (row.key.1.to_string(), row.key.2.clone(), row.key.3.clone());
        let mut expected: Vec<_> = seen.rows().filter(|row| row.timestamp < until.0).map(key).collect();
        expected.sort();
        same(&found, &expected)?;
        let is_whole = seen.rows().all(|row| row.timestamp < until.0);
        if is_whole { self.remember(found.into_iter(), seen) } else { Ok(()) }
    }

    /// Compares what is seen of a project with what was sent, and with what was seen before.
    fn remember(&mut self, found: impl Iterator<Item = (String, String, String)>, seen: &Seen<'_>) -> Result<(), Finding> {
        let mut now = BTreeSet::new();
        for (uuid, event, distinct_id) in found {
            let Ok(uuid) = Uuid::parse_str(&uuid) else { return broken(format!("{uuid:?} is no uuid")) };
            now.insert((seen.number, uuid, event, distinct_id));
        }
        let sent: BTreeMap<&EventKey, Told> = seen.sent.iter().map(|sent| (&sent.key, sent.told)).collect();
        if let Some(invented) = now.iter().find(|key| sent.get(key).is_none_or(|told| *told == Told::Refused)) {
            return broken(format!("{invented:?} is seen, which nobody sent, or which was refused"));
        }
        let before = self.seen.iter().filter(|(key, at)| key.0 == seen.number && **at <= seen.position);
        let gone = before.map(|(key, _)| key).find(|key| !now.contains(*key) && !seen.model.is_erased(key));
        if let Some(gone) = gone {
            return broken(format!("{gone:?} was seen, and is seen no more"));
        }
        for key in now {
            let at = self.seen.entry(key).or_insert(seen.position);
            *at = (*at).min(seen.position);
        }
        Ok(())
    }
}

impl<'a> Seen<'a> {
    fn rows(&self) -> impl Iterator<Item = &'a ModelRow> {
        let (model, number) = (self.model, self.number);
        model.rows.iter().filter(move |row| row.key.0 == number)
    }

    fn person(&self, row: &ModelRow) -> String {
        let project = self.model.projects.get(&self.number);
        project.map_or(row.person, |project| project.present(row.person)).to_string()
    }

    fn shown(&self, row: &ModelRow) -> Shown {
        let project = self.model.projects.get(&self.number);
        let person = project.and_then(|project| project.persons.get(&project.present(row.person)));
        let property = person.and_then(|person| person.properties.get("p")).map(shown).unwrap_or_default();
        let number = row.properties.get("n").map(shown).unwrap_or_default();
        (row.key.1.to_string(), row.key.2.clone(), row.key.3.clone(), self.person(row), number, property)
    }
}

fn counts(server: &Server, seen: &Seen<'_>) -> Result<(), Finding> {
    let text = "SELECT event, count(), count(DISTINCT person_id) FROM events GROUP BY event ORDER BY event";
    let results = answer(server, seen.number, json!({"kind": "HogQLQuery", "query": text}))?;
    let found: Vec<(String, i64, i64)> = list_of(&results).iter().map(|row| (shown(&row[0]), whole(&row[1]), whole(&row[2]))).collect();
    let mut expected: BTreeMap<String, (i64, BTreeSet<String>)> = BTreeMap::new();
    for row in seen.rows() {
        let (events, persons) = expected.entry(row.key.2.clone()).or_default();
        *events += 1;
        persons.insert(seen.person(row));
    }
    let expected: Vec<_> = expected.into_iter().map(|(event, (events, persons))| (event, events, persons.len() as i64)).collect();
    same(&found, &expected)
}

fn trend(server: &Server, seen: &Seen<'_>) -> Result<(), Finding> {
    let days = || seen.rows().map(|row| row.timestamp.div_euclid(DAY_MICROS));
    let (Some(first), Some(last)) = (days().min(), days().max()) else { return Ok(()) };
    let date = |day: i64| UnixMicros(day * DAY_MICROS).to_rfc3339()[..10].to_owned();
    let series = |math: &str| json!({"kind": "EventsNode", "event": null, "math": math});
    let query = json!({
        "kind": "TrendsQuery",
        "interval": "day",
        "dateRange": {"date_from": date(first), "date_to": date(last)},
        "series": [series("total"), series("dau")],
    });
    let results = answer(server, seen.number, query)?;
    let of_series = |at: usize| -> Vec<i64> {
        let data = list_of(&results).get(at).and_then(|item| item.get("data")).and_then(Value::as_array);
        data.into_iter().flatten().map(whole).collect()
    };
    let mut expected: BTreeMap<i64, (i64, BTreeSet<String>)> = (first..=last).map(|day| (day, Default::default())).collect();
    for row in seen.rows() {
        let (events, persons) = expected.entry(row.timestamp.div_euclid(DAY_MICROS)).or_default();
        *events += 1;
        persons.insert(seen.person(row));
    }
    let (events, persons): (Vec<i64>, Vec<i64>) = expected.into_values().map(|(events, persons)| (events, persons.len() as i64)).unzip();
    same(&of_series(0), &events)?;
    same(&of_series(1), &persons)
}

fn answer(server: &Server, number: u32, query: Value) -> Result<Value, Finding> {
    let project = ProjectFacts {
        id: ProjectId(number),
        timezone: "UTC".to_owned(),
        week_start_day: 0,
        test_account_filters: json!([]),
        path_cleaning_filters: json!([]),
    };
    let request = QueryRequest { project, query, query_id: None };
    let ask = Ask { request, tolerance: Tolerance::Exact, asker: Asker::default() };
    let answer = server.engine().and_then(|engine| engine.answer_here(ask)).map_err(|error| Finding::Unanswered(error.to_string()))?;
    Ok(answer.body.get("results").cloned().unwrap_or_default())
}

fn list_of(results: &Value) -> &[Value] {
    results.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A value as text; numbers without a fraction.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.as_f64().map_or_else(|| other.to_string(), |number| number.to_string()),
    }
}

fn whole(value: &Value) -> i64 {
    value.as_f64().map_or(-1, |number| number as i64)
}

fn same<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T]) -> Result<(), Finding> {
    if found == expected {
        return Ok(());
    }
    let missing = expected.iter().find(|row| !found.contains(row));
    let invented = found.iter().find(|row| !expected.contains(row));
    broken(format!("{} items, expected {}; missing: {missing:?}; not expected: {invented:?}", found.len(), expected.len()))
}
