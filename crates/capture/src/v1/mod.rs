//! Protocol v1: `POST /i/v1/analytics/events`. One batch, one verdict per event.
//!
//! In: a request whose body was read. Out: the records to make durable, and the results that are told once they are.
//!
//! # Invariants
//! - Every event has one result, keyed by its uuid exactly as it was sent.
//! - `ok` is told only after the event is durable.

mod error;
mod head;
mod shape;
mod splice;

pub(crate) use error::V1Error;
pub(crate) use head::bearer;

use crate::accepted::Accepted;
use crate::config::CaptureConfig;
use crate::decode::{inflate, inflate_buffer};
use crate::error::DecodeError;
use crate::json::{Raw, mend_surrogates};
use crate::peek;
use crate::records::{Admitted, Envelope};
use crate::remark::{self, Lost, Noted, Notes, Refused};
use crate::reply;
use crate::request::Arrival;
use aqueduct_event::limits::RECORD_BYTES_MAX;
use aqueduct_event::{RawEvent, UnixMicros, Verdict, timestamp};
use aqueduct_ledger::recorder::Recorder;
use axum::response::Response;
use head::{Head, REQUEST_ID};
use http::header::DATE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use shape::{Batch, Fields, Good};
use std::borrow::Cow;
use std::collections::HashSet;
use uuid::Uuid;

/// Checks headers, unpacks, reads, judges each event, encodes those that are good. With it the body of the answer that is due once they are durable.
///
/// # Errors
/// [`V1Error`] for what refuses the whole batch.
pub(crate) fn accept(
    arrival: &Arrival,
    config: &CaptureConfig,
    recorder: Option<&Recorder>,
    bytes_max: usize,
) -> Result<(Accepted, String), Refused<V1Error>> {
    let mut events = None;
    judged(arrival, config, recorder, bytes_max, &mut events).map_err(|error| {
        // A body that is too large for here is tried again with the true limit.
        let is_last_try = !matches!(error, V1Error::TooLarge { .. }) || bytes_max >= config.v1_body_decoded_bytes_max;
        let text = || readable(arrival, bytes_max);
        let about = if is_last_try { remark::about(recorder, error.refusal(), &arrival.parts, text) } else { None };
        let token = arrival.header("authorization").and_then(bearer).unwrap_or_default();
        Refused { error, about, lost: Some(Lost::read(token, events)) }
    })
}

/// The body as text as far as it can be unpacked, with the token, which stands in a header.
fn readable(arrival: &Arrival, bytes_max: usize) -> Cow<'_, [u8]> {
    let body = inflate_buffer(|buffer| match Head::read(&arrival.parts).ok().and_then(|head| head.encoding) {
        Some(encoding) => inflate(encoding, &arrival.body, bytes_max, buffer).is_ok().then(|| std::mem::take(buffer)),
        None => None,
    });
    let body = body.map_or_else(|| peek::unpacked(&arrival.body), Cow::Owned);
    let token = arrival.header("authorization").and_then(bearer).unwrap_or_default();
    Cow::Owned([format!("{{\"token\":{}}}", serde_json::Value::from(token)).as_bytes(), &body].concat())
}

/// `found`: how many events there are, once that is known.
fn judged(
    arrival: &Arrival,
    config: &CaptureConfig,
    recorder: Option<&Recorder>,
    bytes_max: usize,
    found: &mut Option<u32>,
) -> Result<(Accepted, String), V1Error> {
    let head = Head::read(&arrival.parts)?;
    if arrival.body.is_empty() {
        return Err(V1Error::EmptyBody);
    }
    inflate_buffer(|buffer| {
        match head.encoding {
            Some(encoding) => inflate(encoding, &arrival.body, bytes_max, buffer)?,
            None if arrival.body.len() > bytes_max => return Err(V1Error::TooLarge { limit: bytes_max }),
            None => buffer.extend_from_slice(&arrival.body),
        }
        mend_surrogates(buffer);
        let text = std::str::from_utf8(buffer).map_err(|error| V1Error::Decode(DecodeError::Utf8 { at: error.valid_up_to() }))?;
        let batch = shape::read(text).map_err(|error| V1Error::Parse(error.to_string()))?;
        *found = batch.events.as_ref().and_then(|events| u32::try_from(events.len()).ok());
        let (events, uuids) = whole(&batch)?;
        judge(&batch, events, &uuids, &head, arrival, (config, recorder), text.len())
    })
}

/// Checks the headers alone, so that a request without a right to send is answered before its body is read. The project's token.
pub(crate) fn check_head(parts: &Parts) -> Result<String, V1Error> {
    Head::read(parts).map(|head| head.token)
}

