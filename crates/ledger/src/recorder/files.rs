//! The seam to the disk: a directory of files that only grow at their end.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Files of one directory, by name. Nothing is synced: what the system loses in a power cut is lost, and the reader of these files is told to expect it.
pub trait LogFiles: Send + Sync + Debug {
    /// Names of all files, in no order.
    ///
    /// # Errors
    /// The system's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// The system's.
    fn len(&self, name: &str) -> io::Result<u64>;

    /// Adds bytes at the end of a file, which is made when it is not there.
    ///
    /// # Errors
    /// The system's; some of the bytes may have been written.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// A whole file.
    ///
    /// # Errors
    /// The system's.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Puts other bytes in a file's place, all or none of them.
    ///
    /// # Errors
    /// The system's; the file is as it was then.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file; it is no error when it is gone already.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf;
}

/// Files of a directory of this machine.
#[derive(Debug)]
pub struct DirLogFiles(PathBuf);

impl DirLogFiles {
    /// The files of `dir`, which is made when it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self(dir.to_owned()))
    }
}

impl LogFiles for DirLogFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
        names.collect()
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path(name))?.len())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        File::options().append(true).create(true).open(self.path(name))?.write_all(bytes)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path(&format!("{name}.tmp"));
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        // What was taken out must not come back with a power cut.
        file.sync_all()?;
        fs::rename(&unfinished, self.path(name))?;
        File::open(&self.0)?.sync_all()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}
