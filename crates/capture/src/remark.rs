//! What the edge tells the recorder: receipts of requests that were taken, remarks on what was refused, dropped or changed.
//!
//! # Invariants
//! - Nothing here changes an answer, waits or fails. Without a recorder nothing is done.
//! - The recorder is asked first whether it wants a remark, so that a flood of bad requests costs no look into their bodies.

use crate::peek::{self, Seen};
use crate::records::Records;
use crate::request::{Arrival, agent_of, client_ip};
use crate::state::CaptureState;
use aqueduct_event::timestamp::TimeFault;
use aqueduct_event::verdict::Refusal;
use aqueduct_event::{JournalPosition, ProjectId, RawBatch, UnixMicros, Verdict};
use aqueduct_ledger::Content;
use aqueduct_ledger::recorder::{Receipt, Recorder, Remark, What};
use http::StatusCode;
use http::request::Parts;
use uuid::Uuid;

/// A refusal, and what can be told of the request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused<E> {
    pub(crate) error: E,
    /// `None` when nobody wants to know.
    pub(crate) about: Option<Box<About>>,
    /// For the ledger; `None` when it was told already.
    pub(crate) lost: Option<Lost>,
}

/// The events of a refused request, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Empty when it is not known.
    pub(crate) token: String,
    pub(crate) content: Content,
}

impl Lost {
    /// A request that is refused by its head alone; `bytes` of its body as announced.
    pub(crate) fn unread(token: Option<&str>, bytes: Option<u64>) -> Self {
        Self { token: token.unwrap_or_default().to_owned(), content: Content::Unread { bytes: bytes.unwrap_or_default() } }
    }

    /// A request that was read; `events` when they could be counted.
    pub(crate) fn read(token: &str, events: Option<u32>) -> Self {
        Self { token: token.trim().to_owned(), content: events.map_or(Content::Unreadable, Content::Events) }
    }
}

/// What can be told of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    agent: String,
    client_ip: String,
    seen: Seen,
}

impl<E> From<E> for Refused<E> {
    fn from(error: E) -> Self {
        Self { error, about: None, lost: Some(Lost::default()) }
    }
}

impl<E> Refused<E> {
    pub(crate) fn map<F>(self, into: impl FnOnce(E) -> F) -> Refused<F> {
        Refused { error: into(self.error), about: self.about, lost: self.lost }
    }
}

/// Tells the ledger of a refused request.
pub(crate) fn account(state: &CaptureState, refusal: Refusal, lost: Option<&Lost>) {
    let Some(Lost { token, content }) = lost else { return };
    let (received_at, verdict) = (state.clock.now(), Verdict::Refused(refusal));
    state.ledger.refused(&aqueduct_ledger::Refused { token, received_at, verdict, content: *content });
}

/// Tells the ledger of events that were left out of a request that was taken.
pub(crate) fn account_left_out(state: &CaptureState, token: &str, received_at: UnixMicros, left_out: &[(Verdict, u32)]) {
    for (verdict, events) in left_out {
        state.ledger.refused(&aqueduct_ledger::Refused { token, received_at, verdict: *verdict, content: Content::Events(*events) });
    }
}

/// Looks at a request that is about to be refused; `text` is asked for only when a remark is wanted.
pub(crate) fn about<'t>(
    recorder: Option<&Recorder>,
    refusal: Refusal,
    parts: &Parts,
    text: impl FnOnce() -> std::borrow::Cow<'t, [u8]>,
) -> Option<Box<About>> {
    let client_ip = client_ip(parts);
    let wanted = recorder?.wants(What::Verdict(Verdict::Refused(refusal)), &client_ip);
    wanted.then(|| Box::new(About { agent: agent_of(parts), client_ip, seen: peek::seen(&text()) }))
}

/// Notes a refused request.
pub(crate) fn refused(state: &CaptureState, path: &str, refusal: Refusal, status: StatusCode, detail: String, about: Option<Box<About>>) {
    let (Some(recorder), Some(about)) = (&state.recorder, about) else { return };
    let About { agent, client_ip, seen } = *about;
    let Seen { token, uuids, distinct_ids, events } = seen;
    recorder.remark(Remark {
        number: 0,
        at: state.clock.now(),
        project: ProjectId(0),
        what: What::Verdict(Verdict::Refused(refusal)),
        status: status.as_u16(),
        token,
        path: path.to_owned(),
        agent,
        client_address: client_ip,
        detail,
        uuids,
        distinct_ids,
        events,
    });
}

/// Notes a request of which only the route is known, since its deadline passed.
pub(crate) fn late(state: &CaptureState, path: &str, detail: String) {
    let wanted = state.recorder.as_ref().is_some_and(|recorder| recorder.wants(What::Verdict(Verdict::Refused(Refusal::Timeout)), path));
    refused(state, path, Refusal::Timeout, StatusCode::GATEWAY_TIMEOUT, detail, wanted.then(Box::default));
}

