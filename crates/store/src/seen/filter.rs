//! A blocked Bloom filter: says of most keys that are not there that they are not, with one access to memory.
//!
//! A line is one cache line: eight words of 64 bits. A key belongs to one line and sets one bit in each of its words. Keys are hashes already, so their
//! bits are taken as they come: 0 to 31 choose the line, 32 to 79 the bits.
//!
//! At 12 bits per key about 4 in 1,000 keys that are not there pass; at half of that about 9 in 100.

const WORDS: usize = 8;
pub(crate) const LINE_BYTES: usize = WORDS * 8;
const BITS_PER_KEY: usize = 12;

/// Aligned, so that it lies in one cache line.
#[repr(align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Line([u64; WORDS]);

/// The filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    lines: Vec<Line>,
}

impl Filter {
    /// An empty filter for so many keys.
    pub(crate) fn for_keys(keys: usize) -> Self {
        // An even number, so that it can be halved.
        let lines = (keys * BITS_PER_KEY).div_ceil(LINE_BYTES * 8).next_multiple_of(2).max(2);
        Self { lines: vec![Line::default(); lines] }
    }

    fn line(&self, key: u128) -> usize {
        ((u64::from(key as u32) * self.lines.len() as u64) >> 32) as usize
    }

    fn bit(key: u128, word: usize) -> u64 {
        (key >> (32 + 6 * word)) as u64 & 63
    }

    pub(crate) fn insert(&mut self, key: u128) {
        let line = self.line(key);
        for (word, bits) in self.lines[line].0.iter_mut().enumerate() {
            *bits |= 1 << Self::bit(key, word);
        }
    }

    /// False only when the key was not put in. Without branches, so that the accesses of many keys overlap.
    pub(crate) fn may_hold(&self, key: u128) -> bool {
        let line = &self.lines[self.line(key)].0;
        let set = line.iter().enumerate().fold(1, |set, (word, bits)| set & (bits >> Self::bit(key, word)));
        set == 1
    }

    /// The same keys in half the lines; more keys pass that are not there. `None` when it cannot be halved.
    pub(crate) fn halved(&self) -> Option<Self> {
        // The place of a line is proportional to the hash, so that neighbours fall together.
        let (pairs, []) = self.lines.as_chunks::<2>() else {
            return None;
        };
        let merge = |[a, b]: &[Line; 2]| Line(std::array::from_fn(|word| a.0[word] | b.0[word]));
        Some(Self { lines: pairs.iter().map(merge).collect() })
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * LINE_BYTES
    }

    /// The lines as they lie in a file: words little-endian.
    pub(crate) fn encode(&self) -> impl Iterator<Item = [u8; LINE_BYTES]> {
        self.lines.iter().map(|line| {
            let mut bytes = [0; LINE_BYTES];
            for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(line.0) {
                *bytes = word.to_le_bytes();
            }
            bytes
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let line = |bytes: &[u8; LINE_BYTES]| {
            let words = bytes.as_chunks::<8>().0;
            Line(std::array::from_fn(|word| u64::from_le_bytes(words[word])))
        };
        Self { lines: bytes.as_chunks::<LINE_BYTES>().0.iter().map(line).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::SeenRule;
    use aqueduct_event::ProjectId;
    use std::time::Duration;
    use uuid::Uuid;

    fn key(number: u128) -> u128 {
        SeenRule::new(3, Duration::ZERO).key(ProjectId(1), Uuid::from_u128(number), "e", "ann")
    }

    fn share_that_passes(filter: &Filter) -> f64 {
        let passed = (1_000_000..1_100_000).filter(|number| filter.may_hold(key(*number))).count();
        passed as f64 / 100_000.0
    }

    #[test]
    fn holds_what_was_put_in_and_little_else() {
        let mut filter = Filter::for_keys(20_000);
        (0..20_000).for_each(|number| filter.insert(key(number)));
        assert!((0..20_000).all(|number| filter.may_hold(key(number))));
        let passed = share_that_passes(&filter);
        assert!((0.001..0.006).contains(&passed), "{passed}");
        let half = filter.halved().expect("an even number of lines");
        assert!((0..20_000).all(|number| half.may_hold(key(number))));
        assert_eq!(half.bytes() * 2, filter.bytes());
        let passed = share_that_passes(&half);
        assert!((0.05..0.12).contains(&passed), "{passed}");
    }

    #[test]
    fn comes_back_as_it_went_in() {
        let mut filter = Filter::for_keys(500);
        (0..500).for_each(|number| filter.insert(key(number)));
        let bytes: Vec<u8> = filter.encode().flatten().collect();
        assert_eq!(Filter::decode(&bytes), filter);
        assert_eq!(bytes.len(), filter.bytes());
    }
}
