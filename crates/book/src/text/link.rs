//! Links and pictures: the new address, in a syntax that Parsedown reads.
//!
//! In: one link of a block. Out: edits of its brackets and address; its text is edited like any other.

use super::Use;
use super::guard::guard;
use super::html::escape;
use super::inline::{Inline, all_entities};
use crate::index::has_scheme;
use mdbook_markdown::pulldown_cmark::{CowStr, Event, LinkType};
use std::ops::Range;

/// A link's parts, as the parser tells them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'p> {
    pub(crate) kind: LinkType,
    pub(crate) address: &'p CowStr<'p>,
    pub(crate) title: &'p CowStr<'p>,
    pub(crate) label: &'p CowStr<'p>,
    /// Numbers of the events that start and end it.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Inline<'_, '_> {
    /// Edits a link and what it holds.
    pub(crate) fn link(&mut self, parts: Parts<'_>) {
        let range = self.events[parts.from].1.clone();
        match parts.kind {
            LinkType::Autolink => return self.autolink(&parts, range),
            LinkType::Email => return,
            _ => {}
        }
        self.links.seen(parts.address);
        self.span(parts.from + 1, parts.to, true);
        let text = range.start + 1..self.text_end(&parts, range.start + 1);
        let is_raw = alters(parts.address) || self.holds_odd_brackets(&parts);
        let tail = text.end..range.end;
        if is_raw {
            return self.raw_link(&parts, &range, tail);
        }
        if parts.kind != LinkType::Inline && self.stays_reference(&parts, &text, &tail) {
            return;
        }
        let new = self.links.address(parts.address, Use::Link, range.start);
        let new = new.unwrap_or_else(|| encode(parts.address, self.in_table));
        self.replace(tail, format!("]({new}{})", title(parts.title)));
    }

    /// `<a href>`: Grav would take the address apart, or Parsedown miss the link.
    fn raw_link(&mut self, parts: &Parts<'_>, range: &Range<usize>, tail: Range<usize>) {
        let new = self.links.address(parts.address, Use::Raw, range.start).unwrap_or_else(|| parts.address.to_string());
        let title = if parts.title.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(parts.title)) };
        let href = escape(&new).replace('|', "%7C");
        self.edits.put(range.start..range.start + 1, format!("<a href=\"{href}\"{title}>"));
        self.edits.put(tail, "</a>");
    }

    /// Leaves a link by label as it is when Parsedown finds the same definition; completes `[label]` whose text was edited.
    fn stays_reference(&mut self, parts: &Parts<'_>, text: &Range<usize>, tail: &Range<usize>) -> bool {
        let written = &self.body[text.clone()];
        let label = match parts.kind {
            LinkType::Reference | LinkType::ReferenceUnknown => self.body[tail.clone()].trim_start_matches("][").trim_end_matches(']'),
            _ => written,
        };
        let serves = !self.in_note && self.definitions.serves(label, parts.address) && !parts.label.is_empty();
        // Parsedown lets blanks stand between text and label, so `[a] [b]` would be one link.
        let range_end = self.events[parts.from].1.end;
        let next = self.body[range_end..self.last.end().max(range_end)].trim_start();
        let meets_bracket = parts.kind == LinkType::Shortcut && next.starts_with('[');
        if serves && matches!(parts.kind, LinkType::Shortcut | LinkType::Collapsed) && (meets_bracket || self.edits.touch(text)) {
            let label = label.to_owned();
            self.edits.put(tail.clone(), format!("][{label}]"));
        }
        serves
    }

    fn autolink(&mut self, parts: &Parts<'_>, range: Range<usize>) {
        if !parts.address.split_once("://").is_some_and(|(scheme, _)| scheme.chars().all(char::is_alphanumeric)) {
            let new = format!("<a href=\"{}\">{}</a>", escape(parts.address), all_entities(parts.address));
            self.edits.put(range, new);
        }
    }

    /// Edits a picture; its text is what Parsedown puts into `alt` as it stands.
    pub(crate) fn image(&mut self, parts: Parts<'_>) {
        let range = self.events[parts.from].1.clone();
        let alt = self.alt(&parts);
        let new = self.links.address(parts.address, Use::Image, range.start);
        if new.is_none() && alters(parts.address) {
            let title = if parts.title.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(parts.title)) };
            let src = escape(parts.address).replace('|', "%7C");
            self.edits.put(range, format!("<img src=\"{src}\" alt=\"{}\"{title} />", escape(&alt)));
            return;
        }
        let new = new.unwrap_or_else(|| encode(parts.address, self.in_table));
        self.replace(range, format!("![{alt}]({new}{})", title(parts.title)));
    }

    fn alt(&self, parts: &Parts<'_>) -> String {
        let mut alt = String::new();
        for (event, _) in &self.events[parts.from + 1..parts.to] {
            match event {
                Event::Text(text) | Event::Code(text) => alt.push_str(text),
                Event::SoftBreak | Event::HardBreak => alt.push(' '),
                _ => {}
            }
        }
        if !is_balanced(&alt) {
            alt = alt.replace('[', "(").replace(']', ")");
        }
        if self.in_table { alt.replace('|', "/") } else { alt }
    }

    /// Where the `]` stands that ends a link's text.
    fn text_end(&self, parts: &Parts<'_>, start: usize) -> usize {
        let range = &self.events[parts.from].1;
        let inner = self.events[parts.from + 1..parts.to].iter().map(|(_, inner)| inner.end).max().unwrap_or(start);
        self.body[inner..range.end].find(']').map_or(range.end, |at| inner + at)
    }

    /// Whether code or HTML in a link's text has brackets that Parsedown would count.
    fn holds_odd_brackets(&self, parts: &Parts<'_>) -> bool {
        self.events[parts.from + 1..parts.to].iter().any(|(event, range)| match event {
            Event::Code(_) | Event::InlineHtml(_) => !is_balanced(&self.body[range.clone()]),
            _ => false,
        })
    }

    /// An edit, unless it changes nothing.
    fn replace(&mut self, range: Range<usize>, text: String) {
        if self.body[range.clone()] != text {
            self.edits.put(range, text);
        }
    }
}

