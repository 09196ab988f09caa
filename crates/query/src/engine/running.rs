//! The queries that somebody waits for, by id: how far they are, and how to stop one.

use crate::error::QueryError;
use crate::scan::{Progress, Usage};
use aqueduct_event::{ProjectId, UnixMicros};
use futures::future::{AbortHandle, Aborted, abortable};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// A query that runs or waits for its turn.
#[derive(Clone, Debug)]
pub struct RunningQuery {
    /// Its project.
    pub project: ProjectId,
    /// Its id.
    pub query_id: String,
    /// Kind of its outermost object, `other` for unknown ones.
    pub kind: &'static str,
    /// When it came.
    pub since: UnixMicros,
    /// How far it is.
    pub progress: Progress,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    kind: &'static str,
    since: UnixMicros,
    usage: Arc<Usage>,
    abort: AbortHandle,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<(ProjectId, String), Entry>,
    numbers: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct RunningQueries(Mutex<Inner>);

/// A query that is about to be waited for.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) project: ProjectId,
    /// `None`: it cannot be cancelled and is not listed.
    pub(super) query_id: Option<String>,
    pub(super) kind: &'static str,
    pub(super) at: UnixMicros,
}

/// Takes an entry off the list. A later query may have taken its id meanwhile.
struct Listed<'a> {
    list: &'a RunningQueries,
    key: (ProjectId, String),
    number: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let entries = &mut self.list.0.lock().entries;
        if entries.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            entries.remove(&self.key);
        }
    }
}

impl RunningQueries {
    /// Waits for `work`, which can be cancelled by the id meanwhile.
    ///
    /// # Errors
    /// Those of `work`, and [`QueryError::Cancelled`].
    pub(super) async fn wait<T>(
        &self,
        arrival: Arrival,
        usage: Arc<Usage>,
        work: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<T, QueryError> {
        let Some(query_id) = arrival.query_id else { return work.await };
        let key = (arrival.project, query_id);
        let (work, abort) = abortable(work);
        let number = {
            let inner = &mut *self.0.lock();
            inner.numbers += 1;
            let entry = Entry { number: inner.numbers, kind: arrival.kind, since: arrival.at, usage, abort };
            inner.entries.insert(key.clone(), entry);
            inner.numbers
        };
        let _listed = Listed { list: self, key, number };
        match work.await {
            Ok(done) => done,
            Err(Aborted) => Err(QueryError::Cancelled),
        }
    }

    pub(super) fn cancel(&self, project: ProjectId, query_id: &str) -> bool {
        let entry = self.0.lock().entries.remove(&(project, query_id.to_owned()));
        entry.is_some_and(|entry| {
            entry.abort.abort();
            true
        })
    }

    pub(super) fn progress(&self, project: ProjectId, query_id: &str) -> Option<Progress> {
        let inner = self.0.lock();
        Some(inner.entries.get(&(project, query_id.to_owned()))?.usage.progress())
    }

    /// Those of a project, or of all, the oldest first.
    pub(super) fn list(&self, project: Option<ProjectId>) -> Vec<RunningQuery> {
        let inner = self.0.lock();
        let wanted = inner.entries.iter().filter(|((of, _), _)| project.is_none_or(|project| project == *of));
        let mut list: Vec<RunningQuery> = wanted
            .map(|((project, query_id), entry)| RunningQuery {
                project: *project,
                query_id: query_id.clone(),
                kind: entry.kind,
                since: entry.since,
                progress: entry.usage.progress(),
            })
            .collect();
        list.sort_by(|a, b| (a.since, &a.query_id).cmp(&(b.since, &b.query_id)));
        list
    }
}
