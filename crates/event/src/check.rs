//! What a check of a data directory finds, file by file: the common words of all crates that own files.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One file, all of whose bytes were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCheck {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What is in it, for people: "1200 records, positions 0 to 1199".
    pub holds: String,
    /// What is wrong, in the order of the file; empty when it is sound.
    pub faults: Vec<Fault>,
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Bytes concerned, as far as can be told; `None` when it is the file as a whole.
    pub range: Option<Range<u64>>,
    /// What is wrong, found and expected, and what is lost by it.
    pub what: String,
}

impl FileCheck {
    /// A check that has found nothing yet.
    #[must_use]
    pub fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes, holds: String::new(), faults: Vec::new() }
    }

    /// Notes a fault.
    pub fn fault(&mut self, range: Option<Range<u64>>, what: impl Into<String>) {
        self.faults.push(Fault { range, what: what.into() });
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.range {
            Some(range) => write!(f, "byte {} to byte {}: {}", range.start, range.end, self.what),
            None => f.write_str(&self.what),
        }
    }
}
