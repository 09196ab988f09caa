//! A converted tree, read again as Grav would read it.
//!
//! In: a folder of pages. Out: counts, and faults: headers that do not parse, a second page in a folder, routes or aliases
//! given twice, order that differs between text and number, links and files that lead nowhere.

mod page;
mod walk;

use crate::error::Error;
use crate::input::Spool;
use crate::report::{Kind, Report};
use crate::write::Manifest;
use page::Links;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What a check counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Pages read.
    pub pages: usize,
    /// Links that lead to a page of the tree.
    pub links: usize,
    /// Fragments that lead to an id.
    pub fragments: usize,
    /// Pictures and files that are there.
    pub files: usize,
}

/// A page's place in a tree.
#[derive(Debug)]
struct Found {
    /// Relative to the tree.
    file: String,
    folder: String,
    route: String,
}

/// Everything that a link can point at.
#[derive(Debug, Default)]
struct Known {
    routes: HashMap<String, usize>,
    ids: Vec<HashSet<String>>,
    aliases: HashSet<String>,
}

/// Checks the tree at `root`. Faults go into the report; the error is for what cannot be read at all.
///
/// # Errors
/// When a folder, a page or the manifest cannot be read.
pub fn check_tree(root: &Path, report: &mut Report) -> Result<Checked, Error> {
    let manifest = Manifest::read(root)?;
    let found = walk::walk(root, &manifest.route, report)?;
    let mut known = Known::default();
    for (at, page) in found.iter().enumerate() {
        if let Some(other) = known.routes.insert(page.route.clone(), at) {
            fault(report, page, format!("has the route {} of {}", page.route, found[other].file));
        }
    }
    // Links wait on disk until the ids of all pages are known.
    let temporary = std::env::temp_dir();
    let mut spool = Spool::new().map_err(Error::io("open a temporary file in", &temporary))?;
    let mut links = Vec::new();
    let mut aliases = Vec::new();
    for page in &found {
        let said = page::survey(&read(root, page)?, page, report);
        links.push(spool.put(&said.links).map_err(Error::io("write to a temporary file in", &temporary))?);
        known.ids.push(said.ids);
        aliases.push(said.aliases);
    }
    for (page, own) in found.iter().zip(aliases) {
        for alias in own {
            if known.routes.contains_key(&alias) {
                fault(report, page, format!("has the alias {alias}, which is a page's route"));
            } else if !known.aliases.insert(alias.clone()) {
                fault(report, page, format!("has the alias {alias}, which another page has"));
            }
        }
    }
    let mut checked = Checked { pages: found.len(), ..Checked::default() };
    for (at, span) in links.into_iter().enumerate() {
        let text = spool.get(span).map_err(Error::io("read from a temporary file in", &temporary))?;
        Links { root, manifest: &manifest, known: &known, found: &found, at, checked: &mut checked, report }.check(&text);
    }
    Ok(checked)
}

fn read(root: &Path, page: &Found) -> Result<String, Error> {
    let path = root.join(&page.file);
    std::fs::read_to_string(&path).map_err(Error::io("read", &path))
}

fn fault(report: &mut Report, page: &Found, message: String) {
    report.add(Kind::Fault, &page.file, 0, message);
}
