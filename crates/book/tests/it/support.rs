//! A small book on disk, and the tree made from it.
//!
//! In: files as text. Out: the pages, findings and figures of a conversion.

use mdbook_grav::{Error, Overrides, Report, Summary, convert_book};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) struct Book {
    folder: TempDir,
}

impl Book {
    /// A book of these files; `book.toml` is made when it is not among them.
    pub(crate) fn new(files: &[(&str, &str)]) -> Book {
        let book = Book { folder: tempfile::tempdir().unwrap() };
        book.write("book.toml", "[book]\ntitle = \"T\"\n");
        for (path, text) in files {
            let path = if path.ends_with(".toml") { (*path).to_owned() } else { format!("src/{path}") };
            book.write(&path, text);
        }
        book
    }

    /// One chapter `page.md`.
    pub(crate) fn page(text: &str) -> Book {
        Book::new(&[("SUMMARY.md", "- [Page](page.md)\n"), ("page.md", text)])
    }

    /// A file of the book's folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("book")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("pages")
    }

    pub(crate) fn try_convert(&self, overrides: Overrides) -> (Result<Summary, Error>, Vec<String>) {
        let mut report = Report::default();
        let done = convert_book(&self.root(), &self.out(), overrides, &mut report);
        (done, report.findings.iter().map(ToString::to_string).collect())
    }

    /// Converts; the findings that are left when those of the missing home page are taken off.
    pub(crate) fn convert(&self) -> (Summary, Vec<String>) {
        let (done, findings) = self.try_convert(Overrides::default());
        let findings: Vec<String> = findings.into_iter().filter(|text| !text.contains("no page answers")).collect();
        (done.unwrap_or_else(|why| panic!("{why}: {findings:?}")), findings)
    }

    /// A file of the tree.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.out().join(path)).unwrap_or_else(|why| panic!("{path}: {why}; there are {:?}", self.files()))
    }

    /// The body of the page made from `page.md`.
    pub(crate) fn body(&self) -> String {
        let text = self.read("01.page/default.md");
        text.split_once("\n---\n\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// All files of the tree but the manifest, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.out(), "", &mut found);
        found.sort();
        found
    }
}

fn list(root: &Path, inside: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(inside)).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = format!("{inside}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            list(root, &format!("{name}/"), found);
        } else if name != ".mdbook-grav.json" {
            found.push(name);
        }
    }
}

/// Converts one chapter and compares its body.
pub(crate) fn check(text: &str, want: &str) {
    let book = Book::page(text);
    let (_, findings) = book.convert();
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(book.body(), want);
}
