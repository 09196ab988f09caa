//! Metrics of this crate.

use metrics::{Unit, counter, describe_counter};

const CONNECTIONS: &str = "aqueduct_server_connections_total";

/// Says what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(CONNECTIONS, Unit::Count, "connections accepted, of all listeners");
}

/// A connection was accepted.
pub(crate) fn connection() {
    counter!(CONNECTIONS).increment(1);
}
