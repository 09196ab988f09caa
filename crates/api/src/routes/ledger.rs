//! The ledger of a project: what became of its events, by minute, hour or day of receipt.

use crate::body::Params;
use crate::error::ApiError;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_event::{Minute, UnixMicros, timestamp};
use aqueduct_ledger::account::{Figures, Health, Interval};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const HOUR_MINUTES: u32 = 60;
/// Rows of one answer; a longer period wants longer intervals.
const ROWS_MAX: u32 = 50_000;

/// Which period.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LedgerParams {
    /// Begin of the period, RFC 3339. Default: an hour before its end.
    date_from: Option<String>,
    /// End of the period, RFC 3339. Default: now.
    date_to: Option<String>,
    /// `minute`, `hour` or `day`. Default: `minute` up to a day, else `hour`.
    interval: Option<String>,
}

/// The account of a period.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerBody {
    /// How the account of all projects stands: `state` is `balanced`, `replaying` (for a moment after a start) or `alarm`.
    #[schema(value_type = Object)]
    health: Health,
    date_from: String,
    date_to: String,
    interval: &'static str,
    /// Figures of the whole period: `received = visible + in_flight + duplicate + refused + dropped + dead_lettered + residue`.
    #[schema(value_type = Object)]
    total: Figures,
    /// Figures of each interval in which something was received.
    results: Vec<LedgerRowBody>,
}

/// One interval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerRowBody {
    /// When it begins.
    start: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    figures: Figures,
}

/// What became of the events of a project.
#[utoipa::path(get, path = "/api/projects/{project}/ledger/", tag = "ledger", params(("project" = String, Path), LedgerParams),
    responses((status = 200, body = LedgerBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<LedgerParams>,
) -> Result<Json<LedgerBody>, ApiError> {
    caller.may("ledger")?;
    let ledger = Arc::clone(state.ledger.as_ref().ok_or(ApiError::NotFound("This server keeps no ledger: it does not process events."))?);
    let time = |field, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let wrong = || ApiError::field(field, "invalid_input", format!("Found {text:?}, expected a time by RFC 3339."));
            timestamp::parse(&text).map(Some).ok_or_else(wrong)
        }
    };
    let to = Minute::of(time("date_to", params.date_to)?.unwrap_or(state.clock.now()));
    let from = time("date_from", params.date_from)?.map_or(Minute(to.0.saturating_sub(HOUR_MINUTES)), Minute::of);
    let minutes = to.0.saturating_sub(from.0);
    let (interval, name, length) = match params.interval.as_deref() {
        Some("minute") => (Interval::Minute, "minute", 1),
        None if minutes <= 24 * HOUR_MINUTES => (Interval::Minute, "minute", 1),
        None | Some("hour") => (Interval::Hour, "hour", HOUR_MINUTES),
        Some("day") => (Interval::Day, "day", 24 * HOUR_MINUTES),
        Some(other) => {
            return Err(ApiError::field("interval", "invalid_input", format!("Found {other:?}, expected minute, hour or day.")));
        }
    };
    if minutes / length > ROWS_MAX {
        return Err(ApiError::field("interval", "invalid_input", "The period has too many intervals; ask for longer ones."));
    }
    let id = project.id;
    let report = tokio::task::spawn_blocking(move || ledger.report(from..=to, interval, Some(id))).await;
    let report = report.map_err(|_| ApiError::Panic)??;
    let results = report.rows.into_iter().map(|row| LedgerRowBody { start: row.start, figures: row.figures }).collect();
    let text = |minute: Minute| UnixMicros::to_rfc3339(minute.start());
    Ok(Json(LedgerBody { health: report.health, date_from: text(from), date_to: text(to), interval: name, total: report.total, results }))
}
