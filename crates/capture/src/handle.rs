//! The handlers of the event routes: let in, read, decode, append, answer.
//!
//! # Invariants
//! - A success is sent after the journal said that all records of the request are durable, and never otherwise.
//! - A body of more than a few events is decoded by threads for that, one that takes long on a thread of its own, so that small requests do not wait for
//!   large ones.

use crate::accepted::Accepted;
use crate::append::{NotDurable, append};
use crate::body::{self, Unread};
use crate::decode::{Query, Wrapping, with_text};
use crate::error::CaptureError;
use crate::http::Route;
use crate::json::Cursor;
use crate::let_in::{LetIn, let_in};
use crate::metrics;
use crate::peek;
use crate::records::Records;
use crate::remark::{self, Lost, Refused};
use crate::reply;
use crate::request::{Arrival, client_ip};
use crate::state::CaptureState;
use crate::v0::{self, Dialect};
use crate::v1::{self, V1Error};
use aqueduct_event::limits::{BODY_DECODED_BYTES_MAX, BODY_WIRE_BYTES_MAX};
use aqueduct_ledger::recorder::Receipt;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http_body::Body as _;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// A body up to this is decoded where it was read, unless it turns out to be larger than [`SMALL_DECODED_BYTES_MAX`]: some 50 µs, less than to hand it over
/// and back.
const SMALL_WIRE_BYTES_MAX: usize = 4 * 1024;
const SMALL_DECODED_BYTES_MAX: usize = 64 * 1024;
/// A body up to this is work for the bulk threads, unless it turns out to be larger than [`BULK_DECODED_BYTES_MAX`]: under two milliseconds.
const BULK_WIRE_BYTES_MAX: usize = 64 * 1024;
const BULK_DECODED_BYTES_MAX: usize = 1024 * 1024;
/// How many larger bodies are decoded at once, on threads of their own. Each may take as much memory as a decoded body may have; the others wait.
const BESIDE_MAX: usize = 4;
static BESIDE: Semaphore = Semaphore::const_new(BESIDE_MAX);
/// How much larger a replay body may get by decompression: as much as an event body.
const REPLAY_DECODED_TIMES_MAX: usize = BODY_DECODED_BYTES_MAX / BODY_WIRE_BYTES_MAX;

/// Protocol v0.
pub(crate) async fn events(state: Arc<CaptureState>, route: &'static Route, request: Request, dialect: Dialect) -> Response {
    let beacon = Query::read(request.uri().query().unwrap_or_default()).beacon;
    match take_v0(&state, route, request, dialect).await {
        Ok(()) => reply::accepted(state.journal.durability(), beacon),
        Err(refused) => refused_v0(&state, route, refused),
    }
}

async fn take_v0(
    state: &Arc<CaptureState>,
    route: &'static Route,
    request: Request,
    dialect: Dialect,
) -> Result<(), Refused<CaptureError>> {
    let (mut admitted, request) = let_in(state, request, None).await?;
    let arrival = admitted.arrived(arrive(state, route, request, state.config.body_wire_bytes_max)).await?;
    let started = Instant::now();
    let (wire_bytes, bytes_max) = (arrival.body.len(), state.config.body_decoded_bytes_max);
    let shared = Arc::clone(state);
    let work = move |bytes_max| v0::accept(&arrival, dialect, &shared.config, shared.recorder.as_deref(), bytes_max);
    let too_large = |refused: &Refused<CaptureError>| matches!(refused.error, CaptureError::DecodedTooLarge { .. });
    let accepted = decoded(state, wire_bytes, bytes_max, work, too_large).await;
    let accepted = accepted.unwrap_or_else(|| Err(CaptureError::NotDurable.into()))?;
    metrics::decoded(route.path, wire_bytes, accepted.decoded_bytes, started.elapsed());
    admitted.settle(state, &accepted.records, wire_bytes);
    keep(state, route, admitted, accepted, CaptureError::NotDurable).await
}

/// Makes a request that was taken durable, and tells ledger and recorder of it. `error`: what its sender is told when it is not durable.
async fn keep<E>(state: &CaptureState, route: &'static Route, admitted: LetIn, accepted: Accepted, error: E) -> Result<(), Refused<E>> {
    let Accepted { records, token, received_at, left_out, receipt, remarks, .. } = accepted;
    let (turn, _held) = admitted.turn().await;
    remark::account_left_out(state, &token, received_at, &left_out);
    match append(state, &records).await {
        Ok(position) => {
            turn.kept();
            remark::taken(state, position, receipt, remarks);
            metrics::accepted(route.path, records.events, left_out.iter().map(|(_, events)| *events as usize).sum());
            Ok(())
        }
        Err(failure) => {
            note_not_durable(state, route, &failure, receipt.as_ref(), &records);
            // `append` tells the ledger: only it learns what the journal took after all.
            Err(Refused { error, about: None, lost: None })
        }
    }
}

fn refused_v0(state: &CaptureState, route: &'static Route, refused: Refused<CaptureError>) -> Response {
    let Refused { error, about, lost } = refused;
    metrics::refused(route.path, error.reason());
    remark::account(state, error.refusal(), lost.as_ref());
    remark::refused(state, route.path, error.refusal(), error.status(), error.to_string(), about);
    reply::refusal(&error)
}

/// Notes why a request is not durable, which its sender is not told.
fn note_not_durable(state: &CaptureState, route: &'static Route, failure: &NotDurable, receipt: Option<&Receipt>, records: &Records) {
    let refusal = failure.refusal();
    let about = remark::about_records(state.recorder.as_deref(), refusal, receipt, &records.payloads);
    remark::refused(state, route.path, refusal, StatusCode::SERVICE_UNAVAILABLE, failure.to_string(), about);
}

