//! Protocol v0: `/e`, `/i/v0/e`, `/capture`, `/track`, `/engage`, `/batch`, and the AI batch route.
//!
//! In: a request whose body was read. Out: the records to make durable. Synchronous and pure but for fresh uuids: it runs on the runtime's thread
//! for small bodies and beside it for large ones.

mod shape;

pub(crate) use shape::Draft;

use crate::accepted::Accepted;
use crate::admit::{Admission, admit};
use crate::clean::cleaned;
use crate::config::CaptureConfig;
use crate::decode::{self, Query, Wrapping};
use crate::error::CaptureError;
use crate::peek;
use crate::records::{Admitted, Envelope};
use crate::remark::{self, Lost, Noted, Notes, Refused};
use crate::request::Arrival;
use crate::token;
use aqueduct_event::limits::{DISTINCT_ID_CHARS_MAX, EVENT_NAME_CHARS_MAX, RECORD_BYTES_MAX};
use aqueduct_event::timestamp::{self, TimeClaim};
use aqueduct_event::verdict::DropReason;
use aqueduct_event::{RawEvent, UnixMicros, Verdict};
use aqueduct_ledger::recorder::Recorder;
use shape::{Cookieless, Payload};
use std::borrow::Cow;
use uuid::Uuid;

/// How routes of protocol v0 differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Decodes base64 that is left after inflating.
    pub(crate) legacy_base64: bool,
    /// An event without a name is `$identify`.
    pub(crate) engage: bool,
    pub(crate) admission: Admission,
}

/// Unwraps, reads, checks and encodes a request. `bytes_max` caps the unwrapped text.
///
/// # Errors
/// [`CaptureError`] for whatever makes PostHog refuse the whole request.
pub(crate) fn accept(
    arrival: &Arrival,
    dialect: Dialect,
    config: &CaptureConfig,
    recorder: Option<&Recorder>,
    bytes_max: usize,
) -> Result<Accepted, Refused<CaptureError>> {
    let query = Query::read(arrival.parts.uri.query().unwrap_or_default());
    let wrapping = Wrapping::of(arrival, &query, dialect.legacy_base64, bytes_max);
    let (mut about, mut lost) = (None, Lost::default());
    let accepted = decode::with_text(&arrival.body, &wrapping, |text| {
        let checked = shape::read(text).and_then(|payload| {
            let (token, events) = (token_at_hand(&payload), payload.events.len());
            check(payload, dialect, config.event_bytes_max.min(RECORD_BYTES_MAX / 4)).inspect_err(|_| {
                lost = Lost::read(&token, u32::try_from(events).ok());
            })
        });
        let checked = checked.inspect_err(|error| {
            about = remark::about(recorder, error.refusal(), &arrival.parts, || Cow::Borrowed(text.as_bytes()));
        })?;
        Ok(encode(checked, arrival, query.sent_at, recorder, text.len()))
    });
    accepted.map_err(|error| {
        let was_read = !matches!(error, CaptureError::EmptyPayload | CaptureError::Decode(_) | CaptureError::DecodedTooLarge { .. });
        // A body that is too large for here is tried again with the true limit.
        let is_last_try = !matches!(error, CaptureError::DecodedTooLarge { .. }) || bytes_max >= config.body_decoded_bytes_max;
        if !was_read && is_last_try {
            about = remark::about(recorder, error.refusal(), &arrival.parts, || peek::unpacked(&arrival.body));
        }
        Refused { error, about, lost: Some(lost) }
    })
}

/// The token of a request that may be refused; empty when there is none.
fn token_at_hand<'a>(payload: &Payload<'a>) -> Cow<'a, str> {
    let of_event = || payload.events.iter().find_map(Draft::token).map(|token| Cow::Owned(token.to_owned()));
    payload.token.clone().or_else(of_event).unwrap_or_default()
}

/// A request that nothing is wrong with.
struct Checked<'a> {
    payload: Payload<'a>,
    token: String,
    /// The distinct ids of the events, in their order.
    distinct_ids: Vec<Cow<'a, str>>,
    /// Events that a rule keeps out.
    dropped: Vec<Draft<'a>>,
}

