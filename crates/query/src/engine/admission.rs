//! Who may run now: a bounded number of queries at the same time, of one project and of all, and a fair queue before it.
//!
//! A query that finds no place waits. When a place is free it goes to the project that has the fewest queries running, and among those to the one
//! that has waited longest for its turn: a project with a thousand queries delays those of another by one query at most.
//!
//! # Invariants
//! - At most `running_max` permits exist, at most `project_running_max` of one project.
//! - While somebody who may run waits, no place is free.
//! - Whoever gives up waiting leaves the queue.

use super::QueryConfig;
use crate::error::QueryError;
use crate::metrics;
use aqueduct_event::ProjectId;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A client that was refused need not wait longer than this.
const RETRY_SECONDS_MAX: u64 = 10;

/// The door of the engine.
#[derive(Debug)]
pub(super) struct Admission {
    running_max: usize,
    project_running_max: usize,
    queued_max: usize,
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    lanes: HashMap<ProjectId, Lane>,
    /// Projects with somebody waiting, in the order of their turns.
    turns: VecDeque<ProjectId>,
    tickets: u64,
}

#[derive(Debug, Default)]
struct Lane {
    running: usize,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    start: oneshot::Sender<Permit>,
}

/// The right to run. Gives its place to the next one when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    project: ProjectId,
    /// Cleared when the place was taken back already.
    holds: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.holds {
            self.admission.leave(self.project);
        }
    }
}

/// A place in the queue; it is given up when this is dropped.
struct Queued<'a> {
    admission: &'a Admission,
    project: ProjectId,
    ticket: u64,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut state = self.admission.state.lock();
        let Some(lane) = state.lanes.get_mut(&self.project) else { return };
        lane.waiting.retain(|waiter| waiter.ticket != self.ticket);
        state.forget_if_idle(self.project);
    }
}

impl State {
    fn forget_if_idle(&mut self, project: ProjectId) {
        let Some(lane) = self.lanes.get(&project) else { return };
        if lane.waiting.is_empty() {
            self.turns.retain(|other| *other != project);
        }
        if lane.waiting.is_empty() && lane.running == 0 {
            self.lanes.remove(&project);
        }
    }
}

impl Admission {
    pub(super) fn new(config: &QueryConfig) -> Self {
        let running_max = config.running_max();
        Self {
            running_max,
            project_running_max: config.project_running_max().min(running_max),
            queued_max: config.queued_max,
            patience: Duration::from_secs(config.queued_seconds_max),
            state: Mutex::default(),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`QueryError::Busy`] when too many of the project wait already, or none was free in time.
    pub(super) async fn enter(self: &Arc<Self>, project: ProjectId) -> Result<Permit, QueryError> {
        let (ticket, started) = {
            let mut state = self.state.lock();
            let lane = state.lanes.entry(project).or_default();
            let (own, waiting) = (lane.running, lane.waiting.len());
            // Nobody who may run waits while a place is free, so whoever finds one overtakes nobody.
            if state.running < self.running_max && own < self.project_running_max {
                return Ok(self.take(&mut state, project));
            }
            if waiting >= self.queued_max {
                return Err(self.busy(own, waiting));
            }
            state.tickets += 1;
            let ticket = state.tickets;
            let (start, started) = oneshot::channel();
            let lane = state.lanes.entry(project).or_default();
            lane.waiting.push_back(Waiter { ticket, start });
            if waiting == 0 {
                state.turns.push_back(project);
            }
            (ticket, started)
        };
        let _queued = Queued { admission: self, project, ticket };
        let _shown = metrics::Waiting::start();
        match tokio::time::timeout(self.patience, started).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                let lane = self.state.lock().lanes.get(&project).map_or((0, 0), |lane| (lane.running, lane.waiting.len()));
                Err(self.busy(lane.0, lane.1))
            }
        }
    }

    fn busy(&self, running: usize, waiting: usize) -> QueryError {
        metrics::refused();
        QueryError::Busy { running, waiting, retry_seconds: self.patience.as_secs().clamp(1, RETRY_SECONDS_MAX) }
    }

    fn take(self: &Arc<Self>, state: &mut State, project: ProjectId) -> Permit {
        state.running += 1;
        state.lanes.entry(project).or_default().running += 1;
        Permit { admission: Arc::clone(self), project, holds: true }
    }

    fn leave(self: &Arc<Self>, project: ProjectId) {
        let mut state = self.state.lock();
        give_back(&mut state, project);
        while let Some(next) = self.next(&state) {
            let Some(waiter) = state.lanes.get_mut(&next).and_then(|lane| lane.waiting.pop_front()) else { return };
            // The project's next turn comes after everybody else's.
            state.turns.retain(|other| *other != next);
            if state.lanes.get(&next).is_some_and(|lane| !lane.waiting.is_empty()) {
                state.turns.push_back(next);
            }
            let permit = self.take(&mut state, next);
            if let Err(mut permit) = waiter.start.send(permit) {
                // It gave up in this moment. The permit must not come back here while the state is held.
                permit.holds = false;
                give_back(&mut state, next);
            }
        }
    }

    /// The project whose turn it is, if there is a place for it.
    fn next(&self, state: &State) -> Option<ProjectId> {
        if state.running >= self.running_max {
            return None;
        }
        let running = |project: &ProjectId| state.lanes.get(project).map_or(0, |lane| lane.running);
        let may_run = state.turns.iter().filter(|project| running(project) < self.project_running_max);
        may_run.min_by_key(|project| running(project)).copied()
    }
}

