//! One page: header and body from one chapter.
//!
//! In: a chapter's text and its place in the site. Out: the page's bytes, with its words compared.

use super::Site;
use super::links::PageLinks;
use crate::front::{Facts, header, split};
use crate::media::Media;
use crate::plan::Role;
use crate::report::{Kind, Report};
use crate::text::{Making, convert, missing_word, words};
use std::collections::BTreeSet;

/// A page that is ready to be written.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) text: String,
    pub(super) words: usize,
    pub(super) links: usize,
    pub(super) anchors: usize,
}

/// Makes the page of a node. `text` has `\n` line ends.
pub(super) fn make(site: &Site, number: usize, text: &str, media: &mut Media, outside: &mut BTreeSet<String>, report: &mut Report) -> Made {
    let node = &site.plan.nodes[number];
    let own = split(text);
    if let Some(why) = &own.broken {
        report.add(Kind::BadFrontMatter, &node.source, 1, format!("front matter left out, it is no YAML: {why}"));
    }
    let facts = Facts {
        title: &site.titles[number],
        name: &node.name,
        aliases: &site.aliases.of[number],
        part: node.part.as_deref(),
        source: &node.source,
        answers: node.role != Role::Stub,
        slug_taken: site.options.keep_slug,
    };
    let header = header(&own, text, &facts, report);
    let body = &text[own.body_at..];
    media.start_page();
    let drop_first = site.drops_heading(number);
    let mut links = PageLinks { site, number, text, body_at: own.body_at, media, outside, report, count: 0 };
    let (new, anchors) = convert(body, Making { options: &site.options, drop_first }, &mut links);
    let count = links.count;
    let before = words(body, &site.options, site.options.hidden_lines);
    compare(site, number, &before, &new, report);
    let page = if new.is_empty() { header } else { format!("{header}\n{new}") };
    Made { text: page, words: before.len(), links: count, anchors }
}

fn compare(site: &Site, number: usize, before: &[String], new: &str, report: &mut Report) {
    let node = &site.plan.nodes[number];
    let mut after = Vec::new();
    if site.drops_heading(number) {
        // The title says what the heading said.
        after.extend(words(&format!("# {}", site.titles[number]), &site.options, true));
    }
    after.extend(words(new, &site.options, true));
    if let Some((at, word)) = missing_word(before, &after) {
        let from = at.saturating_sub(4);
        let context = before[from..before.len().min(at + 5)].join(" ");
        report.add(Kind::LostWords, &node.source, 0, format!("the page lacks `{word}` (word {} of the chapter, in «{context}»)", at + 1));
    }
}
