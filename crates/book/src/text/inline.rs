//! Marks within a block: emphasis, code, raw tags, signs that are text.
//!
//! In: the events of one block and its place in the text. Out: the block's text with what the two engines read apart edited.

use super::definitions::Definitions;
use super::edit::Edits;
use super::html::{is_element, rewrite};
use super::html_block::show_unknown;
use super::link::Parts;
use super::{Addresses, Events, Use};
use crate::options::Options;
use mdbook_markdown::pulldown_cmark::{Event, Tag};
use std::collections::HashSet;
use std::ops::Range;

/// Signs that Parsedown lets a backslash escape.
const ESCAPABLE: &str = "\\`*_{}[]()>#+-.!|";

/// One block being edited.
pub(crate) struct Inline<'a, 'c> {
    pub(crate) body: &'a str,
    pub(crate) events: &'a Events<'a>,
    pub(crate) definitions: &'a Definitions,
    pub(crate) links: &'c mut dyn Addresses,
    pub(crate) options: &'a Options,
    /// Tags that no browser knows but the author means as tags.
    pub(crate) tags: &'a HashSet<String>,
    pub(crate) in_table: bool,
    /// Extra forgets all definitions while it reads a footnote.
    pub(crate) in_note: bool,
    pub(crate) edits: Edits,
    pub(crate) last: Last,
}

/// Where in a block each sign stands last: a sign with no partner after it is harmless.
#[derive(Debug, Default)]
pub(crate) struct Last {
    end: usize,
    star: usize,
    underscore: usize,
    tick: usize,
    tilde: usize,
    caret: usize,
    equals: usize,
    bracket: usize,
}

impl Last {
    /// Where the block ends.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    pub(crate) fn of(body: &str, range: &Range<usize>) -> Last {
        let text = &body[range.clone()];
        let at = |found: Option<usize>| found.map_or(0, |found| range.start + found);
        // Parsedown closes at `_` only before something that is no letter.
        let closes = |(found, _): &(usize, &str)| !text[found + 1..].starts_with(char::is_alphanumeric);
        let pair = ["](", "][", "] [", "]\n["].iter().filter_map(|pair| text.rfind(pair)).max();
        Last {
            end: range.end,
            star: at(text.rfind('*')),
            underscore: at(text.rmatch_indices('_').find(closes).map(|(found, _)| found)),
            tick: at(text.rfind('`')),
            tilde: at(text.rfind('~')),
            caret: at(text.rfind('^')),
            equals: at(text.rfind("==")),
            bracket: at(pair),
        }
    }
}

impl Inline<'_, '_> {
    /// Edits the events from one number up to another.
    pub(crate) fn span(&mut self, from: usize, to: usize, in_link: bool) {
        let events = self.events;
        let mut at = from;
        while at < to {
            let (event, range) = &events[at];
            match event {
                Event::Start(tag) => {
                    let end = end_of(events, at);
                    self.tag(tag, at, end, in_link);
                    at = end;
                }
                Event::Text(text) => self.text(at, text, range, in_link),
                Event::Code(text) => self.code(text, range),
                Event::InlineHtml(html) => self.html(html, range),
                Event::FootnoteReference(label) => {
                    let plain = self.links.note(label);
                    if plain != label.as_ref() {
                        self.edits.put(range.clone(), format!("[^{plain}]"));
                    }
                }
                Event::TaskListMarker(done) if self.options.task_signs => self.edits.put(range.clone(), if *done { "☑" } else { "☐" }),
                _ => {}
            }
            at += 1;
        }
    }

    fn tag(&mut self, tag: &Tag<'_>, from: usize, to: usize, in_link: bool) {
        match tag {
            Tag::Link { link_type, dest_url, title, id } => {
                self.link(Parts { kind: *link_type, address: dest_url, title, label: id, from, to })
            }
            Tag::Image { link_type, dest_url, title, id } => {
                self.image(Parts { kind: *link_type, address: dest_url, title, label: id, from, to })
            }
            Tag::Emphasis => self.mark(from, to, 1, "em", in_link),
            Tag::Strong => self.mark(from, to, 2, "strong", in_link),
            Tag::Strikethrough => self.strike(from, to, in_link),
            _ => self.span(from + 1, to, in_link),
        }
    }

