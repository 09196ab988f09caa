//! Metrics of the store: each name once, with its unit and a sentence.

use crate::seen::SeenStats;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Duration;

const DISK_FREE: &str = "aqueduct_store_disk_free_bytes";
const DISK_RESERVE: &str = "aqueduct_store_disk_reserve_bytes";
const HELD_BACK: &str = "aqueduct_store_compactions_held_back_total";
const COMMIT_ROWS: &str = "aqueduct_store_commit_rows_total";
const COMMIT_SECONDS: &str = "aqueduct_store_commit_duration_seconds";
const COMMIT_WAIT: &str = "aqueduct_store_commit_wait_seconds";
const FLUSH_SECONDS: &str = "aqueduct_store_flush_duration_seconds";
const FLUSH_BYTES: &str = "aqueduct_store_flush_bytes_total";
const FLUSH_ROWS: &str = "aqueduct_store_flush_rows_total";
const FAILURES: &str = "aqueduct_store_work_failures_total";
const COMPACT_SECONDS: &str = "aqueduct_store_compaction_duration_seconds";
const COMPACT_ROWS: &str = "aqueduct_store_compaction_rows_total";
const COLUMNS: &str = "aqueduct_store_columns_decoded_total";
const FRESH_BYTES: &str = "aqueduct_store_fresh_bytes";
const CACHE_BYTES: &str = "aqueduct_store_cache_bytes";
const SEGMENTS: &str = "aqueduct_store_segments";
const SEEN: &str = "aqueduct_store_seen_events";
const SEEN_BYTES: &str = "aqueduct_store_seen_memory_bytes";
const SEEN_READS: &str = "aqueduct_store_seen_blocks_read_total";
const SEEN_RUNS: &str = "aqueduct_store_seen_runs";
const OVERRIDES: &str = "aqueduct_store_overrides";
const FATES_LEFT_OUT: &str = "aqueduct_store_fates_left_out_total";
const LETTERS_WITHOUT_ROOM: &str = "aqueduct_store_dead_letters_without_room_total";

/// Tells the exporter what each metric is.
pub(crate) fn describe() {
    describe_counter!(COMMIT_ROWS, Unit::Count, "event rows made visible");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "time to sort a commit and make it visible, without waiting");
    describe_histogram!(COMMIT_WAIT, Unit::Seconds, "time that commits waited for memory");
    describe_histogram!(FLUSH_SECONDS, Unit::Seconds, "time to write fresh rows to a segment and commit the manifest");
    describe_counter!(FLUSH_BYTES, Unit::Bytes, "bytes of segments written by flushes");
    describe_counter!(FLUSH_ROWS, Unit::Count, "rows written by flushes");
    describe_counter!(FAILURES, Unit::Count, "flushes and compactions that failed and are due again");
    describe_histogram!(COMPACT_SECONDS, Unit::Seconds, "time of a compaction");
    describe_counter!(COMPACT_ROWS, Unit::Count, "rows rewritten by compactions");
    describe_counter!(COLUMNS, Unit::Count, "columns decoded from segments because they were not in the cache");
    describe_gauge!(FRESH_BYTES, Unit::Bytes, "memory of rows and records that are not in a segment yet");
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "memory of decoded columns");
    describe_gauge!(SEGMENTS, Unit::Count, "segments in the manifest");
    describe_gauge!(DISK_FREE, Unit::Bytes, "bytes free on the file system of the store");
    describe_gauge!(DISK_RESERVE, Unit::Bytes, "bytes there that compactions leave free for writing out fresh rows");
    describe_counter!(HELD_BACK, Unit::Count, "times that a due compaction was put off for want of room on the disk");
    describe_gauge!(OVERRIDES, Unit::Count, "merged persons whose rows are not rewritten yet");
    describe_gauge!(SEEN, Unit::Count, "events in runs of arrivals, by which duplicates are found");
    describe_gauge!(SEEN_BYTES, Unit::Bytes, "memory of filters and indexes of runs of arrivals");
    describe_counter!(
        SEEN_READS,
        Unit::Count,
        "blocks of runs read because an event may have been there before: duplicates, and what filters let pass"
    );
    describe_gauge!(SEEN_RUNS, Unit::Count, "runs of arrivals that each new event is compared with");
    describe_counter!(FATES_LEFT_OUT, Unit::Count, "events without a row whose fate is only counted because too many came at once");
    describe_counter!(LETTERS_WITHOUT_ROOM, Unit::Count, "events whose payload was lost because dead letters had no room");
}

pub(crate) fn fates_left_out(fates: usize) {
    counter!(FATES_LEFT_OUT).increment(fates as u64);
}

pub(crate) fn letter_without_room(events: u32) {
    counter!(LETTERS_WITHOUT_ROOM).increment(u64::from(events));
}

pub(crate) fn committed(rows: usize, took: Duration, fresh_bytes: usize) {
    counter!(COMMIT_ROWS).increment(rows as u64);
    histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
    fresh(fresh_bytes);
}

pub(crate) fn fresh(bytes: usize) {
    gauge!(FRESH_BYTES).set(bytes as f64);
}

pub(crate) fn waited(took: Duration) {
    histogram!(COMMIT_WAIT).record(took.as_secs_f64());
}

pub(crate) fn flushed(rows: u64, bytes: u64, took: Duration) {
    counter!(FLUSH_ROWS).increment(rows);
    counter!(FLUSH_BYTES).increment(bytes);
    histogram!(FLUSH_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn compacted(rows: u64, took: Duration) {
    counter!(COMPACT_ROWS).increment(rows);
    histogram!(COMPACT_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn seen_block_read() {
    counter!(SEEN_READS).increment(1);
}

pub(crate) fn seen(stats: &SeenStats) {
    gauge!(SEEN).set(stats.arrivals as f64);
    gauge!(SEEN_BYTES).set(stats.run_memory_bytes as f64);
    gauge!(SEEN_RUNS).set(stats.runs as f64);
}

pub(crate) fn failed() {
    counter!(FAILURES).increment(1);
}

pub(crate) fn column_decoded() {
    counter!(COLUMNS).increment(1);
}

pub(crate) fn disk(free_bytes: u64, reserve_bytes: u64) {
    gauge!(DISK_FREE).set(free_bytes as f64);
    gauge!(DISK_RESERVE).set(reserve_bytes as f64);
}

pub(crate) fn compaction_held_back() {
    counter!(HELD_BACK).increment(1);
}

pub(crate) fn stands(segments: usize, overrides: usize, cache_bytes: u64) {
    gauge!(SEGMENTS).set(segments as f64);
    gauge!(OVERRIDES).set(overrides as f64);
    gauge!(CACHE_BYTES).set(cache_bytes as f64);
}
