//! `mdbook-grav`: an mdBook published as Grav pages, nothing lost.
//!
//! In: a book, as mdBook hands it to a renderer (JSON on standard input) or read from its folder.
//! Out: a tree of numbered folders, one page in each, with the pictures and files it shows, and a manifest.
//!
//! # Invariants
//! - No word of the book's text is lost; the text of every page is compared with its chapter before anything is written.
//! - Nothing that we did not write is changed: the manifest lists our files, a foreign file in the way stops the run.
//! - Same input, same bytes: no clock, no absolute path, no map order in any output.
//! - Memory follows the largest chapter, not the book: texts wait in a spool file, only titles, ids and paths stay.
//!
//! Read next: `convert.rs` (the passes in order), `plan/mod.rs` (folders and routes), `text/mod.rs` (one chapter's text).

mod check;
mod convert;
mod error;
mod front;
mod index;
mod input;
mod media;
mod options;
mod plan;
mod report;
mod text;
mod write;

pub mod cli;

pub use check::{Checked, check_tree};
pub use convert::{Overrides, Summary, convert_book, render};
pub use error::Error;
pub use report::{Finding, Kind, Report};
