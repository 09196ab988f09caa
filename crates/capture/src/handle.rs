//! The handlers of the event routes: read, decode, append, answer.
//!
//! # Invariants
//! - A success is sent after the journal said that all records of the request are durable, and never otherwise.
//! - A body that takes long to decode is decoded beside the runtime, so that small requests do not wait for large ones.

use crate::append::append;
use crate::body;
use crate::decode::{Query, Wrapping, with_text};
use crate::error::CaptureError;
use crate::http::Route;
use crate::json::Cursor;
use crate::metrics;
use crate::reply;
use crate::request::{Arrival, client_ip};
use crate::state::CaptureState;
use crate::v0::{self, Dialect};
use crate::v1::{self, V1Error};
use aqueduct_event::limits::{BODY_DECODED_BYTES_MAX, BODY_WIRE_BYTES_MAX};
use axum::extract::Request;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// A larger body is decoded beside the runtime. Handing work over costs about 30 µs of CPU (measured), decoding this much plain JSON about 60 µs.
const INLINE_WIRE_BYTES_MAX: usize = 64 * 1024;
/// So is one that turns out to be larger than this after decompression: under two milliseconds of work.
const INLINE_DECODED_BYTES_MAX: usize = 1024 * 1024;
/// How many bodies are decoded beside the runtime at once. Each may take as much memory as a decoded body may have; the others wait.
const BESIDE_MAX: usize = 4;
static BESIDE: Semaphore = Semaphore::const_new(BESIDE_MAX);
/// How much larger a replay body may get by decompression: as much as an event body.
const REPLAY_DECODED_TIMES_MAX: usize = BODY_DECODED_BYTES_MAX / BODY_WIRE_BYTES_MAX;

/// Protocol v0.
pub(crate) async fn events(state: Arc<CaptureState>, route: &'static Route, request: Request, dialect: Dialect) -> Response {
    let beacon = Query::read(request.uri().query().unwrap_or_default()).beacon;
    match take_v0(&state, route, request, dialect).await {
        Ok(()) => reply::accepted(state.journal.durability(), beacon),
        Err(error) => refused_v0(route, &error),
    }
}

async fn take_v0(state: &Arc<CaptureState>, route: &'static Route, request: Request, dialect: Dialect) -> Result<(), CaptureError> {
    let arrival = arrive(state, route, request, state.config.body_wire_bytes_max).await?;
    let started = Instant::now();
    let (wire_bytes, bytes_max) = (arrival.body.len(), state.config.body_decoded_bytes_max);
    let shared = Arc::clone(state);
    let work = move |bytes_max| v0::accept(&arrival, dialect, &shared.config, bytes_max);
    let too_large = |error: &CaptureError| matches!(error, CaptureError::DecodedTooLarge { .. });
    let accepted = beside_if_large(wire_bytes, bytes_max, work, too_large).await.unwrap_or(Err(CaptureError::NotDurable))?;
    metrics::decoded(route.path, wire_bytes, accepted.decoded_bytes, started.elapsed());
    let events = accepted.records.events;
    append(state, accepted.records).await.map_err(|_| CaptureError::NotDurable)?;
    metrics::accepted(route.path, events, accepted.dropped);
    Ok(())
}

fn refused_v0(route: &'static Route, error: &CaptureError) -> Response {
    metrics::refused(route.path, error.reason());
    reply::refusal(error)
}

/// Protocol v1.
pub(crate) async fn events_v1(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    let headers = request.headers().clone();
    let mut response = match take_v1(&state, route, request).await {
        Ok(results) => reply::durable(v1::success(results), state.journal.durability()),
        Err(error) => {
            metrics::refused(route.path, error.tag());
            error.response()
        }
    };
    v1::echo(&headers, state.clock.now(), &mut response);
    response
}

async fn take_v1(state: &Arc<CaptureState>, route: &'static Route, request: Request) -> Result<String, V1Error> {
    let (parts, body) = request.into_parts();
    v1::check_head(&parts)?;
    let arrival = arrive(state, route, Request::from_parts(parts, body), state.config.v1_body_wire_bytes_max).await?;
    let started = Instant::now();
    let (wire_bytes, bytes_max) = (arrival.body.len(), state.config.v1_body_decoded_bytes_max);
    let shared = Arc::clone(state);
    let work = move |bytes_max| v1::accept(&arrival, &shared.config, bytes_max);
    let too_large = |error: &V1Error| matches!(error, V1Error::TooLarge { .. });
    let accepted = beside_if_large(wire_bytes, bytes_max, work, too_large).await.unwrap_or(Err(V1Error::NotDurable))?;
    metrics::decoded(route.path, wire_bytes, accepted.decoded_bytes, started.elapsed());
    let events = accepted.records.events;
    append(state, accepted.records).await.map_err(|_| V1Error::NotDurable)?;
    metrics::accepted(route.path, events, accepted.dropped);
    Ok(accepted.results)
}

/// Session replay is not kept: a well-formed body is discarded, so that replay clients do not retry it for ever.
pub(crate) async fn replay(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    let beacon = Query::read(request.uri().query().unwrap_or_default()).beacon;
    let wire_bytes_max = state.config.replay_wire_bytes_max;
    let checked = async {
        let arrival = arrive(&state, route, request, wire_bytes_max).await?;
        let bytes_max = wire_bytes_max * REPLAY_DECODED_TIMES_MAX;
        let too_large = |error: &CaptureError| matches!(error, CaptureError::DecodedTooLarge { .. });
        let checked = beside_if_large(arrival.body.len(), bytes_max, move |bytes_max| well_formed(&arrival, bytes_max), too_large).await;
        checked.unwrap_or(Err(CaptureError::NotDurable))
    };
    match checked.await {
        Ok(()) if beacon => reply::empty(http::StatusCode::NO_CONTENT),
        Ok(()) => reply::ok(),
        Err(error) => refused_v0(route, &error),
    }
}

fn well_formed(arrival: &Arrival, bytes_max: usize) -> Result<(), CaptureError> {
    let query = Query::read(arrival.parts.uri.query().unwrap_or_default());
    with_text(&arrival.body, &Wrapping::of(arrival, &query, true, bytes_max), |text| {
        let mut cursor = Cursor::new(text);
        cursor.value()?;
        Ok(cursor.end()?)
    })
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

/// Runs `work` (its argument: the most bytes after decompression) here for a small body, on a thread for blocking work for one that is large
/// or turns out to be. `None` when that thread was lost: the runtime stops, or `work` is broken.
async fn beside_if_large<T, E>(
    wire_bytes: usize,
    bytes_max: usize,
    work: impl Fn(usize) -> Result<T, E> + Send + 'static,
    too_large: impl Fn(&E) -> bool,
) -> Option<Result<T, E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let inline = INLINE_DECODED_BYTES_MAX.min(bytes_max);
    if wire_bytes <= INLINE_WIRE_BYTES_MAX {
        let done = work(inline);
        if inline == bytes_max || !done.as_ref().is_err_and(too_large) {
            return Some(done);
        }
    }
    let permit = BESIDE.acquire().await.ok()?;
    let work = move || {
        // Held by the work, not by the request: a request that is given up does not stop its work.
        let _permit = permit;
        work(bytes_max)
    };
    tokio::task::spawn_blocking(work).await.ok()
}
