//! The four shapes of a request of protocol v0, read in one pass: an array of events, a batch object, one event, one engage object.
//!
//! In: JSON text. Out: [`Payload`], borrowing from the text; only texts with escapes are copied.
//!
//! # Invariants
//! - Unknown fields are never an error; the last of two fields with the same meaning wins, as in every JSON reader of SDKs.
//! - A field of a wrong type is an error only where taking the event without it would lose what the sender meant (`uuid`, `properties`, `$set`, `$set_once`).

use crate::clean::coerced;
use crate::error::{CaptureError, ParseError};
use crate::json::{Cursor, Kind, Raw};
use std::borrow::Cow;
use uuid::Uuid;

/// A request as its sender wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Payload<'a> {
    /// `token` or `api_key` of a batch object; wins over those of the events.
    pub(crate) token: Option<Cow<'a, str>>,
    /// `historical_migration` of a batch object.
    pub(crate) historical: bool,
    /// `sent_at` of a batch object.
    pub(crate) sent_at: Option<Cow<'a, str>>,
    /// The events in the order sent.
    pub(crate) events: Vec<Draft<'a>>,
}

/// One event as its sender wrote it; empty texts are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Draft<'a> {
    /// Bytes of the whole event as JSON.
    pub(crate) bytes: usize,
    pub(crate) token: Option<Cow<'a, str>>,
    pub(crate) distinct_id: Option<Cow<'a, str>>,
    pub(crate) uuid: Option<Uuid>,
    pub(crate) event: Option<Cow<'a, str>>,
    pub(crate) timestamp: Option<Cow<'a, str>>,
    pub(crate) offset_ms: Option<i64>,
    pub(crate) properties: &'a str,
    pub(crate) set: &'a str,
    pub(crate) set_once: &'a str,
    pub(crate) unset: &'a str,
    pub(crate) inside: Inside<'a>,
}

/// What matters to the edge inside `properties`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inside<'a> {
    pub(crate) token: Option<Cow<'a, str>>,
    pub(crate) distinct_id: Option<Cow<'a, str>>,
    pub(crate) cookieless: Cookieless,
    pub(crate) ignore_sent_at: bool,
    /// `capture_internal` is there: the event is the server's own, and so is its address.
    pub(crate) internal: bool,
}

/// `$cookieless_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cookieless {
    #[default]
    Off,
    On,
    /// Neither `true` nor `false`: such an event is refused.
    Invalid,
}

impl<'a> Draft<'a> {
    /// The token of the event: its own, else the one in its properties.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref().or(self.inside.token.as_deref())
    }

    /// The distinct id: its own unless `null`, else the one in its properties. Taken out, since it is needed once.
    pub(crate) fn take_distinct_id(&mut self) -> Option<Cow<'a, str>> {
        self.distinct_id.take().or(self.inside.distinct_id.take()).filter(|id| !id.is_empty())
    }
}

/// Reads a request.
///
/// # Errors
/// [`CaptureError::Parse`] when the text is not JSON to its end, or none of the shapes.
pub(crate) fn read(text: &str) -> Result<Payload<'_>, CaptureError> {
    let mut cursor = Cursor::new(text);
    let payload = match cursor.peek() {
        Some(b'[') => Payload { events: events(&mut cursor)?, ..Payload::default() },
        Some(b'{') => object(&mut cursor)?,
        // Anything else is told apart into JSON of a wrong shape and no JSON at all.
        _ => {
            cursor.value()?;
            return Err(ParseError::Shape { at: 0 }.into());
        }
    };
    cursor.end()?;
    Ok(payload)
}

/// A batch object when it has an array named `batch`, else one event.
fn object<'a>(cursor: &mut Cursor<'a>) -> Result<Payload<'a>, ParseError> {
    let mut payload = Payload::default();
    let mut single = Draft::default();
    let mut batch = None;
    let start = cursor.at();
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        match &*key {
            "batch" if cursor.peek() == Some(b'[') => batch = Some(events(cursor)?),
            "historical_migration" => payload.historical = cursor.value()?.bool().unwrap_or_default(),
            "sent_at" => payload.sent_at = cursor.value()?.text(),
            _ => field(cursor, &key, &mut single)?,
        }
    }
    single.bytes = cursor.at() - start;
    match batch {
        Some(events) => {
            (payload.events, payload.token) = (events, single.token);
            Ok(payload)
        }
        None => Ok(Payload { events: vec![single], ..Payload::default() }),
    }
}

