//! Which threads a query runs on: those in front, which have as much of the processor as those that make events visible, or those that stand behind.
//!
//! While the processors are taken, a question of a millisecond waits ten behind others. So a project's query goes in front while no other of the project is
//! there, and while the project asked little lately; who asks a lot cannot take the processor from what was accepted.
//!
//! # Invariants
//! - At most one query of a project runs in front at a time.
//! - Memory is bounded by the projects that asked within the last seconds.

use super::threads::Threads;
use aqueduct_event::ProjectId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was used this long ago counts for a third.
const MEMORY: Duration = Duration::from_secs(1);
/// Who used more than this of the last moment stands behind: a quarter of one processor.
const LITTLE: Duration = Duration::from_millis(250);
/// More projects than this: those that used nothing lately are forgotten.
const PROJECTS_MAX: usize = 1024;
/// Less is nothing.
const NOTHING: Duration = Duration::from_millis(1);

/// Threads at two levels.
#[derive(Debug)]
pub(super) struct Levels {
    front: Threads,
    behind: Threads,
    used: Mutex<HashMap<ProjectId, Used>>,
}

/// What a project used lately.
#[derive(Clone, Copy, Debug)]
struct Used {
    /// As of `at`.
    time: Duration,
    at: Instant,
    /// Whether a query of it is in front.
    is_in_front: bool,
}

impl Used {
    fn decay(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at);
        self.time = self.time.mul_f64((-since.as_secs_f64() / MEMORY.as_secs_f64()).exp());
        self.at = now;
    }
}

/// A query's place at its level, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    levels: Arc<Levels>,
    project: ProjectId,
    is_in_front: bool,
    begun: Instant,
}

impl Levels {
    pub(super) fn new(front: Threads, behind: Threads) -> Self {
        Self { front, behind, used: Mutex::default() }
    }

    /// Where an engine without a thread works: on the one who asks, whatever the level.
    pub(super) fn asker(&self) -> &Threads {
        &self.front
    }

    /// A place for a query of `project` that runs now.
    pub(super) fn place(self: &Arc<Self>, project: ProjectId) -> Place {
        let begun = Instant::now();
        let mut projects = self.used.lock();
        if projects.len() >= PROJECTS_MAX {
            projects.retain(|_, used| {
                used.decay(begun);
                used.is_in_front || used.time > NOTHING
            });
        }
        let used = projects.entry(project).or_insert(Used { time: Duration::ZERO, at: begun, is_in_front: false });
        used.decay(begun);
        let is_in_front = !used.is_in_front && used.time <= LITTLE;
        used.is_in_front |= is_in_front;
        drop(projects);
        Place { levels: Arc::clone(self), project, is_in_front, begun }
    }
}

impl Place {
    /// Where the query runs.
    pub(super) fn threads(&self) -> &Threads {
        if self.is_in_front { &self.levels.front } else { &self.levels.behind }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some(used) = self.levels.used.lock().get_mut(&self.project) {
            used.decay(now);
            used.time += now.saturating_duration_since(self.begun);
            used.is_in_front &= !self.is_in_front;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: ProjectId = ProjectId(1);
    const QUIET: ProjectId = ProjectId(2);

    fn levels() -> Arc<Levels> {
        let threads = || Threads::Asker(Arc::new(tokio::runtime::Builder::new_current_thread().build().expect("a runtime")));
        Arc::new(Levels::new(threads(), threads()))
    }

    fn used(levels: &Levels, project: ProjectId, time: Duration) {
        levels.used.lock().insert(project, Used { time, at: Instant::now(), is_in_front: false });
    }

    #[test]
    fn one_query_of_each_project_goes_in_front() {
        let levels = levels();
        let first = levels.place(BUSY);
        let second = levels.place(BUSY);
        assert_eq!([first.is_in_front, second.is_in_front, levels.place(QUIET).is_in_front], [true, false, true]);
        drop(second);
        assert!(!levels.place(BUSY).is_in_front, "the first is still there");
        drop(first);
        assert!(levels.place(BUSY).is_in_front);
    }

    #[test]
    fn who_used_much_lately_stands_behind_for_a_while() {
        let levels = levels();
        used(&levels, BUSY, 2 * LITTLE);
        assert!(!levels.place(BUSY).is_in_front && levels.place(QUIET).is_in_front);
        let mut later = Used { time: 2 * LITTLE, at: Instant::now(), is_in_front: false };
        later.decay(later.at + MEMORY);
        assert!(later.time < LITTLE, "{later:?}");
        let long = Place { levels: Arc::clone(&levels), project: QUIET, is_in_front: true, begun: Instant::now() - 2 * LITTLE };
        drop(long);
        assert!(!levels.place(QUIET).is_in_front, "what it took counts when it ends");
    }

    #[test]
    fn projects_that_asked_little_are_forgotten() {
        let levels = levels();
        (0..5000).for_each(|project| drop(levels.place(ProjectId(project))));
        assert!(levels.used.lock().len() <= PROJECTS_MAX + 1);
    }
}
