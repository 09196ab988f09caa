//! Queries that run in the background, and their answers until somebody fetched them or some minutes have passed.

use crate::error::ApiError;
use aqueduct_event::{Clock, ProjectId, UnixMicros};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::routes::iso;

/// How long the answer of a finished query is kept.
const KEPT_MICROS: i64 = 10 * 60 * 1_000_000;
/// Queries in the background, finished or not. Their answers are in memory.
const JOBS_MAX: usize = 200;

/// Background queries of all projects.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Mutex<HashMap<(ProjectId, String), Job>>>);

#[derive(Debug)]
struct Job {
    started_at: UnixMicros,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Ended {
    at: UnixMicros,
    outcome: Result<Arc<Value>, Failure>,
}

/// Why a background query has no answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Whether the user can mend it.
    pub(crate) is_users: bool,
    pub(crate) message: String,
}

/// How a query in the background stands, in PostHog's form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryStatus {
    id: String,
    query_async: bool,
    team_id: u32,
    insight_id: Option<i64>,
    dashboard_id: Option<i64>,
    pub(crate) error: bool,
    pub(crate) complete: bool,
    pub(crate) error_message: Option<String>,
    #[schema(value_type = Option<Object>)]
    results: Option<Arc<Value>>,
    pickup_time: String,
    start_time: String,
    end_time: Option<String>,
    expiration_time: Option<String>,
    task_id: Option<String>,
    query_progress: Option<()>,
    labels: Option<Vec<String>>,
    /// Whether the error is the user's to mend.
    #[serde(skip)]
    pub(crate) is_users_error: bool,
}

impl Jobs {
    /// Notes a query that begins.
    pub(crate) fn begin(&self, project: ProjectId, id: &str, clock: &dyn Clock) -> Result<(), ApiError> {
        let now = clock.now();
        let mut jobs = self.0.lock();
        jobs.retain(|_, job| job.ended.as_ref().is_none_or(|ended| now.0 - ended.at.0 < KEPT_MICROS));
        if jobs.len() >= JOBS_MAX {
            return Err(ApiError::Throttled("Too many queries in the background. Fetch their answers first, or wait some minutes."));
        }
        jobs.insert((project, id.to_owned()), Job { started_at: now, ended: None });
        Ok(())
    }

    /// Notes the end of a query.
    pub(crate) fn end(&self, project: ProjectId, id: &str, outcome: Result<Arc<Value>, Failure>, clock: &dyn Clock) {
        if let Some(job) = self.0.lock().get_mut(&(project, id.to_owned())) {
            job.ended = Some(Ended { at: clock.now(), outcome });
        }
    }

    /// How a query stands; `None` when it is unknown or long over.
    pub(crate) fn status(&self, project: ProjectId, id: &str) -> Option<QueryStatus> {
        let jobs = self.0.lock();
        let job = jobs.get(&(project, id.to_owned()))?;
        let failure = job.ended.as_ref().and_then(|ended| ended.outcome.as_ref().err());
        Some(QueryStatus {
            id: id.to_owned(),
            query_async: true,
            team_id: project.0,
            insight_id: None,
            dashboard_id: None,
            error: failure.is_some(),
            complete: job.ended.is_some(),
            error_message: failure.map(|failure| failure.message.clone()),
            results: job.ended.as_ref().and_then(|ended| ended.outcome.as_ref().ok().map(Arc::clone)),
            pickup_time: iso(job.started_at),
            start_time: iso(job.started_at),
            end_time: job.ended.as_ref().map(|ended| iso(ended.at)),
            expiration_time: job.ended.as_ref().map(|ended| iso(UnixMicros(ended.at.0 + KEPT_MICROS))),
            task_id: None,
            query_progress: None,
            labels: None,
            is_users_error: failure.is_some_and(|failure| failure.is_users),
        })
    }
}
