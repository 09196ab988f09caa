//! Looks at every byte of a store that nobody has open, and changes nothing.
//!
//! In: a directory. Out: what each file holds and what is wrong in it, with ranges.

use crate::files::{DirFiles, Files, MANIFEST, SUMS};
use crate::manifest::inspect;
use crate::seen::{Run, RunDescriptor, run};
use crate::segment::{Descriptor, Segment, descriptor};
use crate::{OpenError, ReadError};
use aqueduct_event::{FileCheck, JournalPosition, PartitionId};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What was found in a store's directory.
#[derive(Debug, Default)]
pub struct StoreCheck {
    /// One for each file.
    pub files: Vec<FileCheck>,
    /// Where each partition of the journal stands; empty when the manifest cannot be read or there is none.
    pub positions: BTreeMap<PartitionId, JournalPosition>,
    /// Whether the manifest could be read, or there is none and nothing else either.
    pub is_readable: bool,
    /// Rows in segments.
    pub rows: u64,
    /// Segments that the manifest names: file name, length, CRC-32C.
    pub segments: Vec<(String, u64, u32)>,
    /// Persons.
    pub persons: u64,
    /// Distinct ids.
    pub distinct_ids: u64,
    /// Groups.
    pub groups: u64,
}

impl StoreCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.files.iter().all(FileCheck::is_sound)
    }

    /// Where a partition stands.
    #[must_use]
    pub fn position(&self, partition: PartitionId) -> JournalPosition {
        self.positions.get(&partition).copied().unwrap_or_default()
    }
}

/// Checks the store in `dir`.
///
/// # Errors
/// [`OpenError::Io`] when files cannot be listed or read, [`OpenError::Version`] for a newer format. Damage is no error here.
pub fn check(dir: &Path) -> Result<StoreCheck, OpenError> {
    let io = |action| move |source| OpenError::Io { action, path: dir.to_owned(), source };
    if !dir.exists() {
        return Ok(StoreCheck { is_readable: true, ..StoreCheck::default() });
    }
    let files: Arc<dyn Files> = Arc::new(DirFiles::open(dir).map_err(io("open"))?);
    let names = files.list().map_err(io("list"))?;
    let mut found = StoreCheck::default();
    if let Err(error) = files.len(MANIFEST) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(io("read")(error));
        }
        found.is_readable = !names.iter().any(|name| descriptor::is_file_name(name));
        if !found.is_readable {
            let mut missing = FileCheck::new(files.path(MANIFEST), 0);
            missing.fault(None, "is missing, yet there are segments");
            found.files.push(missing);
        }
        return Ok(found);
    }
    let (checks, contents) = inspect(&files)?;
    found.files = checks;
    let mut named = HashSet::from([SUMS.to_owned()]);
    if let Some(contents) = contents {
        found.is_readable = true;
        (found.persons, found.distinct_ids, found.groups) = (contents.persons, contents.distinct_ids, contents.groups);
        found.positions = contents.loaded.positions;
        for descriptor in contents.loaded.segments {
            named.insert(descriptor.file());
            found.segments.push((descriptor.file(), descriptor.bytes, descriptor.file_crc));
            found.rows += descriptor.rows;
            found.files.push(check_segment(&files, descriptor));
        }
        for descriptor in contents.loaded.runs {
            named.insert(descriptor.file());
            found.files.push(check_run(&files, descriptor));
        }
    }
    let is_ours = |name: &str| descriptor::is_file_name(name) || run::is_file_name(name);
    for name in names.iter().filter(|name| is_ours(name) && !named.contains(*name)) {
        let mut file = FileCheck::new(files.path(name), files.len(name).map_err(io("read"))?);
        "no manifest names it: left by a crash, the next start removes it".clone_into(&mut file.holds);
        found.files.push(file);
    }
    Ok(found)
}

/// A run of arrivals. A damaged one costs nothing: the next start makes it again from the segments.
fn check_run(files: &Arc<dyn Files>, descriptor: RunDescriptor) -> FileCheck {
    let mut check = FileCheck::new(files.path(&descriptor.file()), descriptor.bytes());
    "arrivals of the last days, for duplicates".clone_into(&mut check.holds);
    if let Err(error) = Run::open(&**files, descriptor).and_then(|run| run.file.verify(&**files)) {
        check.fault(None, format!("{error}; nothing is lost, the next start makes it again from the segments"));
    }
    check
}

/// Every byte of a segment against the sums that the manifest has of it.
fn check_segment(files: &Arc<dyn Files>, descriptor: Descriptor) -> FileCheck {
    let (name, bytes) = (descriptor.file(), descriptor.bytes);
    let mut check = FileCheck::new(files.path(&name), bytes);
    let projects: HashSet<_> = descriptor.ranges.iter().map(|range| range.project).collect();
    check.holds = format!("{} rows of {} projects", descriptor.rows, projects.len());
    match files.len(&name) {
        Ok(len) if len == bytes => {}
        Ok(len) => {
            check.fault(Some(len.min(bytes)..len.max(bytes)), format!("has {len} bytes, expected {bytes}"));
            return check;
        }
        Err(error) => {
            let gone = error.kind() == io::ErrorKind::NotFound;
            check.fault(None, if gone { "is missing".to_owned() } else { error.to_string() });
            return check;
        }
    }
    let segment = Segment::new(descriptor, Arc::clone(files));
    match segment.damages() {
        Ok(damages) => damages.into_iter().for_each(|(range, what)| check.fault(Some(range), what)),
        Err(ReadError::Damaged { what, .. }) => check.fault(None, what),
        Err(error) => check.fault(None, error.to_string()),
    }
    check
}