fn give_back(state: &mut State, project: ProjectId) {
    state.running -= 1;
    if let Some(lane) = state.lanes.get_mut(&project) {
        lane.running -= 1;
    }
    state.forget_if_idle(project);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(running_max: usize, project_running_max: usize, queued_max: usize) -> Arc<Admission> {
        let config = QueryConfig { running_max, project_running_max, queued_max, queued_seconds_max: 1, ..QueryConfig::default() };
        Arc::new(Admission::new(&config))
    }

    const HEAVY: ProjectId = ProjectId(1);
    const LIGHT: ProjectId = ProjectId(2);

    #[tokio::test]
    async fn a_heavy_project_delays_another_by_one_query() {
        let door = admission(2, 2, 100);
        let first = door.enter(HEAVY).await.expect("free");
        let second = door.enter(HEAVY).await.expect("free");
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for project in [HEAVY, HEAVY, HEAVY, HEAVY, LIGHT, LIGHT] {
            let (door, order) = (Arc::clone(&door), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let permit = door.enter(project).await.expect("a place");
                order.lock().push(project);
                tokio::time::sleep(Duration::from_millis(10)).await;
                drop(permit);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(*order.lock(), [LIGHT], "the place goes to the project that has none");
        drop(second);
        for task in tasks {
            task.await.expect("ends");
        }
        assert_eq!(*order.lock(), [LIGHT, HEAVY, LIGHT, HEAVY, HEAVY, HEAVY]);
        assert!(door.state.lock().lanes.is_empty() && door.state.lock().turns.is_empty());
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_number_and_time() {
        let door = admission(4, 1, 1);
        let running = door.enter(HEAVY).await.expect("free");
        let (mut waits, refused) = (Box::pin(door.enter(HEAVY)), Box::pin(door.enter(HEAVY)));
        assert!(futures::poll!(&mut waits).is_pending());
        assert!(matches!(refused.await, Err(QueryError::Busy { running: 1, waiting: 1, .. })));
        assert!(door.enter(LIGHT).await.is_ok(), "another project finds a place");
        let begun = std::time::Instant::now();
        assert!(matches!(waits.await, Err(QueryError::Busy { .. })));
        assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
        drop(running);
        assert!(door.state.lock().lanes.is_empty(), "{door:?}");
        assert!(door.enter(HEAVY).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_no_trace() {
        let door = admission(1, 1, 9);
        let running = door.enter(HEAVY).await.expect("free");
        let mut gone = Box::pin(door.enter(HEAVY));
        let mut stays = Box::pin(door.enter(LIGHT));
        assert!(futures::poll!(&mut gone).is_pending() && futures::poll!(&mut stays).is_pending());
        drop(gone);
        drop(running);
        drop(stays.await.expect("its turn"));
        // A place that was given but never taken comes back.
        let running = door.enter(HEAVY).await.expect("free");
        let mut given = Box::pin(door.enter(LIGHT));
        assert!(futures::poll!(&mut given).is_pending());
        drop(running);
        drop(given);
        assert_eq!(door.state.lock().running, 0);
    }
}
