//! Rows of the store, found by id or by sender.
//!
//! Only the column that is compared is read of each part; the rest only of rows that are found. Parts that can hold an id by the time inside it come first.

use crate::error::TraceError;
use crate::model::Searched;
use aqueduct_event::{PersonId, UnixMicros};
use aqueduct_store::{EventColumn, Part, PartPlace, ProjectView};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt8Type};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// How far the time inside an id may be from the event's time, for the parts that are looked at first.
const NEAR_MICROS: i64 = 3 * 24 * 3_600_000_000;

/// A row that was found.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) uuid: Uuid,
    pub(crate) event: String,
    pub(crate) distinct_id: String,
    pub(crate) timestamp: UnixMicros,
    pub(crate) created_at: UnixMicros,
    pub(crate) person: PersonId,
    pub(crate) person_mode: u8,
    /// All properties as JSON.
    pub(crate) properties: String,
    pub(crate) place: PartPlace,
    pub(crate) part_rows: usize,
}

/// What bounds a search.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub(crate) deadline: Instant,
    pub(crate) searched: &'a mut Searched,
}

impl Search<'_> {
    /// Whether a part may still be looked at; counts it.
    fn takes(&mut self, part: &dyn Part) -> bool {
        if Instant::now() >= self.deadline {
            self.searched.complete = false;
            return false;
        }
        self.searched.parts += 1;
        self.searched.rows += part.rows();
        true
    }
}

/// Rows with this id. Nearly always one; events of other names may have it too.
pub(crate) fn by_uuid(view: &dyn ProjectView, uuid: Uuid, search: &mut Search<'_>) -> Result<Vec<Row>, TraceError> {
    let hint = time_inside(uuid);
    let mut parts: Vec<&Arc<dyn Part>> = view.shards().iter().flatten().collect();
    let is_near = |part: &Arc<dyn Part>| {
        hint.is_some_and(|hint| {
            let (first, last) = part.time_range();
            first - NEAR_MICROS <= hint && hint <= last.saturating_add(NEAR_MICROS)
        })
    };
    parts.sort_by_key(|part| (!is_near(part), std::cmp::Reverse(part.time_range().1)));
    let mut rows = Vec::new();
    let mut were_near = true;
    for part in parts {
        // An id of version 7 that was found where it belongs is not looked for elsewhere.
        if were_near && !is_near(part) {
            were_near = false;
            if !rows.is_empty() {
                break;
            }
        }
        if !search.takes(&**part) {
            break;
        }
        let ids = part.column(EventColumn::Uuid)?;
        let ids = ids.as_fixed_size_binary_opt().ok_or(TraceError::Column("uuid"))?;
        for row in (0..ids.len()).filter(|row| ids.value(*row) == uuid.as_bytes()) {
            rows.push(read(&**part, row)?);
        }
        if !rows.is_empty() && hint.is_none() {
            break;
        }
    }
    Ok(rows)
}

/// The newest rows of a sender, at most `limit`.
pub(crate) fn by_distinct_id(
    view: &dyn ProjectView,
    distinct_id: &str,
    limit: usize,
    search: &mut Search<'_>,
) -> Result<Vec<Row>, TraceError> {
    let mut parts: Vec<&Arc<dyn Part>> = view.shards().iter().flatten().collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.time_range().1));
    let mut found: Vec<(i64, &Arc<dyn Part>, usize)> = Vec::new();
    for part in parts {
        let oldest = found.get(limit.saturating_sub(1)).map(|(at, ..)| *at);
        // Parts come by their newest row: none of the following has a newer one.
        if oldest.is_some_and(|oldest| part.time_range().1 < oldest) || !search.takes(&**part) {
            break;
        }
        let ids = part.column(EventColumn::DistinctId)?;
        let ids = ids.as_dictionary_opt::<Int32Type>().ok_or(TraceError::Column("distinct_id"))?;
        let texts = ids.values().as_string_opt::<i32>().ok_or(TraceError::Column("distinct_id"))?;
        let codes: HashSet<i32> =
            (0_i32..).zip(texts.iter()).filter(|(_, text)| *text == Some(distinct_id)).map(|(code, _)| code).collect();
        if codes.is_empty() {
            continue;
        }
        let times = part.column(EventColumn::Timestamp)?;
        let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or(TraceError::Column("timestamp"))?.values().clone();
        let rows = ids.keys().values().iter().enumerate().filter(|(_, code)| codes.contains(code));
        found.extend(rows.map(|(row, _)| (times[row], part, row)));
        found.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        found.truncate(limit);
    }
    found.into_iter().map(|(_, part, row)| read(&**part, row)).collect()
}

/// The time inside an id of version 7.
fn time_inside(uuid: Uuid) -> Option<i64> {
    (uuid.get_version_num() == 7).then(|| i64::try_from(uuid.as_u128() >> 80).ok()).flatten().map(|millis| millis.saturating_mul(1_000))
}

fn read(part: &dyn Part, row: usize) -> Result<Row, TraceError> {
    let uuid = |column, name| -> Result<Uuid, TraceError> {
        let ids = part.column(column)?;
        let ids = ids.as_fixed_size_binary_opt().ok_or(TraceError::Column(name))?;
        Uuid::from_slice(ids.value(row)).map_err(|_| TraceError::Column(name))
    };
    let time = |column, name| -> Result<UnixMicros, TraceError> {
        let times = part.column(column)?;
        Ok(UnixMicros(times.as_primitive_opt::<TimestampMicrosecondType>().ok_or(TraceError::Column(name))?.value(row)))
    };
    let mode = part.column(EventColumn::PersonMode)?;
    let place = u32::try_from(row).unwrap_or(u32::MAX);
    let properties = part.properties_json(Some(&[place]))?;
    Ok(Row {
        uuid: uuid(EventColumn::Uuid, "uuid")?,
        event: text(&part.column(EventColumn::Event)?, row, "event")?,
        distinct_id: text(&part.column(EventColumn::DistinctId)?, row, "distinct_id")?,
        timestamp: time(EventColumn::Timestamp, "timestamp")?,
        created_at: time(EventColumn::CreatedAt, "created_at")?,
        person: uuid(EventColumn::PersonId, "person_id")?,
        person_mode: mode.as_primitive_opt::<UInt8Type>().ok_or(TraceError::Column("person_mode"))?.value(row),
        properties: properties.as_string_opt::<i32>().ok_or(TraceError::Column("properties"))?.value(0).to_owned(),
        place: part.place(),
        part_rows: part.rows(),
    })
}

/// The text of one row of a dictionary.
pub(crate) fn text(column: &ArrayRef, row: usize, name: &'static str) -> Result<String, TraceError> {
    let column = column.as_dictionary_opt::<Int32Type>().ok_or(TraceError::Column(name))?;
    let texts = column.values().as_string_opt::<i32>().ok_or(TraceError::Column(name))?;
    let code = usize::try_from(column.keys().value(row)).map_err(|_| TraceError::Column(name))?;
    Ok(texts.value(code).to_owned())
}
