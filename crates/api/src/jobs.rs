//! Queries in the background: how each stands, and its answer until it was overtaken by newer ones or some minutes have passed.
//!
//! # Invariants
//! - A job belongs to its project: another project's ids are unknown.
//! - Bounded: jobs by number, answers by bytes. The oldest that ended go first; one that runs is never forgotten (the engine bounds how many may).
//! - A job that was cancelled has ended when the call returns.

use crate::answer::AnswerBody;
use crate::routes::iso;
use aqueduct_event::{Clock, ProjectId, UnixMicros};
use aqueduct_query::{Progress, QueryError};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::AbortHandle;
use utoipa::ToSchema;

/// How long the answer of a finished query is kept.
const KEPT_MICROS: i64 = 10 * 60 * 1_000_000;
/// Jobs that ended.
const ENDED_MAX: usize = 1_000;
/// Bytes of their answers, about.
const ANSWERS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Background queries of all projects.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Mutex<HashMap<(ProjectId, String), Job>>>);

#[derive(Debug)]
struct Job {
    started_at: UnixMicros,
    /// Stops the task that waits for the answer, and with it the work.
    task: Option<AbortHandle>,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Ended {
    at: UnixMicros,
    outcome: Result<AnswerBody, QueryError>,
}

impl Ended {
    fn bytes(&self) -> usize {
        self.outcome.as_ref().map_or(0, AnswerBody::bytes)
    }
}

/// How a query in the background stands, in PostHog's form.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct QueryStatus {
    id: String,
    query_async: bool,
    team_id: u32,
    insight_id: Option<i64>,
    dashboard_id: Option<i64>,
    pub(crate) error: bool,
    pub(crate) complete: bool,
    /// What went wrong, where the user can mend it.
    pub(crate) error_message: Option<String>,
    #[schema(value_type = Option<Object>)]
    results: Option<AnswerBody>,
    pickup_time: String,
    start_time: String,
    end_time: Option<String>,
    expiration_time: Option<String>,
    task_id: Option<String>,
    query_progress: Option<QueryProgress>,
    labels: Option<Vec<String>>,
    /// Why it has no answer.
    #[serde(skip)]
    pub(crate) failure: Option<QueryError>,
}

/// How far a query is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct QueryProgress {
    /// Bytes of the columns that it asked for, decoded.
    bytes_read: u64,
    /// Rows that it has read.
    rows_read: u64,
    /// Rows that it will have read, as far as is known now.
    estimated_rows_total: u64,
    /// Seconds since it came in.
    time_elapsed: u64,
    /// Microseconds at work in scans and operators, all threads together.
    active_cpu_time: u64,
}

