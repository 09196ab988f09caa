//! How many remarks of one origin are kept: so many each second, without locks and without memory per origin.
//!
//! # Invariants
//! - An origin takes at most [`PER_SECOND`] places a second, however loud it is. Two origins may share a slot by chance; then they share its places.

use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

/// Remarks of one origin and reason that are kept each second.
const PER_SECOND: u64 = 20;
const SLOTS: usize = 4096;

/// Counts of the present second by hash of the origin: the second in the upper half of a word, the count in the lower.
#[derive(Debug)]
pub(super) struct Limiter(Box<[AtomicU64]>);

impl Default for Limiter {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Limiter {
    /// Whether one more of this origin is kept in the second of `now_micros`.
    pub(super) fn admits(&self, origin: impl Hash, now_micros: i64) -> bool {
        let slot = &self.0[FixedState::default().hash_one(origin) as usize % SLOTS];
        let second = (now_micros.div_euclid(1_000_000) as u64) & u64::from(u32::MAX);
        let mut before = slot.load(Ordering::Relaxed);
        loop {
            let count = if before >> 32 == second { before & u64::from(u32::MAX) } else { 0 };
            if count >= PER_SECOND {
                return false;
            }
            match slot.compare_exchange_weak(before, second << 32 | (count + 1), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(found) => before = found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loud_origin_leaves_room_for_others() {
        let limiter = Limiter::default();
        let admitted = |origin: &str, now| (0..1_000).filter(|_| limiter.admits(origin, now)).count();
        assert_eq!(admitted("loud", 5_000_000), 20);
        assert_eq!(admitted("quiet", 5_100_000), 20);
        assert_eq!(admitted("loud", 5_999_999), 0);
        assert_eq!(admitted("loud", 6_000_000), 20);
    }
}
