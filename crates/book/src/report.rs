//! Findings: what the reader of standard error is told, each with file and line.
//!
//! In: facts found while converting or checking. Out: the same facts, in the order of the book, and whether `strict` makes them errors.

use std::fmt;

/// What sort of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An option that this program does not know.
    UnknownOption,
    /// A link whose target is not in the book.
    MissingTarget,
    /// A link to a place in a page that has no such id.
    MissingFragment,
    /// A front matter key with side effects in Grav, left out.
    RefusedKey,
    /// Front matter that cannot be read, left out.
    BadFrontMatter,
    /// A picture or file that is not there, or may not be copied.
    LostMedia,
    /// Words of the chapter that its page does not show.
    LostWords,
    /// Something that Grav will treat in its own way.
    Notice,
    /// A fault in a tree of pages.
    Fault,
}

impl Kind {
    /// Whether `strict` turns it into an error.
    #[must_use]
    pub fn is_strict(self) -> bool {
        !matches!(self, Kind::Notice)
    }
}

/// One thing worth saying, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What sort.
    pub kind: Kind,
    /// The file as the author knows it, relative to the book.
    pub file: String,
    /// The line, from 1; 0 where a line makes no sense.
    pub line: usize,
    /// What was found.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.file, self.message),
            line => write!(out, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// All findings of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order in which they were found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Adds one.
    pub(crate) fn add(&mut self, kind: Kind, file: impl Into<String>, line: usize, message: impl Into<String>) {
        self.findings.push(Finding { kind, file: file.into(), line, message: message.into() });
    }

    /// How many of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.findings.iter().filter(|finding| finding.kind == kind).count()
    }

    /// How many become errors under `strict`.
    #[must_use]
    pub fn strict_count(&self) -> usize {
        self.findings.iter().filter(|finding| finding.kind.is_strict()).count()
    }
}

/// The line, from 1, of a byte of a text.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}
