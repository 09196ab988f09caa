//! A data directory: where its parts lie, who has it, and what a look at every byte of it finds.

use crate::config::Config;
use crate::error::Fatal;
use crate::ledger;
use crate::wire::LOCAL;
use aqueduct_event::{FileCheck, SystemClock};
use aqueduct_journal::{JournalCheck, RealDisk};
use aqueduct_store::StoreCheck;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the catalog's file.
pub(crate) const CATALOG: &str = "catalog.sqlite";

/// Where the parts lie.
#[derive(Clone, Debug)]
pub(crate) struct DataPaths {
    pub(crate) store: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) catalog: PathBuf,
    pub(crate) trace: PathBuf,
    pub(crate) ledger: PathBuf,
}

impl DataPaths {
    /// As a config says.
    pub(crate) fn of(config: &Config) -> Self {
        let (store, journal, trace) = (config.store.dir.clone(), config.journal.dir.clone(), config.trace.dir.clone());
        Self { store, journal, catalog: config.data_dir.join(CATALOG), trace, ledger: config.data_dir.join(ledger::FILE) }
    }

    /// All in one directory.
    pub(crate) fn under(dir: &Path) -> Self {
        Self {
            store: dir.join("store"),
            journal: dir.join("journal"),
            catalog: dir.join(CATALOG),
            trace: dir.join("trace"),
            ledger: dir.join(ledger::FILE),
        }
    }
}

/// Makes the data directory if need be and keeps others out of it; `None` when a server has it.
pub(crate) fn lock(data_dir: &Path) -> Result<Option<File>, Fatal> {
    let shown = data_dir.display();
    let remedy = "choose a directory that this user may write with --data-dir";
    std::fs::create_dir_all(data_dir)
        .map_err(|source| Fatal::failure(&format!("cannot make the data directory {shown}"), source, remedy))?;
    let path = data_dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| Fatal::failure(&format!("cannot open {}", path.display()), source, remedy))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(Fatal::failure(&format!("cannot lock {}", path.display()), source, remedy)),
    }
}

/// Refuses a data directory that is not there: commands that look at one do not make one.
pub(crate) fn must_exist(data_dir: &Path) -> Result<(), Fatal> {
    if data_dir.is_dir() {
        return Ok(());
    }
    let what = format!("cannot use the data directory {}", data_dir.display());
    Err(Fatal::failure(&what, "there is no such directory", "name the one of the server with --data-dir or --config"))
}

/// What a look at every byte has found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) store: StoreCheck,
    pub(crate) journal: JournalCheck,
    pub(crate) catalog: Vec<FileCheck>,
    ledger: Option<FileCheck>,
    /// What traces need: notes, on which no event depends.
    trace: Vec<FileCheck>,
}

impl Found {
    /// All files, in the way of an event.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileCheck> {
        self.kept().chain(&self.trace)
    }

    /// Those without which something that was promised would be missing.
    fn kept(&self) -> impl Iterator<Item = &FileCheck> {
        self.catalog.iter().chain(&self.journal.files).chain(&self.store.files).chain(&self.ledger)
    }

    /// Why journal and store do not belong together, if they do not.
    pub(crate) fn mismatch(&self) -> Option<String> {
        let (stands, first, end) = (self.store.position(LOCAL).0, self.journal.first.0, self.journal.end.0);
        if !self.store.is_readable {
            return None;
        }
        if self.journal.is_behind {
            return Some(format!(
                "the journal ends at position {end}, yet the store has confirmed all before {stands}: it was lost, or is of another time"
            ));
        }
        (first > stands)
            .then(|| format!("the journal begins at position {first}, yet the store stands at {stands}: the records between are missing; the store is older than the journal"))
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.mismatch().is_none() && self.files().all(FileCheck::is_sound)
    }

    /// What is wrong with anything but notes, the first of it, in a line.
    pub(crate) fn first_loss(&self) -> Option<String> {
        let of_file = |file: &FileCheck| file.faults.first().map(|fault| format!("{}: {fault}", file.path.display()));
        self.kept().find_map(of_file).or_else(|| self.mismatch())
    }
}

/// Looks at every byte. Nobody may have the directory.
pub(crate) async fn inspect(paths: &DataPaths) -> Result<Found, Fatal> {
    let remedy = "check the disk and the rights; a newer version needs the newer program";
    let failed = |why: &dyn std::fmt::Display| Fatal::failure("cannot check the data directory", why, remedy);
    let store = aqueduct_store::check(&paths.store).map_err(|error| failed(&error))?;
    let journal = aqueduct_journal::check(&RealDisk, &paths.journal, store.position(LOCAL)).map_err(|error| failed(&error))?;
    let catalog = aqueduct_catalog::check(&paths.catalog, Arc::new(SystemClock)).await.map_err(|error| failed(&error))?;
    let ledger = check_ledger(&paths.ledger).map_err(|error| failed(&error))?;
    let trace = aqueduct_ledger::recorder::check(&paths.trace).map_err(|error| failed(&error))?;
    Ok(Found { store, journal, catalog, ledger, trace })
}

/// The pages of the account that count, by the database's own checksums; of a copy in memory, since opening writes.
fn check_ledger(path: &Path) -> std::io::Result<Option<FileCheck>> {
    let content = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        content => content?,
    };
    let mut check = FileCheck::new(path.to_owned(), content.len() as u64);
    "the account of events".clone_into(&mut check.holds);
    let copy = InMemoryBackend::new();
    copy.set_len(content.len() as u64)?;
    copy.write(0, &content)?;
    if let Err(error) = redb::Database::builder().set_check_integrity_on_open(true).create_with_backend(copy) {
        check.fault(None, format!("{error}; move it away: the ledger begins anew with what the store says"));
    }
    Ok(Some(check))
}
