//! Reads all of a manifest that nobody has open, and changes nothing.

use super::checked::read_sums;
use super::overlay::Overlay;
use super::{DISTINCT_IDS, GROUPS, Loaded, PERSONS, check_format, load, open_error, records};
use crate::OpenError;
use crate::files::{Files, MANIFEST, SUMS};
use aqueduct_event::sums::PAGE_BYTES;
use aqueduct_event::{FileCheck, PageSums};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use std::io;
use std::sync::Arc;

/// What a manifest holds, as far as it can be read.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) loaded: Loaded,
    pub(crate) persons: u64,
    pub(crate) distinct_ids: u64,
    pub(crate) groups: u64,
}

/// Checks the manifest and its sums. The contents are `None` when it cannot be read; then a fault says why.
pub(crate) fn inspect(files: &Arc<dyn Files>) -> Result<(Vec<FileCheck>, Option<Contents>), OpenError> {
    let path = files.path(MANIFEST);
    let failed = |source| OpenError::Io { action: "read", path: path.clone(), source };
    let mut of_manifest = FileCheck::new(path.clone(), files.len(MANIFEST).map_err(failed)?);
    let mut checks = Vec::new();
    let sums = read_sums(&**files).map_err(failed)?;
    if let Ok(bytes) = files.len(SUMS) {
        let mut of_sums = FileCheck::new(files.path(SUMS), bytes);
        "sums of the manifest's pages".clone_into(&mut of_sums.holds);
        if sums.is_none() {
            of_sums.fault(Some(0..bytes), "does not match its checksum; nothing is lost, the manifest is checked without it");
        }
        checks.push(of_sums);
    }
    if let Some(sums) = &sums {
        compare(&**files, sums, &mut of_manifest).map_err(failed)?;
    }
    let contents = match read(files, sums) {
        Ok(Some(contents)) => {
            let positions: Vec<String> = contents.loaded.positions.values().map(ToString::to_string).collect();
            of_manifest.holds = format!(
                "{} segments, {} persons, {} distinct ids, {} groups, journal position {}",
                contents.loaded.segments.len(),
                contents.persons,
                contents.distinct_ids,
                contents.groups,
                if positions.is_empty() { "0".to_owned() } else { positions.join(", ") }
            );
            Some(contents)
        }
        Ok(None) => {
            of_manifest.fault(None, "a record cannot be decoded");
            None
        }
        Err(OpenError::Version { path, found, expected }) => return Err(OpenError::Version { path, found, expected }),
        Err(error) => {
            if of_manifest.is_sound() {
                of_manifest.fault(None, error.to_string());
            }
            None
        }
    };
    checks.insert(0, of_manifest);
    Ok((checks, contents))
}

/// Every page against its sum.
fn compare(files: &dyn Files, sums: &PageSums, check: &mut FileCheck) -> io::Result<()> {
    if sums.file_bytes() != check.bytes {
        check.fault(None, format!("has {} bytes, expected {}", check.bytes, sums.file_bytes()));
    }
    let mut at = 0;
    while at < check.bytes.min(sums.file_bytes()) {
        let len = (check.bytes - at).min(PAGE_BYTES as u64);
        if let Err(damage) = sums.verify(at, &files.read(MANIFEST, at, len as usize)?) {
            check.fault(Some(damage.range.clone()), format!("checksum {:08x}, expected {:08x}", damage.found, damage.expected));
        }
        at += len;
    }
    Ok(())
}

fn read(files: &Arc<dyn Files>, sums: Option<PageSums>) -> Result<Option<Contents>, OpenError> {
    let path = files.path(MANIFEST);
    let is_known = sums.is_some();
    let storage = Overlay::new(files, sums).map_err(|source| OpenError::Io { action: "read", path: path.clone(), source })?;
    let mut builder = Database::builder();
    let opened = builder.set_cache_size(16 << 20).set_check_integrity_on_open(!is_known).create_with_backend(storage);
    let db = opened.map_err(|error| open_error(&path, error.into()))?;
    check_format(&db, &path)?;
    let contents = || -> Result<Option<Contents>, redb::Error> {
        let Some((loaded, _)) = load(&db)? else { return Ok(None) };
        let Some(persons) = count(&db, PERSONS, |key, value| records::decode_person(key, value).is_some())? else { return Ok(None) };
        let ids = count(&db, DISTINCT_IDS, |key, value| records::decode_distinct_id(key, value).is_some())?;
        let Some(distinct_ids) = ids else { return Ok(None) };
        let Some(groups) = count(&db, GROUPS, |key, value| records::decode_group(key, value).is_some())? else { return Ok(None) };
        Ok(Some(Contents { loaded, persons, distinct_ids, groups }))
    };
    contents().map_err(|error| open_error(&path, error))
}

/// Records of a table; `None` when one cannot be decoded.
fn count(
    db: &Database,
    table: TableDefinition<'_, &'static [u8], &'static [u8]>,
    is_sound: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<Option<u64>, redb::Error> {
    let read = db.begin_read()?;
    if !read.list_tables()?.any(|known| known.name() == table.name()) {
        return Ok(Some(0));
    }
    let mut records = 0;
    for entry in read.open_table(table)?.iter()? {
        let (key, value) = entry?;
        if !is_sound(key.value(), value.value()) {
            return Ok(None);
        }
        records += 1;
    }
    Ok(Some(records))
}
