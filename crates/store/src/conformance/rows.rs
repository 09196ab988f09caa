//! Events as plain values, and a view read back row by row: what must be the same in every physical state.

use crate::ReadError;
use crate::commit::{Commit, EventRow, EventRows, PersonMode};
use crate::read::{EventColumn, Part, ProjectView};
use aqueduct_event::{JournalPosition, PartitionId, PersonId, ProjectId, PropertyValue, UnixMicros};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt8Type};
use std::sync::Arc;
use uuid::Uuid;

/// An event to commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The project.
    pub project: ProjectId,
    /// The person that the row is written with.
    pub person: PersonId,
    /// When it happened.
    pub timestamp: UnixMicros,
    /// Its id.
    pub uuid: Uuid,
    /// Event name.
    pub event: String,
    /// Who did it.
    pub distinct_id: String,
    /// Person properties, a JSON object.
    pub person_properties: Arc<str>,
    /// Elements chain.
    pub elements_chain: String,
    /// Keys with values as JSON; each key once.
    pub properties: Vec<(String, String)>,
}

impl Default for Event {
    fn default() -> Self {
        Self {
            project: ProjectId(1),
            person: Uuid::from_u128(1),
            timestamp: UnixMicros(1_700_000_000_000_000),
            uuid: Uuid::from_u128(1),
            event: "$pageview".to_owned(),
            distinct_id: "ann".to_owned(),
            person_properties: Arc::from("{}"),
            elements_chain: String::new(),
            properties: Vec::new(),
        }
    }
}

/// One row as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Person with overrides applied.
    pub person: PersonId,
    /// µs.
    pub timestamp: i64,
    /// Id of the event.
    pub uuid: Uuid,
    /// Event name.
    pub event: String,
    /// Who did it.
    pub distinct_id: String,
    /// µs.
    pub created_at: i64,
    /// µs.
    pub person_created_at: i64,
    /// JSON object.
    pub person_properties: String,
    /// Number of [`PersonMode`].
    pub person_mode: u8,
    /// Elements chain.
    pub elements_chain: String,
    /// JSON object.
    pub properties: String,
}

/// A commit of `events` that ends at `upto`, with nothing else in it.
#[must_use]
pub fn commit_of(events: &[Event], upto: u64) -> Commit {
    let mut rows = EventRows::default();
    for event in events {
        let parsed: Vec<_> =
            event.properties.iter().map(|(key, value)| (key, crate::layout::json::parse_value(value.as_str().into()))).collect();
        rows.push(&event.row(), parsed.iter().map(|(key, value)| -> (&str, PropertyValue<'_>) { (key, value.value()) }));
    }
    Commit { events: rows, ..Commit::new(PartitionId(0), JournalPosition(upto)) }
}

impl Event {
    fn row(&self) -> EventRow<'_> {
        EventRow {
            project: self.project,
            uuid: self.uuid,
            event: &self.event,
            distinct_id: &self.distinct_id,
            person: self.person,
            timestamp: self.timestamp,
            created_at: UnixMicros(self.timestamp.0 + 1),
            person_created_at: UnixMicros(self.timestamp.0 - 1),
            person_properties: &self.person_properties,
            person_mode: PersonMode::Full,
            elements_chain: &self.elements_chain,
        }
    }

    /// The row that a reader must see.
    #[must_use]
    pub fn expected(&self) -> Row {
        let mut properties: Vec<&(String, String)> = self.properties.iter().collect();
        properties.sort();
        let properties: Vec<String> =
            properties.into_iter().map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key.as_str()))).collect();
        Row {
            person: self.person,
            timestamp: self.timestamp.0,
            uuid: self.uuid,
            event: self.event.clone(),
            distinct_id: self.distinct_id.clone(),
            created_at: self.timestamp.0 + 1,
            person_created_at: self.timestamp.0 - 1,
            person_properties: self.person_properties.to_string(),
            person_mode: PersonMode::Full as u8,
            elements_chain: self.elements_chain.clone(),
            properties: format!("{{{}}}", properties.join(",")),
        }
    }
}

