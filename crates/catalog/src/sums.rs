//! The catalog's file while nobody has it open: the sums of its pages in a file beside it, and a check of the whole.
//!
//! SQLite has no checksums of what lies in its main file: a byte that rots in a text would be read as it is. A close in order writes the sums, an open
//! compares all of the file with them, once, since everything is answered from memory afterwards. After a crash there are no sums; then SQLite's own check
//! of the structure has to do.
//!
//! # Invariants
//! - A sums file is there only while the catalog is exactly what it describes: it is removed, durably, before the catalog is opened.

use crate::{Catalog, CatalogError, OpenError};
use aqueduct_event::{Clock, FileCheck, PageSums};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn sums_path(path: &Path) -> PathBuf {
    beside(path, ".sums")
}

fn sync_dir_of(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// Compares the file with the sums that a close in order has left, if any, and removes them. Answers whether there were any.
pub(crate) fn take(path: &Path) -> Result<bool, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let bytes = match fs::read(sums_path(path)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io(error)),
    };
    let sums = PageSums::decode(&bytes);
    match &sums {
        Some(sums) => {
            let content = fs::read(path).map_err(io)?;
            if let Some(fault) = faults(sums, &content).into_iter().next() {
                return Err(OpenError::Damaged { path: path.to_owned(), what: fault.to_string() });
            }
        }
        None => tracing::warn!(path = %path.display(), "the sums of the catalog are damaged; its structure is checked instead"),
    }
    fs::remove_file(sums_path(path)).and_then(|()| sync_dir_of(path)).map_err(io)?;
    Ok(sums.is_some())
}

/// Writes the sums of a file that was closed in order.
pub(crate) fn write(path: &Path) -> io::Result<()> {
    if fs::metadata(beside(path, "-wal")).is_ok_and(|left| left.len() > 0) {
        // Not all of it is in the main file.
        return Ok(());
    }
    let Some(bytes) = PageSums::of(&fs::read(path)?).encode() else { return Ok(()) };
    let unfinished = beside(path, ".sums.tmp");
    let mut file = File::create(&unfinished)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, sums_path(path))?;
    sync_dir_of(path)
}

fn faults(sums: &PageSums, content: &[u8]) -> Vec<aqueduct_event::Fault> {
    let mut check = FileCheck::new(PathBuf::new(), content.len() as u64);
    if sums.file_bytes() != content.len() as u64 {
        check.fault(None, format!("has {} bytes, expected {}", content.len(), sums.file_bytes()));
    }
    let page = aqueduct_event::sums::PAGE_BYTES;
    for (number, bytes) in content.chunks(page).enumerate() {
        if let Err(damage) = sums.verify((number * page) as u64, bytes) {
            check.fault(Some(damage.range), format!("checksum {:08x}, expected {:08x}", damage.found, damage.expected));
        }
    }
    check.faults
}

/// Checks the catalog at `path`, which nobody has open, and changes nothing; `None` when there is none.
///
/// # Errors
/// [`OpenError::Newer`] for a newer schema, [`OpenError::Io`] when it cannot be read. Damage is no error here.
pub async fn check(path: &Path, clock: Arc<dyn Clock>) -> Result<Vec<FileCheck>, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut of_catalog = FileCheck::new(path.to_owned(), content.len() as u64);
    let mut checks = Vec::new();
    if let Ok(bytes) = fs::read(sums_path(path)) {
        let mut of_sums = FileCheck::new(sums_path(path), bytes.len() as u64);
        "sums of the catalog's pages".clone_into(&mut of_sums.holds);
        match PageSums::decode(&bytes) {
            Some(sums) => of_catalog.faults = faults(&sums, &content),
            None => of_sums
                .fault(Some(0..bytes.len() as u64), "does not match its checksum; nothing is lost, the catalog is checked without it"),
        }
        checks.push(of_sums);
    }
    if of_catalog.is_sound() {
        match read_copy(path, clock).await {
            Ok(holds) => of_catalog.holds = holds,
            Err(error @ OpenError::Newer { .. }) => return Err(error),
            Err(error) => of_catalog.fault(None, error.to_string()),
        }
    }
    checks.insert(0, of_catalog);
    Ok(checks)
}

/// Reads all rows, of a copy: SQLite writes when it opens a file that a crash has left.
async fn read_copy(path: &Path, clock: Arc<dyn Clock>) -> Result<String, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let dir = std::env::temp_dir().join(format!("aqueduct-check-{}-{}", std::process::id(), uuid::Uuid::new_v4()));
    DirBuilder::new().mode(0o700).create(&dir).map_err(io)?;
    let copy = dir.join("catalog.sqlite");
    let copied = fs::copy(path, &copy).and_then(|_| match fs::copy(beside(path, "-wal"), beside(&copy, "-wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        copied => copied,
    });
    let read = match copied {
        Ok(_) => Catalog::open(&copy, clock).await,
        Err(error) => Err(io(error)),
    };
    let holds = match read {
        Ok(catalog) => {
            let holds = format!("{} projects", catalog.projects().len());
            // The copy goes; whether its last write succeeds plays no part.
            let _ = catalog.close().await;
            Ok(holds)
        }
        Err(error) => Err(error),
    };
    let _ = fs::remove_dir_all(&dir);
    holds
}

impl Catalog {
    /// Writes a copy of all that was answered until now to `to`, which is not there yet. The server goes on meanwhile.
    ///
    /// # Errors
    /// [`CatalogError::Database`] when it cannot be written.
    pub async fn copy_to(&self, to: &Path) -> Result<(), CatalogError> {
        self.flush().await?;
        sqlx::query("VACUUM INTO $1").bind(to.to_string_lossy().into_owned()).execute(&self.pool).await?;
        let synced = File::open(to).and_then(|file| file.sync_all());
        synced.map_err(|source| CatalogError::Database(sqlx::Error::Io(source)))
    }
}
