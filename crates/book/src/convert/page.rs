//! One page: header and body from one chapter.
//!
//! In: a chapter's text and its place in the site. Out: the page's bytes, with its words compared.

use super::Site;
use super::links::PageLinks;
use crate::front::{Facts, header, split};
use crate::media::Media;
use crate::plan::Role;
use crate::report::{Kind, Report};
use crate::text::{self, Converted, Making, convert, missing_word, visible, words};
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
    let made = convert(body, Making { options: &site.options, drop_first }, &mut links);
    let count = links.count;
    compare(site, number, &made, report);
    let page = if made.text.is_empty() { header } else { format!("{header}\n{}", made.text) };
    Made { text: page, words: text::count(&made.visible), links: count, anchors: made.anchors }
}

fn compare(site: &Site, number: usize, made: &Converted, report: &mut Report) {
    let node = &site.plan.nodes[number];
    let mut after = String::new();
    if site.drops_heading(number) {
        // The title says what the heading said.
        after.push_str(&visible(&format!("# {}\n", site.titles[number]), &site.options.book));
    }
    after.push_str(&visible(&made.text, &site.options.book));
    if let Some(at) = missing_word(&made.visible, &after) {
        let context: Vec<&str> = words(&made.visible).skip(at.saturating_sub(4)).take(9).collect();
        let word = words(&made.visible).nth(at).unwrap_or_default();
        let message = format!("the page lacks `{word}` (word {} of the chapter, in «{}»)", at + 1, context.join(" "));
        report.add(Kind::LostWords, &node.source, 0, message);
    }
}
