//! The query log: who asked what, how long it took, what it read, how it ended. Newest entries of each project, in memory and in a file.
//!
//! # Invariants
//! - An entry is seen as soon as its query ended. A crash loses the entries of the last second at most, as a rule; a failing disk loses entries, no query.
//! - Bounded: entries of one project by number, all together by bytes, the files by bytes. Where all together are too many, the project with most loses.
//! - A reader is given one project's entries.

mod entry;
mod file;

pub(crate) use entry::Begun;
pub use entry::{Asker, LogEntry, Outcome};
pub(crate) use file::LogFiles;

use aqueduct_event::ProjectId;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Entries that are kept of one project.
const PROJECT_ENTRIES_MAX: usize = 2_000;
/// Bytes of all entries in memory, about.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Entries of all projects.
#[derive(Debug, Default)]
pub(crate) struct QueryLog {
    kept: Mutex<Kept>,
    /// Entries that are not in the file yet.
    due: Mutex<Vec<Arc<LogEntry>>>,
    file: Option<Mutex<LogFiles>>,
}

#[derive(Debug, Default)]
struct Kept {
    projects: HashMap<ProjectId, VecDeque<Arc<LogEntry>>>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, entry: Arc<LogEntry>) {
        self.bytes += entry.bytes();
        let own = self.projects.entry(entry.project).or_default();
        own.push_back(entry);
        if own.len() > PROJECT_ENTRIES_MAX
            && let Some(oldest) = own.pop_front()
        {
            self.bytes -= oldest.bytes();
        }
        while self.bytes > BYTES_MAX {
            let Some(most) = self.projects.values_mut().max_by_key(|own| own.len()) else { return };
            let Some(oldest) = most.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

impl QueryLog {
    /// With the entries that the files hold.
    pub(crate) fn open(mut files: LogFiles) -> Self {
        let mut kept = Kept::default();
        for entry in files.read() {
            kept.push(Arc::new(entry));
        }
        Self { kept: Mutex::new(kept), due: Mutex::default(), file: Some(Mutex::new(files)) }
    }

    pub(crate) fn note(&self, entry: LogEntry) {
        let entry = Arc::new(entry);
        if self.file.is_some() {
            self.due.lock().push(Arc::clone(&entry));
        }
        self.kept.lock().push(entry);
    }

    /// Entries of a project, the newest first.
    pub(crate) fn of(&self, project: ProjectId) -> Vec<Arc<LogEntry>> {
        self.kept.lock().projects.get(&project).map(|own| own.iter().rev().map(Arc::clone).collect()).unwrap_or_default()
    }

    /// Writes what is not in the file yet. Blocks.
    pub(crate) fn write(&self) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock();
        let due = std::mem::take(&mut *self.due.lock());
        if due.is_empty() {
            return;
        }
        if let Err(failure) = file.append(&due) {
            tracing::warn!(%failure, lost = due.len(), "entries of the query log could not be written; they are lost at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use entry::tests::entry;

    #[test]
    fn newest_first_and_bounded() {
        let log = QueryLog::default();
        for number in 0..PROJECT_ENTRIES_MAX + 5 {
            log.note(entry(1, &number.to_string()));
        }
        log.note(entry(2, "other"));
        let own = log.of(ProjectId(1));
        assert_eq!((own.len(), own[0].query_id.as_str()), (PROJECT_ENTRIES_MAX, (PROJECT_ENTRIES_MAX + 4).to_string().as_str()));
        assert_eq!(log.of(ProjectId(2)).len(), 1);
        assert!(log.of(ProjectId(3)).is_empty());
        let bytes: usize = log.kept.lock().projects.values().flatten().map(|entry| entry.bytes()).sum();
        assert_eq!(log.kept.lock().bytes, bytes);
    }

    #[test]
    fn the_project_with_most_loses() {
        let log = QueryLog::default();
        let large = "x".repeat(entry::QUERY_CHARS_MAX);
        for project in 1..=20 {
            for number in 0..if project == 1 { 1_000 } else { 500 } {
                log.note(LogEntry { query: large.clone(), ..entry(project, &number.to_string()) });
            }
        }
        assert!(log.kept.lock().bytes <= BYTES_MAX);
        let lengths: Vec<usize> = (1..=20).map(|project| log.of(ProjectId(project)).len()).collect();
        assert!(lengths.iter().all(|length| *length > 100) && lengths[0] <= 500, "{lengths:?}");
    }

    #[test]
    fn a_new_start_knows_what_was_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let open = || QueryLog::open(LogFiles::open(dir.path(), 4096).expect("opens"));
        let log = open();
        for number in 0..100 {
            log.note(entry(1, &number.to_string()));
            log.write();
        }
        drop(log);
        let own = open().of(ProjectId(1));
        assert_eq!(own[0].query_id, "99");
        assert!(own.len() > 5 && own.len() < 60, "the files are bounded: {}", own.len());
        assert_eq!(*own[0], entry(1, "99"));
    }
}
