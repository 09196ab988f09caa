//! Files that pages show: pictures and attachments, copied as they are.
//!
//! In: paths below `src`. Out: for each page, the name beside it (or below `images/`), and what to copy where.
//! Nothing is copied from outside `src`, nor through a symbolic link.

use crate::options::{MediaPlace, Options, Unserved};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use zip::write::{SimpleFileOptions, ZipWriter};

/// Why a file cannot be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    Missing,
    Link,
    Markdown,
}

impl Lost {
    /// The reason in words.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Lost::Missing => "there is no such file in the book",
            Lost::Link => "it lies behind a symbolic link",
            Lost::Markdown => "it is not in SUMMARY.md",
        }
    }
}

/// Endings that Grav serves by route; the rest depends on the web server.
const SERVED: &[&str] = &[
    "jpg", "jpe", "jpeg", "png", "webp", "avif", "gif", "svg", "mp4", "mov", "m4v", "swf", "flv", "webm", "ogv", "mp3", "ogg", "wma",
    "m4a", "wav", "aiff", "aif", "txt", "xml", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "pps", "rtf", "bmp", "tiff", "mpeg", "mpg",
    "mpe", "avi", "wmv", "html", "htm", "ics", "ai", "psd", "zip", "7z", "gz", "tar", "css", "js", "json", "vcf", "pdf",
];

/// Whether Grav serves a file of this name.
pub(crate) fn is_served(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| SERVED.contains(&ending.to_ascii_lowercase().as_str()))
}

/// What to copy: a path below `src`, and whether into an archive of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) zipped: bool,
}

/// All copies of a book.
#[derive(Debug)]
pub(crate) struct Media {
    src: PathBuf,
    /// By their path in the tree.
    pub(crate) copies: BTreeMap<String, Source>,
    checked: HashMap<String, Result<(), Lost>>,
    page: HashMap<Source, String>,
    names: HashSet<String>,
    shared: HashMap<Source, String>,
    shared_names: HashSet<String>,
}

impl Media {
    /// Of the book whose texts lie in `src`.
    pub(crate) fn new(src: &Path) -> Media {
        Media {
            src: src.canonicalize().unwrap_or_else(|_| src.to_path_buf()),
            copies: BTreeMap::new(),
            checked: HashMap::new(),
            page: HashMap::new(),
            names: HashSet::new(),
            shared: HashMap::new(),
            shared_names: HashSet::new(),
        }
    }

    /// Starts a page: names are unique within each.
    pub(crate) fn start_page(&mut self) {
        self.page.clear();
        self.names.clear();
    }

    /// The file of a path below `src`.
    pub(crate) fn source(&self, path: &str) -> PathBuf {
        self.src.join(path)
    }

    /// Notes a copy for the page in `folder` and returns its place in the tree. What is only linked to, not shown, may go into an archive.
    pub(crate) fn copy(&mut self, path: &str, folder: &str, linked: bool, options: &Options) -> Result<String, Lost> {
        self.check(path)?;
        let zipped = linked && options.unserved == Unserved::Zip && !is_served(path);
        let ending = if zipped { ".zip" } else { "" };
        let source = Source { path: path.to_owned(), zipped };
        let place = match options.media {
            MediaPlace::Page => {
                if let Some(name) = self.page.get(&source) {
                    return Ok(format!("{folder}/{name}"));
                }
                let name = unique(&(clean(path.rsplit('/').next().unwrap_or(path)) + ending), &mut self.names);
                self.page.insert(source.clone(), name.clone());
                format!("{folder}/{name}")
            }
            MediaPlace::Shared => {
                if let Some(place) = self.shared.get(&source) {
                    return Ok(place.clone());
                }
                let parts: Vec<String> = path.split('/').map(clean).collect();
                let place = format!("images/{}", unique(&(parts.join("/") + ending), &mut self.shared_names));
                self.shared.insert(source.clone(), place.clone());
                place
            }
        };
        self.copies.insert(place.clone(), source);
        Ok(place)
    }

    fn check(&mut self, path: &str) -> Result<(), Lost> {
        if let Some(known) = self.checked.get(path) {
            return *known;
        }
        let file = self.src.join(path);
        let found = if path.to_ascii_lowercase().ends_with(".md") {
            // Beside a page, a second `.md` could be taken for the page itself.
            Err(if file.is_file() { Lost::Markdown } else { Lost::Missing })
        } else {
            match file.canonicalize() {
                Ok(real) if real != file => Err(Lost::Link),
                Ok(real) if real.is_file() => Ok(()),
                _ => Err(Lost::Missing),
            }
        };
        self.checked.insert(path.to_owned(), found);
        found
    }
}

/// An archive with one file. The same file gives the same bytes: no time is written.
pub(crate) fn zip(source: &Path) -> io::Result<Vec<u8>> {
    let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(name, SimpleFileOptions::default().unix_permissions(0o644))?;
    archive.write_all(&std::fs::read(source)?)?;
    Ok(archive.finish()?.into_inner())
}

/// A name that Grav takes for a plain file: no `@2x`, no signs that end a path in an address.
fn clean(name: &str) -> String {
    let cleaned: String =
        name.chars().map(|letter| if letter.is_alphanumeric() || "._-".contains(letter) { letter } else { '-' }).collect();
    let cleaned = cleaned.trim_start_matches(['.', '-']);
    if cleaned.is_empty() { "file".into() } else { cleaned.to_owned() }
}

fn unique(name: &str, names: &mut HashSet<String>) -> String {
    let (stem, ending) = name.rsplit_once('.').map_or((name, String::new()), |(stem, ending)| (stem, format!(".{ending}")));
    let mut next = name.to_owned();
    let mut count = 2_u32;
    while !names.insert(next.to_lowercase()) {
        next = format!("{stem}-{count}{ending}");
        count += 1;
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_clean_and_unique() {
        assert_eq!(clean("a b@2x#1.png"), "a-b-2x-1.png");
        assert_eq!(clean(".hidden"), "hidden");
        let mut names = HashSet::new();
        assert_eq!(unique("a.png", &mut names), "a.png");
        assert_eq!(unique("A.png", &mut names), "A-2.png");
        assert!(is_served("x.PNG") && !is_served("x.rs"));
    }
}
