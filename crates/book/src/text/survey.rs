//! What other pages need to know of a chapter before any is written.
//!
//! In: a chapter's body. Out: its ids, its footnotes' plain labels, its first heading.

use super::html::attributes;
use super::ids::ids;
use super::{parse, raw_html};
use crate::options::BookSettings;
use crate::plan::slug_of;
use mdbook_markdown::pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};
use std::collections::{HashMap, HashSet};

/// The facts of one chapter.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Every id that a link may name.
    pub(crate) ids: HashSet<String>,
    /// Footnotes by their label, with the label that Grav's ids can carry.
    pub(crate) notes: HashMap<String, String>,
    /// Text and id of the first block, when it is a level-1 heading.
    pub(crate) heading: Option<(String, String)>,
}

/// Reads a body.
pub(crate) fn survey(body: &str, book: &BookSettings) -> Survey {
    let mut survey = Survey::default();
    let events: Vec<Event<'_>> = parse(body, book).map(|(event, _)| event).collect();
    let ids = ids(events.iter());
    let mut plain: HashSet<String> = HashSet::new();
    for event in &events {
        if let Event::Start(Tag::FootnoteDefinition(label)) = event {
            let ascii = |text: &str| slug_of(text).replace(|letter: char| !letter.is_ascii(), "-");
            let mut name = if is_plain(label) { label.to_string() } else { ascii(label) };
            while !plain.insert(name.clone()) {
                name.push('-');
            }
            survey.notes.entry(label.to_string()).or_insert(name);
        }
    }
    for html in raw_html(events.iter()) {
        let named = attributes(&html).into_iter().filter(|(tag, name, _)| name == "id" || (tag == "a" && name == "name"));
        survey.ids.extend(named.map(|(_, _, value)| value));
    }
    survey.heading = first_heading(&events).map(|(at, text)| (text, ids.get(&at).cloned().unwrap_or_default()));
    survey.ids.extend(ids.into_values().filter(|id| !id.is_empty()));
    survey
}

fn is_plain(label: &str) -> bool {
    label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')
}

/// Number and text of the first block, comments aside, when it is a level-1 heading.
fn first_heading(events: &[Event<'_>]) -> Option<(usize, String)> {
    let mut at = 0;
    while let Some(Event::Start(Tag::HtmlBlock)) = events.get(at) {
        let end = at + events[at..].iter().position(|event| matches!(event, Event::End(TagEnd::HtmlBlock)))?;
        let is_comment =
            events[at + 1..end].iter().all(|event| matches!(event, Event::Html(html) if super::strip_tags(html).trim().is_empty()));
        if !is_comment {
            return None;
        }
        at = end + 1;
    }
    let Some(Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })) = events.get(at) else { return None };
    let mut text = String::new();
    for event in &events[at + 1..] {
        match event {
            Event::End(TagEnd::Heading(_)) => break,
            Event::Text(part) | Event::Code(part) => text.push_str(part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some((at, text))
}
