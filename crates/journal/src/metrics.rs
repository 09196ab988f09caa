//! Metrics of the journal. Install the recorder before a journal is opened: handles are taken once, at opening.

use metrics::{Counter, Gauge, Histogram, Unit};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const APPEND_SECONDS: &str = "aqueduct_journal_append_seconds";
const SYNC_SECONDS: &str = "aqueduct_journal_sync_seconds";
const GROUP_RECORDS: &str = "aqueduct_journal_group_records";
const BYTES: &str = "aqueduct_journal_bytes_total";
const RECORDS: &str = "aqueduct_journal_records_total";
const SEGMENTS: &str = "aqueduct_journal_segments";
const USED_BYTES: &str = "aqueduct_journal_used_bytes";
const FULL_REFUSALS: &str = "aqueduct_journal_full_refusals_total";
const DISK_FREE: &str = "aqueduct_journal_disk_free_bytes";
const DISK_RESERVE: &str = "aqueduct_journal_disk_reserve_bytes";
const FULL: &str = "aqueduct_journal_full";
const CUT_BYTES: &str = "aqueduct_journal_recovery_cut_bytes_total";

/// Handles of one journal.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) append_seconds: Histogram,
    pub(crate) sync_seconds: Histogram,
    pub(crate) group_records: Histogram,
    pub(crate) bytes: Counter,
    pub(crate) records: Counter,
    pub(crate) segments: Gauge,
    pub(crate) used_bytes: Gauge,
    pub(crate) full_refusals: Counter,
    pub(crate) disk_free_bytes: Gauge,
    pub(crate) disk_reserve_bytes: Gauge,
    pub(crate) full: Gauge,
    pub(crate) cut_bytes: Counter,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        describe_histogram!(APPEND_SECONDS, Unit::Seconds, "from the call of append to durable");
        describe_histogram!(SYNC_SECONDS, Unit::Seconds, "one sync of the active segment");
        describe_histogram!(GROUP_RECORDS, Unit::Count, "records that shared one sync");
        describe_counter!(BYTES, Unit::Bytes, "bytes written durably, headers included");
        describe_counter!(RECORDS, Unit::Count, "records made durable");
        describe_gauge!(SEGMENTS, Unit::Count, "segment files");
        describe_gauge!(USED_BYTES, Unit::Bytes, "bytes that the journal holds");
        describe_counter!(FULL_REFUSALS, Unit::Count, "appends refused because the journal or the disk was full");
        describe_gauge!(DISK_FREE, Unit::Bytes, "bytes free on the file system of the journal");
        describe_gauge!(
            DISK_RESERVE,
            Unit::Bytes,
            "bytes that appends leave free there, so that the store can always write out what was accepted"
        );
        describe_gauge!(FULL, Unit::Count, "1 while appends are refused for want of room, otherwise 0");
        describe_counter!(CUT_BYTES, Unit::Bytes, "bytes of a torn tail cut off at opening; none of them was acknowledged");
        Self {
            append_seconds: histogram!(APPEND_SECONDS),
            sync_seconds: histogram!(SYNC_SECONDS),
            group_records: histogram!(GROUP_RECORDS),
            bytes: counter!(BYTES),
            records: counter!(RECORDS),
            segments: gauge!(SEGMENTS),
            used_bytes: gauge!(USED_BYTES),
            full_refusals: counter!(FULL_REFUSALS),
            disk_free_bytes: gauge!(DISK_FREE),
            disk_reserve_bytes: gauge!(DISK_RESERVE),
            full: gauge!(FULL),
            cut_bytes: counter!(CUT_BYTES),
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
