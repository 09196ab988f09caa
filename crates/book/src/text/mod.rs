//! One chapter's text: from the Markdown that mdBook reads to the Markdown that Grav reads.
//!
//! In: the text after its front matter. Out: the page's body. Text is kept as the author wrote it; only what the two
//! engines read apart is changed: marks, prefixes of lists and quotes, links, ids, code fences, raw HTML.
//!
//! Read next: `walk.rs` (blocks in order), `inline.rs` (marks within a block), `guard.rs` (lines that would start a block).

mod assemble;
mod code;
mod definitions;
mod edit;
mod guard;
mod html;
mod html_block;
mod ids;
mod inline;
mod link;
mod survey;
mod table;
mod walk;
mod words;

pub(crate) use html::{attributes, holds_address, strip_tags};
pub(crate) use survey::{Survey, survey};
pub(crate) use walk::{Converted, convert};
pub(crate) use words::{count, missing_word, visible, words};

use crate::options::{BookSettings, Options};
use mdbook_markdown::pulldown_cmark::{Event, OffsetIter, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use std::ops::Range;

/// What a link is written in; the three reach their targets in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// `[text](address)`: Grav maps it.
    Link,
    /// `![alt](address)`: Grav looks beside the page first.
    Image,
    /// An attribute of raw HTML: the browser maps it.
    Raw,
}

/// Who knows where links of this page go.
pub(crate) trait Addresses {
    /// The new address of what is written at a byte of the body; nothing when it stays.
    fn address(&mut self, written: &str, used: Use, at: usize) -> Option<String>;
    /// Told once of each Markdown link, whether it is written out or stays a reference.
    fn seen(&mut self, written: &str);
    /// Something that the author should know of, at a byte of the body.
    fn notice(&mut self, at: usize, message: &str);
    /// The plain label of a footnote.
    fn note(&self, label: &str) -> String;
}

/// The parser of mdBook, with the book's own settings.
pub(crate) fn parse<'a>(body: &'a str, book: &BookSettings) -> OffsetIter<'a> {
    let mut options = MarkdownOptions::default();
    options.smart_punctuation = book.smart_punctuation;
    options.definition_lists = book.definition_lists;
    options.admonitions = book.admonitions;
    new_cmark_parser(body, &options).into_offset_iter()
}

/// Events with their places.
pub(crate) type Events<'a> = Vec<(Event<'a>, Range<usize>)>;

/// A reference definition: label as written, address, title, place.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) label: String,
    pub(crate) address: String,
    pub(crate) title: String,
    pub(crate) place: Range<usize>,
}

impl Definition {
    fn new(body: &str, address: &str, title: &str, place: Range<usize>) -> Definition {
        let written = &body[place.clone()];
        let label = written.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]:")).map_or("", |(label, _)| label);
        Definition { label: label.into(), address: address.into(), title: title.into(), place }
    }
}

/// All raw HTML of a text: each block as a whole, each inline tag.
pub(crate) fn raw_html<'a>(events: impl Iterator<Item = &'a Event<'a>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = String::new();
    for event in events {
        match event {
            // A tag may go on over the lines of a block.
            Event::Html(line) => block.push_str(line),
            Event::End(TagEnd::HtmlBlock) => found.push(std::mem::take(&mut block)),
            Event::InlineHtml(tag) => found.push(tag.to_string()),
            _ => {}
        }
    }
    found
}

/// What a page's text is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making<'a> {
    pub(crate) options: &'a Options,
    /// Leave out the first block: the theme prints the title.
    pub(crate) drop_first: bool,
}

/// Line ends and the byte order mark, as the parser and Grav both want them.
pub(crate) fn clean(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
