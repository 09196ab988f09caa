//! A disk in memory that forgets what was not synced, and that fails when it is told to.

use aqueduct_event::Space;
use aqueduct_store::files::{Files, NewFile};
use bytes::Bytes;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

const MANIFEST: &str = "manifest.redb";

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Whether the name survives a crash.
    is_named: bool,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, Content>,
    /// Names whose removal is not durable yet.
    removed: BTreeMap<String, Content>,
    /// Operations that change something, so far.
    operations: u64,
    /// From this operation on, everything that changes something fails.
    fails_from: Option<u64>,
    /// How many operations fail.
    failures_left: u64,
    /// How they fail; "no space" unless set.
    failure: Option<io::ErrorKind>,
    /// What the disk says of its room.
    space: Option<Space>,
}

impl Inner {
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fails_from {
            Some(from) if self.operations > from && self.failures_left > 0 => {
                self.failures_left -= 1;
                Err(self.failure.unwrap_or(io::ErrorKind::StorageFull).into())
            }
            _ => Ok(()),
        }
    }
}

/// The disk; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    /// `count` operations fail after the next `after` ones.
    pub(crate) fn fail(&self, after: u64, count: u64) {
        let mut inner = self.0.lock();
        inner.fails_from = Some(inner.operations + after);
        inner.failures_left = count;
    }

    /// Failures are of this kind from now on.
    pub(crate) fn fail_with(&self, kind: io::ErrorKind) {
        self.0.lock().failure = Some(kind);
    }

    pub(crate) fn set_space(&self, free_bytes: u64, total_bytes: u64) {
        self.0.lock().space = Some(Space { free_bytes, total_bytes });
    }

    /// Ends the failures. Answers whether any happened.
    pub(crate) fn mend(&self, count: u64) -> bool {
        let mut inner = self.0.lock();
        inner.fails_from = None;
        inner.failures_left < count
    }

    /// Loses everything that was not synced; of the last writes to a new file a prefix may survive.
    pub(crate) fn lose_power(&self) {
        let mut inner = self.0.lock();
        let removed = std::mem::take(&mut inner.removed);
        inner.files.extend(removed);
        inner.files.retain(|_, content| content.is_named);
        for content in inner.files.values_mut() {
            content.now = content.synced.clone();
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().files.keys().filter(|name| *name != MANIFEST).cloned().collect()
    }
}

struct Handle {
    disk: Disk,
    name: String,
}

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.disk.0.lock();
        inner.operate()?;
        let content = inner.files.get_mut(&self.name).ok_or(io::ErrorKind::NotFound)?;
        content.now.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Handle {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.sync(&self.name)
    }
}

impl Disk {
    fn sync(&self, name: &str) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.operate()?;
        let content = inner.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        content.synced = content.now.clone();
        Ok(())
    }
}

impl Files for Disk {
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let mut inner = self.0.lock();
        inner.operate()?;
        inner.files.insert(name.to_owned(), Content::default());
        Ok(Box::new(Handle { disk: self.clone(), name: name.to_owned() }))
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        let inner = self.0.lock();
        let content = inner.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let bytes = content.now.get(offset as usize..offset as usize + len).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(self.0.lock().files.get(name).ok_or(io::ErrorKind::NotFound)?.now.len() as u64)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.operate()?;
        if let Some(content) = inner.files.remove(name)
            && content.is_named
        {
            inner.removed.insert(name.to_owned(), content);
        }
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.operate()?;
        inner.removed.clear();
        inner.files.values_mut().for_each(|content| content.is_named = true);
        Ok(())
    }

    fn manifest(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.0.lock().files.entry(MANIFEST.to_owned()).or_default().is_named = true;
        Ok(Box::new(ManifestFile(self.clone())))
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn space(&self) -> io::Result<Space> {
        Ok(self.0.lock().space.unwrap_or(Space::UNKNOWN))
    }
}

#[derive(Debug)]
struct ManifestFile(Disk);

impl ManifestFile {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.0.0.lock();
        act(&mut inner.files.get_mut(MANIFEST).ok_or(io::ErrorKind::NotFound)?.now)
    }

    fn operate(&self) -> io::Result<()> {
        self.0.0.lock().operate()
    }
}

impl StorageBackend for ManifestFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|bytes| Ok(bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|bytes| {
            let found = bytes.get(offset as usize..offset as usize + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(found);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate()?;
        self.with(|bytes| {
            bytes.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync(MANIFEST)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate()?;
        self.with(|bytes| {
            bytes[offset as usize..offset as usize + data.len()].copy_from_slice(data);
            Ok(())
        })
    }
}
