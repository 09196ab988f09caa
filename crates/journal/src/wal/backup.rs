//! The journal's part of a backup: what is durable now, as files of its own.
//!
//! In: a journal that goes on taking records. Out: segment files in another directory, such as a crash could have left them.
//!
//! # Invariants
//! - Every record that was acknowledged before the call is in the copy.
//! - Appends are not held up: closed segments get a second name, and only the one that grows is copied. Trims wait for the end of the hold.

use super::WalJournal;
use super::shared::Shared;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes that are copied at once.
const STEP_BYTES: usize = 1024 * 1024;

/// While this lives, no segment of the journal is removed.
#[derive(Debug)]
pub struct TrimHold {
    shared: Arc<Shared>,
}

impl WalJournal {
    /// Keeps all segments until the hold is dropped.
    #[must_use]
    pub fn hold_trim(&self) -> TrimHold {
        self.shared.state().holds += 1;
        TrimHold { shared: Arc::clone(&self.shared) }
    }
}

impl TrimHold {
    /// Puts what is durable into `dir`, which is there and empty, best on the same file system.
    ///
    /// # Errors
    /// The system's; what was written stays.
    pub fn copy_into(&self, dir: &Path) -> io::Result<()> {
        let segments = self.shared.state().segments.clone();
        let last = segments.len().saturating_sub(1);
        for (at, segment) in segments.iter().enumerate() {
            let name = segment.path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let to = dir.join(name);
            if at < last && fs::hard_link(&segment.path, &to).is_ok() {
                continue;
            }
            // Behind the durable end lies what is being written: not acknowledged yet.
            let mut copy = fs::File::create(&to)?;
            let (mut at, end) = (0, segment.durable_bytes());
            let mut buffer = vec![0; STEP_BYTES];
            while at < end {
                let wanted = usize::try_from(end - at).unwrap_or(STEP_BYTES).min(STEP_BYTES);
                let read = segment.file.read_at(&mut buffer[..wanted], at)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                copy.write_all(&buffer[..read])?;
                at += read as u64;
            }
        }
        Ok(())
    }
}

impl Drop for TrimHold {
    fn drop(&mut self) {
        // The next trim removes what waited.
        self.shared.state().holds -= 1;
    }
}
