//! Settings of the local journal. This struct is the manual: names, units and defaults are those of the config file.

use aqueduct_event::limits::RECORD_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// The local write-ahead log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalConfig {
    /// Directory of the segment files; made when absent. One process at a time. Default: `journal`.
    pub dir: PathBuf,
    /// A segment file is closed before it grows past this; space is freed by whole segments.
    /// At most a quarter of `bytes_max` is used, so that a full journal always has something to free. Default: 128 MiB.
    pub segment_bytes: u64,
    /// How long, in microseconds, a group that follows one of several appends waits at most until as many have come again.
    /// A lone append never waits. Longer: fewer syncs under load, but each costs more when callers stay away. Default: 300.
    pub group_commit_wait_micros: u64,
    /// High-water mark: bytes that the journal may hold before appends are refused as full. Default: 8 GiB.
    pub bytes_max: u64,
    /// Bytes of records that stay although the store has confirmed them, so that `aqueduct audit` can compare what was accepted lately event by event.
    /// At most a sixteenth of `bytes_max`; given up when room is short. 0 keeps none. Default: 64 MiB.
    pub retain_bytes: u64,
    /// Appends are refused as full when less than this would stay free on the file system.
    /// On a small file system a tenth of its size counts instead, but never less than what the store still has to write out. Default: 1 GiB.
    pub disk_free_min_bytes: u64,
    /// The same as a share of the file system, in percent; the larger of both counts. Default: 2.
    pub disk_free_min_percent: u8,
    /// Memory for recent records that no reader has taken yet; older ones are read from the files. Default: 64 MiB.
    pub read_cache_bytes: u64,
    /// Memory for records that wait for their sync; further appends wait for room. At least one record of the largest size. Default: 128 MiB.
    pub queue_bytes_max: u64,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("journal"),
            segment_bytes: 128 * MIB,
            group_commit_wait_micros: 300,
            bytes_max: 8 * 1024 * MIB,
            retain_bytes: 64 * MIB,
            disk_free_min_bytes: 1024 * MIB,
            disk_free_min_percent: 2,
            read_cache_bytes: 64 * MIB,
            queue_bytes_max: 128 * MIB,
        }
    }
}

impl WalConfig {
    /// The defaults in a given directory.
    #[must_use]
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), ..Self::default() }
    }

    /// Size at which a segment is closed.
    pub(crate) fn segment_bytes_effective(&self) -> u64 {
        self.segment_bytes.min(self.bytes_max / 4)
    }

    /// Confirmed bytes that stay.
    pub(crate) fn retain_bytes_effective(&self) -> u64 {
        self.retain_bytes.min(self.bytes_max / 16)
    }

    pub(crate) fn group_commit_wait(&self) -> Duration {
        Duration::from_micros(self.group_commit_wait_micros)
    }

    pub(crate) fn queue_bytes_effective(&self) -> u64 {
        self.queue_bytes_max.max(RECORD_BYTES_MAX as u64)
    }
}