/// All rows of a view in order, with overrides applied. Checks on the way what every part promises.
///
/// # Panics
/// When a part breaks a promise of [`Part`] or cannot be read.
#[must_use]
pub fn logical_rows(view: &dyn ProjectView) -> Vec<Row> {
    read_rows(view).expect("INVARIANT: the suite reads undamaged parts")
}

/// As [`logical_rows`], for files that may not be what was written.
///
/// # Errors
/// [`ReadError`] of the first part that cannot be read.
///
/// # Panics
/// When a part breaks a promise of [`Part`].
pub fn read_rows(view: &dyn ProjectView) -> Result<Vec<Row>, ReadError> {
    let mut rows = Vec::new();
    for part in view.shards().iter().flatten() {
        let of_part = part_rows(&**part)?;
        check_order(&**part, &of_part)?;
        rows.extend(of_part);
    }
    for row in &mut rows {
        row.person = view.overrides().get(&row.person).copied().unwrap_or(row.person);
    }
    rows.sort();
    Ok(rows)
}

fn part_rows(part: &dyn Part) -> Result<Vec<Row>, ReadError> {
    let column = |column| part.column(column);
    let text = |array: &ArrayRef, row: usize| {
        let array = array.as_dictionary::<Int32Type>();
        array.values().as_string::<i32>().value(array.keys().value(row) as usize).to_owned()
    };
    let time = |array: &ArrayRef, row| array.as_primitive::<TimestampMicrosecondType>().value(row);
    let id = |array: &ArrayRef, row| Uuid::from_slice(array.as_fixed_size_binary().value(row)).unwrap_or_default();
    let (uuid, person, event) = (column(EventColumn::Uuid)?, column(EventColumn::PersonId)?, column(EventColumn::Event)?);
    let (timestamp, created_at) = (column(EventColumn::Timestamp)?, column(EventColumn::CreatedAt)?);
    let (person_created_at, person_mode) = (column(EventColumn::PersonCreatedAt)?, column(EventColumn::PersonMode)?);
    let (distinct_id, elements_chain) = (column(EventColumn::DistinctId)?, column(EventColumn::ElementsChain)?);
    let person_properties = column(EventColumn::PersonProperties)?;
    let properties = part.properties_json(None)?;
    assert!(
        [&uuid, &person, &event, &timestamp, &properties].iter().all(|array| array.len() == part.rows()),
        "columns are as long as the part"
    );
    let rows = (0..part.rows()).map(|row| Row {
        person: id(&person, row),
        timestamp: time(&timestamp, row),
        uuid: id(&uuid, row),
        event: text(&event, row),
        distinct_id: text(&distinct_id, row),
        created_at: time(&created_at, row),
        person_created_at: time(&person_created_at, row),
        person_properties: text(&person_properties, row),
        person_mode: person_mode.as_primitive::<UInt8Type>().value(row),
        elements_chain: text(&elements_chain, row),
        properties: properties.as_string::<i32>().value(row).to_owned(),
    });
    Ok(rows.collect())
}

fn check_order(part: &dyn Part, rows: &[Row]) -> Result<(), ReadError> {
    assert!(rows.is_sorted_by_key(|row| (row.person, row.timestamp, row.uuid)), "rows are sorted by (person, time, uuid)");
    let runs = part.person_runs()?;
    assert!(runs.persons.is_sorted_by(|a, b| a < b), "each person has one run");
    assert_eq!(runs.starts.len(), runs.persons.len() + 1, "one start more than persons");
    for (place, person) in runs.persons.iter().enumerate() {
        let run = runs.starts[place] as usize..runs.starts[place + 1] as usize;
        assert!(!run.is_empty() && rows[run].iter().all(|row| row.person == *person), "a run is the rows of its person");
    }
    let times = rows.iter().map(|row| row.timestamp);
    assert_eq!(part.time_range(), (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default()), "the time range is exact");
    Ok(())
}
