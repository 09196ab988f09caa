//! The payload of a dead letter: JSON that a person can read and mend, and its way back into a record.
//!
//! ```json
//! {"token": "phc_…", "received_at": "…", "sent_at": null, "historical": false, "client_ip": "…", "user_agent": "…", "path": "/batch",
//!  "events": [{"uuid": "…", "timestamp": "…", "event": "…", "distinct_id": "…", "cookieless": false,
//!              "properties": {}, "$set": {}, "$set_once": {}, "$unset": []}]}
//! ```
//! A text stands where JSON was sent that cannot be read (`"properties": "{\"a\":"`). A record that cannot be read is `{"record": "<base64>"}`;
//! its payload can be replaced by one of the form above.
//!
//! # Invariants
//! - A payload goes back into a record without a loss.
//! - A replay holds as many events as its letter stands for, and keeps the letter's time of receipt, so that the ledger stays balanced.

use aqueduct_event::limits::{DISTINCT_ID_CHARS_MAX, EVENT_BYTES_MAX, EVENT_NAME_CHARS_MAX, RECORD_BYTES_MAX, TOKEN_CHARS_MAX};
use aqueduct_event::record::{Receipt, Record, Replay};
use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{LetterId, ProjectId, RawBatch, RawEvent, UnixMicros, timestamp};
use aqueduct_store::DeadLetter;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use thiserror::Error;
use uuid::Uuid;

/// Why a payload cannot be replayed.
#[derive(Debug, Error)]
pub enum LetterError {
    /// It is not JSON of the form of payloads.
    #[error("the payload is not of its form: {0}")]
    Form(#[from] serde_json::Error),
    /// A field has a wrong value.
    #[error("{field}: found {found:?}, expected {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it holds, cut.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// It has other events than the letter stands for.
    #[error("found {found} events, expected {expected}: a letter is replayed as many events as it stands for")]
    Events {
        /// How many it has.
        found: usize,
        /// How many the letter stands for.
        expected: u32,
    },
    /// The bytes of an unreadable record can still not be read.
    #[error("the record can still not be read: {0}")]
    Unreadable(#[from] aqueduct_event::RawBatchError),
    /// The record would be too large.
    #[error("the record has {found} bytes, expected at most {limit}")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
    /// For people; the letter keeps its own.
    #[serde(borrow, default)]
    received_at: Cow<'a, str>,
    #[serde(borrow, default)]
    sent_at: Option<Cow<'a, str>>,
    #[serde(default)]
    historical: bool,
    #[serde(borrow, default)]
    client_ip: Cow<'a, str>,
    #[serde(borrow, default)]
    user_agent: Cow<'a, str>,
    #[serde(borrow, default)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event<'a> {
    uuid: Uuid,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    distinct_id: Cow<'a, str>,
    #[serde(default)]
    cookieless: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    properties: Option<Cow<'a, RawValue>>,
    #[serde(borrow, rename = "$set", default, skip_serializing_if = "Option::is_none")]
    set: Option<Cow<'a, RawValue>>,
    #[serde(borrow, rename = "$set_once", default, skip_serializing_if = "Option::is_none")]
    set_once: Option<Cow<'a, RawValue>>,
    #[serde(borrow, rename = "$unset", default, skip_serializing_if = "Option::is_none")]
    unset: Option<Cow<'a, RawValue>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordPayload {
    record: String,
}

/// JSON as it was sent, or a text of it when it cannot be read; `None` when it is empty.
fn json(text: &str) -> Option<Cow<'_, RawValue>> {
    if text.is_empty() {
        return None;
    }
    // What would not come back as itself, a text and null, is kept as a text of it.
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) if !raw.get().starts_with('"') && raw.get() != "null" => Some(Cow::Borrowed(raw)),
        _ => RawValue::from_string(serde_json::Value::from(text).to_string()).ok().map(Cow::Owned),
    }
}

/// What [`json`] was made of.
fn sent<'r>(raw: Option<&'r RawValue>) -> Result<Cow<'r, str>, LetterError> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(Cow::Borrowed("")),
        Some(text) if text.starts_with('"') => Ok(Cow::Owned(serde_json::from_str(text)?)),
        Some(json) => Ok(Cow::Borrowed(json)),
    }
}

/// Events of a request with the facts of it.
pub(crate) fn payload(batch: &RawBatch<'_>, events: &[RawEvent<'_>]) -> String {
    let events = events.iter().map(|raw| Event {
        uuid: raw.uuid,
        timestamp: raw.timestamp.to_rfc3339().into(),
        event: raw.event.into(),
        distinct_id: raw.distinct_id.into(),
        cookieless: raw.cookieless,
        properties: json(raw.properties),
        set: json(raw.set),
        set_once: json(raw.set_once),
        unset: json(raw.unset),
    });
    let payload = Payload {
        token: batch.token.into(),
        received_at: batch.received_at.to_rfc3339().into(),
        sent_at: batch.sent_at.map(|at| at.to_rfc3339().into()),
        historical: batch.historical,
        client_ip: batch.client_ip.into(),
        user_agent: batch.user_agent.into(),
        path: batch.path.into(),
        events: events.collect(),
    };
    // INVARIANT: texts and raw values always have a form in JSON.
    serde_json::to_string(&payload).unwrap_or_default()
}

