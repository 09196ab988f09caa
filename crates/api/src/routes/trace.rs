//! Where an event is, and whether any is missing.

use crate::auth::Caller;
use crate::body::Params;
use crate::error::ApiError;
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_event::{UnixMicros, timestamp};
use aqueduct_trace::audit::{Audit, Period};
use aqueduct_trace::{EventWarning, Trace};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering};
use utoipa::IntoParams;

/// How far back ingestion warnings are looked at.
const WARNINGS_MICROS: i64 = 30 * 24 * 3_600 * 1_000_000;
const WARNINGS_MAX: u32 = 5_000;
/// Events of an audit that are in memory at once: about 40 MiB.
const EVENTS_AT_ONCE: usize = 1 << 20;
const NOT_HERE: ApiError = ApiError::NotFound("This server does not keep what a trace needs.");

/// One audit at a time: it reads the whole store.
static AUDITING: AtomicBool = AtomicBool::new(false);

/// What became of an event, by its uuid; or of the newest events of a distinct id.
#[utoipa::path(get, path = "/api/projects/{project}/trace/{id}/", tag = "trace",
    params(("project" = String, Path), ("id" = String, Path, description = "uuid or distinct id")), responses((status = 200, body = Trace)))]
pub(crate) async fn trace(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Trace>, ApiError> {
    caller.may("event")?;
    let tracer = state.inspection.as_ref().ok_or(NOT_HERE)?.tracer.clone();
    let since = UnixMicros(state.clock.now().0.saturating_sub(WARNINGS_MICROS));
    let warnings = state.catalog.ingestion_warnings(project.id, since, WARNINGS_MAX).await?;
    let warning = |warning: aqueduct_catalog::IngestionWarning| EventWarning {
        kind: warning.kind,
        at: iso(warning.created_at),
        details: warning.details,
    };
    let warnings: Vec<EventWarning> = warnings.into_iter().map(warning).collect();
    // It may read much: not on a thread that answers other requests.
    let work = tokio::task::spawn_blocking(move || tracer.trace(project.id, &id, &warnings));
    Ok(Json(work.await.map_err(|_| ApiError::Panic)??))
}

/// Which times of receipt are audited.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// The first. Default: the oldest.
    from: Option<String>,
    /// The end, not in it any more. Default: now.
    to: Option<String>,
}

/// Compares what was accepted with what became of it, event by event, and rows with counts. Takes a while on a large store; one at a time.
#[utoipa::path(get, path = "/api/audit/", tag = "trace", params(AuditParams), responses((status = 200, body = Audit)))]
pub(crate) async fn audit(
    State(state): State<ApiState>,
    caller: Caller,
    Params(params): Params<AuditParams>,
) -> Result<Json<Audit>, ApiError> {
    caller.may("audit")?;
    let auditor = state.inspection.as_ref().ok_or(NOT_HERE)?.auditor.clone();
    let bound = |name: &'static str, text: Option<&String>, otherwise| match text {
        None => Ok(otherwise),
        Some(text) => {
            timestamp::parse(text).ok_or_else(|| ApiError::field(name, "invalid_input", "Expected a time such as 2026-03-01T12:00:00Z."))
        }
    };
    let (from, to) = (bound("from", params.from.as_ref(), UnixMicros(i64::MIN))?, bound("to", params.to.as_ref(), UnixMicros(i64::MAX))?);
    let turn = Turn::take().ok_or(ApiError::Throttled("An audit is under way already."))?;
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        auditor.audit(Period { from, to }, EVENTS_AT_ONCE)
    });
    Ok(Json(work.await.map_err(|_| ApiError::Panic)??))
}

/// The right to audit; given back when dropped.
struct Turn;

impl Turn {
    fn take() -> Option<Self> {
        (!AUDITING.swap(true, Ordering::AcqRel)).then_some(Self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        AUDITING.store(false, Ordering::Release);
    }
}
