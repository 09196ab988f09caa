//! Where the links of one page go.
//!
//! In: an address as the author wrote it. Out: the address on the site; what leads nowhere is reported with its line.

use super::Site;
use crate::index::Target;
use crate::media::{Lost, Media, is_served};
use crate::options::MediaPlace;
use crate::report::{Kind, Report, line_of};
use crate::text::{Addresses, Use};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeSet;

/// Signs that may stand in a fragment or path as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':').remove(b'/');

/// The links of one page.
pub(super) struct PageLinks<'a> {
    pub(super) site: &'a Site,
    pub(super) number: usize,
    /// The whole chapter, for line numbers.
    pub(super) text: &'a str,
    pub(super) body_at: usize,
    pub(super) media: &'a mut Media,
    pub(super) outside: &'a mut BTreeSet<String>,
    pub(super) report: &'a mut Report,
    pub(super) count: usize,
}

impl Addresses for PageLinks<'_> {
    fn address(&mut self, written: &str, used: Use, at: usize) -> Option<String> {
        let site = self.site;
        let node = &site.plan.nodes[self.number];
        let place = node.path.as_deref().unwrap_or_default();
        match site.index.resolve(place, written, &site.options) {
            Target::Here { fragment } if fragment.is_empty() => None,
            Target::Here { fragment } => {
                self.count += usize::from(used != Use::Link);
                match self.fragment(self.number, &fragment, written, at) {
                    Some(fragment) => Some(format!("#{fragment}")),
                    None => Some(self.to_page(self.number, used)),
                }
            }
            Target::Page { node: target, query, fragment } => {
                self.count += usize::from(used != Use::Link);
                let fragment = if fragment.is_empty() { None } else { self.fragment(target, &fragment, written, at) };
                let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
                Some(format!("{}{query}{fragment}", self.to_page(target, used)))
            }
            Target::File { path, rest } => self.file(&path, &rest, written, used, at),
            Target::Outside => {
                if written.starts_with('/') {
                    self.outside.insert(written.to_owned());
                }
                None
            }
            Target::Leaves => {
                self.lost(used, at, format!("`{written}` leaves the book"));
                self.outside.insert(written.to_owned());
                None
            }
        }
    }

    fn seen(&mut self, written: &str) {
        let place = self.site.plan.nodes[self.number].path.as_deref().unwrap_or_default();
        let target = self.site.index.resolve(place, written, &self.site.options);
        self.count += usize::from(!matches!(target, Target::Outside | Target::Leaves));
    }

    fn notice(&mut self, at: usize, message: &str) {
        let line = self.line(at);
        self.report.add(Kind::Notice, &self.site.plan.nodes[self.number].source, line, message);
    }

    fn note(&self, label: &str) -> String {
        self.site.surveys[self.number].notes.get(label).cloned().unwrap_or_else(|| label.to_owned())
    }
}

impl PageLinks<'_> {
    fn line(&self, at: usize) -> usize {
        line_of(self.text, self.body_at + at)
    }

    fn lost(&mut self, used: Use, at: usize, message: String) {
        let kind = if used == Use::Image { Kind::LostMedia } else { Kind::MissingTarget };
        let line = self.line(at);
        self.report.add(kind, &self.site.plan.nodes[self.number].source, line, message);
    }

    fn to_page(&self, target: usize, used: Use) -> String {
        let site = self.site;
        let to = &site.plan.nodes[target];
        if used == Use::Raw {
            return format!("{}{}", site.options.base, to.address());
        }
        if site.options.relative_links && !to.is_home {
            return relative(&site.plan.nodes[self.number].route, &to.route);
        }
        to.address().to_owned()
    }

    /// The id in Grav's page; nothing for the top of a page whose heading the theme prints.
    fn fragment(&mut self, target: usize, fragment: &str, written: &str, at: usize) -> Option<String> {
        let survey = &self.site.surveys[target];
        if let Some(label) = fragment.strip_prefix("footnote-").and_then(|label| survey.notes.get(label)) {
            return Some(format!("fn:{label}"));
        }
        if let Some((label, count)) = fragment.strip_prefix("fr-").and_then(|rest| rest.rsplit_once('-'))
            && let Some(label) = survey.notes.get(label)
        {
            return Some(format!("fnref{count}:{label}"));
        }
        if self.site.drops_heading(target) && survey.heading.as_ref().is_some_and(|(_, id)| id == fragment) {
            return None;
        }
        if !survey.ids.contains(fragment) {
            let line = self.line(at);
            let source = &self.site.plan.nodes[self.number].source;
            self.report.add(Kind::MissingFragment, source, line, format!("`{written}`: the page has no id `{fragment}`"));
            self.outside.insert(format!("{}#{fragment}", self.site.plan.nodes[target].route));
        }
        Some(utf8_percent_encode(fragment, PLAIN).to_string())
    }

    fn file(&mut self, path: &str, rest: &str, written: &str, used: Use, at: usize) -> Option<String> {
        let site = self.site;
        let node = &site.plan.nodes[self.number];
        match self.media.copy(path, &node.folder, used == Use::Link, &site.options) {
            Ok(place) => {
                self.count += usize::from(used != Use::Link);
                if !is_served(&place) {
                    let message = format!("`{written}`: Grav and common web servers may refuse to serve a file of this type");
                    self.notice(at, &message);
                }
                let fragment = rest.find('#').map_or("", |at| &rest[at..]);
                let name = place.rsplit('/').next().unwrap_or_default();
                let address = match site.options.media {
                    MediaPlace::Page if used == Use::Image => name.to_owned(),
                    MediaPlace::Page => format!("{}/{name}", node.route),
                    MediaPlace::Shared => format!("{}/{place}", site.options.route),
                };
                let base = if used == Use::Raw { site.options.base.as_str() } else { "" };
                Some(format!("{base}{}{fragment}", utf8_percent_encode(&address, PLAIN)))
            }
            Err(why) => {
                let kind = if used == Use::Image || why == Lost::Link { "file" } else { "target" };
                self.lost(used, at, format!("`{written}`: {kind} not found: {}", why.why()));
                self.outside.insert(written.to_owned());
                None
            }
        }
    }
}

/// From a page's route, taken as a folder, to another route.
fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').skip(1).collect();
    let to: Vec<&str> = to.split('/').skip(1).collect();
    let common = from.iter().zip(&to).take_while(|(one, two)| one == two).count();
    let mut parts = vec![".."; from.len() - common];
    parts.extend(&to[common..]);
    if parts.is_empty() { ".".into() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn a_sibling_is_one_up() {
        assert_eq!(relative("/a/b", "/a/c"), "../c");
        assert_eq!(relative("/a", "/a/b"), "b");
        assert_eq!(relative("/a/b", "/"), "../../");
        assert_eq!(relative("/a", "/a"), ".");
    }
}