impl From<Progress> for QueryProgress {
    fn from(progress: Progress) -> Self {
        Self {
            bytes_read: progress.bytes_read,
            rows_read: progress.rows_read,
            estimated_rows_total: progress.rows_total,
            time_elapsed: progress.elapsed.as_secs(),
            active_cpu_time: u64::try_from(progress.busy.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Jobs {
    /// Notes a query that begins; `false` when one of that id runs already.
    pub(crate) fn begin(&self, project: ProjectId, id: &str, clock: &dyn Clock) -> bool {
        let now = clock.now();
        let mut jobs = self.0.lock();
        jobs.retain(|_, job| job.ended.as_ref().is_none_or(|ended| now.0 - ended.at.0 < KEPT_MICROS));
        let key = (project, id.to_owned());
        if jobs.get(&key).is_some_and(|job| job.ended.is_none()) {
            return false;
        }
        jobs.insert(key, Job { started_at: now, task: None, ended: None });
        true
    }

    /// Says which task waits for the answer.
    pub(crate) fn runs(&self, project: ProjectId, id: &str, task: AbortHandle) {
        if let Some(job) = self.0.lock().get_mut(&(project, id.to_owned())) {
            job.task = Some(task);
        }
    }

    /// Notes the end of a query.
    pub(crate) fn end(&self, project: ProjectId, id: &str, outcome: Result<AnswerBody, QueryError>, clock: &dyn Clock) {
        let mut jobs = self.0.lock();
        if let Some(job) = jobs.get_mut(&(project, id.to_owned()))
            && job.ended.is_none()
        {
            job.ended = Some(Ended { at: clock.now(), outcome });
        }
        make_room(&mut jobs);
    }

    /// Ends a query without an answer; `false` when none of that id runs.
    pub(crate) fn cancel(&self, project: ProjectId, id: &str, clock: &dyn Clock) -> bool {
        let mut jobs = self.0.lock();
        let Some(job) = jobs.get_mut(&(project, id.to_owned())).filter(|job| job.ended.is_none()) else { return false };
        job.ended = Some(Ended { at: clock.now(), outcome: Err(QueryError::Cancelled) });
        if let Some(task) = job.task.take() {
            task.abort();
        }
        true
    }

    /// How a query stands; `None` when it is unknown or long over.
    pub(crate) fn status(&self, project: ProjectId, id: &str, progress: Option<Progress>) -> Option<QueryStatus> {
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
            error_message: failure.map(QueryError::detail),
            results: job.ended.as_ref().and_then(|ended| ended.outcome.as_ref().ok().cloned()),
            pickup_time: iso(job.started_at),
            start_time: iso(job.started_at),
            end_time: job.ended.as_ref().map(|ended| iso(ended.at)),
            expiration_time: job.ended.as_ref().map(|ended| iso(UnixMicros(ended.at.0 + KEPT_MICROS))),
            task_id: None,
            query_progress: progress.filter(|_| job.ended.is_none()).map(QueryProgress::from),
            labels: None,
            failure: failure.cloned(),
        })
    }
}

/// Forgets the oldest jobs that ended while there are too many or their answers too large.
fn make_room(jobs: &mut HashMap<(ProjectId, String), Job>) {
    let mut ended: Vec<(UnixMicros, usize, (ProjectId, String))> =
        jobs.iter().filter_map(|(key, job)| job.ended.as_ref().map(|ended| (ended.at, ended.bytes(), key.clone()))).collect();
    let mut bytes: usize = ended.iter().map(|(_, bytes, _)| bytes).sum();
    let mut count = ended.len();
    if count <= ENDED_MAX && bytes <= ANSWERS_BYTES_MAX {
        return;
    }
    ended.sort();
    for (_, of_one, key) in ended {
        // The newest stays, whatever its size: somebody waits for it.
        if count == 1 || (count <= ENDED_MAX && bytes <= ANSWERS_BYTES_MAX) {
            return;
        }
        jobs.remove(&key);
        bytes -= of_one;
        count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aqueduct_event::ManualClock;

    const ONE: ProjectId = ProjectId(1);

    #[test]
    fn the_oldest_that_ended_goes_first() {
        let (jobs, clock) = (Jobs::default(), ManualClock::new(UnixMicros(0)));
        assert!(jobs.begin(ONE, "runs", &clock) && !jobs.begin(ONE, "runs", &clock), "one of that id runs already");
        for number in 0..ENDED_MAX + 2 {
            clock.set(UnixMicros(i64::try_from(number).expect("small")));
            assert!(jobs.begin(ONE, &number.to_string(), &clock));
            jobs.end(ONE, &number.to_string(), Err(QueryError::Cancelled), &clock);
        }
        let knows = |id: &str| jobs.status(ONE, id, None).is_some();
        assert!(knows("runs") && !knows("0") && !knows("1") && knows("2"));
        clock.set(UnixMicros(clock.now().0 + KEPT_MICROS));
        jobs.begin(ONE, "next", &clock);
        assert!(knows("runs") && !knows("2"));
    }

    #[test]
    fn a_cancelled_job_has_ended_and_stays_so() {
        let (jobs, clock) = (Jobs::default(), ManualClock::new(UnixMicros(0)));
        jobs.begin(ONE, "a", &clock);
        assert!(!jobs.cancel(ProjectId(2), "a", &clock), "another project's");
        assert!(jobs.cancel(ONE, "a", &clock) && !jobs.cancel(ONE, "a", &clock));
        jobs.end(ONE, "a", Err(QueryError::Timeout { seconds: 1 }), &clock);
        let status = jobs.status(ONE, "a", None).expect("known");
        assert!(status.complete && status.error && matches!(status.failure, Some(QueryError::Cancelled)));
    }
}
