//! The manifest's storage: pages with checksums.
//!
//! redb keeps a checksum of each page in the page above it, but looks at them only after a crash: a byte that rots in a file that was closed in order would be
//! served. So the sums of all pages are kept in memory while the file is open, and in a file beside it ([`PageSums`]) while it is closed.
//!
//! ```text
//! closed in order   sums file there     its sums are taken over and the file is removed
//! killed, or new    no sums file        redb checks all pages by its own checksums, and their sums are learned on the way
//! open              every read of a page is compared; a write replaces its sum
//! ```
//! # Invariants
//! - A sums file is there only while the manifest is exactly what it describes: it is removed, durably, before the first write.
//! - A page that does not match is an error that names its bytes, never an answer.

use crate::OpenError;
use crate::files::{Files, MANIFEST, SUMS};
use aqueduct_event::sums::PAGE_BYTES;
use aqueduct_event::{PageDamage, PageSums};
use parking_lot::RwLock;
use redb::StorageBackend;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Storage that compares what it reads.
#[derive(Debug)]
pub(super) struct Checked {
    inner: Box<dyn StorageBackend>,
    files: Arc<dyn Files>,
    path: PathBuf,
    sums: RwLock<PageSums>,
    keeps_sums: Arc<AtomicBool>,
}

impl Checked {
    /// Opens the manifest's storage; the answer is also whether all its sums are known.
    pub(super) fn open(files: &Arc<dyn Files>, path: &Path) -> Result<(Self, bool), OpenError> {
        let io = |action| move |source| OpenError::Io { action, path: path.to_owned(), source };
        let inner = files.manifest().map_err(io("open"))?;
        let len = inner.len().map_err(io("read"))?;
        let known = read_sums(&**files).map_err(io("read the sums of"))?;
        if let Some(sums) = &known {
            check_start(&*inner, len, sums, path)?;
        }
        if files.len(SUMS).is_ok() {
            files.remove(SUMS).and_then(|()| files.sync_dir()).map_err(io("remove the sums of"))?;
        }
        let is_known = known.is_some();
        let sums = RwLock::new(known.unwrap_or_else(|| PageSums::unknown(len)));
        let made = Self { inner, files: Arc::clone(files), path: path.to_owned(), sums, keeps_sums: Arc::default() };
        Ok((made, is_known))
    }

    /// Whether the sums are written when this is closed. Off until it is known that all that was read is sound.
    pub(super) fn keeps_sums(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.keeps_sums)
    }

    fn damaged(&self, damage: &PageDamage) -> io::Error {
        tracing::error!(path = %self.path.display(), %damage, "the manifest is damaged");
        io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged, {damage}", self.path.display()))
    }

    /// Writes the sums, reading the pages that nobody has read: those are free.
    fn write_sums(&self) -> io::Result<()> {
        let mut sums = self.sums.write();
        let mut buffer = [0; PAGE_BYTES];
        for page in 0..sums.pages() {
            if !sums.knows(page) {
                let at = (page * PAGE_BYTES) as u64;
                let page = &mut buffer[..PAGE_BYTES.min((sums.file_bytes() - at) as usize)];
                self.inner.read(at, page)?;
                sums.wrote(at, page);
            }
        }
        let Some(bytes) = sums.encode() else { return Ok(()) };
        let mut file = self.files.create(SUMS)?;
        file.write_all(&bytes)?;
        file.sync()?;
        self.files.sync_dir()
    }
}

/// The sums that a close in order has left.
pub(super) fn read_sums(files: &dyn Files) -> io::Result<Option<PageSums>> {
    let len = match files.len(SUMS) {
        Ok(len) => len,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let sums = PageSums::decode(&files.read(SUMS, 0, usize::try_from(len).unwrap_or(usize::MAX))?);
    if sums.is_none() {
        tracing::warn!(file = SUMS, "the sums of the manifest are damaged; all of the manifest is checked instead");
    }
    Ok(sums)
}

/// Length and first page: the latter is the header, which redb reads and writes in part.
fn check_start(storage: &dyn StorageBackend, len: u64, sums: &PageSums, path: &Path) -> Result<(), OpenError> {
    let damaged = |what: String| OpenError::Damaged { path: path.to_owned(), what };
    if len != sums.file_bytes() {
        return Err(damaged(format!("{MANIFEST} has {len} bytes, expected {}", sums.file_bytes())));
    }
    let mut first = vec![0; PAGE_BYTES.min(usize::try_from(len).unwrap_or(PAGE_BYTES))];
    storage.read(0, &mut first).map_err(|source| OpenError::Io { action: "read", path: path.to_owned(), source })?;
    sums.verify(0, &first).map_err(|damage| damaged(damage.to_string()))
}

impl StorageBackend for Checked {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)?;
        let known = self.sums.read();
        let checked = if known.knows_all(offset, out.len()) {
            known.verify(offset, out)
        } else {
            drop(known);
            self.sums.write().check(offset, out)
        };
        checked.map_err(|damage| self.damaged(&damage))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)?;
        self.sums.write().resize(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // After a failure nobody knows what is on the disk.
        self.inner.sync_data().inspect_err(|_| self.keeps_sums.store(false, Ordering::SeqCst))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = self.inner.write(offset, data);
        let mut sums = self.sums.write();
        match &written {
            Ok(()) => sums.wrote(offset, data),
            // Some of it may be there.
            Err(_) => {
                sums.forget(offset, data.len());
                self.keeps_sums.store(false, Ordering::SeqCst);
            }
        }
        written
    }

    fn close(&self) -> io::Result<()> {
        if self.keeps_sums.load(Ordering::SeqCst)
            && let Err(error) = self.write_sums()
        {
            // The next start checks everything instead.
            let _ = self.files.remove(SUMS);
            tracing::warn!(%error, "the sums of the manifest could not be written");
        }
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, redb::BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), redb::BackendError> {
        self.inner.unlock_range(start, end)
    }
}
