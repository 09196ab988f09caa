//! Room on the disk that is kept for a start: a file that holds nothing and is given up when the disk is full.
//!
//! A server that runs needs no room to go on: it refuses events and answers queries. One that starts does: databases are mended after a kill, logs begun.
//! Where others have filled the disk to its last byte meanwhile, the file goes first, and comes back as soon as there is room again.
//! Without it, a start waits until there is room, and does not end.

use aqueduct_event::Space;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "ballast";
/// More than what opening after a kill was seen to write.
const BYTES: u64 = 4 << 20;
/// On a small disk, this part of it.
const SHARE: u64 = 32;
/// With less than this a start may fail for want of room.
const SHORT_BYTES: u64 = 1 << 20;

/// The file of a data directory.
#[derive(Clone, Debug)]
pub(crate) struct Ballast {
    dir: PathBuf,
}

impl Ballast {
    pub(crate) fn in_dir(data_dir: &Path) -> Self {
        Self { dir: data_dir.to_owned() }
    }

    /// Whether so little room is left that it may be why something failed.
    pub(crate) fn room_is_short(&self) -> bool {
        self.space().free_bytes < SHORT_BYTES
    }

    /// Gives the file up when room is short.
    pub(crate) fn release_if_short(&self) {
        if self.room_is_short() && fs::remove_file(self.path()).is_ok() {
            tracing::warn!(dir = %self.dir.display(), "the disk is full: what was kept free for a start is used");
        }
    }

    /// Makes the file when it is not there and there is plenty of room.
    pub(crate) fn keep(&self) {
        let space = self.space();
        let bytes = BYTES.min(space.total_bytes / SHARE);
        // Beside it the journal's reserve has to stay, or the file would be what makes appends fail.
        let is_there = || fs::metadata(self.path()).is_ok_and(|found| found.len() >= bytes);
        if space.free_bytes / 4 < bytes || is_there() {
            return;
        }
        if let Err(failure) = self.make(bytes) {
            tracing::debug!(%failure, "no room could be kept for a start");
            let _ = fs::remove_file(self.path());
        }
    }

    fn make(&self, bytes: u64) -> io::Result<()> {
        let file = File::create(self.path())?;
        // A file system that cannot reserve would need it written; such a one (ZFS, Btrfs) keeps room of its own for removals.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        file.sync_all()
    }

    fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    fn space(&self) -> Space {
        let stat = rustix::fs::statvfs(&self.dir).map(|stat| Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        });
        stat.unwrap_or(Space::UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_where_there_is_room() {
        let dir = tempfile::tempdir().expect("directory");
        let ballast = Ballast::in_dir(dir.path());
        ballast.keep();
        let len = fs::metadata(ballast.path()).expect("made").len();
        assert_eq!(len, BYTES.min(ballast.space().total_bytes / SHARE));
        ballast.release_if_short();
        assert_eq!(ballast.path().exists(), !ballast.room_is_short());
    }
}
