//! The words that a reader sees, to compare a chapter with its page.
//!
//! In: Markdown. Out: its words in order, those of code and of raw HTML's text included, hidden code left out.

use super::html::{Piece, is_element, pieces};
use super::{code, parse, strip_tags};
use crate::options::{BookSettings, Options};
use mdbook_markdown::pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};
use std::borrow::Borrow;

/// Stands for the start of a list item, a heading or a row: no word, but not to be lost either.
const PLACE: char = '\u{2022}';

/// What a reader sees of a text; `•` for each list item, heading and table row.
pub(crate) fn visible(body: &str, book: &BookSettings) -> String {
    // A page's own blocks have nothing hidden, and their `##` is text.
    visible_events(parse(body, book).map(|(event, _)| event), body.len(), None)
}

/// The same of events; `hiding` tells which lines of code a book hides.
pub(super) fn visible_events<'a, E: Borrow<Event<'a>>>(events: impl Iterator<Item = E>, size: usize, hiding: Option<&Options>) -> String {
    let mut out = String::with_capacity(size);
    let mut block: Option<(String, String)> = None;
    let mut html = String::new();
    let mut image = 0_usize;
    for event in events {
        match event.borrow() {
            // What stands for a picture is an attribute, not text.
            Event::Start(Tag::Image { .. }) => image += 1,
            Event::End(TagEnd::Image) => image -= 1,
            _ if image > 0 => {}
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some((info, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((info, text)) = block.take() {
                    match hiding {
                        Some(options) => out.push_str(&code::shown(&info, &text, options.hidden_lines, &options.book)),
                        None => out.push_str(&text),
                    }
                }
            }
            Event::Text(text) => match &mut block {
                Some((_, code)) => code.push_str(text),
                None => out.push_str(text),
            },
            Event::Code(text) => out.push_str(text),
            Event::Html(text) => html.push_str(text),
            // `<T>` becomes text in the page and parts the words around it there.
            Event::InlineHtml(text) if pieces(text).0.iter().any(|piece| matches!(piece, Piece::Tag(tag) if !is_element(&tag.name))) => {
                out.push(' ');
            }
            Event::End(TagEnd::HtmlBlock) => {
                out.push_str(&decode(&strip_tags(&std::mem::take(&mut html))));
                out.push(' ');
            }
            Event::SoftBreak | Event::HardBreak | Event::Rule => out.push(' '),
            Event::Start(Tag::Item | Tag::Heading { .. } | Tag::TableHead | Tag::TableRow) => out.extend([' ', PLACE, ' ']),
            Event::Start(tag) if is_block(tag) => out.push(' '),
            Event::End(tag) if is_block_end(*tag) => out.push(' '),
            _ => {}
        }
    }
    out
}

fn decode(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#10;", "\n")
        .replace("&amp;", "&")
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
}

fn is_block_end(tag: TagEnd) -> bool {
    !matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

/// The words of a visible text, in order.
pub(crate) fn words(visible: &str) -> impl Iterator<Item = &str> {
    visible.split(|letter: char| !letter.is_alphanumeric() && letter != PLACE).filter(|word| !word.is_empty())
}

/// How many words a visible text has.
pub(crate) fn count(visible: &str) -> usize {
    words(visible).filter(|word| !word.starts_with(PLACE)).count()
}

/// The number of the first word of `chapter` that `page` does not have in its place; words that the page adds are passed over.
pub(crate) fn missing_word(chapter: &str, page: &str) -> Option<usize> {
    let mut rest = words(page);
    words(chapter).position(|word| !rest.any(|other| other == word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdbook_renderer::config::Config;

    #[test]
    fn words_are_what_a_reader_sees() {
        let options = Options::defaults(&Config::default());
        let body = "# A *b*c\n\n<div>d <b>e</b></div>\n\n```rust\n# hidden\nf()\n```\n\n[g](h.md) `i`<!-- j --> | k\n";
        let text = visible_events(parse(body, &options.book).map(|(event, _)| event), 0, Some(&options));
        assert_eq!(words(&text).collect::<Vec<_>>(), ["•", "A", "bc", "d", "e", "f", "g", "i", "k"]);
        assert_eq!(count(&text), 8);
        assert_eq!(missing_word("• A bc", "x • A y bc"), None);
        assert_eq!(missing_word("• bc A", "x • A y bc"), Some(2));
    }
}
