//! The command line: a renderer for mdBook without arguments, two commands with them.
//!
//! In: arguments, standard input. Out: findings and one line of figures on standard error; the exit code.
//! 0: done. 1: it failed, with the reason. 2: wrong usage.

use crate::convert::{Overrides, Summary, convert_book, render};
use crate::error::Error;
use crate::report::{Kind, Report};
use crate::{Checked, check_tree};
use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// mdBook to Grav. Without a command: the renderer of `[output.grav]`, with mdBook's context on standard input.
#[derive(Debug, Parser)]
#[command(name = "mdbook-grav", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Convert a book without mdBook.
    Convert {
        /// The folder of book.toml.
        book: PathBuf,
        /// Where the pages go.
        #[arg(long)]
        out: PathBuf,
        /// Allow a destination below user/pages of a live site.
        #[arg(long)]
        live: bool,
        /// Unknown options, links without a target, refused keys and lost media are errors.
        #[arg(long)]
        strict: bool,
        /// Run the preprocessors that book.toml names; they are programs of others.
        #[arg(long)]
        preprocessors: bool,
    },
    /// Check a tree of pages: headers, order, links, files.
    Check {
        /// The tree.
        tree: PathBuf,
    },
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::default();
    let done = match arguments.command {
        None => render(std::io::stdin().lock(), &mut report).map(|summary| line(&summary)),
        Some(Command::Convert { book, out, live, strict, preprocessors }) => {
            convert_book(&book, &out, Overrides { live, strict, preprocessors }, &mut report).map(|summary| line(&summary))
        }
        Some(Command::Check { tree }) => check_tree(&tree, &mut report).and_then(|checked| match report.count(Kind::Fault) {
            0 => Ok(checked_line(&checked)),
            count => Err(Error::Check { count, path: tree }),
        }),
    };
    let mut out = std::io::stderr().lock();
    for finding in &report.findings {
        let name = if finding.kind == Kind::Fault { "fault" } else { "warning" };
        // Standard error that is closed leaves nobody to tell.
        let _closed = writeln!(out, "{name}: {finding}");
    }
    let (text, code) = match done {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(Error::Option { .. }) => (done_text(&done), ExitCode::from(2)),
        Err(_) => (done_text(&done), ExitCode::FAILURE),
    };
    let _closed = writeln!(out, "mdbook-grav: {text}");
    code
}

fn done_text(done: &Result<String, Error>) -> String {
    match done {
        Ok(text) => text.clone(),
        Err(why) => format!("error: {why}"),
    }
}

fn line(summary: &Summary) -> String {
    format!(
        "{} pages, {} words, {} links, {} anchors, {} files; {} written, {} unchanged, {} removed; {}",
        summary.pages,
        summary.words,
        summary.links,
        summary.anchors,
        summary.media,
        summary.written,
        summary.unchanged,
        summary.removed,
        checked_line(&summary.checked)
    )
}

fn checked_line(checked: &Checked) -> String {
    format!("checked {} pages, {} links, {} fragments, {} files", checked.pages, checked.links, checked.fragments, checked.files)
}
