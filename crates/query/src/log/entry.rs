//! One entry of the query log.

use crate::error::QueryError;
use crate::scan::Progress;
use aqueduct_event::{ProjectId, UnixMicros};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Characters of a query that are kept.
pub(super) const QUERY_CHARS_MAX: usize = 4_000;
/// Characters of an id, a name or an error that are kept.
const TEXT_CHARS_MAX: usize = 400;

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// Number of the user; `None`: the server itself.
    pub user: Option<i64>,
    /// Whether it came with a personal API key.
    pub with_key: bool,
    /// What the client calls the query.
    pub name: Option<String>,
    /// Path that was asked.
    pub endpoint: &'static str,
}

/// How a query ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// With an answer.
    QueryFinish,
    /// It never ran: it cannot be read, or found no place.
    ExceptionBeforeStart,
    /// While it ran.
    ExceptionWhileProcessing,
}

/// What is known of a query that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The project.
    pub project: ProjectId,
    /// The query's id.
    pub query_id: String,
    /// Kind of the query's object, inside wrappers.
    pub kind: String,
    /// HogQL's text, or the object as JSON; cut where it is long.
    pub query: String,
    /// What the client calls it.
    pub name: String,
    /// Path that was asked.
    pub endpoint: String,
    /// Number of the user who asked; 0: the server itself.
    pub user: i64,
    /// Whether it came with a personal API key.
    pub with_key: bool,
    /// When it came.
    pub started_at: UnixMicros,
    /// From then to its end, waiting for its turn included.
    pub duration_ms: u64,
    /// Rows of parts that were read.
    pub read_rows: u64,
    /// Bytes of columns that were decoded for it.
    pub read_bytes: u64,
    /// Rows or items of the answer.
    pub result_rows: u64,
    /// Memory of the answer, about.
    pub result_bytes: u64,
    /// The most memory that it held, bytes.
    pub memory_bytes: u64,
    /// Time at work, all threads together, µs.
    pub busy_micros: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status of the error; 0: none.
    pub error_status: u16,
    /// What went wrong, empty for nothing.
    pub error: String,
    /// Whether the answer was kept from an earlier time.
    pub is_cached: bool,
}

/// What the log needs of the request; the rest is known at the end.
#[derive(Debug)]
pub(crate) struct Begun {
    entry: LogEntry,
}

impl Begun {
    pub(crate) fn new(project: ProjectId, query_id: Option<&str>, query: &Json, asker: &Asker, at: UnixMicros) -> Self {
        let query = crate::cache::unwrapped(query);
        let kind = query.get("kind").and_then(Json::as_str).unwrap_or_default();
        let text = match query.get("query").and_then(Json::as_str) {
            Some(text) if kind == "HogQLQuery" => cut(text, QUERY_CHARS_MAX),
            _ => cut(&query.to_string(), QUERY_CHARS_MAX),
        };
        let entry = LogEntry {
            project,
            query_id: cut(query_id.unwrap_or_default(), TEXT_CHARS_MAX),
            kind: cut(kind, TEXT_CHARS_MAX),
            query: text,
            name: cut(asker.name.as_deref().unwrap_or_default(), TEXT_CHARS_MAX),
            endpoint: asker.endpoint.to_owned(),
            user: asker.user.unwrap_or(0),
            with_key: asker.with_key,
            started_at: at,
            duration_ms: 0,
            read_rows: 0,
            read_bytes: 0,
            result_rows: 0,
            result_bytes: 0,
            memory_bytes: 0,
            busy_micros: 0,
            outcome: Outcome::QueryFinish,
            error_status: 0,
            error: String::new(),
            is_cached: false,
        };
        Self { entry }
    }

    /// The entry of a query that was answered with `results`.
    pub(crate) fn answered(mut self, progress: Progress, results: Option<&Json>, is_cached: bool) -> LogEntry {
        self.used(progress);
        self.entry.result_rows = results.map_or(0, |results| results.as_array().map_or(1, |rows| rows.len() as u64));
        self.entry.result_bytes = results.map_or(0, |results| crate::cache::value_bytes(results) as u64);
        self.entry.is_cached = is_cached;
        self.entry
    }

    /// The entry of a query that failed.
    pub(crate) fn failed(mut self, progress: Progress, error: &QueryError) -> LogEntry {
        self.used(progress);
        let before = matches!(
            error,
            QueryError::Busy { .. }
                | QueryError::Request { .. }
                | QueryError::Syntax(_)
                | QueryError::Resolve(_)
                | QueryError::Unsupported(_)
        );
        self.entry.outcome = if before { Outcome::ExceptionBeforeStart } else { Outcome::ExceptionWhileProcessing };
        self.entry.error_status = error.status();
        self.entry.error = cut(&error.detail(), TEXT_CHARS_MAX);
        self.entry
    }

    fn used(&mut self, progress: Progress) {
        let entry = &mut self.entry;
        entry.duration_ms = u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX);
        entry.read_rows = progress.rows_read;
        entry.read_bytes = progress.bytes_read;
        entry.memory_bytes = progress.memory_peak as u64;
        entry.busy_micros = u64::try_from(progress.busy.as_micros()).unwrap_or(u64::MAX);
    }
}

impl LogEntry {
    /// Memory of it, about.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.query_id, &self.kind, &self.query, &self.name, &self.endpoint, &self.error];
        size_of::<Self>() + texts.iter().map(|text| text.len()).sum::<usize>()
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::log) fn entry(project: u32, query_id: &str) -> LogEntry {
        let query = json!({"kind": "HogQLQuery", "query": "select 1"});
        Begun::new(ProjectId(project), Some(query_id), &query, &Asker::default(), UnixMicros(1)).answered(
            Progress::default(),
            Some(&json!([[1]])),
            false,
        )
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }

    #[test]
    fn errors_before_the_start_are_told_from_those_after() {
        let failed = |error: QueryError| {
            Begun::new(ProjectId(1), None, &json!({"kind": "X"}), &Asker::default(), UnixMicros(1)).failed(Progress::default(), &error)
        };
        let busy = failed(QueryError::Busy { running: 1, waiting: 1, retry_seconds: 1 });
        assert_eq!((busy.outcome, busy.error_status), (Outcome::ExceptionBeforeStart, 429));
        let late = failed(QueryError::Timeout { seconds: 1 });
        assert_eq!((late.outcome, late.error_status), (Outcome::ExceptionWhileProcessing, 504));
    }
}
