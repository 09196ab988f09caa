//! One page of a tree: its header, its ids, and where its links lead.
//!
//! In: the bytes of a page. Out: ids and aliases; then, when those of all pages are known, counts and faults.

use super::{Checked, Found, Known, fault};
use crate::front::{split, text_of};
use crate::index::{has_scheme, normalize, split_path};
use crate::options::BookSettings;
use crate::report::{Kind, Report, line_of};
use crate::text::{attributes, parse};
use crate::write::Manifest;
use mdbook_markdown::pulldown_cmark::{Event, LinkType, Tag};
use percent_encoding::percent_decode_str;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::Path;
use yaml_rust2::Yaml;

/// Grav's pages are read with everything that our own output may hold.
fn settings() -> BookSettings {
    BookSettings {
        smart_punctuation: false,
        definition_lists: true,
        admonitions: false,
        hidelines: BTreeMap::new(),
        redirects: BTreeMap::new(),
        site_path: String::new(),
    }
}

/// What a page says of itself.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) ids: HashSet<String>,
    pub(super) aliases: Vec<String>,
    /// One line for each link: where it is written in raw HTML `r`, else `m`; the byte it stands at; the address.
    pub(super) links: String,
}

/// Reads a page; faults of its header are reported.
pub(super) fn survey(text: &str, page: &Found, report: &mut Report) -> Said {
    let own = split(text);
    if own.body_at == 0 || own.keys.is_empty() {
        let why = own.broken.unwrap_or_else(|| "there is none at its start".into());
        fault(report, page, format!("has no front matter that Grav can read: {why}"));
    } else if own.text("title").is_none() {
        fault(report, page, "has no title".into());
    }
    let body = &text[own.body_at..];
    let second = split(body);
    if second.body_at > 0 && (!second.keys.is_empty() || second.broken.is_some()) {
        fault(report, page, "has a second block of front matter in its text".into());
    }
    let mut said = Said::default();
    for (event, range) in parse(body, &settings()) {
        said.take(event, own.body_at + range.start);
    }
    let aliases = &Yaml::Hash(own.keys)["routes"]["aliases"];
    said.aliases = aliases.as_vec().map(|list| list.iter().filter_map(text_of).collect()).unwrap_or_default();
    said
}

impl Said {
    fn take(&mut self, event: Event<'_>, at: usize) {
        match event {
            Event::Start(Tag::Heading { id: Some(id), .. }) => drop(self.ids.insert(id.to_string())),
            Event::Start(Tag::FootnoteDefinition(label)) => drop(self.ids.insert(format!("fn:{label}"))),
            Event::FootnoteReference(label) => {
                let count = (1..).find(|count| !self.ids.contains(&format!("fnref{count}:{label}"))).unwrap_or(1);
                self.ids.insert(format!("fnref{count}:{label}"));
            }
            Event::Start(Tag::Link { link_type: LinkType::Email, .. }) => {}
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => self.link('m', at, &dest_url),
            Event::Html(html) | Event::InlineHtml(html) => {
                for (tag, name, value) in attributes(&html) {
                    if crate::text::holds_address(&tag, &name) {
                        self.link('r', at, &value);
                    } else if name == "id" || (tag == "a" && name == "name") {
                        self.ids.insert(value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Notes a link that may lead into the tree.
    fn link(&mut self, place: char, at: usize, address: &str) {
        if !address.is_empty() && address != "#" && !has_scheme(address) && !address.starts_with("//") && !address.contains('\n') {
            let _infallible = writeln!(self.links, "{place}{at} {address}");
        }
    }
}

/// The links of one page against all that is known.
pub(super) struct Links<'a> {
    pub(super) root: &'a Path,
    pub(super) manifest: &'a Manifest,
    pub(super) known: &'a Known,
    pub(super) found: &'a [Found],
    pub(super) at: usize,
    pub(super) checked: &'a mut Checked,
    pub(super) report: &'a mut Report,
}

impl Links<'_> {
    /// Follows every link of a page.
    pub(super) fn check(mut self, links: &str) {
        for line in links.lines() {
            let (place, rest) = line.split_at(1);
            let (at, address) = rest.split_once(' ').unwrap_or((rest, ""));
            let base = if place == "r" { self.manifest.base.as_str() } else { "" };
            self.follow(address, base, at.parse().unwrap_or(0));
        }
    }

    fn follow(&mut self, address: &str, base: &str, at: usize) {
        if self.manifest.outside.contains(address) {
            return;
        }
        let (path, rest) = split_path(address);
        let fragment = rest.split_once('#').map_or("", |(_, fragment)| fragment);
        let path = decode(path);
        let fragment = decode(fragment);
        let target = if path.is_empty() { Some(self.at) } else { self.page(&path, base) };
        match target {
            Some(target) => {
                self.checked.links += 1;
                self.fragment(target, &fragment, address, at);
            }
            None if self.is_file(&path, base) => self.checked.files += 1,
            None => self.fault(at, &format!("`{address}` leads nowhere")),
        }
    }

    fn page(&self, path: &str, base: &str) -> Option<usize> {
        let route = if path.starts_with('/') {
            path.strip_prefix(base).unwrap_or(path).to_owned()
        } else {
            format!("/{}", normalize(&self.found[self.at].route, path)?)
        };
        let route = if route == "/" && !self.known.routes.contains_key("/") { "/home" } else { route.as_str() };
        self.known.routes.get(route).copied()
    }

    fn fragment(&mut self, target: usize, fragment: &str, address: &str, at: usize) {
        if fragment.is_empty() {
            return;
        }
        if self.known.ids[target].contains(fragment) {
            self.checked.fragments += 1;
        } else if !self.manifest.outside.contains(&format!("{}#{fragment}", self.found[target].route)) {
            self.fault(at, &format!("`{address}`: {} has no id `{fragment}`", self.found[target].file));
        }
    }

    /// A file beside this page, beside the page of its route, or in a folder without a page.
    fn is_file(&self, path: &str, base: &str) -> bool {
        if !path.starts_with('/') {
            return normalize(&self.found[self.at].folder, path).is_some_and(|place| self.root.join(place).is_file());
        }
        let path = path.strip_prefix(base).unwrap_or(path);
        let Some((route, name)) = path.rsplit_once('/') else { return false };
        let folder = match self.known.routes.get(route) {
            Some(at) => self.found[*at].folder.clone(),
            None => route.strip_prefix(self.manifest.route.as_str()).unwrap_or(route).trim_start_matches('/').to_owned(),
        };
        normalize(&folder, name).is_some_and(|place| self.root.join(place).is_file())
    }

    fn fault(&mut self, at: usize, message: &str) {
        let page = &self.found[self.at];
        // The line is counted only for a fault, from the file as it is now.
        let line = std::fs::read_to_string(self.root.join(&page.file)).map_or(0, |text| line_of(&text, at));
        self.report.add(Kind::Fault, &page.file, line, message);
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
