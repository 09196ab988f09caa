//! A block of a run: up to 170 arrivals in order of key, in 4096 bytes.
//!
//! # Layout, version 1 (little-endian)
//!
//! | offset | field | why |
//! |---|---|---|
//! | 0 | u32 crc32c of: u64 id of the run, u32 number of the block, the bytes from 4 on | a block that lies elsewhere does not pass |
//! | 4 | u32 arrivals | 1 to 170 |
//! | 8 | u128 key of each | in order, searched without reading the times |
//! | 2728 | i64 µs of each | when its request was received |

use super::rule::{Seen, SeenRule};
use aqueduct_event::UnixMicros;

pub(crate) const BLOCK_BYTES: usize = 4096;
pub(crate) const ARRIVALS_MAX: usize = 170;
const KEYS_AT: usize = 8;
const TIMES_AT: usize = KEYS_AT + ARRIVALS_MAX * 16;
const _: () = assert!(TIMES_AT + ARRIVALS_MAX * 8 <= BLOCK_BYTES, "a full block fits");

fn crc(run: u64, number: u32, bytes: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&run.to_le_bytes()), &number.to_le_bytes());
    crc32c::crc32c_append(place, &bytes[4..])
}

/// Appends the block of some arrivals, which are in order.
pub(crate) fn encode(run: u64, number: u32, seen: &[Seen], out: &mut Vec<u8>) {
    let mut bytes = [0; BLOCK_BYTES];
    bytes[4..8].copy_from_slice(&(seen.len() as u32).to_le_bytes());
    for (place, seen) in seen.iter().enumerate() {
        bytes[KEYS_AT + place * 16..][..16].copy_from_slice(&seen.key.to_le_bytes());
        bytes[TIMES_AT + place * 8..][..8].copy_from_slice(&seen.received_at.0.to_le_bytes());
    }
    let crc = crc(run, number, &bytes);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// A block whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    bytes: &'a [u8; BLOCK_BYTES],
    len: usize,
}

impl<'a> Block<'a> {
    /// `None` when the bytes are not that block.
    pub(crate) fn decode(run: u64, number: u32, bytes: &'a [u8]) -> Option<Self> {
        let bytes: &[u8; BLOCK_BYTES] = bytes.try_into().ok()?;
        let found = u32::from_le_bytes(*bytes.first_chunk()?);
        let len = u32::from_le_bytes(bytes[4..8].try_into().ok()?) as usize;
        (found == crc(run, number, bytes) && (1..=ARRIVALS_MAX).contains(&len)).then_some(Self { bytes, len })
    }

    fn key(&self, place: usize) -> u128 {
        let mut key = [0; 16];
        key.copy_from_slice(&self.bytes[KEYS_AT + place * 16..][..16]);
        u128::from_le_bytes(key)
    }

    fn received_at(&self, place: usize) -> UnixMicros {
        let mut time = [0; 8];
        time.copy_from_slice(&self.bytes[TIMES_AT + place * 8..][..8]);
        UnixMicros(i64::from_le_bytes(time))
    }

    /// All arrivals, in order.
    pub(crate) fn arrivals(self) -> impl Iterator<Item = Seen> + 'a {
        (0..self.len).map(move |place| Seen { key: self.key(place), received_at: self.received_at(place) })
    }

    /// An arrival of the same event within the window.
    pub(crate) fn find(&self, rule: &SeenRule, again: &Seen) -> Option<UnixMicros> {
        let (mut from, mut to) = (0, self.len);
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.key(middle) < again.key { from = middle + 1 } else { to = middle }
        }
        let same = (from..self.len).take_while(|place| self.key(*place) == again.key);
        same.map(|place| self.received_at(place)).find(|stored| rule.covers(*stored, again.received_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn arrivals(count: u128) -> Vec<Seen> {
        (0..count).map(|number| Seen { key: number << 70, received_at: UnixMicros(number as i64 - 5) }).collect()
    }

    #[test]
    fn comes_back_as_it_went_in() {
        for count in [1, 2, 170] {
            let mut bytes = Vec::new();
            encode(7, 3, &arrivals(count), &mut bytes);
            let block = Block::decode(7, 3, &bytes).expect("undamaged");
            assert!(block.arrivals().eq(arrivals(count)));
            let rule = SeenRule::new(0, Duration::from_micros(1));
            for seen in arrivals(count) {
                assert_eq!(block.find(&rule, &seen), Some(seen.received_at));
                assert_eq!(block.find(&rule, &Seen { received_at: UnixMicros(seen.received_at.0 + 2), ..seen }), None);
                assert_eq!(block.find(&rule, &Seen { key: seen.key + 1, ..seen }), None);
            }
        }
    }

    #[test]
    fn every_flipped_byte_and_every_other_place_is_found() {
        let mut bytes = Vec::new();
        encode(7, 3, &arrivals(170), &mut bytes);
        assert!(Block::decode(7, 4, &bytes).is_none() && Block::decode(8, 3, &bytes).is_none());
        for at in 0..BLOCK_BYTES {
            bytes[at] ^= 4;
            assert!(Block::decode(7, 3, &bytes).is_none(), "byte {at}");
            bytes[at] ^= 4;
        }
    }
}
