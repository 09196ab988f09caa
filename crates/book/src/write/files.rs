//! Writing a tree: look at everything first, then write, then take away what is stale.
//!
//! In: contents with their paths and hashes. Out: how many files were written, left and removed.

use super::manifest::{MANIFEST, Manifest, hash_file};
use crate::error::Error;
use crate::report::{Kind, Report};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file while it is being written.
const UNFINISHED: &str = ".mdbook-grav.unfinished";

/// Where a file's bytes come from.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}

/// What a run did to the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) written: usize,
    pub(crate) unchanged: usize,
    pub(crate) removed: usize,
}

/// A tree being written.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    root: &'a Path,
    before: Manifest,
    pub(crate) after: Manifest,
    pub(crate) counts: Written,
}

impl<'a> Tree<'a> {
    /// The tree at `root` with what an earlier run wrote into it.
    pub(crate) fn open(root: &'a Path, after: Manifest) -> Result<Tree<'a>, Error> {
        Ok(Tree { root, before: Manifest::read(root)?, after, counts: Written::default() })
    }

    /// Refuses a place where something lies that is not ours. Nothing is written yet.
    pub(crate) fn look(&self, path: &str, hash: &str) -> Result<(), Error> {
        let mut place = self.root.to_path_buf();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            place.push(part);
            let Ok(found) = fs::symlink_metadata(&place) else { return Ok(()) };
            if found.is_symlink() {
                return Err(Error::Symlink { path: place });
            }
            let is_last = parts.peek().is_none();
            if is_last == found.is_dir() {
                return Err(Error::Foreign { path: path.into() });
            }
        }
        // A run that was cut short left files that its manifest does not name; the same bytes are ours.
        let is_ours = self.before.files.contains_key(path) || hash_file(&place).map_err(Error::io("read", &place))? == hash;
        if is_ours { Ok(()) } else { Err(Error::Foreign { path: path.into() }) }
    }

    /// Writes one file, unless it holds these bytes already.
    pub(crate) fn put(&mut self, path: &str, hash: &str, content: &Content<'_>, report: &mut Report) -> Result<(), Error> {
        let place = self.root.join(path);
        self.after.files.insert(path.to_owned(), hash.to_owned());
        if let Ok(found) = hash_file(&place) {
            if found == hash {
                self.counts.unchanged += 1;
                return Ok(());
            }
            if self.before.files.get(path).is_some_and(|ours| *ours != found) {
                report.add(Kind::Notice, path, 0, "was changed by hand since it was written; written anew");
            }
        }
        write_whole(&place, content).map_err(Error::io("write", &place))?;
        self.counts.written += 1;
        Ok(())
    }

    /// Removes what earlier runs wrote and this one did not, then writes the manifest.
    pub(crate) fn close(&mut self, report: &mut Report) -> Result<(), Error> {
        for (path, hash) in &self.before.files {
            if !self.after.files.contains_key(path) {
                self.counts.removed += usize::from(self.remove(path, hash, report)?);
            }
        }
        let bytes = self.after.to_bytes();
        let place = self.root.join(MANIFEST);
        if fs::read(&place).ok().as_deref() != Some(&bytes) {
            write_whole(&place, &Content::Bytes(&bytes)).map_err(Error::io("write", &place))?;
        }
        Ok(())
    }

    fn remove(&self, path: &str, hash: &str, report: &mut Report) -> Result<bool, Error> {
        let place = self.root.join(path);
        let mut way = self.root.to_path_buf();
        for part in path.split('/') {
            way.push(part);
            match fs::symlink_metadata(&way) {
                Ok(found) if found.is_symlink() => return Ok(false),
                Ok(_) => {}
                Err(_) => return Ok(false),
            }
        }
        if hash_file(&place).ok().as_deref() != Some(hash) {
            report.add(Kind::Notice, path, 0, "is stale but was changed by hand; left where it is");
            return Ok(false);
        }
        fs::remove_file(&place).map_err(Error::io("remove", &place))?;
        let mut folder = place.parent().map(Path::to_path_buf).unwrap_or_default();
        // Only empty folders can be removed this way; the first that is not empty ends it.
        while folder != self.root && fs::remove_dir(&folder).is_ok() {
            folder = folder.parent().map(Path::to_path_buf).unwrap_or_else(|| self.root.to_path_buf());
        }
        Ok(true)
    }
}

/// Writes beside the place and renames, so that a reader sees the old bytes or the new ones.
fn write_whole(place: &Path, content: &Content<'_>) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished: PathBuf = folder.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    match content {
        Content::Bytes(bytes) => file.write_all(bytes)?,
        Content::File(source) => drop(io::copy(&mut File::open(source)?, &mut file)?),
    }
    drop(file);
    fs::rename(&unfinished, place)
}
