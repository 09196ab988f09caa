//! # Raw batch, version 1 (little-endian)
//!
//! What one accepted request leaves in the journal: facts of the request once, then its events with their JSON untouched.
//!
//! | field | type | why |
//! |---|---|---|
//! | version | u8 = 1 | an old binary refuses instead of guessing |
//! | flags | u8 | bit 0: historical import; bit 1: `sent_at` present; others 0 |
//! | received_at | i64 µs | when the last byte of the request had arrived: PostHog's `now` |
//! | sent_at | i64 µs | the sender's clock; 0 when absent |
//! | token, client_ip, user_agent, path | text | `u32` length, then UTF-8 |
//! | count | u32 | number of events |
//! | per event: uuid | 16 bytes | |
//! | timestamp | i64 µs | corrected for skew, offset and the future (ingestion semantics, section 3) |
//! | event flags | u8 | bit 0: cookieless mode |
//! | event, distinct_id | text | cleaned and cut |
//! | properties, set, set_once, unset | text | JSON exactly as sent; empty when absent |
//!
//! Integrity (length, checksum) is the journal's; this layout only has to be read back and to refuse what it does not know.

use crate::time::UnixMicros;
use thiserror::Error;
use uuid::Uuid;

const VERSION: u8 = 1;
const HISTORICAL: u8 = 1;
const SENT_AT: u8 = 2;
const COOKIELESS: u8 = 1;

/// One accepted request, borrowed from its bytes (when sent) or from the journal's record (when read back).
#[derive(Clone, Debug, PartialEq)]
pub struct RawBatch<'a> {
    /// Project token as sent, trimmed. Whether a project has it is found out in `process`.
    pub token: &'a str,
    /// When the request had arrived.
    pub received_at: UnixMicros,
    /// The sender's clock at sending, when told.
    pub sent_at: Option<UnixMicros>,
    /// Whether the sender marked this as an import of old events.
    pub historical: bool,
    /// Address of the client as text; empty when unknown.
    pub client_ip: &'a str,
    /// `User-Agent`, cut; empty when absent.
    pub user_agent: &'a str,
    /// The route that took the request, without a trailing slash.
    pub path: &'a str,
    /// The events in the order sent; at least one.
    pub events: Vec<RawEvent<'a>>,
}

/// One event of a [`RawBatch`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawEvent<'a> {
    /// The sender's id of the event, or one made at receipt.
    pub uuid: Uuid,
    /// When it happened, corrected.
    pub timestamp: UnixMicros,
    /// Event name, not empty, at most [`crate::limits::EVENT_NAME_CHARS_MAX`] characters.
    pub event: &'a str,
    /// Who did it, not empty, at most [`crate::limits::DISTINCT_ID_CHARS_MAX`] characters.
    pub distinct_id: &'a str,
    /// `$cookieless_mode` was true.
    pub cookieless: bool,
    /// The `properties` object as JSON; empty when absent.
    pub properties: &'a str,
    /// `$set` at the root of the event as JSON; empty when absent.
    pub set: &'a str,
    /// `$set_once` at the root; empty when absent.
    pub set_once: &'a str,
    /// `$unset` at the root; empty when absent.
    pub unset: &'a str,
}

/// What stands before the events of a raw batch, as far as others than `process` need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawHead<'a> {
    /// Project token.
    pub token: &'a str,
    /// When the request had arrived.
    pub received_at: UnixMicros,
    /// How many events follow.
    pub events: u32,
}

impl<'a> RawHead<'a> {
    /// Reads the head alone; `None` when it is none. The events may be broken all the same.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.take::<2>().ok()?[0] != VERSION {
            return None;
        }
        let received_at = UnixMicros(i64::from_le_bytes(reader.take().ok()?));
        let _sent_at = reader.take::<8>().ok()?;
        let token = reader.text().ok()?;
        for _ in 0..3 {
            let len = reader.len().ok()?;
            reader.slice(len).ok()?;
        }
        Some(Self { token, received_at, events: u32::from_le_bytes(reader.take().ok()?) })
    }
}

/// Why bytes are not a raw batch.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RawBatchError {
    /// Written by a newer program, or not a batch at all.
    #[error("raw batch has version {found}, this program reads version {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// A field reaches past the end.
    #[error("raw batch ends at byte {at} inside a field of {expected} bytes")]
    Short {
        /// Where the field begins.
        at: usize,
        /// How long it should be.
        expected: usize,
    },
    /// A text is not UTF-8.
    #[error("raw batch holds text at byte {at} that is not UTF-8")]
    Text {
        /// Where the text begins.
        at: usize,
    },
    /// Bytes follow the last event.
    #[error("raw batch has {extra} bytes after its last event")]
    Trailing {
        /// How many.
        extra: usize,
    },
}

