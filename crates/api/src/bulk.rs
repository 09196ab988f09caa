//! Whole projects as lines of JSON: what `/export/…` streams, and what `aqueduct export` reads from a stopped server's directory.
//!
//! In: a [`ProjectView`], which never changes, so that a long export shows one moment. Out: pieces of NDJSON in the form of PostHog's batch exports, each
//! part of the store for itself, in the order of time.
//!
//! # Invariants
//! - A piece has at most [`ROWS_MAX`] rows: memory is bounded whatever the size of the project.
//! - Properties are the text that came in; persons are those of now (merges applied), their properties in `person_properties` those of the event's time.

use aqueduct_event::{PersonId, UnixMicros};
use aqueduct_store::{EventColumn, Part, ProjectView, ReadError};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use uuid::Uuid;

/// Rows of a piece.
const ROWS_MAX: usize = 4_096;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// First timestamp, µs.
    pub from: Option<i64>,
    /// End of the timestamps, not in it any more, µs.
    pub to: Option<i64>,
    /// Names; empty for all.
    pub events: HashSet<String>,
}

impl EventFilter {
    fn has(&self, timestamp: i64) -> bool {
        self.from.is_none_or(|from| timestamp >= from) && self.to.is_none_or(|to| timestamp < to)
    }
}

/// A line of an export of events.
#[derive(Debug, Deserialize)]
pub struct EventLine<'a> {
    /// Its id.
    #[serde(borrow)]
    pub uuid: Cow<'a, str>,
    /// Its name.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// When it happened.
    #[serde(borrow)]
    pub timestamp: Cow<'a, str>,
    /// Who did it.
    #[serde(borrow)]
    pub distinct_id: Cow<'a, str>,
    /// Its properties, JSON.
    #[serde(borrow, deserialize_with = "json")]
    pub properties: &'a str,
    /// The person that it belongs to now.
    #[serde(borrow)]
    pub person_id: Cow<'a, str>,
    /// The person's properties then, JSON.
    #[serde(borrow, deserialize_with = "json")]
    pub person_properties: &'a str,
    /// What was clicked; empty for nothing.
    #[serde(borrow)]
    pub elements_chain: Cow<'a, str>,
    /// When it was received.
    #[serde(borrow)]
    pub created_at: Cow<'a, str>,
}

/// A line of an export of persons.
#[derive(Debug, Deserialize)]
pub struct PersonLine<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Its distinct ids.
    #[serde(borrow)]
    pub distinct_ids: Vec<Cow<'a, str>>,
    /// Its properties, JSON.
    #[serde(borrow, deserialize_with = "json")]
    pub properties: &'a str,
    /// Whether it was identified.
    pub is_identified: bool,
    /// Earliest known time of it.
    #[serde(borrow)]
    pub created_at: Cow<'a, str>,
}

/// JSON as it stands.
fn json<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<&'a str, D::Error> {
    <&'de RawValue>::deserialize(deserializer).map(RawValue::get)
}

impl EventLine<'_> {
    fn push(&self, out: &mut String) {
        // Ids and times need no escapes, properties are JSON already.
        out.extend(["{\"uuid\":\"", &self.uuid, "\",\"event\":"]);
        push_text(out, &self.event);
        out.extend([",\"timestamp\":\"", &self.timestamp, "\",\"distinct_id\":"]);
        push_text(out, &self.distinct_id);
        out.extend([",\"properties\":", self.properties, ",\"person_id\":\"", &self.person_id]);
        out.extend(["\",\"person_properties\":", self.person_properties, ",\"elements_chain\":"]);
        push_text(out, &self.elements_chain);
        out.extend([",\"created_at\":\"", &self.created_at, "\"}\n"]);
    }
}

impl PersonLine<'_> {
    fn push(&self, out: &mut String) {
        out.extend(["{\"id\":\"", &self.id, "\",\"distinct_ids\":["]);
        for (place, distinct_id) in self.distinct_ids.iter().enumerate() {
            out.push_str(if place > 0 { "," } else { "" });
            push_text(out, distinct_id);
        }
        out.extend(["],\"properties\":", self.properties]);
        out.push_str(if self.is_identified { ",\"is_identified\":true" } else { ",\"is_identified\":false" });
        out.extend([",\"created_at\":\"", &self.created_at, "\"}\n"]);
    }
}

