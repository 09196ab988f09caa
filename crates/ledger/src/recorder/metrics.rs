//! Metrics of the recorder.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const LOST: &str = "aqueduct_ledger_notes_lost_total";
const LEFT_OUT: &str = "aqueduct_ledger_remarks_left_out_total";
const RECEIPT_BYTES: &str = "aqueduct_ledger_receipts_bytes";
const REMARK_BYTES: &str = "aqueduct_ledger_remarks_bytes";

/// Names the metrics to the recorder.
pub(super) fn describe() {
    describe_counter!(LOST, Unit::Count, "notes for traces that were lost because the queue was full or the disk failed, by kind");
    describe_counter!(LEFT_OUT, Unit::Count, "remarks that were not kept because many of the same origin and reason came before");
    describe_gauge!(RECEIPT_BYTES, Unit::Bytes, "receipts on the disk");
    describe_gauge!(REMARK_BYTES, Unit::Bytes, "remarks in memory");
}

pub(super) fn lost(kind: &'static str) {
    counter!(LOST, "kind" => kind).increment(1);
}

pub(super) fn left_out() {
    counter!(LEFT_OUT).increment(1);
}

pub(super) fn stands(receipt_bytes: u64, remark_bytes: usize) {
    gauge!(RECEIPT_BYTES).set(receipt_bytes as f64);
    gauge!(REMARK_BYTES).set(remark_bytes as f64);
}