    /// Emphasis stays as written unless its own sign occurs inside or right after it: Parsedown would end it elsewhere.
    fn mark(&mut self, from: usize, to: usize, width: usize, tag: &str, in_link: bool) {
        let range = self.events[from].1.clone();
        let sign = self.body.as_bytes()[range.start];
        let inner = &self.body.as_bytes()[range.start + width..range.end - width];
        if inner.contains(&sign) || self.body.as_bytes().get(range.end) == Some(&sign) {
            self.edits.put(range.start..range.start + width, format!("<{tag}>"));
            self.edits.put(range.end - width..range.end, format!("</{tag}>"));
        }
        self.span(from + 1, to, in_link);
    }

    fn strike(&mut self, from: usize, to: usize, in_link: bool) {
        let range = self.events[from].1.clone();
        let text = &self.body[range.clone()];
        let width = if text.starts_with("~~") { 2 } else { 1 };
        let inner = &text[width..text.len() - width];
        let (open, close) = if inner.contains(['~', '\n']) { ("<del>", "</del>") } else { ("~~", "~~") };
        if width == 1 || open != "~~" {
            self.edits.put(range.start..range.start + width, open);
            self.edits.put(range.end - width..range.end, close);
        }
        self.span(from + 1, to, in_link);
    }

    fn code(&mut self, text: &str, range: &Range<usize>) {
        let written = &self.body[range.clone()];
        if self.in_table && text.contains('|') {
            self.edits.put(range.clone(), format!("<code>{}</code>", all_entities(text)));
        } else if written.contains('\n') {
            let ticks = written.bytes().take_while(|byte| *byte == b'`').count();
            let fence = "`".repeat(ticks);
            let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
            self.edits.put(range.clone(), format!("{fence}{pad}{text}{pad}{fence}"));
        } else if text.starts_with(' ') != text.ends_with(' ') {
            self.blank_outside(text, range);
        }
    }

    /// Parsedown strips a blank at either end of code; where it parts the code from a word it is set outside.
    fn blank_outside(&mut self, text: &str, range: &Range<usize>) {
        let before = self.body[..range.start].ends_with(char::is_alphanumeric);
        let after = self.body[range.end..].starts_with(char::is_alphanumeric);
        if before && text.starts_with(' ') {
            self.edits.put(range.start..range.start, " ");
        }
        if after && text.ends_with(' ') {
            self.edits.put(range.end..range.end, " ");
        }
    }

    fn html(&mut self, html: &str, range: &Range<usize>) {
        if let Some(comment) = html.strip_prefix("<!--") {
            let inner = comment.strip_suffix("-->").unwrap_or(comment);
            if inner.contains("--") || inner.contains('\n') || inner.starts_with(['>', '-']) || inner.is_empty() {
                let inner = inner.split_whitespace().collect::<Vec<_>>().join(" ").replace("--", "- -");
                self.edits.put(range.clone(), format!("<!-- {} -->", inner.trim_matches(['-', '>'])));
            }
            return;
        }
        let tags = self.tags;
        let joined = html.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let shown = show_unknown(if html.contains('\n') { &joined } else { html }, &|name| tags.contains(name));
        let links = &mut *self.links;
        let new = rewrite(&shown, |address, _| links.address(address, Use::Raw, range.start));
        if new != self.body[range.clone()] {
            self.edits.put(range.clone(), new);
        }
    }

