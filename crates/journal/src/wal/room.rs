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
        let mark = space.reserve_bytes(config.disk_free_min_bytes, config.disk_free_min_percent);
        let reserve_bytes = mark.max(self.unconfirmed_bytes().min(config.disk_free_min_bytes));
        let headers = (SEGMENT_HEADER_BYTES + 2 * GROUP_HEADER_BYTES) as u64;
        let (of_journal, of_disk) = (config.bytes_max.saturating_sub(used_bytes), space.free_bytes.saturating_sub(reserve_bytes));
        let bytes = of_journal.min(of_disk).saturating_sub(headers);
        // Gauges are floats; all of these stay far below 2^53 where they matter.
        self.metrics.disk_free_bytes.set(space.free_bytes as f64);
        self.metrics.disk_reserve_bytes.set(reserve_bytes as f64);
        self.metrics.full.set(if bytes < WORTHWHILE_BYTES { 1.0 } else { 0.0 });
        Room { bytes, used_bytes, space, reserve_bytes }
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
