//! The book's index: what a link written in a chapter points at.
//!
//! In: the place of a chapter and the address in its link. Out: a page, a file of the book, or the reason why neither.

use crate::options::Options;
use crate::plan::{Plan, Role};
use percent_encoding::percent_decode_str;
use std::collections::HashMap;

/// What an address points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A page, with what follows `?` and `#`; the fragment is decoded.
    Page { node: usize, query: String, fragment: String },
    /// A place in the same page.
    Here { fragment: String },
    /// A path below `src` that is no chapter, decoded, with the address's rest as written.
    File { path: String, rest: String },
    /// An address with a scheme, or from the site's root: not ours.
    Outside,
    /// A relative path that leaves the book.
    Leaves,
}

/// Paths of all chapters.
#[derive(Debug)]
pub(crate) struct Index {
    exact: HashMap<String, usize>,
    folded: HashMap<String, usize>,
}

impl Index {
    /// Of all pages; where two claim one path, the first has it.
    pub(crate) fn new(plan: &Plan) -> Index {
        let mut index = Index { exact: HashMap::new(), folded: HashMap::new() };
        for (at, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.role == Role::Page) {
            let paths = [node.path.as_deref().unwrap_or_default(), &node.source];
            for path in paths.into_iter().filter_map(|path| normalize("", path)) {
                index.folded.entry(path.to_lowercase()).or_insert(at);
                index.exact.entry(path).or_insert(at);
            }
        }
        index
    }

    /// What `address`, written in the chapter at `place`, points at.
    pub(crate) fn resolve(&self, place: &str, address: &str, options: &Options) -> Target {
        if has_scheme(address) || address.starts_with("//") {
            return Target::Outside;
        }
        let (path, rest) = split_path(address);
        let (query, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let fragment = decode(fragment);
        if path.is_empty() {
            return Target::Here { fragment };
        }
        let from_root = match path.strip_prefix('/') {
            None => None,
            Some(_) if options.book.site_path.is_empty() => return Target::Outside,
            Some(_) => match path.strip_prefix(&options.book.site_path).and_then(|below| below.strip_prefix('/')) {
                None => return Target::Outside,
                below => below,
            },
        };
        let path = decode(from_root.unwrap_or(path));
        let folder = if from_root.is_some() { "" } else { place.rsplit_once('/').map_or("", |(folder, _)| folder) };
        let Some(full) = normalize(folder, &path) else { return Target::Leaves };
        match self.find(&full) {
            Some(node) => Target::Page { node, query: query.into(), fragment },
            None => Target::File { path: full, rest: rest.into() },
        }
    }

    fn find(&self, path: &str) -> Option<usize> {
        let stem = path.strip_suffix(".html").or_else(|| path.strip_suffix(".md"));
        let mut names = vec![path.to_owned()];
        match stem {
            Some(stem) => {
                names.push(format!("{stem}.md"));
                if let Some(folder) = stem.strip_suffix("index") {
                    names.extend([format!("{folder}README.md"), format!("{folder}readme.md")]);
                }
                if let Some(folder) = stem.strip_suffix("README") {
                    names.push(format!("{folder}index.md"));
                }
            }
            None => {
                let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
                names.extend([format!("{folder}index.md"), format!("{folder}README.md"), format!("{path}.md")]);
            }
        }
        let exact = names.iter().find_map(|name| self.exact.get(name));
        exact.or_else(|| names.iter().find_map(|name| self.folded.get(&name.to_lowercase()))).copied()
    }
}

/// Whether an address starts with `scheme:`.
pub(crate) fn has_scheme(address: &str) -> bool {
    let Some((scheme, _)) = address.split_once(':') else { return false };
    scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+.-".contains(letter))
}

/// The path of an address, and the rest with its `?` or `#`.
pub(crate) fn split_path(address: &str) -> (&str, &str) {
    address.find(['?', '#']).map_or((address, ""), |at| address.split_at(at))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

/// Joins and cleans a path; nothing when it leaves the book or is absolute.
pub(crate) fn normalize(folder: &str, path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
