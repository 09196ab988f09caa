//! Actors as objects: the persons and groups behind the ids of a page, read at once.

use super::Kind;
use crate::error::QueryError;
use crate::resolve::QueryContext;
use aqueduct_event::PersonId;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{TimestampMicrosecondType, UInt8Type};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// What a column of the SELECT is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Plain,
    /// An id, shown as the object.
    Actor,
    /// A name and an id, shown as an object.
    DisplayName,
    /// An empty list.
    NoRecordings,
}

/// Objects by the text of their id.
#[derive(Debug)]
pub(super) struct Actors {
    known: HashMap<String, Json>,
    kind: Kind,
}

impl Actors {
    /// The actors that the rows name.
    pub(super) fn of(rows: &[Vec<Json>], cells: &[Cell], kind: Kind, context: &QueryContext) -> Result<Self, QueryError> {
        let Some(at) = cells.iter().position(|cell| *cell == Cell::Actor) else { return Ok(Self { known: HashMap::new(), kind }) };
        let ids: Vec<&str> = rows.iter().filter_map(|row| row[at].as_str()).collect();
        let known = match kind {
            Kind::Persons => persons(&ids, context)?,
            Kind::Groups(index) => groups(&ids, index, context)?,
        };
        Ok(Self { known, kind })
    }

    /// How many rows name an actor that is not there.
    pub(super) fn missing(&self, rows: &[Vec<Json>], at: usize) -> usize {
        rows.iter().filter(|row| row[at].as_str().is_none_or(|id| !self.known.contains_key(id))).count()
    }

    /// The row with objects in the place of ids.
    pub(super) fn show(&self, row: Vec<Json>, cells: &[Cell]) -> Json {
        let shown = row.into_iter().zip(cells).map(|(value, cell)| match cell {
            Cell::Plain => value,
            Cell::NoRecordings => json!([]),
            Cell::DisplayName => json!({"display_name": value[0], "id": value[1]}),
            Cell::Actor => value.as_str().and_then(|id| self.known.get(id)).cloned().unwrap_or_else(|| self.unknown(&value)),
        });
        Json::Array(shown.collect())
    }

    /// An actor that no table knows.
    fn unknown(&self, id: &Json) -> Json {
        match self.kind {
            Kind::Persons => json!({ "id": id }),
            Kind::Groups(index) => json!({ "id": id, "group_type_index": index }),
        }
    }
}

fn persons(ids: &[&str], context: &QueryContext) -> Result<HashMap<String, Json>, QueryError> {
    let view = context.scan.view();
    let (table, links) = (view.persons()?, view.distinct_ids()?);
    let mut distinct_ids: HashMap<PersonId, Vec<&str>> =
        ids.iter().filter_map(|id| id.parse().ok()).map(|id: PersonId| (id, Vec::new())).collect();
    let texts = links.distinct_id.as_string::<i32>();
    for (at, person) in links.person.iter().enumerate() {
        if let Some(list) = distinct_ids.get_mut(person) {
            list.push(texts.value(at));
        }
    }
    let created_at = table.created_at.as_primitive::<TimestampMicrosecondType>();
    let (identified, properties) = (table.is_identified.as_boolean(), view.person_properties()?);
    let mut found = HashMap::with_capacity(distinct_ids.len());
    for (id, distinct_ids) in distinct_ids {
        let Ok(at) = table.ids.binary_search(&id) else { continue };
        let body = json!({
            "id": id,
            "uuid": id,
            "type": "person",
            "properties": parsed(properties.value(at)),
            "is_identified": identified.value(at),
            "created_at": shown_time(created_at.value(at), context),
            "distinct_ids": distinct_ids,
        });
        found.insert(id.to_string(), body);
    }
    Ok(found)
}

fn groups(keys: &[&str], index: u8, context: &QueryContext) -> Result<HashMap<String, Json>, QueryError> {
    let table = context.scan.view().groups()?;
    let (types, texts) = (table.type_index.as_primitive::<UInt8Type>(), table.key.as_string::<i32>());
    let created_at = table.created_at.as_primitive::<TimestampMicrosecondType>();
    let properties = &table.properties;
    let mut found = HashMap::with_capacity(keys.len());
    for at in (0..table.key.len()).filter(|at| types.value(*at) == index && keys.contains(&texts.value(*at))) {
        let properties = parsed(properties.value(at));
        let body = json!({
            "id": texts.value(at),
            "type": "group",
            "group_key": texts.value(at),
            "group_type_index": index,
            "properties": &properties,
            "group_properties": &properties,
            "created_at": shown_time(created_at.value(at), context),
        });
        found.insert(texts.value(at).to_owned(), body);
    }
    Ok(found)
}

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| json!({}))
}

fn shown_time(micros: i64, context: &QueryContext) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(context.scan.zone().clone());
    at.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string()
}
