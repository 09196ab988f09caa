//! The store's files on the simulated disk: the same disk that the journal is on, so that one power cut meets both.
//!
//! # Invariants
//! - Every operation goes through [`Disk`] and [`DiskFile`], where faults are put in and changes are counted.
//! - A name is durable after `sync_dir` and not before, that of the manifest too.

use aqueduct_journal::{Disk, DiskFile, FaultyDisk};
use aqueduct_store::files::{Files, NewFile};
use bytes::Bytes;
use redb::StorageBackend;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the manifest's file.
pub(crate) const MANIFEST: &str = "manifest.redb";

/// The storage of a database: a file of the simulated disk, made when it is not there.
pub(crate) fn database(disk: &FaultyDisk, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
    let file = match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path),
        opened => opened,
    };
    Ok(Box::new(DatabaseFile(file?)))
}

/// A directory of the simulated disk.
#[derive(Debug)]
pub(crate) struct SimFiles {
    disk: FaultyDisk,
    dir: PathBuf,
}

impl SimFiles {
    pub(crate) fn new(disk: &FaultyDisk, dir: impl Into<PathBuf>) -> Self {
        Self { disk: disk.clone(), dir: dir.into() }
    }
}

impl Files for SimFiles {
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(Growing { file: self.disk.create(&self.path(name))?, written: 0 }))
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; len];
        read_exactly(&*self.disk.open(&self.path(name))?, &mut bytes, offset)?;
        Ok(Bytes::from(bytes))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.disk.open(&self.path(name))?.len()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.disk.list(&self.dir)?;
        names.retain(|name| name != MANIFEST);
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.disk.remove(&self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir(&self.dir)
    }

    fn manifest(&self) -> io::Result<Box<dyn StorageBackend>> {
        database(&self.disk, &self.path(MANIFEST))
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.dir.clone() } else { Path::new(&self.dir).join(name) }
    }
}

fn read_exactly(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    if file.read_at(buffer, offset)? < buffer.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// A file that is written from its start.
#[derive(Debug)]
struct Growing {
    file: Arc<dyn DiskFile>,
    written: u64,
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(&[bytes], self.written)?;
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Growing {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

#[derive(Debug)]
struct DatabaseFile(Arc<dyn DiskFile>);

impl StorageBackend for DatabaseFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_exactly(&*self.0, out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(&[data], offset)
    }
}