    fn text(&mut self, number: usize, text: &str, range: &Range<usize>, in_link: bool) {
        let written = &self.body[range.clone()];
        let mut start = range.start;
        if self.is_escaped(number, range.start) {
            let sign = written.chars().next().unwrap_or_default();
            let misread = (in_link && "[]".contains(sign)) || (self.in_table && sign == '|');
            if !ESCAPABLE.contains(sign) || misread {
                self.edits.put(range.start - 1..range.start + sign.len_utf8(), entity(sign));
            }
            start += sign.len_utf8();
        } else if text != written {
            // An entity, or punctuation made smart.
            if !written.starts_with('&') && self.options.smart_punctuation {
                self.edits.put(range.clone(), text);
            }
            return;
        }
        for (at, sign) in self.body[start..range.end].char_indices() {
            let at = start + at;
            if let Some(new) = self.sign(number, at, sign, in_link) {
                self.edits.put(at..at + sign.len_utf8(), new);
            }
        }
    }

    /// What a sign that is text has to be written as.
    fn sign(&self, number: usize, at: usize, sign: char, in_link: bool) -> Option<String> {
        let last = &self.last;
        let rest = &self.body[at + sign.len_utf8()..last.end.max(at + sign.len_utf8())];
        let escaped = |needed: bool| needed.then(|| format!("\\{sign}"));
        let written_out = |needed: bool| needed.then(|| entity(sign));
        match sign {
            '<' => Some("&lt;".into()),
            '&' => is_entity(rest).then(|| "&amp;".into()),
            '*' => escaped(last.star > at),
            '_' => escaped(last.underscore > at),
            '`' => escaped(last.tick > at),
            '~' => written_out(last.tilde > at),
            '^' => written_out(last.caret > at),
            '=' => written_out(rest.starts_with('=') && last.equals > at + 1),
            '[' | ']' if in_link => written_out(true),
            '[' => escaped(last.bracket > at),
            '!' => escaped(rest.starts_with('[') && matches!(self.events.get(number + 1), Some((Event::Start(Tag::Link { .. }), _)))),
            '{' => written_out(rest.starts_with(['#', '.']) && self.follows_link(number)),
            _ => None,
        }
    }

    fn follows_link(&self, number: usize) -> bool {
        use mdbook_markdown::pulldown_cmark::TagEnd;
        number > 0 && matches!(self.events[number - 1].0, Event::End(TagEnd::Link | TagEnd::Image))
    }

    /// Whether a backslash that no event covers stands before a text.
    fn is_escaped(&self, number: usize, start: usize) -> bool {
        let covered = number > 0 && {
            let (event, range) = &self.events[number - 1];
            !matches!(event, Event::Start(_)) && range.end >= start
        };
        !covered && start > 0 && self.body.as_bytes()[start - 1] == b'\\'
    }
}

/// Number of the event that ends what starts at an event.
pub(crate) fn end_of(events: &Events<'_>, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, (event, _)) in events.iter().enumerate().skip(start) {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    events.len().saturating_sub(1)
}

fn is_entity(rest: &str) -> bool {
    let word = rest.trim_start_matches('#');
    let end = word.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(0);
    end > 0 && word[end..].starts_with(';')
}

fn entity(sign: char) -> String {
    match sign {
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '&' => "&amp;".into(),
        '"' => "&quot;".into(),
        _ => format!("&#{};", u32::from(sign)),
    }
}

/// A text of which no sign can be read as a mark.
pub(super) fn all_entities(text: &str) -> String {
    text.chars().map(|letter| if letter.is_alphanumeric() || letter == ' ' { letter.to_string() } else { entity(letter) }).collect()
}

/// Names of unknown tags that carry attributes somewhere in a text: markup of some plugin, not a forgotten `<T>`.
pub(crate) fn meant_tags(events: &Events<'_>) -> HashSet<String> {
    let html = super::raw_html(events.iter().map(|(event, _)| event));
    let all = html.iter().flat_map(|html| super::attributes(html)).map(|(tag, ..)| tag);
    all.filter(|tag| !is_element(tag)).collect()
}
