//! What a request holds on its way through the edge: a [`Ticket`] from its head to its records, then a [`Turn`] until they are durable.
//!
//! # Invariants
//! - Whatever becomes of a request, what it held is given back when it is dropped, once.
//! - A turn is a matter of order, never of admission: who waited long for it goes on without.

use super::lanes::{Class, Lane};
use super::{Found, Gate, Origin};
use crate::metrics;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// One request weighs this much in what is learned of expansion.
const EXPANSION_WEIGHT: f64 = 1.0 / 64.0;

/// A place for one request.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) gate: Arc<Gate>,
    pub(super) bytes: u64,
    /// Where it belongs, once it was read.
    lane: Lane,
}

/// The records of one request go to the journal. Dropped without [`Turn::kept`]: nothing came of it.
#[derive(Debug)]
pub(crate) struct Turn {
    gate: Arc<Gate>,
    bytes: u64,
}

/// Who waits for a turn.
pub(super) type Grant = oneshot::Sender<Turn>;

impl Ticket {
    pub(super) fn new(gate: &Arc<Gate>, bytes: u64) -> Self {
        Self { gate: Arc::clone(gate), bytes, lane: Lane::default() }
    }

    /// Gives the room back: the client is slow, and others must not wait for it. What it sends is counted when it has come.
    pub(crate) fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            self.gate.state.lock().reserved -= bytes;
            self.gate.dispatch();
        }
    }

    /// The request was read: counts for what it really is, and is remembered for the next one of its sender.
    pub(crate) fn settle(&mut self, origin: Origin<'_>, found: Found<'_>) {
        let gate = Arc::clone(&self.gate);
        if !gate.follows() {
            return;
        }
        let before = self.bytes;
        let class = {
            let mut state = gate.state.lock();
            let seen = found.record_bytes as f64 / found.wire_bytes.max(1) as f64;
            state.expansion += (seen.clamp(0.5, 100.0) - state.expansion) * EXPANSION_WEIGHT;
            state.reserved = state.reserved - before + found.record_bytes;
            self.bytes = found.record_bytes;
            let now = gate.started.elapsed();
            let hot = !found.historical && found.one_sender.is_some_and(|key| state.hot.note(key, found.events, now));
            if found.historical {
                Class::Import
            } else if hot {
                Class::Overflow
            } else {
                Class::Live
            }
        };
        self.lane = found.token.map_or(Lane::default(), |token| Lane { project: gate.hints.project(token), class });
        gate.hints.learn(origin.address, (origin.address, origin.peer), self.lane);
        if self.bytes < before {
            gate.dispatch();
        }
    }

    /// Waits until its records may go to the journal, in which all projects have one order.
    pub(crate) async fn turn(mut self) -> Turn {
        let bytes = std::mem::take(&mut self.bytes);
        let gate = Arc::clone(&self.gate);
        if !gate.follows() {
            return Turn { gate, bytes: 0 };
        }
        let begun = Instant::now();
        let turn = match gate.join(self.lane, bytes) {
            Ok(turn) => turn,
            Err(mut granted) => match tokio::time::timeout(gate.wait_max, &mut granted).await {
                Ok(Ok(turn)) => turn,
                _ => {
                    granted.close();
                    granted.try_recv().unwrap_or_else(|_| Turn::begin(&gate, &mut gate.state.lock().turned, bytes))
                }
            },
        };
        metrics::in_turn(begun.elapsed());
        turn
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.release();
    }
}

impl Turn {
    /// Counts `bytes` among those that went to the journal.
    pub(super) fn begin(gate: &Arc<Gate>, turned: &mut u64, bytes: u64) -> Self {
        *turned += bytes;
        Self { gate: Arc::clone(gate), bytes }
    }

    /// The records are durable: from now on they count until they are visible.
    pub(crate) fn kept(mut self) {
        self.bytes = 0;
    }

    /// As dropping it, for one who holds the state and lets others in afterwards.
    pub(super) fn give_back(mut self, turned: &mut u64) {
        *turned = turned.saturating_sub(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            {
                let mut state = self.gate.state.lock();
                state.turned = state.turned.saturating_sub(bytes);
            }
            self.gate.dispatch();
        }
    }
}
