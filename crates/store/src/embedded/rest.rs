//! Whether the store is at rest: nothing comes in and nobody asks. That is when segments are merged further than it pays while there is work.
//!
//! # Invariants
//! - A question or a row ends the rest. What was begun by then is finished, so one merge is all that either may have to wait beside.

use super::EmbeddedStore;
use super::state::State;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts what is asked.
#[derive(Debug, Default)]
pub(super) struct Asked(AtomicU64);

impl Asked {
    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What was seen when it was last looked.
#[derive(Debug)]
pub(super) struct Rest {
    since: Instant,
    asked: u64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { since: Instant::now(), asked: 0 }
    }
}

impl EmbeddedStore {
    /// Looks whether the store rests, and has for as long as the settings want.
    pub(super) fn is_at_rest(&self, state: &State, rest: &mut Rest) -> bool {
        let asked = self.asked.0.load(Ordering::Relaxed);
        let has_fresh_rows = !state.active.is_empty() || state.frozen.is_some();
        if has_fresh_rows || asked != rest.asked {
            *rest = Rest { since: Instant::now(), asked };
        }
        !has_fresh_rows && rest.since.elapsed() >= Duration::from_millis(self.config.rest_after_ms)
    }
}
