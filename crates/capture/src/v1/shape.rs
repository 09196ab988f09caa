//! The body of protocol v1: a batch whose events are checked one by one.

use crate::clean::cleaned;
use crate::json::{Cursor, JsonError, Kind, Raw};
use aqueduct_event::limits::{DISTINCT_ID_CHARS_MAX, EVENT_NAME_CHARS_MAX};
use aqueduct_event::verdict::{DropReason, Refusal};
use aqueduct_event::{UnixMicros, Verdict, timestamp};
use std::borrow::Cow;

/// Ids that are no one's: programs send them by mistake, and they would join all their users into one person.
const NOBODY: [&str; 20] = [
    "0",
    "00000000-0000-0000-0000-000000000000",
    "[object object]",
    "anonymous",
    "anonymous-user",
    "backend",
    "distinct_id",
    "distinctid",
    "email",
    "false",
    "guest",
    "id",
    "nan",
    "none",
    "not_authenticated",
    "null",
    "system",
    "true",
    "undefined",
    "user",
];

/// Why one event is left out of a batch that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    PerformanceEvent,
    MissingName,
    NameTooLong,
    MissingDistinctId,
    DistinctIdTooLong,
    NobodysDistinctId,
    InvalidTimestamp,
    MalformedProperties,
    TooLarge,
    InvalidOptions,
}

impl Fault {
    /// What the sender is told.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::PerformanceEvent => "dropped_performance_event",
            Self::MissingName => "missing_event_name",
            Self::NameTooLong => "event_name_too_long",
            Self::MissingDistinctId => "missing_distinct_id",
            Self::DistinctIdTooLong => "distinct_id_too_large",
            Self::NobodysDistinctId => "invalid_distinct_id",
            Self::InvalidTimestamp => "invalid_event_timestamp",
            Self::MalformedProperties => "malformed_event_properties",
            Self::TooLarge => "event_too_big",
            Self::InvalidOptions => "invalid_options",
        }
    }

    /// The verdict over the event.
    pub(super) fn verdict(self) -> Verdict {
        Verdict::Refused(match self {
            Self::PerformanceEvent => return Verdict::Dropped(DropReason::PerformanceEvent),
            Self::MissingName => Refusal::MissingEventName,
            Self::NameTooLong => Refusal::EventNameTooLong,
            Self::MissingDistinctId => Refusal::MissingDistinctId,
            Self::DistinctIdTooLong => Refusal::DistinctIdTooLong,
            Self::NobodysDistinctId => Refusal::NobodysDistinctId,
            Self::InvalidTimestamp => Refusal::InvalidTimestamp,
            Self::MalformedProperties => Refusal::MalformedProperties,
            Self::TooLarge => Refusal::EventTooLarge,
            Self::InvalidOptions => Refusal::InvalidOptions,
        })
    }
}

/// A batch as its sender wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Batch<'a> {
    pub(super) created_at: Option<Cow<'a, str>>,
    pub(super) historical: bool,
    pub(super) internal: bool,
    pub(super) events: Option<Vec<Fields<'a>>>,
}

/// The fields of one event, not looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    pub(super) bytes: usize,
    pub(super) uuid: Option<Raw<'a>>,
    event: Option<Raw<'a>>,
    distinct_id: Option<Raw<'a>>,
    timestamp: Option<Raw<'a>>,
    session_id: Option<Raw<'a>>,
    window_id: Option<Raw<'a>>,
    options: Option<Raw<'a>>,
    properties: Option<Raw<'a>>,
}

/// An event that nothing is wrong with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Good<'a> {
    pub(super) event: Cow<'a, str>,
    pub(super) distinct_id: Cow<'a, str>,
    pub(super) timestamp: UnixMicros,
    pub(super) session_id: Option<&'a str>,
    pub(super) window_id: Option<&'a str>,
    pub(super) options: Options<'a>,
    /// The object's JSON.
    pub(super) properties: &'a str,
}

/// `options`: what other SDKs say by properties with a dollar.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Options<'a> {
    pub(super) cookieless_mode: Option<bool>,
    pub(super) disable_skew_correction: Option<bool>,
    pub(super) process_person_profile: Option<bool>,
    /// A JSON text.
    pub(super) product_tour_id: Option<Cow<'a, str>>,
}

/// Reads a batch to its end.
pub(super) fn read(text: &str) -> Result<Batch<'_>, JsonError> {
    let mut cursor = Cursor::new(text);
    let mut batch = Batch::default();
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        match &*key {
            "batch" => batch.events = Some(events(&mut cursor)?),
            "created_at" => batch.created_at = cursor.value()?.text(),
            "historical_migration" => batch.historical = cursor.value()?.bool() == Some(true),
            "capture_internal" => batch.internal = cursor.value()?.bool() == Some(true),
            _ => drop(cursor.value()?),
        }
    }
    cursor.end()?;
    Ok(batch)
}

