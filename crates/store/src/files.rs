//! The seam to the disk: everything that the store does to files goes through [`Files`], so that a simulator can tear writes, fail them or run
//! out of space.
//!
//! # What a backend promises
//! - What was written to a new file is durable after [`NewFile::sync`]; that the file exists is durable after [`Files::sync_dir`].
//! - A name that was removed can be created again.

use aqueduct_event::Space;
use bytes::Bytes;
use redb::StorageBackend;
use redb::backends::FileBackend;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The files of one store: segments by name, and the manifest.
pub trait Files: Send + Sync + fmt::Debug {
    /// Makes an empty file; one of that name is replaced.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>>;

    /// `len` bytes from `offset`; an error when the file is shorter.
    ///
    /// # Errors
    /// The system's.
    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Bytes>;

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// The system's.
    fn len(&self, name: &str) -> io::Result<u64>;

    /// Names of all files but the manifest's.
    ///
    /// # Errors
    /// The system's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file; it is no error when it is gone already.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self) -> io::Result<()>;

    /// Opens the storage of the manifest, made when it is not there.
    ///
    /// # Errors
    /// The system's.
    fn manifest(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf;

    /// Room on the file system.
    ///
    /// # Errors
    /// The system's.
    fn space(&self) -> io::Result<Space> {
        Ok(Space::UNKNOWN)
    }

    /// Gives a file that is never changed a second name outside, so that it outlives its removal here; a copy where that cannot be done.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::Unsupported`] when these files cannot be taken outside.
    fn link(&self, name: &str, to: &Path) -> io::Result<()> {
        let _ = (name, to);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file that is being written.
pub trait NewFile: Write + Send {
    /// Makes the content durable.
    ///
    /// # Errors
    /// The system's; the file must then be given up.
    fn sync(&mut self) -> io::Result<()>;
}

/// Name of the manifest's file.
pub(crate) const MANIFEST: &str = "manifest.redb";
/// Name of the file with the sums of the manifest's pages, there while nobody has the manifest open.
pub(crate) const SUMS: &str = "manifest.redb.sums";

/// Files of a directory.
#[derive(Debug)]
pub struct DirFiles {
    dir: PathBuf,
}

impl DirFiles {
    /// The files of `dir`, which is made when it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }
}

impl NewFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Files for DirFiles {
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(File::create(self.path(name))?))
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(len);
        file.take(len as u64).read_to_end(&mut bytes)?;
        if bytes.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Bytes::from(bytes))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path(name))?.len())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && name != MANIFEST
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn sync_dir(&self) -> io::Result<()> {
        // Only Unix can sync a directory; elsewhere the file system orders it.
        if cfg!(unix) { File::open(&self.dir)?.sync_all() } else { Ok(()) }
    }

    fn manifest(&self) -> io::Result<Box<dyn StorageBackend>> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(self.path(MANIFEST))?;
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(Space { free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize), total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize) })
    }

    fn link(&self, name: &str, to: &Path) -> io::Result<()> {
        let from = self.path(name);
        match fs::hard_link(&from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(&from, to).map(|_| ()),
            done => done,
        }
    }
}
