//! What the writer, the readers and the callers of one journal share.
//!
//! # Invariants
//! - `tail.end` moves only after the sync, and after the records are in `recent` and counted by their segment: what it shows can be read.
//! - The last segment is the active one and is never removed.

use super::recent::Recent;
use super::segment::Segment;
use crate::disk::Disk;
use crate::error::{AppendError, TrimError};
use crate::metrics::Metrics;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// What readers and callers wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// One past the last durable record.
    pub(super) end: u64,
    /// Nothing comes any more.
    pub(super) closed: bool,
    /// A write or sync failed.
    pub(super) poisoned: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) tail: watch::Sender<Tail>,
    pub(super) metrics: Metrics,
    state: Mutex<State>,
    /// Bytes of the records that were made durable since the start.
    pub(super) appended_bytes: AtomicU64,
    poison: OnceLock<String>,
    /// Held while files are removed, so that they go one after the other.
    trimming: Mutex<()>,
    /// Bytes of confirmed segments that stay.
    retain_bytes: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) recent: Recent,
    /// All before this is confirmed by the store.
    pub(super) confirmed: u64,
    /// The lowest position that the next record may have.
    pub(super) next: u64,
    /// While there are any, no segment is removed.
    pub(super) holds: usize,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, state: State, end: u64, retain_bytes: u64) -> Self {
        let tail = watch::Sender::new(Tail { end, closed: false, poisoned: false });
        let shared = Self {
            disk,
            dir,
            tail,
            metrics: Metrics::register(),
            state: Mutex::new(state),
            appended_bytes: AtomicU64::new(0),
            poison: OnceLock::new(),
            trimming: Mutex::new(()),
            retain_bytes,
        };
        shared.show_size();
        shared
    }

    pub(super) fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.state().segments.iter().map(|segment| segment.durable_bytes()).sum()
    }

    pub(super) fn active_bytes(&self) -> u64 {
        self.state().segments.back().map_or(0, |active| active.durable_bytes())
    }

    /// Bytes that the store has not confirmed yet, about: what it still has to write out.
    pub(super) fn unconfirmed_bytes(&self) -> u64 {
        let state = self.state();
        let confirmed = state.confirmed;
        let open = state.segments.iter().filter(|segment| segment.end() > confirmed);
        open.map(|segment| segment.durable_bytes() - segment.offset_before(confirmed)).sum()
    }

    pub(super) fn show_size(&self) {
        let segments = self.state().segments.len();
        // A gauge is a float; both stay far below 2^53.
        self.metrics.segments.set(segments as f64);
        self.metrics.used_bytes.set(self.used_bytes() as f64);
    }

    /// The first failure counts; later ones are its echo.
    pub(super) fn poison(&self, cause: String) {
        tracing::error!(cause, dir = %self.dir.display(), "the journal is poisoned: nothing is acknowledged any more, the process has to restart");
        let _ = self.poison.set(cause);
        self.tail.send_modify(|tail| tail.poisoned = true);
    }

    pub(super) fn poisoned(&self) -> Option<String> {
        self.poison.get().cloned()
    }

    /// Why nothing is taken any more.
    pub(super) fn refusal(&self) -> AppendError {
        self.poisoned().map_or(AppendError::Closed, |cause| AppendError::Poisoned { cause })
    }

    /// Removes the segments all of whose records lie before `upto`, oldest first, the active one only after another was begun; but for the newest of them,
    /// which stay as the config says.
    pub(super) fn trim(&self, upto: u64) -> Result<(), TrimError> {
        {
            let mut state = self.state();
            state.confirmed = state.confirmed.max(upto);
            if let Some(active) = state.segments.back() {
                active.mark_confirmed(state.confirmed);
            }
        }
        self.free(self.retain_bytes)
    }

    /// Removes all confirmed segments: room is short.
    pub(super) fn free_all(&self) -> Result<(), TrimError> {
        self.free(0)
    }

    fn free(&self, retain_bytes: u64) -> Result<(), TrimError> {
        let _one_at_a_time = self.trimming.lock();
        while let Some(oldest) = self.removable(retain_bytes) {
            let failed = |source| TrimError { path: oldest.path.clone(), source };
            match self.disk.remove(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
            // One sync per file: after a crash no older segment may come back while a younger one is gone, it would look like a hole.
            self.disk.sync_dir(&self.dir).map_err(failed)?;
            self.state().segments.pop_front();
            self.show_size();
        }
        Ok(())
    }

    fn removable(&self, retain_bytes: u64) -> Option<Arc<Segment>> {
        let state = self.state();
        let bytes: u64 = state.segments.iter().map(|segment| segment.durable_bytes()).sum();
        let may_go = |oldest: &&Arc<Segment>| {
            let is_confirmed = state.segments.len() > 1 && oldest.end() <= state.confirmed;
            state.holds == 0 && is_confirmed && bytes - oldest.durable_bytes() >= retain_bytes
        };
        let oldest = state.segments.front().filter(may_go);
        oldest.map(Arc::clone)
    }
}