fn check(mut payload: Payload<'_>, dialect: Dialect, event_bytes_max: usize) -> Result<Checked<'_>, CaptureError> {
    for draft in &mut payload.events {
        if draft.event.is_none() {
            draft.event = Some(Cow::Borrowed(if dialect.engage { "$identify" } else { return Err(CaptureError::MissingEvent) }));
        }
        if draft.bytes > event_bytes_max {
            return Err(CaptureError::EventTooLarge { found: draft.bytes, limit: event_bytes_max });
        }
    }
    if payload.events.is_empty() {
        return Err(CaptureError::EmptyBatch);
    }
    let dropped = admit(&mut payload.events, dialect.admission)?;
    if payload.events.is_empty() {
        return Ok(Checked { payload, token: String::new(), distinct_ids: Vec::new(), dropped });
    }
    let token = token_of(&payload)?.to_owned();
    let mut distinct_ids = Vec::with_capacity(payload.events.len());
    for draft in &mut payload.events {
        if draft.event.as_deref().is_none_or(str::is_empty) {
            return Err(CaptureError::EmptyEventName);
        }
        let distinct_id = draft.take_distinct_id().ok_or(CaptureError::MissingDistinctId)?;
        distinct_ids.push(cleaned(distinct_id, DISTINCT_ID_CHARS_MAX));
        if draft.inside.cookieless == Cookieless::Invalid {
            return Err(CaptureError::InvalidCookielessMode);
        }
        draft.event = draft.event.take().map(|event| cleaned(event, EVENT_NAME_CHARS_MAX));
    }
    Ok(Checked { payload, token, distinct_ids, dropped })
}

/// The one token of a request: the batch's own, else what all events that have one agree on.
fn token_of<'p>(payload: &'p Payload<'_>) -> Result<&'p str, CaptureError> {
    let found = match &payload.token {
        Some(token) => token,
        None => {
            let mut tokens = payload.events.iter().filter_map(Draft::token);
            let first = tokens.next().ok_or(CaptureError::MissingToken)?;
            if tokens.any(|token| token != first) {
                return Err(CaptureError::InconsistentTokens);
            }
            first
        }
    };
    Ok(token::well_formed(found)?)
}

fn encode(
    checked: Checked<'_>,
    arrival: &Arrival,
    query_sent_at: Option<UnixMicros>,
    recorder: Option<&Recorder>,
    decoded_bytes: usize,
) -> Accepted {
    let Checked { payload, token, distinct_ids, dropped } = checked;
    // With nothing left there was no need for a token; the events may have one all the same.
    let shown =
        if token.is_empty() { payload.token.as_deref().or(dropped.first().and_then(Draft::token)).unwrap_or_default() } else { &token };
    let mut notes = Notes::new(recorder, arrival, shown);
    for draft in &dropped {
        let (event, distinct_id) = (draft.event.as_deref().unwrap_or_default(), draft.distinct_id.as_deref().unwrap_or_default());
        notes.left_out(Verdict::Dropped(DropReason::PerformanceEvent), Noted { uuid: draft.uuid, event, distinct_id, detail: "" });
    }
    let now = arrival.received_at;
    let sent_at = payload.sent_at.as_deref().and_then(timestamp::parse).or(query_sent_at);
    let admitted = payload.events.iter().zip(&distinct_ids).map(|(draft, distinct_id)| {
        let claim = TimeClaim {
            timestamp: draft.timestamp.as_deref(),
            offset_ms: draft.offset_ms,
            sent_at,
            ignore_sent_at: draft.inside.ignore_sent_at,
        };
        let (timestamp, fault) = claim.resolve_told(now);
        let uuid = draft.uuid.unwrap_or_else(|| fresh_uuid(now));
        let name = draft.event.as_deref().unwrap_or_default();
        notes.moved(fault, Noted { uuid: Some(uuid), event: name, distinct_id, detail: claim.timestamp.unwrap_or_default() });
        let event = RawEvent {
            uuid,
            timestamp,
            event: name,
            distinct_id,
            cookieless: draft.inside.cookieless == Cookieless::On,
            properties: draft.properties,
            set: draft.set,
            set_once: draft.set_once,
            unset: draft.unset,
        };
        Admitted { event, internal: draft.inside.internal }
    });
    let admitted: Vec<Admitted<'_>> = admitted.collect();
    let envelope = Envelope {
        token: &token,
        received_at: now,
        sent_at,
        historical: payload.historical,
        client_ip: &arrival.client_ip,
        user_agent: arrival.user_agent(),
        path: arrival.path,
    };
    let left_out = u32::try_from(dropped.len()).ok().filter(|events| *events > 0);
    let left_out = left_out.map(|events| (Verdict::Dropped(DropReason::PerformanceEvent), events)).into_iter().collect();
    Accepted::encode(&envelope, &admitted, left_out, notes, decoded_bytes)
}

/// A uuid of version 7 for an event that came without.
fn fresh_uuid(now: UnixMicros) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.millis()).unwrap_or_default(), &rand::random()).into_uuid()
}
