//! What stops a conversion. Everything else is a finding, see `report.rs`.
//!
//! In: the place that failed. Out: one line that says what was found, what was expected, and where.

use std::path::{Path, PathBuf};

/// Why nothing, or nothing more, was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The JSON on standard input is not a render context of an mdBook that we know.
    #[error("cannot read the render context: {why} (it says mdbook {found}, this program was built for mdbook {expected})")]
    Context {
        /// The version in the context, or `unknown`.
        found: String,
        /// The version whose protocol this program speaks.
        expected: &'static str,
        /// What the reader said.
        why: String,
    },
    /// mdBook's own loader refused the book.
    #[error("cannot load the book in {}: {why}", path.display())]
    Book {
        /// The book's folder.
        path: PathBuf,
        /// What the loader said.
        why: String,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The action, as a verb.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that we did not write lies where a page should go.
    #[error("{} is in the way: it is not in the manifest, so this program did not write it; move it or choose another place", path.display())]
    Foreign {
        /// The file, relative to the destination.
        path: PathBuf,
    },
    /// A symbolic link lies on the way to a page.
    #[error("{} is a symbolic link; pages are written to plain folders only", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// The destination is below a live site and the option was not given.
    #[error("{} lies below user/pages of a site; say `live = true` (or --live) to write there", path.display())]
    Live {
        /// The destination.
        path: PathBuf,
    },
    /// The manifest of an earlier run cannot be used.
    #[error("cannot use the manifest {}: {why}", path.display())]
    Manifest {
        /// The manifest file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An option has a value that cannot be used.
    #[error("{place}: option `{name}` is {found}, expected {expected}")]
    Option {
        /// File and line, or the command line.
        place: String,
        /// The option's name.
        name: String,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// `strict` is on and something was named that it makes an error.
    #[error("{count} finding(s) above are errors because `strict` is on; nothing was written")]
    Strict {
        /// How many.
        count: usize,
    },
    /// The tree that was written does not hold what it should.
    #[error("{count} problem(s) found in the pages of {}", path.display())]
    Check {
        /// How many.
        count: usize,
        /// The tree.
        path: PathBuf,
    },
}

impl Error {
    /// An I/O failure with its action and place.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { what, path, source }
    }
}
