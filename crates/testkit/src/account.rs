//! The ledger under simulation: what the edge tells the account is noted beside it, and the account's figures are compared with what there must be.
//!
//! In: what the edge told of each request ([`Notes`]), the records of the journal, the [`Model`]. Out: the first figure that is wrong.
//!
//! # Invariants checked
//! - *Received is the sum of fates*, per project and day of receipt, with residue 0, at every moment and over every crash.
//! - Each event of a request that is not in the journal is told to the account once ([`told`]).
//! - What was saved is there after a crash, and nothing is there twice: the edge's figures are those of a save that succeeded, or of one after it whose outcome
//!   nobody knew.

use crate::messages::Message;
use crate::model::{Model, project_of};
use crate::server::PARTITION;
use aqueduct_event::record::Receipt;
use aqueduct_event::{JournalPosition, Minute, PartitionId, Verdict};
use aqueduct_ledger::account::{BookError, Figures, Interval, Report};
use aqueduct_ledger::{Account, Content, Edge, Fates, Refused};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// All minutes.
pub(crate) const EVER: RangeInclusive<Minute> = Minute(0)..=Minute(u32::MAX);

/// Day of receipt, project, figure.
type Line = (String, u32, String);

/// Figures that are not 0.
pub(crate) type Tally = BTreeMap<Line, i64>;

fn day_of(minute: Minute) -> String {
    Minute(minute.0 - minute.0 % (24 * 60)).start().to_rfc3339()
}

/// What the edge told of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfRequest {
    refused: u32,
    dropped: u32,
    /// How often that nobody knows how many events there were.
    unreadable: u32,
}

/// What the edge told, in all lives of the server. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    life: u64,
    /// What the account of this life must have.
    now: Tally,
    /// What was saved last.
    saved: Tally,
    /// Up to where the records were counted then.
    saved_at: JournalPosition,
    /// Later saves, of which nobody knows whether they became durable.
    perhaps: Vec<Tally>,
    /// Request that is worked on.
    polled: Option<u64>,
    of_requests: BTreeMap<u64, OfRequest>,
    /// Events told of in all lives, whether a crash has forgotten them or not.
    events: u64,
}

impl Notes {
    /// A new life begins with what an account has that was just opened; wrong when that is no state that was saved.
    pub(crate) fn begin(&self, account: &Account) -> Result<u64, String> {
        let found = of_edge(account).map_err(|error| error.to_string())?;
        let mut notes = self.0.lock();
        let position = account.position(PARTITION).unwrap_or_default();
        if position < notes.saved_at {
            return Err(format!("the account was saved at {} and stands at {position}", notes.saved_at));
        }
        if found != notes.saved && !notes.perhaps.contains(&found) {
            return Err(format!(
                "after a start the edge's figures are {found:?}; saved were {:?}, perhaps {:?}",
                notes.saved, notes.perhaps
            ));
        }
        notes.life += 1;
        (notes.now, notes.saved) = (found.clone(), found);
        notes.perhaps.clear();
        Ok(notes.life)
    }

    /// What is told until [`Notes::polled`] is about this request.
    pub(crate) fn polling(&self, request: u64) {
        self.0.lock().polled = Some(request);
    }

    pub(crate) fn polled(&self) {
        self.0.lock().polled = None;
    }

    pub(crate) fn take(&self, request: u64) -> OfRequest {
        self.0.lock().of_requests.remove(&request).unwrap_or_default()
    }

    /// Notes a save and how it ended.
    pub(crate) fn saved(&self, is_sure: bool, account: &Account) {
        let notes = &mut *self.0.lock();
        if is_sure {
            notes.saved.clone_from(&notes.now);
            notes.saved_at = account.durable(PARTITION);
            notes.perhaps.clear();
        } else {
            notes.perhaps.push(notes.now.clone());
        }
    }

    pub(crate) fn events(&self) -> u64 {
        self.0.lock().events
    }

    fn now(&self) -> Tally {
        self.0.lock().now.clone()
    }
}

/// The account as the edge sees it, with somebody who listens.
#[derive(Debug)]
pub(crate) struct TappedEdge {
    pub(crate) account: Arc<Account>,
    pub(crate) notes: Notes,
    pub(crate) life: u64,
    pub(crate) projects: u32,
}

