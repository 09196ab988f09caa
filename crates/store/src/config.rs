//! Settings of the embedded store.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Settings of the embedded store. Every field has a default; unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Directory of segments and manifest; made when it is not there. Default: `store`.
    pub dir: PathBuf,
    /// Shards that a new store is made with: the parallelism of queries and the unit of compaction. Fixed for the life of the store. Default: `8`.
    pub shards: u16,
    /// Fresh rows are written to a segment when there are this many. Default: `250000`.
    pub flush_rows: usize,
    /// Fresh rows are written to a segment when they take this many bytes in memory. Default: `134217728` (128 MiB).
    pub flush_bytes: usize,
    /// Fresh rows are written to a segment when the oldest waits this long, in milliseconds. Until then they are durable in the journal alone,
    /// which is read again from there after a crash. Default: `30000`.
    pub flush_age_ms: u64,
    /// Fresh rows and changes of persons may take this many bytes in memory; at the ceiling `commit` waits for a flush.
    /// At most 1 GiB counts. Default: `536870912` (512 MiB).
    pub memory_bytes_max: usize,
    /// Whether threads call `work` in the background. If not (one-threaded simulation), a `commit` at the ceiling flushes by itself instead of
    /// waiting. Default: `true`.
    pub background: bool,
    /// Decoded columns kept for queries, in bytes: 12 for each event and 4 more for each property that is often asked for keep a query from reading
    /// files. Default: a quarter of `memory_max`.
    pub cache_bytes: Option<u64>,
    /// Page cache of the manifest database, in bytes. Default: `33554432` (32 MiB).
    pub manifest_cache_bytes: usize,
    /// Property keys that get columns of their own in a segment, the most frequent first; the others share one column. Default: `512`.
    pub property_columns_max: usize,
    /// Segments of similar size that are merged into one. Default: `8`.
    pub compaction_fanout: usize,
    /// When for so long hardly a row came in (1,000 per second at most), segments are merged further, until each is more than four times as large as all
    /// smaller ones together, in milliseconds. Default: `3000`.
    pub rest_after_ms: u64,
    /// Rows that a compacted segment has at most. Default: `4000000`.
    pub segment_rows_max: usize,
    /// How long after it was asked for erased rows leave the files, at the earliest, in milliseconds; nobody sees them from the moment on at which it
    /// was asked for. Rewriting files for many requests at once is much cheaper. Default: `3600000` (1 hour).
    pub erase_after_ms: u64,
    /// Bytes of segment files that one compaction reads at most. Default: `536870912` (512 MiB).
    pub compaction_bytes_max: u64,
    /// A compaction begins only if, with what it writes, half of this stays free on the file system: the other half is for writing out fresh rows,
    /// which are never held back. On a small file system a tenth of its size counts instead. Default: `1073741824` (1 GiB).
    pub disk_free_min_bytes: u64,
    /// The same as a share of the file system, in percent; the larger of both counts. Default: `2`.
    pub disk_free_min_percent: u8,
    /// Rows that a row group has at most: what a compaction holds in memory of one column. Default: `1048576`.
    pub row_group_rows_max: usize,
    /// An event that is received again within this time after the one that was stored is dropped as a duplicate, in milliseconds. Default: `604800000` (7 days).
    pub dedup_window_ms: u64,
    /// Memory for finding duplicates, in bytes: 1.55 per event of the window. At the ceiling the oldest events are looked up in files instead, which is
    /// slower; 0.05 bytes per event are always taken. Default: `268435456` (256 MiB).
    pub dedup_memory_bytes_max: usize,
    /// Counts of verdicts are kept by the minute for this many days, and by the hour for ever. Default: `90`.
    pub verdict_minutes_days: u32,
    /// Events without a row of which it is kept what became of them, about; the oldest are forgotten first, and only counted. Default: `1000000`.
    pub fates_max: u64,
    /// Bytes that dead letters may take. When they do, a further one is counted as `dead_lettered:no_room` and its payload is lost, which is
    /// logged as an error and shown by the ledger. Default: `1073741824` (1 GiB).
    pub dead_letters_bytes_max: u64,
}

impl StoreConfig {
    /// [`StoreConfig::cache_bytes`], where nobody said anything.
    const CACHE_BYTES: u64 = 256 << 20;

    /// Bytes of decoded columns that are kept.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        self.cache_bytes.unwrap_or(Self::CACHE_BYTES)
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("store"),
            shards: 8,
            flush_rows: 250_000,
            flush_bytes: 128 << 20,
            flush_age_ms: 30_000,
            memory_bytes_max: 512 << 20,
            background: true,
            cache_bytes: None,
            manifest_cache_bytes: 32 << 20,
            property_columns_max: 512,
            compaction_fanout: 8,
            rest_after_ms: 3_000,
            segment_rows_max: 4_000_000,
            erase_after_ms: 3_600_000,
            compaction_bytes_max: 512 << 20,
            disk_free_min_bytes: 1 << 30,
            disk_free_min_percent: 2,
            row_group_rows_max: 1 << 20,
            dedup_window_ms: 7 * 24 * 3_600_000,
            dedup_memory_bytes_max: 256 << 20,
            verdict_minutes_days: 90,
            fates_max: 1_000_000,
            dead_letters_bytes_max: 1 << 30,
        }
    }
}
