//! A book as it comes in: its tree of chapters in memory, their texts in a spool file.
//!
//! In: JSON from mdBook (`stream.rs`) or a book's folder (`load.rs`). Out: `Book`.

mod load;
mod spool;
mod stream;

pub(crate) use load::load;
pub(crate) use spool::{Span, Spool};
pub(crate) use stream::read_context;

use mdbook_renderer::config::Config;
use std::path::PathBuf;

/// A book without its texts.
#[derive(Debug)]
pub(crate) struct Book {
    /// The version of mdBook that sent it.
    pub(crate) version: String,
    /// The folder of `book.toml`.
    pub(crate) root: PathBuf,
    pub(crate) config: Config,
    /// Where the pages go.
    pub(crate) destination: PathBuf,
    pub(crate) items: Vec<Item>,
}

/// One line of the summary.
#[derive(Debug)]
pub(crate) enum Item {
    Chapter(Chapter),
    Part(String),
    Separator,
}

/// A chapter whose text is in the spool.
#[derive(Debug, Default)]
pub(crate) struct Chapter {
    pub(crate) name: String,
    /// Prefix and suffix chapters have no number.
    pub(crate) numbered: bool,
    /// Where mdBook would put it, relative to `src`; nothing for a draft.
    pub(crate) path: Option<String>,
    /// The file it came from, relative to `src`.
    pub(crate) source: Option<String>,
    pub(crate) text: Span,
    pub(crate) items: Vec<Item>,
}
