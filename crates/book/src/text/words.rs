//! The words that a reader sees, to compare a chapter with its page.
//!
//! In: Markdown. Out: its words in order, those of code and of raw HTML's text included, hidden code left out.

use super::{code, parse, strip_tags};
use crate::options::{BookSettings, Options};
use mdbook_markdown::pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

/// Every word of a text, in order.
pub(crate) fn words(body: &str, options: &Options, keep_hidden: bool) -> Vec<String> {
    let text = visible(body, &options.book, keep_hidden);
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn visible(body: &str, book: &BookSettings, keep_hidden: bool) -> String {
    let mut out = String::with_capacity(body.len());
    let mut block: Option<(String, String)> = None;
    let mut html = String::new();
    let mut image = 0_usize;
    for (event, _) in parse(body, book) {
        match event {
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
                    // A page's own blocks have nothing hidden, and their `##` is text.
                    out.push_str(&if keep_hidden { text } else { code::shown(&info, &text, false, book) });
                }
            }
            Event::Text(text) => match &mut block {
                Some((_, code)) => code.push_str(&text),
                None => out.push_str(&text),
            },
            Event::Code(text) => out.push_str(&text),
            Event::Html(text) => html.push_str(&text),
            Event::End(TagEnd::HtmlBlock) => {
                out.push_str(&decode(&strip_tags(&std::mem::take(&mut html))));
                out.push(' ');
            }
            Event::SoftBreak | Event::HardBreak | Event::Rule => out.push(' '),
            Event::Start(tag) if is_block(&tag) => out.push(' '),
            Event::End(tag) if is_block_end(tag) => out.push(' '),
            _ => {}
        }
    }
    out
}

fn decode(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
}

fn is_block_end(tag: TagEnd) -> bool {
    !matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

/// The first word, with its number, that `page` does not have in its place; words that the page adds are passed over.
pub(crate) fn missing_word<'a>(chapter: &'a [String], page: &[String]) -> Option<(usize, &'a str)> {
    let mut rest = page.iter();
    chapter.iter().enumerate().find(|(_, word)| !rest.any(|other| other == *word)).map(|(at, word)| (at, word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdbook_renderer::config::Config;

    #[test]
    fn words_are_what_a_reader_sees() {
        let options = Options::defaults(&Config::default());
        let body = "# A *b*c\n\n<div>d <b>e</b></div>\n\n```rust\n# hidden\nf()\n```\n\n[g](h.md) `i`<!-- j --> | k\n";
        assert_eq!(words(body, &options, false), ["A", "bc", "d", "e", "f", "g", "i", "k"]);
        let page: Vec<String> = ["x", "A", "y", "bc"].map(String::from).to_vec();
        assert_eq!(missing_word(&words("A bc", &options, false), &page), None);
        assert_eq!(missing_word(&words("bc A", &options, false), &page), Some((1, "A")));
    }
}
