//! The metrics of the edge. Labels are bounded: routes of the table, statuses, and the reasons of `error.rs`.

use http::StatusCode;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Duration;

const REQUESTS: &str = "aqueduct_capture_requests_total";
const EVENTS: &str = "aqueduct_capture_events_total";
const DROPPED: &str = "aqueduct_capture_events_dropped_total";
const WIRE_BYTES: &str = "aqueduct_capture_wire_bytes_total";
const DECODED_BYTES: &str = "aqueduct_capture_decoded_bytes_total";
const REFUSED: &str = "aqueduct_capture_refused_requests_total";
const DECODE_SECONDS: &str = "aqueduct_capture_decode_seconds";
const APPEND_SECONDS: &str = "aqueduct_capture_append_seconds";
const PACE: &str = "aqueduct_capture_pace_bytes_per_second";
const CEILING: &str = "aqueduct_capture_ceiling_bytes";
const BACKLOG: &str = "aqueduct_capture_backlog_bytes";
const MEMORY: &str = "aqueduct_capture_memory_bytes";
const WAITING: &str = "aqueduct_capture_waiting_requests";
const LEAD: &str = "aqueduct_capture_lead_bytes";
const ADMIT_SECONDS: &str = "aqueduct_capture_admit_seconds";
const TURN_SECONDS: &str = "aqueduct_capture_turn_seconds";

/// Names the metrics to the recorder.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "requests answered, by route and status");
    describe_counter!(EVENTS, Unit::Count, "events made durable, by route");
    describe_counter!(DROPPED, Unit::Count, "events dropped by rule at the edge, by route");
    describe_counter!(WIRE_BYTES, Unit::Bytes, "bytes of bodies as they arrived, by route");
    describe_counter!(DECODED_BYTES, Unit::Bytes, "bytes of bodies after decompression, by route");
    describe_counter!(REFUSED, Unit::Count, "requests refused, by route and reason");
    describe_gauge!(PACE, Unit::Bytes, "bytes of records that processing makes visible in a second while it has enough to do");
    describe_gauge!(CEILING, Unit::Bytes, "bytes of records that may be accepted and not yet visible");
    describe_gauge!(BACKLOG, Unit::Bytes, "bytes of records that are durable and not yet visible");
    describe_gauge!(MEMORY, Unit::Bytes, "memory of bodies and records of requests under way");
    describe_gauge!(WAITING, Unit::Count, "requests that wait for room");
    describe_gauge!(LEAD, Unit::Bytes, "bytes of records that may stand in the journal before whatever comes next");
    describe_histogram!(ADMIT_SECONDS, Unit::Seconds, "from the head of a request until it was let in");
    describe_histogram!(TURN_SECONDS, Unit::Seconds, "from the records of a request until its turn to be made durable");
    describe_histogram!(DECODE_SECONDS, Unit::Seconds, "from a whole body to its records");
    describe_histogram!(APPEND_SECONDS, Unit::Seconds, "from records to durable");
}

pub(crate) fn answered(route: &'static str, status: StatusCode) {
    counter!(REQUESTS, "route" => route, "status" => status_label(status)).increment(1);
}

pub(crate) fn accepted(route: &'static str, events: usize, dropped: usize) {
    counter!(EVENTS, "route" => route).increment(events as u64);
    if dropped > 0 {
        counter!(DROPPED, "route" => route).increment(dropped as u64);
    }
}

pub(crate) fn decoded(route: &'static str, wire_bytes: usize, decoded_bytes: usize, took: Duration) {
    counter!(WIRE_BYTES, "route" => route).increment(wire_bytes as u64);
    counter!(DECODED_BYTES, "route" => route).increment(decoded_bytes as u64);
    histogram!(DECODE_SECONDS).record(took);
}

pub(crate) fn refused(route: &'static str, reason: &'static str) {
    counter!(REFUSED, "route" => route, "reason" => reason).increment(1);
}

/// Processing made progress. Gauges are floats; all of these stay far below 2^53.
pub(crate) fn pace(bytes_per_second: f64, (ceiling, lead): (u64, u64), backlog: u64, memory: u64) {
    gauge!(PACE).set(bytes_per_second);
    gauge!(CEILING).set(ceiling as f64);
    gauge!(LEAD).set(lead as f64);
    gauge!(BACKLOG).set(backlog as f64);
    gauge!(MEMORY).set(memory as f64);
}

pub(crate) fn waiting(requests: usize) {
    gauge!(WAITING).set(requests as f64);
}

pub(crate) fn let_in(took: Duration) {
    histogram!(ADMIT_SECONDS).record(took);
}

pub(crate) fn in_turn(took: Duration) {
    histogram!(TURN_SECONDS).record(took);
}

pub(crate) fn appended(took: Duration) {
    histogram!(APPEND_SECONDS).record(took);
}

/// A status as a label without allocating.
fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        204 => "204",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        413 => "413",
        415 => "415",
        503 => "503",
        504 => "504",
        _ => "other",
    }
}