fn events<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<Fields<'a>>, JsonError> {
    let mut events = Vec::new();
    cursor.enter_array()?;
    while cursor.next_element()? {
        let start = cursor.at();
        let mut fields = Fields::default();
        cursor.enter_object()?;
        while let Some(key) = cursor.next_key()? {
            let value = cursor.value()?.non_null();
            match &*key {
                "uuid" => fields.uuid = value,
                "event" => fields.event = value,
                "distinct_id" => fields.distinct_id = value,
                "timestamp" => fields.timestamp = value,
                "session_id" => fields.session_id = value,
                "window_id" => fields.window_id = value,
                "options" => fields.options = value,
                "properties" => fields.properties = value,
                _ => {}
            }
        }
        fields.bytes = cursor.at() - start;
        events.push(fields);
    }
    Ok(events)
}

impl<'a> Fields<'a> {
    /// Name and distinct id as far as they can be read.
    pub(super) fn names(&self) -> (Cow<'a, str>, Cow<'a, str>) {
        (self.event.and_then(Raw::text).unwrap_or_default(), self.distinct_id.and_then(Raw::text).unwrap_or_default())
    }

    /// The event, or what is wrong with it.
    pub(super) fn check(&self, bytes_max: usize) -> Result<Good<'a>, Fault> {
        let event = self.event.and_then(Raw::text).unwrap_or_default();
        if crate::admit::is_dropped(&event) {
            return Err(Fault::PerformanceEvent);
        }
        if event.is_empty() {
            return Err(Fault::MissingName);
        }
        if over(&event, EVENT_NAME_CHARS_MAX) {
            return Err(Fault::NameTooLong);
        }
        let distinct_id = trimmed(self.distinct_id.and_then(Raw::text).unwrap_or_default());
        if distinct_id.is_empty() {
            return Err(Fault::MissingDistinctId);
        }
        if over(&distinct_id, DISTINCT_ID_CHARS_MAX) {
            return Err(Fault::DistinctIdTooLong);
        }
        if NOBODY.iter().any(|nobody| distinct_id.eq_ignore_ascii_case(nobody)) {
            return Err(Fault::NobodysDistinctId);
        }
        let timestamp = self.timestamp.and_then(Raw::text).and_then(|text| timestamp::rfc3339(&text)).ok_or(Fault::InvalidTimestamp)?;
        if self.properties.is_some_and(|raw| raw.kind() != Kind::Object) {
            return Err(Fault::MalformedProperties);
        }
        if self.bytes > bytes_max {
            return Err(Fault::TooLarge);
        }
        Ok(Good {
            event: cleaned(event, EVENT_NAME_CHARS_MAX),
            distinct_id: cleaned(distinct_id, DISTINCT_ID_CHARS_MAX),
            timestamp,
            session_id: text_json(self.session_id),
            window_id: text_json(self.window_id),
            options: self.options.map_or(Some(Options::default()), Options::read).ok_or(Fault::InvalidOptions)?,
            properties: self.properties.map_or("{}", |raw| raw.0),
        })
    }
}

impl<'a> Options<'a> {
    fn read(raw: Raw<'a>) -> Option<Self> {
        let mut options = Self::default();
        let mut cursor = Cursor::new(raw.0);
        cursor.enter_object().ok()?;
        while let Some(key) = cursor.next_key().ok()? {
            let Some(value) = cursor.value().ok()?.non_null() else { continue };
            match &*key {
                "cookieless_mode" => options.cookieless_mode = Some(truth(value)?),
                "disable_skew_correction" => options.disable_skew_correction = Some(truth(value)?),
                "process_person_profile" => options.process_person_profile = Some(truth(value)?),
                "product_tour_id" => options.product_tour_id = Some(id_json(value)?),
                _ => {}
            }
        }
        Some(options)
    }
}

/// A truth value, also as the texts and numbers that loosely typed SDKs make of it.
fn truth(raw: Raw<'_>) -> Option<bool> {
    match raw.kind() {
        Kind::Bool => raw.bool(),
        Kind::Number => raw.0.parse::<f64>().ok().map(|number| number != 0.0),
        Kind::Text => match raw.text()?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A text's JSON; whole numbers become texts.
fn id_json(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    match raw.kind() {
        Kind::Text => Some(Cow::Borrowed(raw.0)),
        Kind::Number if raw.0.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => Some(Cow::Owned(format!("\"{}\"", raw.0))),
        _ => None,
    }
}

fn text_json(raw: Option<Raw<'_>>) -> Option<&str> {
    raw.filter(|raw| raw.kind() == Kind::Text).map(|raw| raw.0)
}

fn over(text: &str, chars_max: usize) -> bool {
    text.len() > chars_max && text.chars().nth(chars_max).is_some()
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
