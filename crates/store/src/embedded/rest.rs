//! Whether the store is at rest: hardly anything comes in. That is when segments are merged further than it pays while there is work.
//!
//! # Invariants
//! - Rows that come in faster end the rest. What was begun by then is finished.

use super::EmbeddedStore;
use aqueduct_event::UnixMicros;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store with fewer new rows per second has time: to write each of them some twenty times more takes a few percent of a core.
const ROWS_PER_SECOND: u64 = 1_000;

/// Rows that came in since the start.
#[derive(Debug, Default)]
pub(super) struct Came(AtomicU64);

impl Came {
    pub(super) fn note(&self, rows: usize) {
        self.0.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// What was seen so far in the present stretch of time, and how the last one was.
#[derive(Debug, Default)]
pub(super) struct Rest {
    since: Option<UnixMicros>,
    /// Rows that had come by then.
    came: u64,
    was_quiet: bool,
}

impl EmbeddedStore {
    /// Looks whether the store rests, and has for as long as the settings want.
    pub(super) fn is_at_rest(&self, rest: &mut Rest) -> bool {
        let (now, came) = (self.clock.now(), self.came.0.load(Ordering::Relaxed));
        let few = (ROWS_PER_SECOND * self.config.rest_after_ms / 1_000).max(ROWS_PER_SECOND);
        let is_quiet = came - rest.came <= few;
        // The clock may jump: then a stretch is shorter or begins anew, which costs a merge too early or too late.
        let passed_ms = u64::try_from((now.0 - rest.since.get_or_insert(now).0) / 1_000).ok();
        if passed_ms.is_none_or(|passed| passed >= self.config.rest_after_ms) {
            *rest = Rest { since: Some(now), came, was_quiet: is_quiet && passed_ms.is_some() };
        }
        rest.was_quiet && is_quiet
    }
}
