//! Metrics of this crate.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// From a request to its answer, by kind of query.
const SECONDS: &str = "aqueduct_query_seconds";
/// Queries without an answer, by kind and code of the error.
const FAILED: &str = "aqueduct_query_failed_total";
/// Queries that run now.
const RUNNING: &str = "aqueduct_query_running";

/// Queries that wait for their turn.
const WAITING: &str = "aqueduct_query_waiting";
/// Queries that found no place to run.
const REFUSED: &str = "aqueduct_query_refused_total";
/// Requests by where their answer came from.
const ANSWERS: &str = "aqueduct_query_answers_total";
/// Bytes of answers that are kept.
const CACHE_BYTES: &str = "aqueduct_query_cache_bytes";
/// Rows of parts that queries read.
const ROWS_READ: &str = "aqueduct_query_rows_read_total";

/// Says what the metrics mean.
pub(crate) fn describe() {
    describe_histogram!(SECONDS, Unit::Seconds, "from a request to its answer, by kind of query");
    describe_counter!(FAILED, Unit::Count, "queries without an answer, by kind and code of the error");
    describe_gauge!(RUNNING, Unit::Count, "queries that run now");
    describe_gauge!(WAITING, Unit::Count, "queries that wait for their turn");
    describe_counter!(REFUSED, Unit::Count, "queries that found no place to run in time and were answered 429");
    describe_counter!(ANSWERS, Unit::Count, "answers, by source: computed, shared with an equal query of the same moment, or kept");
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "bytes of answers that are kept");
    describe_counter!(ROWS_READ, Unit::Count, "rows of parts that queries read");
}

/// A query took so long.
pub(crate) fn answered(kind: &'static str, seconds: f64) {
    histogram!(SECONDS, "kind" => kind).record(seconds);
}

/// A query failed.
pub(crate) fn failed(kind: &'static str, code: &'static str) {
    counter!(FAILED, "kind" => kind, "code" => code).increment(1);
}

/// A query runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running;

impl Running {
    pub(crate) fn start() -> Self {
        gauge!(RUNNING).increment(1.0);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!(RUNNING).decrement(1.0);
    }
}

/// A query waits for its turn until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting;

impl Waiting {
    pub(crate) fn start() -> Self {
        gauge!(WAITING).increment(1.0);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        gauge!(WAITING).decrement(1.0);
    }
}

/// A query found no place to run.
pub(crate) fn refused() {
    counter!(REFUSED).increment(1);
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Computed,
    Shared,
    Kept,
}

/// An answer was given.
pub(crate) fn given(origin: Origin) {
    let source = match origin {
        Origin::Computed => "computed",
        Origin::Shared => "shared",
        Origin::Kept => "kept",
    };
    counter!(ANSWERS, "source" => source).increment(1);
}

/// Answers that are kept take so many bytes.
pub(crate) fn cache_bytes(bytes: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; budgets are far below 2^52")]
    gauge!(CACHE_BYTES).set(bytes as f64);
}

/// A query read so many rows.
pub(crate) fn rows_read(rows: u64) {
    counter!(ROWS_READ).increment(rows);
}
