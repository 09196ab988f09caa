//! Metrics of this crate.

use metrics::{Unit, counter, describe_counter};

const CONNECTIONS: &str = "aqueduct_server_connections_total";
const TURNED_AWAY: &str = "aqueduct_server_turned_away_connections_total";

/// Says what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(CONNECTIONS, Unit::Count, "connections accepted, of all listeners");
    describe_counter!(TURNED_AWAY, Unit::Count, "connections closed at once, since their address has too many");
}

/// A connection was accepted.
pub(crate) fn connection() {
    counter!(CONNECTIONS).increment(1);
}

/// A connection was closed at once.
pub(crate) fn turned_away() {
    counter!(TURNED_AWAY).increment(1);
}
