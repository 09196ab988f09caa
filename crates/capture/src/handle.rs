//! The handlers of the event routes: read, decode, append, answer.
//!
//! # Invariants
//! - A 200 is sent after the journal said that all records of the request are durable, and never otherwise.
//! - A body that takes long to decode is decoded beside the runtime, so that small requests do not wait for large ones.

use crate::append::append;
use crate::body;
use crate::decode::Query;
use crate::error::CaptureError;
use crate::http::Route;
use crate::metrics;
use crate::reply;
use crate::request::{Arrival, client_ip};
use crate::state::CaptureState;
use crate::v0::{self, Accepted, Dialect};
use axum::extract::Request;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;

/// A larger body is decoded beside the runtime.
const INLINE_WIRE_BYTES_MAX: usize = 64 * 1024;
/// So is one that turns out to be larger than this after decompression: about a millisecond of work.
const INLINE_DECODED_BYTES_MAX: usize = 1024 * 1024;

/// Protocol v0.
pub(crate) async fn events(state: Arc<CaptureState>, route: &'static Route, request: Request, dialect: Dialect) -> Response {
    let beacon = Query::read(request.uri().query().unwrap_or_default()).beacon;
    match take(&state, route, request, dialect).await {
        Ok(()) => reply::accepted(state.journal.durability(), beacon),
        Err(error) => {
            metrics::refused(route.path, error.reason());
            reply::refusal(&error)
        }
    }
}

async fn take(state: &Arc<CaptureState>, route: &'static Route, request: Request, dialect: Dialect) -> Result<(), CaptureError> {
    let arrival = arrive(state, route, request, state.config.body_wire_bytes_max).await?;
    let Accepted { records, dropped, .. } = decode(state, arrival, dialect).await?;
    let events = records.events;
    append(state, records).await.map_err(|_| CaptureError::NotDurable)?;
    metrics::accepted(route.path, events, dropped);
    Ok(())
}

/// Reads the body; the request has then arrived.
pub(crate) async fn arrive(
    state: &CaptureState,
    route: &'static Route,
    request: Request,
    wire_bytes_max: usize,
) -> Result<Arrival, CaptureError> {
    let (parts, body) = request.into_parts();
    let body = body::read(body, wire_bytes_max, state.config.body_gap_timeout()).await?;
    let client_ip = client_ip(&parts);
    Ok(Arrival { client_ip, parts, body, received_at: state.clock.now(), path: route.path })
}

async fn decode(state: &Arc<CaptureState>, arrival: Arrival, dialect: Dialect) -> Result<Accepted, CaptureError> {
    let started = Instant::now();
    let (path, wire_bytes, bytes_max) = (arrival.path, arrival.body.len(), state.config.body_decoded_bytes_max);
    let inline = INLINE_DECODED_BYTES_MAX.min(bytes_max);
    let arrival = Arc::new(arrival);
    let mut accepted = Err(CaptureError::DecodedTooLarge { limit: inline });
    if wire_bytes <= INLINE_WIRE_BYTES_MAX {
        accepted = v0::accept(&arrival, dialect, &state.config, inline);
    }
    if accepted == Err(CaptureError::DecodedTooLarge { limit: inline }) && (inline < bytes_max || wire_bytes > INLINE_WIRE_BYTES_MAX) {
        let state = Arc::clone(state);
        let work = move || v0::accept(&arrival, dialect, &state.config, bytes_max);
        // The task ends early only if the runtime stops or the decoder is broken: either way nothing is durable.
        accepted = tokio::task::spawn_blocking(work).await.unwrap_or(Err(CaptureError::NotDurable));
    }
    if let Ok(accepted) = &accepted {
        metrics::decoded(path, wire_bytes, accepted.decoded_bytes, started.elapsed());
    }
    accepted
}