impl<'a> RawBatch<'a> {
    /// The batch as bytes of version 1.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body: usize = self.events.iter().map(RawEvent::encoded_len).sum();
        let head = 40 + self.token.len() + self.client_ip.len() + self.user_agent.len() + self.path.len();
        let mut out = Vec::with_capacity(head + body);
        out.push(VERSION);
        let sent_at = if self.sent_at.is_some() { SENT_AT } else { 0 };
        out.push((u8::from(self.historical) * HISTORICAL) | sent_at);
        out.extend_from_slice(&self.received_at.0.to_le_bytes());
        out.extend_from_slice(&self.sent_at.unwrap_or_default().0.to_le_bytes());
        for text in [self.token, self.client_ip, self.user_agent, self.path] {
            put_text(&mut out, text);
        }
        put_len(&mut out, self.events.len());
        for event in &self.events {
            event.encode(&mut out);
        }
        out
    }

    /// Reads a batch back, borrowing its texts from `bytes`.
    ///
    /// # Errors
    /// [`RawBatchError`] when `bytes` are not exactly one batch of a known version.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RawBatchError> {
        let mut reader = Reader::new(bytes);
        let version = reader.take::<1>()?[0];
        if version != VERSION {
            return Err(RawBatchError::Version { found: version });
        }
        let flags = reader.take::<1>()?[0];
        let received_at = UnixMicros(i64::from_le_bytes(reader.take()?));
        let sent_at = UnixMicros(i64::from_le_bytes(reader.take()?));
        let (token, client_ip, user_agent, path) = (reader.text()?, reader.text()?, reader.text()?, reader.text()?);
        let count = reader.len()?;
        // A damaged count must not reserve memory: an event is never shorter than its fixed fields.
        let mut events = Vec::with_capacity(count.min(bytes.len() / RawEvent::FIXED_BYTES + 1));
        for _ in 0..count {
            events.push(RawEvent::decode(&mut reader)?);
        }
        reader.finish()?;
        let sent_at = (flags & SENT_AT != 0).then_some(sent_at);
        Ok(Self { token, received_at, sent_at, historical: flags & HISTORICAL != 0, client_ip, user_agent, path, events })
    }
}

impl<'a> RawEvent<'a> {
    const FIXED_BYTES: usize = 16 + 8 + 1 + 6 * 4;

    /// Bytes that this event takes in a batch.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        Self::FIXED_BYTES + self.texts().iter().map(|text| text.len()).sum::<usize>()
    }

    fn texts(&self) -> [&'a str; 6] {
        [self.event, self.distinct_id, self.properties, self.set, self.set_once, self.unset]
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.uuid.as_bytes());
        out.extend_from_slice(&self.timestamp.0.to_le_bytes());
        out.push(u8::from(self.cookieless) * COOKIELESS);
        for text in self.texts() {
            put_text(out, text);
        }
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, RawBatchError> {
        let uuid = Uuid::from_bytes(reader.take()?);
        let timestamp = UnixMicros(i64::from_le_bytes(reader.take()?));
        let cookieless = reader.take::<1>()?[0] & COOKIELESS != 0;
        Ok(Self {
            uuid,
            timestamp,
            cookieless,
            event: reader.text()?,
            distinct_id: reader.text()?,
            properties: reader.text()?,
            set: reader.text()?,
            set_once: reader.text()?,
            unset: reader.text()?,
        })
    }
}

pub(crate) fn put_len(out: &mut Vec<u8>, len: usize) {
    // INVARIANT: requests are capped far below 4 GiB (limits::BODY_DECODED_BYTES_MAX), so a length always fits.
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Reads fields one after the other.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), RawBatchError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            extra => Err(RawBatchError::Trailing { extra }),
        }
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], RawBatchError> {
        let at = self.at;
        let end = at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(RawBatchError::Short { at, expected: len })?;
        self.at = end;
        Ok(&self.bytes[at..end])
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], RawBatchError> {
        let at = self.at;
        self.slice(N)?.try_into().map_err(|_| RawBatchError::Short { at, expected: N })
    }

    pub(crate) fn len(&mut self) -> Result<usize, RawBatchError> {
        Ok(u32::from_le_bytes(self.take()?) as usize)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, RawBatchError> {
        let len = self.len()?;
        let at = self.at;
        std::str::from_utf8(self.slice(len)?).map_err(|_| RawBatchError::Text { at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> RawBatch<'static> {
        let event = RawEvent {
            uuid: Uuid::from_u128(7),
            timestamp: UnixMicros(1_700_000_000_000_001),
            event: "$pageview",
            distinct_id: "ann",
            cookieless: false,
            properties: r#"{"a":1}"#,
            set: r#"{"plan":"pro"}"#,
            set_once: "",
            unset: "",
        };
        RawBatch {
            token: "phc_x",
            received_at: UnixMicros(1),
            sent_at: Some(UnixMicros(-2)),
            historical: true,
            client_ip: "127.0.0.1",
            user_agent: "posthog-node/5",
            path: "/batch",
            events: vec![event, RawEvent { cookieless: true, distinct_id: "bób", ..event }],
        }
    }

    #[test]
    fn comes_back_as_it_went_in() {
        let bytes = batch().encode();
        assert_eq!(RawBatch::decode(&bytes), Ok(batch()));
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = batch().encode();
        for cut in 0..bytes.len() {
            assert!(RawBatch::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn extra_bytes_and_newer_versions_are_refused() {
        let mut bytes = batch().encode();
        bytes.push(0);
        assert_eq!(RawBatch::decode(&bytes), Err(RawBatchError::Trailing { extra: 1 }));
        bytes[0] = 2;
        assert_eq!(RawBatch::decode(&bytes), Err(RawBatchError::Version { found: 2 }));
    }
}