/// What refuses the batch as a whole. The events and their uuids.
fn whole<'b, 'a>(batch: &'b Batch<'a>) -> Result<(&'b [Fields<'a>], Vec<Uuid>), V1Error> {
    let events = batch.events.as_deref().ok_or_else(|| V1Error::Parse("missing field batch".to_owned()))?;
    let created_at = batch.created_at.as_deref().ok_or_else(|| V1Error::Parse("missing field created_at".to_owned()))?;
    if events.is_empty() {
        return Err(V1Error::EmptyBatch);
    }
    timestamp::rfc3339(created_at).ok_or(V1Error::InvalidBatch)?;
    let mut seen = HashSet::with_capacity(events.len());
    let mut uuids = Vec::with_capacity(events.len());
    for (index, fields) in events.iter().enumerate() {
        let raw = fields.uuid.ok_or(V1Error::MissingUuid { index })?;
        let text = raw.text().ok_or(V1Error::InvalidUuid { index })?;
        if text.trim().is_empty() {
            return Err(V1Error::MissingUuid { index });
        }
        let uuid = Uuid::try_parse(text.trim()).map_err(|_| V1Error::InvalidUuid { index })?;
        if !seen.insert(uuid) {
            return Err(V1Error::DuplicateUuid { index });
        }
        uuids.push(uuid);
    }
    Ok((events, uuids))
}

fn judge(
    batch: &Batch<'_>,
    events: &[Fields<'_>],
    uuids: &[Uuid],
    head: &Head,
    arrival: &Arrival,
    (config, recorder): (&CaptureConfig, Option<&Recorder>),
    decoded_bytes: usize,
) -> Result<(Accepted, String), V1Error> {
    let mut notes = Notes::new(recorder, arrival, &head.token);
    let event_bytes_max = config.event_bytes_max.min(RECORD_BYTES_MAX / 4);
    let mut results = Results::new(events.len());
    let mut left_out: Vec<(Verdict, u32)> = Vec::new();
    let mut good: Vec<(Uuid, Good<'_>, String)> = Vec::with_capacity(events.len());
    for (fields, uuid) in events.iter().zip(uuids) {
        let checked = fields.check(event_bytes_max);
        results.push(fields.uuid, checked.as_ref().err().map(|fault| fault.tag()));
        if let Err(fault) = &checked {
            match left_out.iter_mut().find(|(verdict, _)| *verdict == fault.verdict()) {
                Some((_, events)) => *events += 1,
                None => left_out.push((fault.verdict(), 1)),
            }
            let (event, distinct_id) = fields.names();
            notes.left_out(fault.verdict(), Noted { uuid: Some(*uuid), event: &event, distinct_id: &distinct_id, detail: fault.tag() });
        }
        if let Ok(checked) = checked {
            let properties = splice::properties(&checked, head.sdk.as_ref()).map_err(|error| V1Error::Parse(error.to_string()))?;
            good.push((*uuid, checked, properties));
        }
    }
    let admitted: Vec<Admitted<'_>> =
        good.iter().map(|good| admitted(good, head.sent_at, arrival.received_at, batch.internal, &mut notes)).collect();
    let envelope = Envelope {
        token: &head.token,
        received_at: arrival.received_at,
        sent_at: Some(head.sent_at),
        historical: batch.historical,
        client_ip: &arrival.client_ip,
        user_agent: arrival.user_agent(),
        path: arrival.path,
    };
    Ok((Accepted::encode(&envelope, &admitted, left_out, notes, decoded_bytes), results.finish()))
}

fn admitted<'a>(
    (uuid, good, properties): &'a (Uuid, Good<'_>, String),
    sent_at: UnixMicros,
    now: UnixMicros,
    internal: bool,
    notes: &mut Notes<'_>,
) -> Admitted<'a> {
    let skewed = (good.options.disable_skew_correction != Some(true)).then_some(sent_at);
    let (timestamp, fault) = timestamp::corrected_told(good.timestamp, skewed, now);
    if fault.is_some() {
        let said = good.timestamp.to_rfc3339();
        notes.moved(fault, Noted { uuid: Some(*uuid), event: &good.event, distinct_id: &good.distinct_id, detail: &said });
    }
    let event = RawEvent {
        uuid: *uuid,
        timestamp,
        event: &good.event,
        distinct_id: &good.distinct_id,
        cookieless: good.options.cookieless_mode == Some(true),
        properties,
        set: "",
        set_once: "",
        unset: "",
    };
    Admitted { event, internal }
}

/// The answer's body, written as the events are judged.
struct Results(String);

impl Results {
    fn new(events: usize) -> Self {
        let mut text = String::with_capacity(16 + events * 64);
        text.push_str("{\"results\":{");
        Self(text)
    }

    /// `uuid` is the text as sent: its JSON is the key.
    fn push(&mut self, uuid: Option<Raw<'_>>, dropped: Option<&str>) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.0.push_str(uuid.map_or("\"\"", |raw| raw.0));
        match dropped {
            None => self.0.push_str(":{\"result\":\"ok\"}"),
            Some(details) => {
                self.0.push_str(":{\"result\":\"drop\",\"details\":\"");
                self.0.push_str(details);
                self.0.push_str("\"}");
            }
        }
    }

    fn finish(mut self) -> String {
        self.0.push_str("}}");
        self.0
    }
}

/// The answer to a batch that was taken.
pub(crate) fn success(results: String) -> Response {
    let mut response = reply::json(results);
    error::advertise(response.headers_mut());
    response
}

/// What every answer repeats: the id of the request, and the server's time.
pub(crate) fn echo(parts: &HeaderMap, now: UnixMicros, response: &mut Response) {
    if let Some(id) = parts.get(REQUEST_ID) {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    let date = jiff::Timestamp::from_microsecond(now.0).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(DATE, date);
    }
}