impl Edge for TappedEdge {
    fn refused(&self, refused: &Refused<'_>) {
        self.account.refused(refused);
        let notes = &mut *self.notes.0.lock();
        let of_request = notes.polled.map(|request| notes.of_requests.entry(request).or_default());
        let reason = refused.verdict.reason();
        let lines = match refused.content {
            Content::Events(events) => [(refused.verdict.to_string(), i64::from(events)), (String::new(), 0)],
            Content::Unreadable => [(format!("unreadable:{reason}"), 1), (String::new(), 0)],
            Content::Unread { bytes } => [(format!("unread:{reason}"), 1), (format!("unread_bytes:{reason}"), bytes as i64)],
        };
        if let Some(of_request) = of_request {
            match (refused.content, refused.verdict) {
                (Content::Events(events), Verdict::Dropped(_)) => of_request.dropped += events,
                (Content::Events(events), _) => of_request.refused += events,
                _ => of_request.unreadable += 1,
            }
        }
        if let Content::Events(events) = refused.content {
            notes.events += u64::from(events);
        }
        // What a process left behind tells nobody any more.
        for (kind, count) in lines.into_iter().filter(|(_, count)| notes.life == self.life && *count > 0) {
            let project = project_of(refused.token, self.projects).unwrap_or_default();
            *notes.now.entry((day_of(Minute::of(refused.received_at)), project, kind)).or_default() += count;
        }
    }

    fn acknowledged(&self, partition: PartitionId, position: JournalPosition, events: u32) {
        self.account.acknowledged(partition, position, events);
    }
}

/// The figures of what ended at the edge, as the account has them.
fn of_edge(account: &Account) -> Result<Tally, BookError> {
    let report = account.report(EVER, Interval::Day, None, &Fates::default())?;
    let mut tally = flat(&report);
    tally.retain(|(_, _, what), _| ["refused:", "dropped:", "unread"].iter().any(|kind| what.starts_with(kind)));
    Ok(tally)
}

fn flat(report: &Report) -> Tally {
    let mut tally = Tally::new();
    for row in &report.rows {
        let Figures { received, accepted, visible, in_flight, duplicate, residue, .. } = row.figures;
        let mut put = |what: String, count: i64| {
            if count != 0 {
                tally.insert((row.start.clone(), row.project.0, what), count);
            }
        };
        let plain = [
            ("received", received),
            ("accepted", accepted),
            ("visible", visible),
            ("in_flight", in_flight),
            ("duplicate", duplicate),
            ("residue", residue),
        ];
        plain.into_iter().for_each(|(what, count)| put(what.to_owned(), count));
        let by_reason = [
            ("refused", &row.figures.refused),
            ("dropped", &row.figures.dropped),
            ("dead_lettered", &row.figures.dead_lettered),
            ("unreadable", &row.figures.unreadable_requests),
            ("unread", &row.figures.unread_requests),
            ("unread_bytes", &row.figures.unread_bytes),
        ];
        for (kind, reasons) in by_reason {
            reasons.iter().for_each(|(reason, count)| put(format!("{kind}:{reason}"), *count));
        }
    }
    tally
}

/// What the account must say when the store stands at `position` and the journal holds `records` up to its end.
fn expected(model: &Model, records: &[(u64, Bytes)], position: JournalPosition, projects: u32, of_edge: Tally) -> Tally {
    let mut tally = of_edge;
    let ended: Vec<_> = tally.iter().filter(|((_, _, what), _)| !what.starts_with("unread")).collect();
    let mut sums: Vec<(Line, i64)> =
        ended.into_iter().map(|((day, project, _), count)| ((day.clone(), *project, "received".to_owned()), *count)).collect();
    for (at, payload) in records {
        let (day, project, events) = match Receipt::read(payload) {
            Receipt::Batch(head) => (Minute::of(head.received_at), project_of(head.token, projects).unwrap_or_default(), head.events),
            Receipt::Unreadable => (Minute(0), 0, 1),
            Receipt::Replay | Receipt::Command => continue,
        };
        let mut add = |what: &str| sums.push(((day_of(day), project, what.to_owned()), i64::from(events)));
        add("received");
        add("accepted");
        if *at >= position.0 {
            add("in_flight");
        }
    }
    for ((minute, project, verdict), events) in &model.tally {
        sums.push(((day_of(*minute), *project, verdict.to_string()), *events));
    }
    for (line, count) in sums {
        *tally.entry(line).or_default() += count;
    }
    tally.retain(|_, count| *count != 0);
    tally
}