/// The letter of a record that cannot be read.
pub(crate) fn of_record(id: LetterId, bytes: &[u8], detail: &str) -> DeadLetter {
    let (events, received_at) = match Receipt::read(bytes) {
        Receipt::Batch(head) => (head.events, head.received_at),
        // A replay is no receipt; what it was to replay is still a letter. A command has no events.
        Receipt::Replay | Receipt::Command => (0, UnixMicros(0)),
        Receipt::Unreadable => (1, UnixMicros(0)),
    };
    DeadLetter {
        id,
        project: ProjectId(0),
        received_at,
        events,
        reason: DeadReason::UnreadableRecord,
        detail: detail.into(),
        uuid: Uuid::nil(),
        event: "".into(),
        distinct_id: "".into(),
        payload: serde_json::json!({"record": BASE64_STANDARD.encode(bytes)}).to_string().into(),
        replays: 0,
        is_amended: false,
    }
}

/// The record that replays a letter. Appended to the journal it is processed like any other.
///
/// # Errors
/// [`LetterError`] when the payload cannot be a record.
pub fn replay(letter: &DeadLetter) -> Result<Vec<u8>, LetterError> {
    let bytes = if let Ok(RecordPayload { record }) = serde_json::from_str(&letter.payload) {
        let wrong = |_| LetterError::Field { field: "record", found: cut(&record), expected: "base64" };
        let bytes = BASE64_STANDARD.decode(&record).map_err(wrong)?;
        match Record::decode(&bytes)? {
            Record::Batch(batch) => check_events(letter, batch.events.len())?,
            // Its events have verdicts under their own letter.
            Record::Replay(_) | Record::Command(_) => return Err(LetterError::Events { found: 0, expected: letter.events }),
        }
        bytes
    } else {
        of_payload(letter, &serde_json::from_str(&letter.payload)?)?
    };
    let record = Replay::encode(letter.project, letter.id, &bytes);
    let found = record.len();
    if found <= RECORD_BYTES_MAX { Ok(record) } else { Err(LetterError::TooLarge { found, limit: RECORD_BYTES_MAX }) }
}

/// The project token of a record; `None` when it is none.
#[must_use]
pub fn token_of(record: &[u8]) -> Option<String> {
    match Record::decode(record).ok()? {
        Record::Batch(batch) => Some(batch.token.to_owned()),
        Record::Replay(replay) => Some(replay.batch.token.to_owned()),
        Record::Command(_) => None,
    }
}

fn check_events(letter: &DeadLetter, found: usize) -> Result<(), LetterError> {
    if u32::try_from(found) == Ok(letter.events) { Ok(()) } else { Err(LetterError::Events { found, expected: letter.events }) }
}

fn of_payload(letter: &DeadLetter, payload: &Payload<'_>) -> Result<Vec<u8>, LetterError> {
    check_events(letter, payload.events.len())?;
    let token = text("token", payload.token.trim(), TOKEN_CHARS_MAX, "a project token")?;
    let time = |field, text: &str| {
        timestamp::parse(text).ok_or_else(|| LetterError::Field { field, found: cut(text), expected: "a time by RFC 3339" })
    };
    let mut texts = Vec::with_capacity(payload.events.len());
    for event in &payload.events {
        let of = |raw: &Option<Cow<'_, RawValue>>| sent(raw.as_deref()).map(Cow::into_owned);
        texts.push([of(&event.properties)?, of(&event.set)?, of(&event.set_once)?, of(&event.unset)?]);
    }
    let mut events = Vec::with_capacity(payload.events.len());
    for (event, [properties, set, set_once, unset]) in payload.events.iter().zip(&texts) {
        let found = properties.len() + set.len() + set_once.len() + unset.len();
        if found > EVENT_BYTES_MAX * 4 {
            return Err(LetterError::TooLarge { found, limit: EVENT_BYTES_MAX * 4 });
        }
        events.push(RawEvent {
            uuid: event.uuid,
            timestamp: time("timestamp", &event.timestamp)?,
            event: text("event", &event.event, EVENT_NAME_CHARS_MAX, "a name of at most 200 characters")?,
            distinct_id: text("distinct_id", &event.distinct_id, DISTINCT_ID_CHARS_MAX, "an id of at most 200 characters")?,
            cookieless: event.cookieless,
            properties,
            set,
            set_once,
            unset,
        });
    }
    let sent_at = payload.sent_at.as_deref().map(|text| time("sent_at", text)).transpose()?;
    let batch = RawBatch {
        token,
        received_at: letter.received_at,
        sent_at,
        historical: payload.historical,
        client_ip: &payload.client_ip,
        user_agent: &payload.user_agent,
        path: &payload.path,
        events,
    };
    Ok(batch.encode())
}

fn text<'t>(field: &'static str, text: &'t str, chars_max: usize, expected: &'static str) -> Result<&'t str, LetterError> {
    if text.is_empty() || text.chars().nth(chars_max).is_some() {
        return Err(LetterError::Field { field, found: cut(text), expected });
    }
    Ok(text)
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
