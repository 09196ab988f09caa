//! Metrics of the account.

use super::balance::{Health, State};
use super::{Counts, Line};
use crate::edge::Content;
use aqueduct_event::Verdict;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const ACCEPTED: &str = "aqueduct_ledger_accepted_events";
const IN_FLIGHT: &str = "aqueduct_ledger_in_flight_events";
const RESIDUE: &str = "aqueduct_ledger_residue_events";
const MISSING: &str = "aqueduct_ledger_missing_events";
const PAYLOADS_LOST: &str = "aqueduct_ledger_lost_payload_events";
const ALARM: &str = "aqueduct_ledger_alarm";
const LETTER_BYTES: &str = "aqueduct_ledger_dead_letters_bytes";
const REFUSED: &str = "aqueduct_ledger_refused_events_total";
const UNREADABLE: &str = "aqueduct_ledger_unreadable_requests_total";
const UNREAD: &str = "aqueduct_ledger_unread_requests_total";
const UNREAD_BYTES: &str = "aqueduct_ledger_unread_bytes_total";

pub(super) fn describe() {
    describe_gauge!(ACCEPTED, Unit::Count, "events of all time that the journal took and the store has seen");
    describe_gauge!(IN_FLIGHT, Unit::Count, "events in the journal that are not visible yet");
    describe_gauge!(RESIDUE, Unit::Count, "events without a fate, or below 0 with more than one; anything but 0 is a fault");
    describe_gauge!(MISSING, Unit::Count, "events that were acknowledged and are not in the journal; anything but 0 is a fault");
    describe_gauge!(PAYLOADS_LOST, Unit::Count, "events of all time whose dead letter found no room, so that what was in them is lost");
    describe_gauge!(ALARM, Unit::Count, "1 while the ledger does not balance, or since a payload was lost");
    describe_gauge!(LETTER_BYTES, Unit::Bytes, "bytes of dead letters");
    describe_counter!(REFUSED, Unit::Count, "events that ended at the edge, by verdict and reason");
    describe_counter!(UNREAD, Unit::Count, "requests that were refused by their heads alone, by reason");
    describe_counter!(UNREAD_BYTES, Unit::Bytes, "bodies of such requests, as announced, by reason");
    describe_counter!(UNREADABLE, Unit::Count, "refused requests whose events could not be counted, by reason");
}

pub(super) fn stands(counts: &Counts, health: &Health, letter_bytes: u64) {
    let accepted: i64 = counts.totals.iter().filter(|((_, line), _)| *line == Line::Accepted).map(|(_, events)| events).sum();
    let in_flight: u64 = counts.ahead.iter().map(|ahead| u64::from(ahead.events)).sum();
    gauge!(ACCEPTED).set(accepted as f64);
    gauge!(IN_FLIGHT).set(in_flight as f64);
    gauge!(RESIDUE).set(health.residue as f64);
    gauge!(MISSING).set(health.missing as f64);
    gauge!(PAYLOADS_LOST).set(health.payloads_lost as f64);
    gauge!(ALARM).set(f64::from(u8::from(health.state == State::Alarm)));
    gauge!(LETTER_BYTES).set(letter_bytes as f64);
}

pub(super) fn refused(verdict: Verdict, content: Content) {
    match content {
        Content::Events(events) => {
            counter!(REFUSED, "verdict" => verdict.kind(), "reason" => verdict.reason()).increment(u64::from(events))
        }
        Content::Unreadable => counter!(UNREADABLE, "reason" => verdict.reason()).increment(1),
        Content::Unread { bytes } => {
            counter!(UNREAD, "reason" => verdict.reason()).increment(1);
            counter!(UNREAD_BYTES, "reason" => verdict.reason()).increment(bytes);
        }
    }
}
