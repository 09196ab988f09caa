//! Metrics of this crate.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// From a request to its answer, by kind of query.
const SECONDS: &str = "aqueduct_query_seconds";
/// Queries without an answer, by kind and code of the error.
const FAILED: &str = "aqueduct_query_failed_total";
/// Queries that run now.
const RUNNING: &str = "aqueduct_query_running";

/// Says what the metrics mean.
pub(crate) fn describe() {
    describe_histogram!(SECONDS, Unit::Seconds, "from a request to its answer, by kind of query");
    describe_counter!(FAILED, Unit::Count, "queries without an answer, by kind and code of the error");
    describe_gauge!(RUNNING, Unit::Count, "queries that run now");
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
