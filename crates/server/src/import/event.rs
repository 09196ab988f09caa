//! A record becomes events as SDKs send them.
//!
//! In: one record: an event in the form of PostHog's exports, an SDK's batch, a page of events of PostHog's API, or a list of events.
//! Out: for each event what is sent, or why it cannot be. Properties stay the text that they are.

use super::records::LISTS;
use aqueduct_capture::cleaned;
use aqueduct_event::limits::{DISTINCT_ID_CHARS_MAX, EVENT_BYTES_MAX, EVENT_NAME_CHARS_MAX};
use aqueduct_event::{UnixMicros, timestamp};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use uuid::Uuid;

/// Under which ids are made for events that have none, and inputs are known.
const NAMESPACE: Uuid = Uuid::from_u128(0x7a5d_90c4_3f0b_4e0e_9a53_61c2_8d0f_2b71);

type Object<'a> = HashMap<String, &'a RawValue>;

/// An event that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) uuid: Uuid,
    pub(super) event: String,
    pub(super) distinct_id: String,
    /// As it stands in the batch.
    pub(super) json: String,
}

/// An event that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) why: String,
    pub(super) text: String,
}

/// Where a record comes from, and how it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// By what the input is known: see [`known_by`].
    pub(super) input: Uuid,
    /// One past the record's last byte.
    pub(super) end: u64,
    /// Whether the person properties of exported events are set on their persons.
    pub(super) sets_person: bool,
}

/// By what an input is known whatever it is called: its first record. Files are renamed, packed, moved and grow at their end; none of it changes this.
pub(super) fn known_by(first: &[u8]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, first)
}

/// The events of a record.
pub(super) fn events_of(text: &[u8], origin: Origin) -> Vec<Result<Outgoing, Unfit>> {
    let whole = |why: String| vec![Err(Unfit { why, text: String::from_utf8_lossy(text).into_owned() })];
    let Ok(text) = std::str::from_utf8(text) else { return whole("is not UTF-8".to_owned()) };
    let list: Vec<&RawValue> = match text.as_bytes().first() {
        Some(b'[') => match serde_json::from_str(text) {
            Ok(list) => list,
            Err(error) => return whole(format!("is not JSON: {error}")),
        },
        Some(b'{') => match serde_json::from_str::<Object<'_>>(text) {
            Err(error) => return whole(format!("is not JSON: {error}")),
            Ok(object) => match batch_of(&object) {
                None => return vec![read(&object, None, text, 0, origin).map_err(|why| Unfit { why, text: text.to_owned() })],
                Some(Err(why)) => return whole(why),
                Some(Ok(list)) => {
                    let sent_at = object.get("sent_at").or_else(|| object.get("sentAt")).and_then(|raw| time(raw));
                    return list.iter().enumerate().map(|(place, raw)| one(raw.get(), sent_at, place, origin)).collect();
                }
            },
        },
        _ => return whole("is not JSON: expected an object or a list".to_owned()),
    };
    list.iter().enumerate().map(|(place, raw)| one(raw.get(), None, place, origin)).collect()
}

/// The list of a batch; `None` when the object is an event itself.
fn batch_of<'a>(object: &Object<'a>) -> Option<Result<Vec<&'a RawValue>, String>> {
    if object.contains_key("event") {
        return None;
    }
    let (key, raw) = LISTS.iter().find_map(|key| Some((key, object.get(*key)?)))?;
    Some(serde_json::from_str(raw.get()).map_err(|_| format!("`{key}` is no list")))
}

fn one(text: &str, sent_at: Option<UnixMicros>, place: usize, origin: Origin) -> Result<Outgoing, Unfit> {
    let event = serde_json::from_str::<Object<'_>>(text).map_err(|_| "is no object".to_owned());
    event.and_then(|object| read(&object, sent_at, text, place, origin)).map_err(|why| Unfit { why, text: text.to_owned() })
}

