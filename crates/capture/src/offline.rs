//! The decoders without a server: for benches, fuzzing, and looking at a recorded request.

use crate::admit::Admission;
use crate::config::CaptureConfig;
use crate::request::{Arrival, client_ip};
use crate::v0::{self, Dialect};
use crate::v1;
use aqueduct_event::UnixMicros;
use bytes::Bytes;
use http::Request;

/// Decodes a request of protocol v0 as `/e` does, the route that unwraps most. The records that would be appended.
///
/// # Errors
/// The text that the sender would be answered.
pub fn decode_v0(request: Request<Bytes>, received_at: UnixMicros, config: &CaptureConfig) -> Result<Vec<Bytes>, String> {
    let dialect = Dialect { legacy_base64: true, engage: false, admission: Admission::Any };
    let accepted = v0::accept(&arrival(request, received_at), dialect, config, None, config.body_decoded_bytes_max);
    accepted.map(|accepted| accepted.records.payloads).map_err(|refused| refused.error.to_string())
}

/// Decodes a request of protocol v1. The records that would be appended, and the results that would be answered.
///
/// # Errors
/// The description that the sender would be answered.
pub fn decode_v1(request: Request<Bytes>, received_at: UnixMicros, config: &CaptureConfig) -> Result<(Vec<Bytes>, String), String> {
    let accepted = v1::accept(&arrival(request, received_at), config, None, config.v1_body_decoded_bytes_max);
    accepted.map(|(accepted, results)| (accepted.records.payloads, results)).map_err(|refused| refused.error.to_string())
}

fn arrival(request: Request<Bytes>, received_at: UnixMicros) -> Arrival {
    let (parts, body) = request.into_parts();
    Arrival { client_ip: client_ip(&parts), parts, body, received_at, path: "/e", _held: None }
}
