//! Receipts: one small record for each request that was accepted. With the time of receipt, which each row of the store carries, a row finds its request again.
//!
//! # Payload of a block, version 1
//! Numbers are variable in length (`varint.rs`).
//!
//! | field | why |
//! |---|---|
//! | number of texts, then the texts | tokens, paths, user agents and addresses repeat: each stands once in a block |
//! | per receipt: time of receipt, µs, as difference to the one before | |
//! | token, path, user agent, address: places in the texts | |
//! | events; events dropped by rule at the edge | |
//! | first position in the journal, as difference to the one before; number of records | |

use super::varint::{put, put_signed, put_text, take, take_signed, take_text};
use aqueduct_event::{JournalPosition, UnixMicros};
use std::collections::HashMap;

/// An accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When it had arrived: `created_at` of its events' rows.
    pub received_at: UnixMicros,
    /// The project's token, as sent.
    pub token: Box<str>,
    /// The route.
    pub path: Box<str>,
    /// `User-Agent`, and the name that the SDK gave itself where the protocol has one; empty when absent.
    pub agent: Box<str>,
    /// Address of the client. Cut as configured once it is kept.
    pub client_address: Box<str>,
    /// Events that were made durable.
    pub events: u32,
    /// Events that were left out by a rule or for a fault of their own.
    pub left_out: u32,
    /// Position of its first record in the journal.
    pub position: JournalPosition,
    /// Number of its records, one after the other unless other requests came between.
    pub records: u32,
}

impl Receipt {
    fn texts(&self) -> [&str; 4] {
        [&self.token, &self.path, &self.agent, &self.client_address]
    }
}

/// The payload of a block.
pub(super) fn encode(receipts: &[Receipt]) -> Vec<u8> {
    let mut places: HashMap<&str, u64> = HashMap::new();
    let mut texts = Vec::new();
    let mut records = Vec::new();
    let (mut last_time, mut last_position) = (0_i64, 0_i64);
    for receipt in receipts {
        put_signed(&mut records, receipt.received_at.0.wrapping_sub(last_time));
        last_time = receipt.received_at.0;
        for text in receipt.texts() {
            let place = *places.entry(text).or_insert_with(|| {
                texts.push(text);
                texts.len() as u64 - 1
            });
            put(&mut records, place);
        }
        put(&mut records, u64::from(receipt.events));
        put(&mut records, u64::from(receipt.left_out));
        let position = receipt.position.0.cast_signed();
        put_signed(&mut records, position.wrapping_sub(last_position));
        last_position = position;
        put(&mut records, u64::from(receipt.records));
    }
    let mut out = Vec::with_capacity(records.len() + 64);
    put(&mut out, texts.len() as u64);
    texts.iter().for_each(|text| put_text(&mut out, text));
    out.extend_from_slice(&records);
    out
}

/// The receipts of a payload for which `wanted` holds; it is asked before anything is copied. `None` when it is not one.
pub(super) fn decode(payload: &[u8], count: u32, mut wanted: impl FnMut(UnixMicros, &str) -> bool) -> Option<Vec<Receipt>> {
    let mut rest = payload;
    let texts = (0..take(&mut rest)?).map(|_| take_text(&mut rest)).collect::<Option<Vec<&str>>>()?;
    let text = |rest: &mut &[u8]| texts.get(usize::try_from(take(rest)?).ok()?).copied();
    let (mut time, mut position) = (0_i64, 0_i64);
    let mut found = Vec::new();
    for _ in 0..count {
        time = time.wrapping_add(take_signed(&mut rest)?);
        let [token, path, agent, client_address] = [text(&mut rest)?, text(&mut rest)?, text(&mut rest)?, text(&mut rest)?];
        let (events, left_out) = (u32::try_from(take(&mut rest)?).ok()?, u32::try_from(take(&mut rest)?).ok()?);
        position = position.wrapping_add(take_signed(&mut rest)?);
        let records = u32::try_from(take(&mut rest)?).ok()?;
        if wanted(UnixMicros(time), token) {
            found.push(Receipt {
                received_at: UnixMicros(time),
                token: token.into(),
                path: path.into(),
                agent: agent.into(),
                client_address: client_address.into(),
                events,
                left_out,
                position: JournalPosition(position.cast_unsigned()),
                records,
            });
        }
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
pub(super) fn sample(number: i64) -> Receipt {
    Receipt {
        received_at: UnixMicros(1_700_000_000_000_000 + number * 1_000),
        token: "phc_one".into(),
        path: "/batch".into(),
        agent: format!("posthog-python/7.{}", number % 3).into(),
        client_address: "".into(),
        events: 100,
        left_out: 0,
        position: JournalPosition(number.unsigned_abs() * 2),
        records: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_back_as_they_went_in() {
        let odd = Receipt { received_at: UnixMicros(-5), agent: "".into(), position: JournalPosition(u64::MAX), left_out: 7, ..sample(0) };
        let receipts: Vec<Receipt> = (0..300).map(sample).chain([odd]).collect();
        let payload = encode(&receipts);
        assert!(payload.len() < receipts.len() * 16, "{} bytes each", payload.len() / receipts.len());
        assert_eq!(decode(&payload, 301, |_, _| true), Some(receipts.clone()));
        assert_eq!(decode(&payload, 301, |at, _| at == receipts[7].received_at), Some(vec![receipts[7].clone()]));
        for cut in 0..payload.len() {
            assert_eq!(decode(&payload[..cut], 301, |_, _| true), None, "cut at {cut}");
        }
    }
}
