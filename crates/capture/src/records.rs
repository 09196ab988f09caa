//! From checked events to the records of the journal.
//!
//! # Invariants
//! - The events of all records together are those given, in their order.
//! - A record has one client address and at most [`RECORD_BYTES_MAX`] bytes.

use aqueduct_event::limits::RECORD_BYTES_MAX;
use aqueduct_event::{RawBatch, RawEvent, UnixMicros};
use bytes::Bytes;
use std::hash::{DefaultHasher, Hasher};

/// Where events of the server itself come from.
pub(crate) const INTERNAL_IP: &str = "127.0.0.1";
/// Bytes of a record that are not events: facts of the request, each of them cut far below this.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Facts of a request that all its events share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) token: &'a str,
    pub(crate) received_at: UnixMicros,
    pub(crate) sent_at: Option<UnixMicros>,
    pub(crate) historical: bool,
    pub(crate) client_ip: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) path: &'a str,
}

/// An event and whether it is the server's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) event: RawEvent<'a>,
    pub(crate) internal: bool,
}

/// What is to be made durable for one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// Encoded batches, in order.
    pub(crate) payloads: Vec<Bytes>,
    /// Orders these records among those of the same sender.
    pub(crate) key: u64,
    /// How many events they hold.
    pub(crate) events: usize,
    /// The project's token.
    pub(crate) token: String,
    pub(crate) historical: bool,
    /// All events have the same distinct id, so `key` is theirs alone.
    pub(crate) one_sender: bool,
}

impl Records {
    /// Bytes of all records.
    pub(crate) fn bytes(&self) -> u64 {
        self.payloads.iter().map(|payload| payload.len() as u64).sum()
    }
}

/// Encodes the events into as few records as the limits allow.
pub(crate) fn encode(envelope: &Envelope<'_>, events: &[Admitted<'_>]) -> Records {
    let first = events.first().map_or("", |first| first.event.distinct_id);
    let mut records = Records {
        payloads: Vec::with_capacity(1),
        key: order_key(envelope.token, first),
        events: events.len(),
        token: envelope.token.to_owned(),
        historical: envelope.historical,
        one_sender: events.iter().all(|admitted| admitted.event.distinct_id == first),
    };
    let mut rest = events;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(record_len(rest));
        rest = later;
        let batch = RawBatch {
            token: envelope.token,
            received_at: envelope.received_at,
            sent_at: envelope.sent_at,
            historical: envelope.historical,
            client_ip: if now[0].internal { INTERNAL_IP } else { envelope.client_ip },
            user_agent: envelope.user_agent,
            path: envelope.path,
            events: now.iter().map(|admitted| admitted.event).collect(),
        };
        records.payloads.push(batch.encode().into());
    }
    records
}

/// How many events from the start go into one record: at least one.
fn record_len(events: &[Admitted<'_>]) -> usize {
    let mut bytes = HEAD_BYTES_MAX;
    let fits = |admitted: &&Admitted<'_>| {
        bytes += admitted.event.encoded_len();
        bytes <= RECORD_BYTES_MAX && admitted.internal == events[0].internal
    };
    events.iter().take_while(fits).count().max(1)
}

fn order_key(token: &str, distinct_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(token.as_bytes());
    hasher.write(distinct_id.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn event(properties: &str, internal: bool) -> Admitted<'_> {
        let event = RawEvent {
            uuid: Uuid::nil(),
            timestamp: UnixMicros(0),
            event: "e",
            distinct_id: "d",
            cookieless: false,
            properties,
            set: "",
            set_once: "",
            unset: "",
        };
        Admitted { event, internal }
    }

    const ENVELOPE: Envelope<'static> = Envelope {
        token: "t",
        received_at: UnixMicros(1),
        sent_at: None,
        historical: false,
        client_ip: "10.0.0.1",
        user_agent: "",
        path: "/batch",
    };

    fn shape(events: &[Admitted<'_>]) -> Vec<(String, usize)> {
        let records = encode(&ENVELOPE, events);
        assert_eq!(records.events, events.len());
        let batches = records.payloads.iter().map(|payload| {
            assert!(payload.len() <= RECORD_BYTES_MAX);
            let batch = RawBatch::decode(payload).expect("a batch");
            (batch.client_ip.to_owned(), batch.events.len())
        });
        batches.collect()
    }

    #[test]
    fn one_record_for_a_usual_request() {
        assert_eq!(shape(&[event("{}", false), event("{}", false)]), [("10.0.0.1".to_owned(), 2)]);
    }

    #[test]
    fn internal_events_get_records_of_their_own() {
        let events = [event("{}", false), event("{}", true), event("{}", true), event("{}", false)];
        let own = || "127.0.0.1".to_owned();
        let other = || "10.0.0.1".to_owned();
        assert_eq!(shape(&events), [(other(), 1), (own(), 2), (other(), 1)]);
    }

    #[test]
    fn large_requests_are_split_below_the_limit() {
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(990_000));
        let events = vec![event(&large, false); 40];
        let shape = shape(&events);
        assert_eq!(shape.iter().map(|(_, count)| count).sum::<usize>(), 40);
        assert!(shape.len() == 3, "{shape:?}");
    }
}
