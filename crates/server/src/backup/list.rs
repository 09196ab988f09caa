//! The list of a backup: which files, how long, with which checksums, and what they hold together.
//!
//! `{"backup": {…}, "crc32c": "…"}`; the checksum is that of the bytes of the first value, as they stand.

use super::LIST;
use crate::data::Found;
use crate::error::Fatal;
use crate::wire::LOCAL;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const VERSION: u32 = 1;

/// The list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct List {
    pub(super) version: u32,
    /// Rises with each backup into a directory; names its state.
    pub(super) number: u64,
    /// Version of the program that made it.
    pub(super) program: String,
    /// RFC 3339.
    pub(super) made_at: String,
    pub(super) counts: Counts,
    pub(super) files: Vec<Listed>,
}

/// A file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    /// In the backup's directory.
    pub(super) path: String,
    /// In a data directory: `store/…`, `journal/…`, `trace/…` or the catalog's name.
    pub(super) target: String,
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
}

/// What the files hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) rows: u64,
    pub(super) segments: usize,
    pub(super) persons: u64,
    pub(super) distinct_ids: u64,
    pub(super) groups: u64,
    /// Where the store stands in the journal.
    pub(super) store_position: u64,
    pub(super) journal_records: u64,
    pub(super) journal_end: u64,
}

impl Counts {
    pub(super) fn of(found: &Found) -> Self {
        let store = &found.store;
        Self {
            rows: store.rows,
            segments: store.segments.len(),
            persons: store.persons,
            distinct_ids: store.distinct_ids,
            groups: store.groups,
            store_position: store.position(LOCAL).0,
            journal_records: found.journal.records,
            journal_end: found.journal.end.0,
        }
    }
}

impl List {
    pub(super) fn new(number: u64, made_at: String, counts: Counts) -> Self {
        Self { version: VERSION, number, program: env!("CARGO_PKG_VERSION").to_owned(), made_at, counts, files: Vec::new() }
    }

    /// The list in `dir`; `None` when there is none.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, Fatal> {
        let path = dir.join(LIST);
        let failed = |why: &dyn std::fmt::Display| {
            Fatal::failure(&format!("cannot read the list of the backup {}", path.display()), why, "take another backup")
        };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| failed(&error))?,
        };
        let sealed: Sealed<'_> = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        let found = crc32c::crc32c(sealed.backup.get().as_bytes());
        if found != sealed.crc32c {
            return Err(failed(&format!("its checksum is {found}, expected {}", sealed.crc32c)));
        }
        let list: Self = serde_json::from_str(sealed.backup.get()).map_err(|error| failed(&error))?;
        if list.version != VERSION {
            return Err(failed(&format!("version {}, this program reads version {VERSION}", list.version)));
        }
        Ok(Some(list))
    }

    /// Puts the list in place of the one before.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Fatal> {
        let failed = |why: &dyn std::fmt::Display| {
            Fatal::failure(&format!("cannot write {}", dir.join(LIST).display()), why, "check the room and the rights there")
        };
        let text = serde_json::to_string(self).map_err(|error| failed(&error))?;
        let crc32c = crc32c::crc32c(text.as_bytes());
        let backup = RawValue::from_string(text).map_err(|error| failed(&error))?;
        let sealed = serde_json::to_string(&Sealed { backup: &backup, crc32c }).map_err(|error| failed(&error))?;
        let unfinished = dir.join(format!("{LIST}.tmp"));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&unfinished)?;
            file.write_all(sealed.as_bytes())?;
            file.sync_all()?;
            // What the list names must be there before it.
            super::sync_dirs(dir)?;
            fs::rename(&unfinished, dir.join(LIST))?;
            File::open(dir)?.sync_all()
        };
        write().map_err(|error| failed(&error))
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    #[serde(borrow)]
    backup: &'a RawValue,
    crc32c: u32,
}
