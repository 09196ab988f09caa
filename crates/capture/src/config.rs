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
    /// How long what was accepted may take to become visible at the present rate of processing, in milliseconds. Requests beyond it wait a moment, then are
    /// answered 503. More: longer bursts are taken at once, and under overload events become visible later. Default: 100 ms.
    pub backlog_ms_max: u64,
    /// While several projects send: how much work, in milliseconds at the present rate of processing, may stand in the journal before whatever comes next.
    /// What else was accepted waits for its turn, by project. More: larger commits; less: less delay by a noisy project. Default: 8 ms.
    pub lead_ms_max: u64,
    /// How many bytes of records may be accepted and not yet visible, also while nothing can become visible. Default: 4 GiB.
    pub backlog_bytes_max: u64,
    /// How long a request may wait for room before it is answered 503 with `Retry-After`. Shorter than the time-outs of
    /// SDKs (10 s and more). Default: 5,000 ms.
    pub admit_wait_ms: u64,
    /// Refusals for overload that leave per second. More of them wait, their bodies unread, for up to 3 s each, so that a flood of refused requests does not take
    /// the processor from accepted ones. 0: no limit. Default: 500.
    pub refusals_per_second: u32,
    /// Memory for bodies and records of requests under way; beyond it requests are answered 503. Default: 256 MiB.
    pub memory_bytes_max: u64,
    /// Events per second that one distinct id may send before it goes to the overflow lane, where it does not delay others. 0: no limit. Default: 100.
    pub hot_events_per_second: u32,
    /// Events that one distinct id may send at once before its rate counts. Default: 1000.
    pub hot_events_burst: u32,
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
            backlog_ms_max: 100,
            lead_ms_max: 8,
            backlog_bytes_max: 4096 * limits::MIB as u64,
            admit_wait_ms: 5_000,
            refusals_per_second: 500,
            memory_bytes_max: 256 * limits::MIB as u64,
            hot_events_per_second: 100,
            hot_events_burst: 1000,
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
