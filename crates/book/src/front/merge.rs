//! One header for a page: the chapter's own keys, and ours.
//!
//! In: the chapter's block and the facts of its page. Out: YAML between `---` lines.

use super::split::Own;
use super::yaml::{mapping, text_of};
use crate::report::{Kind, Report, line_of};
use std::collections::BTreeSet;
use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

/// Keys that change what a site does rather than what a page says; never taken over from a book.
const REFUSED: &[&str] = &[
    "routes",
    "redirect",
    "slug",
    "process",
    "twig_first",
    "external_url",
    "access",
    "login",
    "http_response_code",
    "summary",
    "language",
    "order_by",
    "order_manual",
    "order_dir",
    "content",
    "append_url_extension",
    "ssl",
    "cache_enable",
    "cache_control",
    "expires",
    "etag",
    "last_modified",
    "form",
    "forms",
    "markdown",
    "mdbook",
    "permissions",
    "never_cache_twig",
];

/// What the plan knows of a page.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The title, decided.
    pub(crate) title: &'a str,
    /// The name in the summary.
    pub(crate) name: &'a str,
    pub(crate) aliases: &'a BTreeSet<String>,
    pub(crate) part: Option<&'a str>,
    /// Stable name of the chapter, for re-runs and readers.
    pub(crate) source: &'a str,
    /// False for a draft's stub.
    pub(crate) answers: bool,
    /// Whether `slug` was taken for the folder's name, so that it is not refused.
    pub(crate) slug_taken: bool,
}

/// The whole header, with its fences.
pub(crate) fn header(own: &Own, text: &str, facts: &Facts<'_>, report: &mut Report) -> String {
    let mut keys = Hash::new();
    let mut put = |name: &str, value: Yaml| drop(keys.insert(string(name), value));
    put("title", string(facts.title));
    let menu = own_text(own, "menu").unwrap_or_else(|| facts.name.to_owned());
    if menu != facts.title {
        put("menu", string(&menu));
    }
    if !facts.answers {
        put("routable", Yaml::Boolean(false));
    }
    if !facts.aliases.is_empty() {
        let list = facts.aliases.iter().map(|alias| string(alias)).collect();
        put("routes", one("aliases", Yaml::Array(list)));
    }
    put("process", one("twig", Yaml::Boolean(false)));
    put("markdown", one("extra", Yaml::Boolean(true)));
    let mut ours = one_hash("source", string(facts.source));
    if let Some(part) = facts.part {
        ours.insert(string("part"), string(part));
    }
    put("mdbook", Yaml::Hash(ours));
    take_over(own, text, facts, &mut keys, report);
    let mut out = String::from("---\n");
    mapping(&keys, 0, &mut out);
    out.push_str("---\n");
    out
}

fn take_over(own: &Own, text: &str, facts: &Facts<'_>, keys: &mut Hash, report: &mut Report) {
    for (key, value) in &own.keys {
        let name = key.as_str().unwrap_or_default();
        if REFUSED.contains(&name) {
            if !(name == "slug" && facts.slug_taken) {
                let line = key_line(text, name);
                report.add(Kind::RefusedKey, facts.source, line, format!("front matter key `{name}` left out: it changes what Grav does"));
            }
        } else if !matches!(name, "title" | "menu" | "metadata" | "taxonomy") && (facts.answers || name != "routable") {
            keys.insert(key.clone(), value.clone());
        }
    }
    let grown = [("metadata", "description", "description"), ("taxonomy", "tag", "tags")];
    for (group, member, source) in grown {
        let mut inner = match own.keys.get(&string(group)) {
            Some(Yaml::Hash(inner)) => inner.clone(),
            _ => Hash::new(),
        };
        let value = own.keys.get(&string(source)).filter(|value| !matches!(value, Yaml::Null | Yaml::BadValue | Yaml::Hash(_)));
        if let Some(value) = value.filter(|_| !inner.contains_key(&string(member))) {
            inner.insert(string(member), value.clone());
        }
        if !inner.is_empty() {
            keys.insert(string(group), Yaml::Hash(inner));
        }
    }
}

/// An own key as one line of text.
pub(crate) fn own_text(own: &Own, name: &str) -> Option<String> {
    let text = text_of(own.keys.get(&string(name))?)?;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

impl Own {
    /// An own key as one line of text; nothing when empty, a list or a mapping.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        own_text(self, name)
    }
}

fn key_line(text: &str, name: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')) {
            return line_of(text, at);
        }
        at += line.len();
    }
    0
}

fn string(text: &str) -> Yaml {
    Yaml::String(text.into())
}

fn one_hash(name: &str, value: Yaml) -> Hash {
    let mut hash = Hash::new();
    hash.insert(string(name), value);
    hash
}

fn one(name: &str, value: Yaml) -> Yaml {
    Yaml::Hash(one_hash(name, value))
}

#[cfg(test)]
mod tests {
    use super::super::split::split;
    use super::*;

    fn written(text: &str, title: &str) -> (String, Vec<String>) {
        let mut report = Report::default();
        let aliases = BTreeSet::from(["/Old/Page".to_owned()]);
        let facts = Facts { title, name: "Name", aliases: &aliases, part: None, source: "a.md", answers: true, slug_taken: false };
        let header = header(&split(text), text, &facts, &mut report);
        (header, report.findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keeps_own_keys_and_names_refused_ones() {
        let text = "---\ntitle: People\nsidebar: Docs\nredirect: /x\ntags: [a, b]\ndescription: What\n---\nbody";
        let (header, findings) = written(text, "People");
        assert_eq!(
            header,
            "---\ntitle: People\nmenu: Name\nroutes:\n  aliases:\n    - '/Old/Page'\nprocess:\n  twig: false\nmarkdown:\n  extra: true\n\
             mdbook:\n  source: a.md\nsidebar: Docs\ntags:\n  - a\n  - b\ndescription: What\nmetadata:\n  description: What\n\
             taxonomy:\n  tag:\n    - a\n    - b\n---\n"
        );
        assert_eq!(findings, ["a.md:4: front matter key `redirect` left out: it changes what Grav does"]);
    }

    #[test]
    fn a_menu_equal_to_the_title_is_left_out() {
        assert!(!written("", "Name").0.contains("menu"));
    }
}