fn is_balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    for letter in text.chars() {
        depth += match letter {
            '[' => 1,
            ']' => -1,
            _ => 0,
        };
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// An address in Parsedown's syntax: no blanks, no angle brackets, at most one level of parentheses.
pub(crate) fn encode(address: &str, in_table: bool) -> String {
    let plain = address.matches('(').count() == address.matches(')').count() && !address.contains("((") && !address.contains("()");
    let mut out = String::with_capacity(address.len());
    for letter in address.chars() {
        match letter {
            '(' | ')' if plain => out.push(letter),
            '|' if !in_table => out.push(letter),
            '(' | ')' | '<' | '>' | '"' | '\\' | '|' | ' ' | '\t' | '\n' => out.push_str(&format!("%{:02X}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out
}

/// ` "title"`, or nothing. Parsedown knows no escapes in titles and escapes them itself.
pub(crate) fn title(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match (text.is_empty(), text.contains('"'), text.contains('\'')) {
        (true, ..) => String::new(),
        (_, false, _) => format!(" \"{text}\""),
        (_, true, false) => format!(" '{text}'"),
        _ => format!(" \"{}\"", text.replace('"', "”")),
    }
}

/// Whether Grav would give an outside address back changed: it decodes percent signs and takes some query keys off.
pub(crate) fn alters(address: &str) -> bool {
    has_scheme(address) && address.starts_with("http") && address.contains(['?', '%', '+'])
}

/// A line of text guarded; here so that links and text share one notion of it.
pub(crate) fn guarded(lines: Vec<String>) -> Vec<String> {
    let mut pipe = false;
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        out.push(guard(&line, pipe));
        pipe |= line.contains('|');
    }
    out
}
