//! Changes of the manifest that failed in a way that leaves open whether they were made.
//!
//! # Invariants
//! - A segment file is removed only when it is certain that the manifest does not name it.
//! - A change is never made twice.

use super::EmbeddedStore;
use super::state::State;
use crate::CommitError;
use crate::manifest::Change;
use crate::seen::Run;
use crate::segment::Descriptor;
use std::sync::Arc;

/// What a change adds: its files are written and synced.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    pub(super) segments: Vec<Descriptor>,
    pub(super) runs: Vec<Run>,
}

/// Ids of what a change removes.
#[derive(Clone, Debug, Default)]
pub(super) struct Removed {
    pub(super) segments: Vec<u64>,
    pub(super) runs: Vec<u64>,
}

/// A change that is made, or of which that is not known, and whose files readers do not see yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None`: it is made.
    unknown: Option<u64>,
    added: Added,
    removed: Removed,
}

impl Pending {
    pub(super) fn made(added: Added, removed: Removed) -> Self {
        Self { unknown: None, added, removed }
    }

    /// What the change adds and what it removes.
    pub(super) fn into_parts(self) -> (Added, Removed) {
        (self.added, self.removed)
    }
}

impl EmbeddedStore {
    /// Applies a change that adds what `added` says. If the manifest's storage failed on the way it was opened again, and readers get a view of it.
    pub(super) fn change_manifest(&self, change: &Change<'_>, added: &Added, pending: &mut Option<Pending>) -> Result<(), CommitError> {
        let Err(failure) = self.manifest.apply(change) else {
            if self.manifest.outdates_views() {
                // The change is made; should this fail, the next piece of work does it.
                let _ = self.renew_view();
            }
            return Ok(());
        };
        match failure.unknown {
            Some(number) => {
                let removed = Removed { segments: change.remove.clone(), runs: change.remove_runs.clone() };
                *pending = Some(Pending { unknown: Some(number), added: added.clone(), removed });
            }
            None => {
                self.remove_files(added);
                self.renew_view()?;
            }
        }
        Err(failure.error)
    }

    /// Finds out about an earlier change: `None` if it was not made or if there is none.
    pub(super) fn settle(&self, pending: &mut Option<Pending>) -> Result<Option<Pending>, CommitError> {
        let Some(earlier) = pending.take() else {
            return Ok(None);
        };
        let Some(number) = earlier.unknown else {
            return Ok(Some(earlier));
        };
        if let Err(error) = self.renew_view() {
            *pending = Some(earlier);
            return Err(error);
        }
        if self.manifest.was_made(number) {
            return Ok(Some(earlier));
        }
        self.remove_files(&earlier.added);
        Ok(None)
    }

    pub(super) fn remove_files(&self, added: &Added) {
        let segments = added.segments.iter().map(Descriptor::file);
        for file in segments.chain(added.runs.iter().map(|run| run.descriptor().file())) {
            // If this fails the next start does it: the manifest does not name them.
            let _ = self.files.remove(&file);
        }
    }

    /// Gives readers a view of the manifest as it is open now; opens it again first if its storage failed.
    pub(super) fn renew_view(&self) -> Result<(), CommitError> {
        if self.manifest.has_failed() {
            self.manifest.heal()?;
        }
        let view = Arc::new(self.manifest.view()?);
        let _writer = self.writer.lock();
        let mut next = State::clone(&self.state.load());
        let mut base = next.base.with_segments(next.base.segments.clone());
        base.view = view;
        next.base = Arc::new(base);
        self.state.store(Arc::new(next));
        Ok(())
    }
}