fn events<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<Draft<'a>>, ParseError> {
    let mut events = Vec::new();
    cursor.enter_array()?;
    while cursor.next_element()? {
        if cursor.peek() != Some(b'{') {
            let at = cursor.at();
            cursor.value()?;
            return Err(ParseError::Shape { at });
        }
        events.push(event(cursor)?);
    }
    Ok(events)
}

fn event<'a>(cursor: &mut Cursor<'a>) -> Result<Draft<'a>, ParseError> {
    let mut draft = Draft::default();
    let start = cursor.at();
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        field(cursor, &key, &mut draft)?;
    }
    draft.bytes = cursor.at() - start;
    Ok(draft)
}

/// One field of an event, the cursor being at its value.
fn field<'a>(cursor: &mut Cursor<'a>, key: &str, draft: &mut Draft<'a>) -> Result<(), ParseError> {
    let at = cursor.at();
    match key {
        "event" => draft.event = coerced(cursor.value()?),
        "properties" => (draft.properties, draft.inside) = properties(cursor)?,
        "distinct_id" | "$distinct_id" => draft.distinct_id = coerced(cursor.value()?),
        "token" | "$token" | "api_key" => draft.token = cursor.value()?.text(),
        "uuid" => draft.uuid = uuid(cursor.value()?, at)?,
        "timestamp" => draft.timestamp = timestamp(cursor.value()?),
        "offset" => draft.offset_ms = integer(cursor.value()?),
        "$set" => draft.set = object_text(cursor.value()?, "$set", at)?,
        "$set_once" => draft.set_once = object_text(cursor.value()?, "$set_once", at)?,
        "$unset" => draft.unset = bracketed(cursor.value()?),
        _ => drop(cursor.value()?),
    }
    Ok(())
}

fn properties<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, Inside<'a>), ParseError> {
    let mut inside = Inside::default();
    let start = cursor.at();
    if cursor.peek() != Some(b'{') {
        return Ok((object_text(cursor.value()?, "properties", start)?, inside));
    }
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        let value = cursor.value()?;
        match &*key {
            "token" => inside.token = value.text(),
            "distinct_id" => inside.distinct_id = coerced(value),
            "$cookieless_mode" => {
                inside.cookieless = match value.bool() {
                    Some(true) => Cookieless::On,
                    Some(false) => Cookieless::Off,
                    None => Cookieless::Invalid,
                }
            }
            "$ignore_sent_at" => inside.ignore_sent_at = value.bool() == Some(true),
            "capture_internal" => inside.internal = true,
            _ => {}
        }
    }
    Ok((cursor.since(start), inside))
}

/// An object's JSON; `null` is as good as absent.
fn object_text<'a>(raw: Raw<'a>, field: &'static str, at: usize) -> Result<&'a str, ParseError> {
    match raw.kind() {
        Kind::Object => Ok(raw.0),
        Kind::Null => Ok(""),
        _ => Err(ParseError::Field { field, expected: "an object", at }),
    }
}

/// The JSON of an array or object (both name properties to remove); anything else is ignored.
fn bracketed(raw: Raw<'_>) -> &str {
    if matches!(raw.kind(), Kind::Array | Kind::Object) { raw.0 } else { "" }
}

/// The empty text is no uuid; a text that is not one is an error, since it would not be found again under another.
fn uuid(raw: Raw<'_>, at: usize) -> Result<Option<Uuid>, ParseError> {
    let Some(raw) = raw.non_null() else { return Ok(None) };
    let text = raw.text().ok_or(ParseError::Field { field: "uuid", expected: "a text", at })?;
    if text.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(&text).map(Some).map_err(|_| ParseError::Uuid { at })
}

/// A text, or a number that is read as one (Unix time).
fn timestamp(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    match raw.kind() {
        Kind::Text => raw.text(),
        Kind::Number => Some(Cow::Borrowed(raw.0)),
        _ => None,
    }
}

/// Whole milliseconds; a fraction is cut.
fn integer(raw: Raw<'_>) -> Option<i64> {
    let fraction = |raw: Raw<'_>| raw.0.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number as i64);
    (raw.kind() == Kind::Number).then(|| raw.0.parse().ok().or_else(|| fraction(raw))).flatten()
}
