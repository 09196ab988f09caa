//! Ingestion warnings of the last 30 days, by kind.

use crate::body::Params;
use crate::error::ApiError;
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::IngestionWarning;
use aqueduct_event::UnixMicros;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;
const DAYS: i64 = 30;
/// Warnings of one kind that are answered with their details.
const SHOWN_OF_A_KIND: usize = 50;

/// All kinds of warnings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningsBody {
    results: Vec<WarningKindBody>,
}

/// Warnings of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningKindBody {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "lastSeen")]
    last_seen: String,
    count: usize,
    /// The newest, newest first.
    warnings: Vec<WarningBody>,
    /// `[count, day]`, oldest first.
    sparkline: Vec<(usize, String)>,
}

/// One warning.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningBody {
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    details: Value,
}

/// How many warnings to look at.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WarningParams {
    /// The newest so many, at most 1000. Default: 1000.
    limit: Option<u32>,
    /// Only warnings with this text in their type or details.
    q: Option<String>,
}

/// What was wrong with events of a project lately.
#[utoipa::path(get, path = "/api/projects/{project}/ingestion_warnings/", tag = "ingestion_warnings",
    params(("project" = String, Path), WarningParams), responses((status = 200, body = WarningsBody)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<WarningParams>,
) -> Result<Json<WarningsBody>, ApiError> {
    caller.may("ingestion_warning")?;
    let since = UnixMicros(state.clock.now().0.saturating_sub(DAYS * DAY_MICROS));
    let warnings = state.catalog.ingestion_warnings(project.id, since, params.limit.unwrap_or(1_000).min(1_000)).await?;
    let mut kinds: Vec<WarningKindBody> = Vec::new();
    let mut days: BTreeMap<(String, String), usize> = BTreeMap::new();
    let wanted = |warning: &IngestionWarning| {
        params.q.as_ref().is_none_or(|text| warning.kind.contains(text) || warning.details.to_string().contains(text))
    };
    for warning in warnings.into_iter().filter(wanted) {
        let timestamp = iso(warning.created_at);
        *days.entry((warning.kind.clone(), timestamp.chars().take(10).collect())).or_default() += 1;
        match kinds.iter_mut().find(|kind| kind.kind == warning.kind) {
            Some(kind) => kind.add(warning, timestamp),
            None => {
                let mut kind = WarningKindBody::new(&warning.kind, &timestamp);
                kind.add(warning, timestamp);
                kinds.push(kind);
            }
        }
    }
    for ((of, day), count) in days {
        if let Some(kind) = kinds.iter_mut().find(|kind| kind.kind == of) {
            kind.sparkline.push((count, day));
        }
    }
    Ok(Json(WarningsBody { results: kinds }))
}

impl WarningKindBody {
    fn new(kind: &str, last_seen: &str) -> Self {
        Self { kind: kind.to_owned(), last_seen: last_seen.to_owned(), count: 0, warnings: Vec::new(), sparkline: Vec::new() }
    }

    fn add(&mut self, warning: IngestionWarning, timestamp: String) {
        self.count += 1;
        if self.warnings.len() < SHOWN_OF_A_KIND {
            self.warnings.push(WarningBody { kind: warning.kind, timestamp, details: warning.details });
        }
    }
}
