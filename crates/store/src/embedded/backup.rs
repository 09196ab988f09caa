//! A copy of the store while it goes on: the manifest of one moment and the files that it names.
//!
//! # Invariants
//! - The copy is a store such as a crash could have left it, at one journal position.
//! - Commits and queries go on; a flush waits for the copy of the manifest, a compaction for all of it.

use super::EmbeddedStore;
use crate::CommitError;
use crate::files::{MANIFEST, SUMS};
use crate::segment::descriptor::is_file_name;
use std::collections::HashSet;
use std::io;
use std::path::Path;

impl EmbeddedStore {
    /// Puts a copy of what is durable into `dir`, which is there and empty, best on the same file system: files that never change get a second name.
    ///
    /// # Errors
    /// [`CommitError`]; what was written stays.
    pub fn copy_into(&self, dir: &Path) -> Result<(), CommitError> {
        // In this order: a compaction or a merge may take long, and a flush must not wait for it.
        let _no_compaction = self.compacting.lock();
        let _no_merge = self.tending_seen.lock();
        let mut no_flush = self.flushing.lock();
        if let Some(made) = self.settle(&mut no_flush.pending)? {
            // The manifest is ahead of what readers see; the flush that is due ends this.
            no_flush.pending = Some(made);
            self.flush_generation(&mut no_flush)?;
        }
        let state = self.state.load_full();
        self.manifest.copy_to(&dir.join(MANIFEST))?;
        let named: HashSet<String> = state.base.segments.iter().map(|segment| segment.descriptor.file()).collect();
        let failed = |action, name: &str, source| CommitError::Io { action, path: self.files.path(name), source };
        let others = self.files.list().map_err(|source| failed("list", "", source))?;
        // Segments that the manifest does not name are on their way out.
        let others = others.into_iter().filter(|name| !is_file_name(name) && name != SUMS);
        for name in named.iter().cloned().chain(others) {
            match self.files.link(&name, &dir.join(&name)) {
                Err(source) if source.kind() == io::ErrorKind::NotFound && !named.contains(&name) => {}
                linked => linked.map_err(|source| failed("copy", &name, source))?,
            }
        }
        Ok(())
    }
}
