//! Settings of the edge. Every one has a default; times are in milliseconds, sizes in bytes.

use aqueduct_event::limits;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of the HTTP edge for SDKs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureConfig {
    /// How long a client may take to send the head of a request; the server gives it to hyper. Default: 10,000 ms.
    pub head_timeout_ms: u64,
    /// How long a client may pause between two parts of a body before it is answered 408. Default: 10,000 ms.
    pub body_gap_timeout_ms: u64,
    /// How long a whole request may take before it is answered 504. Default: 30,000 ms.
    pub request_timeout_ms: u64,
    /// How long the journal may take to make a request durable before it is answered 503. Default: 10,000 ms.
    pub append_timeout_ms: u64,
    /// Largest body of a request of protocol v0, as it arrives. Default: 20 MiB.
    pub body_wire_bytes_max: usize,
    /// Largest body of protocol v0 after decompression. Default: 100 MiB.
    pub body_decoded_bytes_max: usize,
    /// Largest body of the replay route `/s`, as it arrives. Default: 25 MiB.
    pub replay_wire_bytes_max: usize,
    /// Largest body of protocol v1, as it arrives. Default: 10 MiB.
    pub v1_body_wire_bytes_max: usize,
    /// Largest body of protocol v1 after decompression. Default: 50 MiB.
    pub v1_body_decoded_bytes_max: usize,
    /// Largest body on the routes for logs, metrics and traces, which are taken and discarded. Default: 10 MiB.
    pub telemetry_wire_bytes_max: usize,
    /// Largest event with all its properties, as JSON. Default: 1,000,000 bytes.
    pub event_bytes_max: usize,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            head_timeout_ms: 10_000,
            body_gap_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            append_timeout_ms: 10_000,
            body_wire_bytes_max: limits::BODY_WIRE_BYTES_MAX,
            body_decoded_bytes_max: limits::BODY_DECODED_BYTES_MAX,
            replay_wire_bytes_max: 25 * limits::MIB,
            v1_body_wire_bytes_max: limits::V1_BODY_WIRE_BYTES_MAX,
            v1_body_decoded_bytes_max: limits::V1_BODY_DECODED_BYTES_MAX,
            telemetry_wire_bytes_max: 10 * limits::MIB,
            event_bytes_max: limits::EVENT_BYTES_MAX,
        }
    }
}

impl CaptureConfig {
    pub(crate) fn body_gap_timeout(&self) -> Duration {
        Duration::from_millis(self.body_gap_timeout_ms)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn append_timeout(&self) -> Duration {
        Duration::from_millis(self.append_timeout_ms)
    }
}
