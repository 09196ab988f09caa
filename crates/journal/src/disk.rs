//! The world of files as the journal needs it, so that a test can replace it by one that forgets what was not synced.
//!
//! # What an implementation promises
//! - What was written is read back at once, but survives a crash only after [`DiskFile::sync`]; until then each 512-byte block of it may survive
//!   alone, torn or not at all, in any order.
//! - A file's name survives a crash only after [`Disk::sync_dir`] of its directory; the same for its removal.
//! - After a failed `sync` nothing is known about what was written since the last good one, and a later good `sync` does not change that.

#[cfg(any(test, feature = "faulty"))]
mod faulty;
mod real;

#[cfg(any(test, feature = "faulty"))]
pub use faulty::{FaultyDisk, Misread, Op};
pub use real::RealDisk;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use aqueduct_event::Space;

/// A file system with one kind of caller: one process that owns its directory.
pub trait Disk: Send + Sync + Debug {
    /// Makes a directory and its parents when absent.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Names of the files in a directory, in no order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes an empty file, or empties the one that is there.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Handles that are open stay readable.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes names, renames and removals in a directory durable.
    ///
    /// # Errors
    /// As the system says; then nothing is known about them.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Room on the file system that holds `dir`.
    ///
    /// # Errors
    /// As the system says.
    fn space(&self, dir: &Path) -> io::Result<Space>;

    /// Takes the exclusive lock that `path` stands for, until the guard is dropped or the process ends.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another holder has it; otherwise as the system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;

    /// A number that a stranger cannot guess.
    fn random(&self) -> u64;
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Writes the parts one after the other, beginning at `offset`, all of them.
    ///
    /// # Errors
    /// As the system says; some of the bytes may have been written.
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()>;

    /// Reads until `buffer` is full or the file ends; returns how many bytes were read.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes all that was written, and the length, durable.
    ///
    /// # Errors
    /// As the system says; then nothing is known about what was written since the last sync.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to `len` bytes, or makes it that long with zeros.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// As the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A held lock.
pub trait DiskLock: Send + Sync + Debug {}