fn read(object: &Object<'_>, sent_at: Option<UnixMicros>, text: &str, place: usize, origin: Origin) -> Result<Outgoing, String> {
    let event = object.get("event").and_then(|raw| coerced(raw)).filter(|name| !name.is_empty()).ok_or("has no `event`")?;
    let properties = properties(object)?;
    let distinct_id = match object.get("distinct_id").and_then(|raw| coerced(raw)) {
        Some(id) => Some(id),
        None => member(&properties, "distinct_id").and_then(coerced).map(|id| Cow::Owned(id.into_owned())),
    };
    let distinct_id = distinct_id.filter(|id| !id.is_empty()).ok_or("has no `distinct_id`")?;
    let event = cleaned(event, EVENT_NAME_CHARS_MAX).into_owned();
    let distinct_id = cleaned(distinct_id, DISTINCT_ID_CHARS_MAX).into_owned();
    let uuid = uuid(object, text, place, origin)?;
    let happened = happened(object, sent_at)?;
    let mut json = format!("{{\"uuid\":\"{uuid}\",\"event\":{},\"distinct_id\":{}", quoted(&event), quoted(&distinct_id));
    if let Some(happened) = happened {
        json += &format!(",\"timestamp\":\"{}\"", happened.to_rfc3339());
    }
    for key in ["$set", "$set_once", "$unset"] {
        let person = || if key == "$set" && origin.sets_person { person_properties(object) } else { None };
        if let Some(value) = object.get(key).map(|raw| Cow::Borrowed(raw.get())).or_else(person) {
            json += &format!(",\"{key}\":{value}");
        }
    }
    json += &format!(",\"properties\":{}}}", with_elements(properties, object));
    if json.len() > EVENT_BYTES_MAX {
        return Err(format!("has {} bytes, {EVENT_BYTES_MAX} at most are taken", json.len()));
    }
    Ok(Outgoing { uuid, event, distinct_id, json })
}

/// A text, or another value's JSON, as the server would read it; `None` for null.
fn coerced(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'n' => None,
        b'"' => serde_json::from_str::<String>(text).ok().map(Cow::Owned),
        b'0'..=b'9' | b'-' if !text.contains(['.', 'e', 'E']) => Some(Cow::Borrowed(text)),
        _ => Some(Cow::Owned(serde_json::from_str::<serde_json::Value>(text).ok()?.to_string())),
    }
}

/// The properties as an object's text. Some destinations of exports write them as a text that holds JSON.
fn properties<'a>(object: &Object<'a>) -> Result<Cow<'a, str>, String> {
    let Some(raw) = object.get("properties") else { return Ok(Cow::Borrowed("{}")) };
    as_object(raw).ok_or_else(|| "`properties` is no object".to_owned())
}

fn as_object<'a>(raw: &'a RawValue) -> Option<Cow<'a, str>> {
    match raw.get().as_bytes().first()? {
        b'{' => Some(Cow::Borrowed(raw.get())),
        b'n' => Some(Cow::Borrowed("{}")),
        b'"' => {
            let text: String = serde_json::from_str(raw.get()).ok()?;
            let inner: &RawValue = serde_json::from_str(&text).ok()?;
            inner.get().starts_with('{').then(|| Cow::Owned(inner.get().to_owned()))
        }
        _ => None,
    }
}

fn member<'a>(object: &'a str, key: &str) -> Option<&'a RawValue> {
    serde_json::from_str::<Object<'a>>(object).ok()?.remove(key)
}

/// The person's properties at the time of the event, of an export.
fn person_properties<'a>(object: &Object<'a>) -> Option<Cow<'a, str>> {
    let raw = match object.get("person_properties") {
        Some(raw) => *raw,
        None => member(object.get("person")?.get(), "properties")?,
    };
    as_object(raw).filter(|text| text.trim() != "{}")
}

/// An export has the elements chain beside the properties; it is sent among them.
fn with_elements<'a>(properties: Cow<'a, str>, object: &Object<'_>) -> Cow<'a, str> {
    let chain = object.get("elements_chain").and_then(|raw| coerced(raw)).filter(|chain| !chain.is_empty());
    let Some(chain) = chain else { return properties };
    let is_there = |key: &str| properties.contains(key) && member(&properties, key).is_some();
    if is_there("$elements_chain") || is_there("$elements") {
        return properties;
    }
    let rest = properties.trim_start().trim_start_matches('{').trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    Cow::Owned(format!("{{\"$elements_chain\":{}{comma}{rest}", quoted(&chain)))
}

/// The event's own id, or one that follows from its text, its place and its input: reading the same input again gives the same.
fn uuid(object: &Object<'_>, text: &str, place: usize, origin: Origin) -> Result<Uuid, String> {
    if let Some(raw) = object.get("uuid").filter(|raw| raw.get() != "null") {
        let text = coerced(raw).unwrap_or_default();
        return Uuid::parse_str(&text).map_err(|_| format!("`uuid` is {text:?}, which is none"));
    }
    // The events of PostHog's API have it as `id`.
    let id = object.get("id").and_then(|raw| Uuid::parse_str(&coerced(raw)?).ok());
    Ok(id.unwrap_or_else(|| {
        let name = format!("{}\0{place}\0{text}", origin.end);
        Uuid::new_v5(&origin.input, name.as_bytes())
    }))
}

