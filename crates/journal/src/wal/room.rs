//! How much may still be written: the journal's own limit and the high-water mark of the disk.
//!
//! # Invariants
//! - What was accepted can be written out by the store: appends leave a reserve free that the store may use. On a small disk, where a tenth of its
//!   size is little, the reserve grows with what the store has not confirmed yet.
//! - Room that comes back, by whatever hand, is used by the next append.

use super::shared::Shared;
use crate::config::WalConfig;
use crate::disk::Space;
use crate::error::AppendError;
use crate::wal::format::{GROUP_HEADER_BYTES, SEGMENT_HEADER_BYTES};

/// What may still be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes of frames.
    pub(super) bytes: u64,
    used_bytes: u64,
    space: Space,
    reserve_bytes: u64,
}

impl Shared {
    /// What may still be written now. Shows it in the metrics.
    pub(super) fn room(&self, config: &WalConfig) -> Room {
        let used_bytes = self.used_bytes();
        // When the system does not tell, its own "no space" is still handled.
        let space = self.disk.space(&self.dir).unwrap_or(Space::UNKNOWN);
        let reserve = Reserve {
            mark: space.reserve_bytes(config.disk_free_min_bytes, config.disk_free_min_percent),
            unconfirmed: self.unconfirmed_bytes(),
            unconfirmed_max: config.disk_free_min_bytes,
        };
        let headers = (SEGMENT_HEADER_BYTES + 2 * GROUP_HEADER_BYTES) as u64;
        let of_journal = config.bytes_max.saturating_sub(used_bytes).saturating_sub(headers);
        let bytes = of_journal.min(reserve.leaves(space.free_bytes.saturating_sub(headers)));
        let reserve_bytes = reserve.bytes();
        // Gauges are floats; all of these stay far below 2^53 where they matter.
        self.metrics.disk_free_bytes.set(space.free_bytes as f64);
        self.metrics.disk_reserve_bytes.set(reserve_bytes as f64);
        self.metrics.full.set(if bytes < WORTHWHILE_BYTES { 1.0 } else { 0.0 });
        Room { bytes, used_bytes, space, reserve_bytes }
    }
}

/// What stays free on the disk.
#[derive(Clone, Copy, Debug)]
struct Reserve {
    /// The high-water mark.
    mark: u64,
    /// What the store has not confirmed; every append adds to it.
    unconfirmed: u64,
    /// Of which so much counts at most.
    unconfirmed_max: u64,
}

impl Reserve {
    fn bytes(&self) -> u64 {
        self.mark.max(self.unconfirmed.min(self.unconfirmed_max))
    }

    /// How much of `free` may be written: the most after which the reserve, which grows by it, is still free.
    fn leaves(&self, free: u64) -> u64 {
        let growing = free.saturating_sub(self.unconfirmed) / 2;
        let grown = free.saturating_sub(self.unconfirmed_max);
        growing.max(grown).min(free.saturating_sub(self.mark))
    }
}

/// With less room than this hardly a request fits: the journal calls itself full.
const WORTHWHILE_BYTES: u64 = 4096;

impl Room {
    /// Whether hardly anything fits.
    pub(super) fn is_full(&self) -> bool {
        self.bytes < WORTHWHILE_BYTES
    }

    /// Why something did not fit.
    pub(super) fn full(&self, config: &WalConfig) -> AppendError {
        AppendError::Full {
            used_bytes: self.used_bytes,
            limit_bytes: config.bytes_max,
            free_bytes: self.space.free_bytes,
            reserve_bytes: self.reserve_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_may_be_written_is_the_most_that_leaves_the_reserve(
            mark in 0_u64..200, unconfirmed in 0_u64..200, unconfirmed_max in 0_u64..200, free in 0_u64..500,
        ) {
            let reserve = Reserve { mark, unconfirmed, unconfirmed_max };
            let holds = |bytes| free - bytes >= Reserve { unconfirmed: unconfirmed + bytes, ..reserve }.bytes();
            let most = (0..=free).rev().find(|bytes| holds(*bytes)).unwrap_or(0);
            prop_assert_eq!(reserve.leaves(free), most);
        }
    }
}
