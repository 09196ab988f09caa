//! Where appends wait for the writer.
//!
//! In: payloads with somebody who waits. Out: groups, in the order of arrival.

use super::format::{FRAME_HEADER_BYTES, GROUP_BYTES_MAX, GROUP_RECORDS_MAX};
use crate::Receipt;
use crate::error::AppendError;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// One append that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) payload: Bytes,
    pub(super) reply: oneshot::Sender<Result<Receipt, AppendError>>,
    /// Its share of the queue's memory, given back when it is dropped.
    pub(super) room: OwnedSemaphorePermit,
}

impl Pending {
    /// Bytes that it takes in a segment.
    pub(super) fn frame_bytes(&self) -> u64 {
        (FRAME_HEADER_BYTES + self.payload.len()) as u64
    }

    /// A caller that went away is not told.
    pub(super) fn answer(self, result: Result<Receipt, AppendError>) {
        drop(self.room);
        let _ = self.reply.send(result);
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    /// Woken when there is something to take, or the end has come.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    pending: VecDeque<Pending>,
    closed: bool,
    /// There is something to do besides.
    nudged: bool,
    /// While the writer sleeps: how many appends wake it.
    wakes_at: Option<usize>,
}

/// What the writer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Pending,
    Nudged,
    Closed,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// Something is due.
    ForWork,
    /// Nothing came in the time given.
    InVain,
}

impl Queue {
    /// Gives the append back when nothing is taken any more.
    pub(super) fn push(&self, pending: Pending) -> Result<(), Pending> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(pending);
        }
        state.pending.push_back(pending);
        if state.wakes_at.is_some_and(|count| state.pending.len() >= count) {
            state.wakes_at = None;
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes no more. What waits is still given out.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    /// Wakes the writer, once it has nothing else to do.
    pub(super) fn nudge(&self) {
        let mut state = self.state.lock();
        state.nudged = true;
        if state.wakes_at == Some(1) {
            self.changed.notify_one();
        }
    }

    /// What waits now, as far as it fits one group; empty when nothing does.
    pub(super) fn take_group(&self) -> Vec<Pending> {
        let mut state = self.state.lock();
        let mut bytes = 0;
        let fits = |pending: &&Pending| {
            bytes += pending.frame_bytes();
            bytes <= GROUP_BYTES_MAX as u64
        };
        let count = state.pending.iter().take(GROUP_RECORDS_MAX as usize).take_while(fits).count();
        state.pending.drain(..count).collect()
    }

    /// What the writer is to do next; `None` while it may rest. A nudge is told once.
    pub(super) fn due(&self) -> Option<Wake> {
        let mut state = self.state.lock();
        if !state.pending.is_empty() {
            return Some(Wake::Pending);
        }
        if state.closed {
            return Some(Wake::Closed);
        }
        std::mem::take(&mut state.nudged).then_some(Wake::Nudged)
    }

    /// Sleeps until something is due, or until `idle_after`, if given, is over.
    pub(super) fn wait(&self, idle_after: Option<Duration>) -> Waited {
        let mut state = self.state.lock();
        let until = idle_after.map(|time| Instant::now() + time);
        while state.pending.is_empty() && !state.closed && !state.nudged {
            state.wakes_at = Some(1);
            match until {
                None => self.changed.wait(&mut state),
                Some(until) if self.changed.wait_until(&mut state, until).timed_out() && state.pending.is_empty() => {
                    state.wakes_at = None;
                    return Waited::InVain;
                }
                Some(_) => {}
            }
        }
        Waited::ForWork
    }

    /// Sleeps until `count` appends wait, or the time is over.
    pub(super) fn wait_for_company(&self, count: usize, time: Duration) {
        let mut state = self.state.lock();
        if state.pending.len() < count && !state.closed {
            state.wakes_at = Some(count);
            self.changed.wait_for(&mut state, time);
            state.wakes_at = None;
        }
    }
}