/// What can be told of a request whose records could not be made durable: all of it, from the records.
pub(crate) fn about_records(
    recorder: Option<&Recorder>,
    refusal: Refusal,
    receipt: Option<&Receipt>,
    payloads: &[bytes::Bytes],
) -> Option<Box<About>> {
    let receipt = receipt?;
    if !recorder?.wants(What::Verdict(Verdict::Refused(refusal)), &receipt.client_address) {
        return None;
    }
    let mut seen = Seen { token: receipt.token.to_string(), ..Seen::default() };
    for batch in payloads.iter().filter_map(|payload| RawBatch::decode(payload).ok()) {
        for event in batch.events.iter().take(peek::VALUES_MAX) {
            peek::push(&mut seen.uuids, event.uuid);
            peek::push(&mut seen.distinct_ids, event.distinct_id.to_owned());
            peek::push(&mut seen.events, event.event.to_owned());
        }
    }
    Some(Box::new(About { agent: receipt.agent.to_string(), client_ip: receipt.client_address.to_string(), seen }))
}

/// Notes a request that was taken.
pub(crate) fn taken(state: &CaptureState, position: Option<JournalPosition>, receipt: Option<Receipt>, remarks: Vec<Remark>) {
    let Some(recorder) = &state.recorder else { return };
    if let (Some(receipt), Some(position)) = (receipt, position) {
        recorder.received(Receipt { position, ..receipt });
    }
    remarks.into_iter().for_each(|remark| recorder.remark(remark));
}

/// Events of a request that was taken, which have the same remark: left out, or with another time.
#[derive(Debug)]
pub(crate) struct Notes<'a> {
    recorder: Option<&'a Recorder>,
    arrival: &'a Arrival,
    token: &'a str,
    remarks: Vec<Remark>,
}

/// An event, for a remark.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noted<'a> {
    pub(crate) uuid: Option<Uuid>,
    pub(crate) event: &'a str,
    pub(crate) distinct_id: &'a str,
    pub(crate) detail: &'a str,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(recorder: Option<&'a Recorder>, arrival: &'a Arrival, token: &'a str) -> Self {
        Self { recorder, arrival, token, remarks: Vec::new() }
    }

    pub(crate) fn left_out(&mut self, verdict: Verdict, event: Noted<'_>) {
        self.note(What::Verdict(verdict), event);
    }

    pub(crate) fn moved(&mut self, fault: Option<TimeFault>, event: Noted<'_>) {
        if let Some(fault) = fault {
            self.note(What::Moved(fault), event);
        }
    }

    fn note(&mut self, what: What, event: Noted<'_>) {
        let place = match self.remarks.iter().position(|remark| remark.what == what) {
            Some(place) => place,
            None => {
                if !self.recorder.is_some_and(|recorder| recorder.wants(what, &self.arrival.client_ip)) {
                    return;
                }
                self.remarks.push(self.empty(what, event.detail));
                self.remarks.len() - 1
            }
        };
        let remark = &mut self.remarks[place];
        if let Some(uuid) = event.uuid {
            peek::push(&mut remark.uuids, uuid);
        }
        for (list, text) in [(&mut remark.distinct_ids, event.distinct_id), (&mut remark.events, event.event)] {
            if !text.is_empty() {
                peek::push(list, text.chars().take(200).collect());
            }
        }
    }

    fn empty(&self, what: What, detail: &str) -> Remark {
        Remark {
            number: 0,
            at: self.arrival.received_at,
            project: ProjectId(0),
            what,
            status: 0,
            token: self.token.to_owned(),
            path: self.arrival.path.to_owned(),
            agent: agent_of(&self.arrival.parts),
            client_address: self.arrival.client_ip.clone(),
            detail: detail.to_owned(),
            uuids: Vec::new(),
            distinct_ids: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The receipt of the request, if it has `records`, and all remarks.
    pub(crate) fn finish(self, records: &Records, left_out: u32) -> (Option<Receipt>, Vec<Remark>) {
        let receipt = self.recorder.filter(|_| records.events > 0).map(|_| self.receipt(records, left_out));
        (receipt, self.remarks)
    }

    fn receipt(&self, records: &Records, left_out: u32) -> Receipt {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Receipt {
            received_at: self.arrival.received_at,
            token: self.token.into(),
            path: self.arrival.path.into(),
            agent: agent_of(&self.arrival.parts).into(),
            client_address: self.arrival.client_ip.as_str().into(),
            events: count(records.events),
            left_out,
            position: JournalPosition(0),
            records: count(records.payloads.len()),
        }
    }
}