/// Protocol v1.
pub(crate) async fn events_v1(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    let headers = request.headers().clone();
    let mut response = match take_v1(&state, route, request).await {
        Ok(results) => reply::durable(v1::success(results), state.journal.durability()),
        Err(Refused { error, about, lost }) => {
            metrics::refused(route.path, error.tag());
            remark::account(&state, error.refusal(), lost.as_ref());
            remark::refused(&state, route.path, error.refusal(), error.status(), error.to_string(), about);
            error.response()
        }
    };
    v1::echo(&headers, state.clock.now(), &mut response);
    response
}

async fn take_v1(state: &Arc<CaptureState>, route: &'static Route, request: Request) -> Result<String, Refused<V1Error>> {
    let (parts, body) = request.into_parts();
    let token = v1::check_head(&parts).map_err(|error| {
        let about = remark::about(state.recorder.as_deref(), error.refusal(), &parts, Cow::default);
        Refused { error, about, lost: Some(Lost::unread(None, body.size_hint().exact())) }
    })?;
    let admitted = let_in(state, Request::from_parts(parts, body), Some(&token)).await;
    let (mut admitted, request) = admitted.map_err(|refused| refused.map(V1Error::from))?;
    let arrival = admitted.arrived(arrive(state, route, request, state.config.v1_body_wire_bytes_max)).await;
    let arrival = arrival.map_err(|refused| refused.map(V1Error::from))?;
    let started = Instant::now();
    let (wire_bytes, bytes_max) = (arrival.body.len(), state.config.v1_body_decoded_bytes_max);
    let shared = Arc::clone(state);
    let work = move |bytes_max| v1::accept(&arrival, &shared.config, shared.recorder.as_deref(), bytes_max);
    let too_large = |refused: &Refused<V1Error>| matches!(refused.error, V1Error::TooLarge { .. });
    let accepted = decoded(state, wire_bytes, bytes_max, work, too_large).await;
    let (accepted, results) = accepted.unwrap_or_else(|| Err(V1Error::NotDurable.into()))?;
    metrics::decoded(route.path, wire_bytes, accepted.decoded_bytes, started.elapsed());
    admitted.settle(state, &accepted.records, wire_bytes);
    keep(state, route, admitted, accepted, V1Error::NotDurable).await?;
    Ok(results)
}

/// Session replay is not kept: a well-formed body is discarded, so that replay clients do not retry it for ever.
pub(crate) async fn replay(state: Arc<CaptureState>, route: &'static Route, request: Request) -> Response {
    let beacon = Query::read(request.uri().query().unwrap_or_default()).beacon;
    let wire_bytes_max = state.config.replay_wire_bytes_max;
    let checked = async {
        let arrival = arrive(&state, route, request, wire_bytes_max).await?;
        let bytes_max = wire_bytes_max * REPLAY_DECODED_TIMES_MAX;
        let too_large = |error: &CaptureError| matches!(error, CaptureError::DecodedTooLarge { .. });
        let checked = decoded(&state, arrival.body.len(), bytes_max, move |bytes_max| well_formed(&arrival, bytes_max), too_large).await;
        checked.unwrap_or(Err(CaptureError::NotDurable)).map_err(Refused::from)
    };
    match checked.await {
        Ok(()) if beacon => reply::empty(http::StatusCode::NO_CONTENT),
        Ok(()) => reply::ok(),
        // No events were in it.
        Err(refused) => refused_v0(&state, route, Refused { lost: None, ..refused }),
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
) -> Result<Arrival, Refused<CaptureError>> {
    let (parts, body) = request.into_parts();
    let mut held = state.gate.memory().hold();
    let read = body::read(body, wire_bytes_max, state.config.body_gap_timeout(), &mut held).await;
    let body = read.map_err(|Unread { error, begin }| {
        let about = remark::about(state.recorder.as_deref(), error.refusal(), &parts, || peek::unpacked(&begin));
        Refused { about, ..Refused::from(error) }
    })?;
    let client_ip = client_ip(&parts);
    Ok(Arrival { client_ip, parts, body, received_at: state.clock.now(), path: route.path, _held: Some(held) })
}

/// Runs `work` (its argument: the most bytes after decompression) here for a small body, on a bulk thread for a larger one, on a thread for blocking work for
/// one that is large or turns out to be. `None` when that thread was lost: the runtime stops, or `work` is broken.
async fn decoded<T, E>(
    state: &CaptureState,
    wire_bytes: usize,
    bytes_max: usize,
    work: impl Fn(usize) -> Result<T, E> + Send + Sync + 'static,
    too_large: impl Fn(&E) -> bool,
) -> Option<Result<T, E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let is_enough = |limit, done: &Result<T, E>| limit == bytes_max || !done.as_ref().is_err_and(&too_large);
    if wire_bytes <= SMALL_WIRE_BYTES_MAX {
        let limit = SMALL_DECODED_BYTES_MAX.min(bytes_max);
        let done = work(limit);
        if is_enough(limit, &done) {
            return Some(done);
        }
    }
    let work = Arc::new(work);
    if wire_bytes <= BULK_WIRE_BYTES_MAX {
        let limit = BULK_DECODED_BYTES_MAX.min(bytes_max);
        let done = match &state.bulk {
            None => work(limit),
            Some(bulk) => {
                let work = Arc::clone(&work);
                bulk.spawn(async move { work(limit) }).await.ok()?
            }
        };
        if is_enough(limit, &done) {
            return Some(done);
        }
    }
    let permit = BESIDE.acquire().await.ok()?;
    let work = move || {
        // Held by the work, not by the request: a request that is given up does not stop its work.
        let _permit = permit;
        work(bytes_max)
    };
    let bulk = state.bulk.clone().unwrap_or_else(Handle::current);
    bulk.spawn_blocking(work).await.ok()
}