/// When it happened; `None` leaves it to the server. `sent_at` without the time of its arrival says nothing of a clock that is wrong.
fn happened(object: &Object<'_>, sent_at: Option<UnixMicros>) -> Result<Option<UnixMicros>, String> {
    match object.get("timestamp").filter(|raw| raw.get() != "null") {
        Some(raw) => time(raw).map(Some).ok_or_else(|| format!("`timestamp` is {}, which is no time", raw.get())),
        None => {
            let offset = object.get("offset").and_then(|raw| raw.get().parse::<i64>().ok()).unwrap_or(0);
            Ok(sent_at.map(|sent| UnixMicros(sent.0.saturating_sub(offset.saturating_mul(1000)))))
        }
    }
}

fn time(raw: &RawValue) -> Option<UnixMicros> {
    timestamp::parse(&coerced(raw)?)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, sets_person: bool) -> Vec<String> {
        let events = events_of(text.as_bytes(), Origin { input: known_by(b"first"), end: 7, sets_person });
        events.into_iter().map(|event| event.map_or_else(|unfit| unfit.why, |event| event.json)).collect()
    }

    const ID: &str = "018f0000-0000-4000-8000-000000000001";

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(read(&text.replace("ID", ID), false), expected.iter().map(|text| text.replace("ID", ID)).collect::<Vec<_>>(), "{text}");
    }

    #[test]
    fn exported_events() {
        check(
            r#"{"uuid":"ID","event":"a","properties":{"n": 1.0},"timestamp":"2024-01-02 03:04:05.678901","distinct_id":"ann","person_id":"x"}"#,
            &[r#"{"uuid":"ID","event":"a","distinct_id":"ann","timestamp":"2024-01-02T03:04:05.678901Z","properties":{"n": 1.0}}"#],
        );
        check(
            r#"{"id":"ID","event":"a","properties":"{\"n\":1}","timestamp":"2024-01-02T03:04:05+01:00","distinct_id":7,"elements_chain":"a:href"}"#,
            &[
                r#"{"uuid":"ID","event":"a","distinct_id":"7","timestamp":"2024-01-02T02:04:05.000000Z","properties":{"$elements_chain":"a:href","n":1}}"#,
            ],
        );
        check(
            r#"{"uuid":"ID","event":"a","distinct_id":"x","properties":null,"elements_chain":"a","timestamp":null}"#,
            &[r#"{"uuid":"ID","event":"a","distinct_id":"x","properties":{"$elements_chain":"a"}}"#],
        );
    }

    #[test]
    fn persons_are_set_when_that_is_wanted() {
        let text = format!(r#"{{"uuid":"{ID}","event":"a","distinct_id":"x","person":{{"properties":{{"plan":"pro"}}}}}}"#);
        assert!(!read(&text, false)[0].contains("plan"));
        assert!(read(&text, true)[0].contains(r#""$set":{"plan":"pro"}"#));
    }

    #[test]
    fn batches() {
        check(
            r#"{"api_key":"t","sent_at":"2024-01-02T00:00:10Z","batch":[{"uuid":"ID","event":"a","offset":4000,"properties":{"distinct_id":"x"},"$set":{"b":1}},7]}"#,
            &[
                r#"{"uuid":"ID","event":"a","distinct_id":"x","timestamp":"2024-01-02T00:00:06.000000Z","$set":{"b":1},"properties":{"distinct_id":"x"}}"#,
                "is no object",
            ],
        );
        check(r#"{"batch":7}"#, &["`batch` is no list"]);
        check("[1]", &["is no object"]);
    }

    #[test]
    fn faults_are_named() {
        check("nonsense", &["is not JSON: expected an object or a list"]);
        check("{}", &["has no `event`"]);
        check(r#"{"event":"a"}"#, &["has no `distinct_id`"]);
        check(r#"{"event":"a","distinct_id":"x","properties":[]}"#, &["`properties` is no object"]);
        check(r#"{"event":"a","distinct_id":"x","uuid":"no"}"#, &[r#"`uuid` is "no", which is none"#]);
        check(r#"{"event":"a","distinct_id":"x","timestamp":"soon"}"#, &[r#"`timestamp` is "soon", which is no time"#]);
    }

    #[test]
    fn ids_are_made_from_text_place_and_input() {
        let id = |text: &str, first: &str, end| match &events_of(
            text.as_bytes(),
            Origin { input: known_by(first.as_bytes()), end, sets_person: false },
        )[0]
        {
            Ok(event) => event.uuid,
            Err(unfit) => panic!("{}", unfit.why),
        };
        let (a, b) = (r#"{"event":"a","distinct_id":"x"}"#, r#"{"event":"b","distinct_id":"x"}"#);
        assert_eq!(id(a, "f", 1), id(a, "f", 1));
        let all = [id(a, "f", 1), id(b, "f", 1), id(a, "g", 1), id(a, "f", 2)];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 4);
    }
}