/// Gives all events of a project that pass, piece by piece, until `take` has enough.
///
/// # Errors
/// [`ReadError`] when a part cannot be read.
pub fn events(view: &dyn ProjectView, filter: &EventFilter, mut take: impl FnMut(String) -> ControlFlow<()>) -> Result<(), ReadError> {
    for part in view.shards().iter().flatten() {
        let (first, last) = part.time_range();
        if filter.to.is_some_and(|to| first >= to) || filter.from.is_some_and(|from| last < from) {
            continue;
        }
        let columns = Columns::of(&**part)?;
        let rows = columns.rows(filter);
        for piece in rows.chunks(ROWS_MAX) {
            if take(columns.lines(&**part, piece, view.overrides())?).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The fixed columns of a part.
struct Columns {
    uuid: ArrayRef,
    event: ArrayRef,
    timestamp: ArrayRef,
    distinct_id: ArrayRef,
    created_at: ArrayRef,
    person: ArrayRef,
    person_properties: ArrayRef,
    elements_chain: ArrayRef,
}

impl Columns {
    fn of(part: &dyn Part) -> Result<Self, ReadError> {
        Ok(Self {
            uuid: part.column(EventColumn::Uuid)?,
            event: part.column(EventColumn::Event)?,
            timestamp: part.column(EventColumn::Timestamp)?,
            distinct_id: part.column(EventColumn::DistinctId)?,
            created_at: part.column(EventColumn::CreatedAt)?,
            person: part.column(EventColumn::PersonId)?,
            person_properties: part.column(EventColumn::PersonProperties)?,
            elements_chain: part.column(EventColumn::ElementsChain)?,
        })
    }

    /// Rows that pass, in the order of time.
    fn rows(&self, filter: &EventFilter) -> Vec<u32> {
        let times = self.timestamp.as_primitive::<TimestampMicrosecondType>().values();
        let names = self.event.as_dictionary::<Int32Type>();
        let texts = names.values().as_string::<i32>();
        // Of the dictionary, so that no text is compared for a row.
        let wanted: Vec<bool> =
            texts.iter().map(|name| filter.events.is_empty() || filter.events.contains(name.unwrap_or_default())).collect();
        let passes = |row: &u32| {
            let row = *row as usize;
            filter.has(times[row]) && wanted.get(names.keys().value(row) as usize).is_some_and(|wanted| *wanted)
        };
        let mut rows: Vec<u32> = (0..times.len() as u32).filter(passes).collect();
        rows.sort_by_key(|row| times[*row as usize]);
        rows
    }

    fn lines(&self, part: &dyn Part, rows: &[u32], overrides: &HashMap<PersonId, PersonId>) -> Result<String, ReadError> {
        let properties = part.properties_json(Some(rows))?;
        let properties = properties.as_string::<i32>();
        let mut out = String::with_capacity(rows.len() * 512);
        for (place, row) in rows.iter().enumerate() {
            let row = *row as usize;
            let person = id(&self.person, row);
            let line = EventLine {
                uuid: id(&self.uuid, row).to_string().into(),
                event: dictionary_text(&self.event, row).into(),
                timestamp: time(&self.timestamp, row).into(),
                distinct_id: dictionary_text(&self.distinct_id, row).into(),
                properties: properties.value(place),
                person_id: overrides.get(&person).copied().unwrap_or(person).to_string().into(),
                person_properties: dictionary_text(&self.person_properties, row),
                elements_chain: dictionary_text(&self.elements_chain, row).into(),
                created_at: time(&self.created_at, row).into(),
            };
            line.push(&mut out);
        }
        Ok(out)
    }
}

/// Gives all persons of a project, piece by piece, until `take` has enough.
///
/// # Errors
/// [`ReadError`] when state cannot be read.
pub fn persons(view: &dyn ProjectView, mut take: impl FnMut(String) -> ControlFlow<()>) -> Result<(), ReadError> {
    let (table, ids) = (view.persons()?, view.distinct_ids()?);
    let texts = ids.distinct_id.as_string::<i32>();
    let mut of_person: HashMap<PersonId, Vec<u32>> = HashMap::new();
    for (row, person) in ids.person.iter().enumerate() {
        of_person.entry(*person).or_default().push(row as u32);
    }
    let (properties, identified) = (view.person_properties()?, table.is_identified.as_boolean());
    let mut out = String::new();
    for (row, person) in table.ids.iter().enumerate() {
        let line = PersonLine {
            id: person.to_string().into(),
            distinct_ids: of_person.get(person).into_iter().flatten().map(|of_row| texts.value(*of_row as usize).into()).collect(),
            properties: properties.value(row),
            is_identified: identified.value(row),
            created_at: time(&table.created_at, row).into(),
        };
        line.push(&mut out);
        if (row + 1) % ROWS_MAX == 0 && take(std::mem::take(&mut out)).is_break() {
            return Ok(());
        }
    }
    if !out.is_empty() {
        let _ = take(out);
    }
    Ok(())
}

fn id(array: &ArrayRef, row: usize) -> Uuid {
    Uuid::from_slice(array.as_fixed_size_binary().value(row)).unwrap_or_default()
}

fn time(array: &ArrayRef, row: usize) -> String {
    UnixMicros(array.as_primitive::<TimestampMicrosecondType>().value(row)).to_rfc3339()
}

fn dictionary_text(array: &ArrayRef, row: usize) -> &str {
    let array = array.as_dictionary::<Int32Type>();
    array.values().as_string::<i32>().value(array.keys().value(row) as usize)
}

fn push_text(out: &mut String, text: &str) {
    // Text is always JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}