/// Compares the account with what there must be.
///
/// # Errors
/// What differs.
pub(crate) fn figures(
    report: &Report,
    model: &Model,
    records: &[(u64, Bytes)],
    position: JournalPosition,
    projects: u32,
    notes: &Notes,
) -> Result<(), String> {
    let (found, expected) = (flat(report), expected(model, records, position, projects, notes.now()));
    let differs = |line: &&Line| found.get(*line) != expected.get(*line);
    let wrong: Vec<String> = found
        .keys()
        .chain(expected.keys().filter(|line| !found.contains_key(*line)))
        .filter(differs)
        .map(|line| {
            let count = |tally: &Tally| tally.get(line).copied().unwrap_or_default();
            format!("{} project {} {}: {}, expected {}", line.0, line.1, line.2, count(&found), count(&expected))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(format!("the ledger at {position}: {}", wrong.join("; ")));
    }
    let figures = &report.total;
    let ended: i64 = figures.refused.values().chain(figures.dropped.values()).chain(figures.dead_lettered.values()).sum();
    let fates = figures.visible + figures.in_flight + figures.duplicate + ended;
    if figures.received != fates {
        return Err(format!("the ledger at {position}: received {} is not the sum of fates {fates}", figures.received));
    }
    Ok(())
}

/// Compares what the edge told of a request with its answer; how many of its events cannot be accounted for now: the journal tells later. `is_open`: whether
/// that may be so, since the journal is poisoned or its answer was not waited for.
///
/// # Errors
/// What differs.
pub(crate) fn told(message: &Message, status: u16, told: OfRequest, is_open: bool) -> Result<u32, String> {
    let OfRequest { refused, dropped, unreadable } = told;
    let (is_right, open) = match status {
        200 => (refused == 0 && unreadable == 0 && dropped == message.left_out, 0),
        400..500 if message.is_cut => ((refused, dropped, unreadable) == (0, 0, 1), 0),
        400..500 => ((refused, dropped, unreadable) == (message.total, 0, 0), 0),
        _ if unreadable > 0 => ((refused, dropped, unreadable) == (0, 0, 1), 0),
        _ if !is_open => (refused + dropped == message.total, 0),
        _ => (refused + dropped <= message.total, message.total - (refused + dropped).min(message.total)),
    };
    if is_right {
        Ok(open)
    } else {
        Err(format!("of a request with {} events, answered {status}, the ledger was told {told:?}", message.total))
    }
}

impl OfRequest {
    pub(crate) fn is_unreadable(self) -> bool {
        self.unreadable > 0
    }
}

/// How many events of clients are where: each that was sent is in the journal, was told of as ended, or nobody could know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conservation {
    /// In requests that reached the edge.
    pub(crate) sent: u64,
    /// In requests that could not be read.
    pub(crate) unreadable: u64,
    /// In requests that were given up, or ended with their process: they may be anywhere, or nowhere.
    pub(crate) uncertain: u64,
}

impl Conservation {
    /// With those that came another way.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { sent: self.sent + other.sent, unreadable: self.unreadable + other.unreadable, uncertain: self.uncertain + other.uncertain }
    }

    /// # Errors
    /// When events came out of nothing, or went into it.
    pub(crate) fn check(&self, records: &[(u64, Bytes)], notes: &Notes) -> Result<(), String> {
        let of_record = |payload: &Bytes| match Receipt::read(payload) {
            Receipt::Batch(head) => u64::from(head.events),
            Receipt::Unreadable => 1,
            Receipt::Replay | Receipt::Command => 0,
        };
        let accepted: u64 = records.iter().map(|(_, payload)| of_record(payload)).sum();
        let found = accepted + notes.events() + self.unreadable;
        if found > self.sent || found + self.uncertain < self.sent {
            let ended = notes.events();
            return Err(format!("{self:?}, but {accepted} events are in the journal and {ended} ended at the edge"));
        }
        Ok(())
    }
}
