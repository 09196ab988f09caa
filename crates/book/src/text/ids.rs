//! The ids that mdBook's HTML gives to headings and terms, by its own rule and counter.
//!
//! In: the events of a chapter. Out: for each heading and term, the id that links were written against.

use mdbook_markdown::pulldown_cmark::{Event, Tag, TagEnd};
use std::collections::{HashMap, HashSet};

/// The id of the heading or term that starts at an event.
pub(crate) type Ids = HashMap<usize, String>;

/// All ids of a chapter, by the number of the event that starts the heading or term.
pub(crate) fn ids<'a>(events: impl Iterator<Item = &'a Event<'a>>) -> Ids {
    let mut used = HashSet::new();
    let mut found = Ids::new();
    let mut open: Option<(usize, Option<String>, String)> = None;
    let mut notes: HashMap<String, usize> = HashMap::new();
    let mut image = 0_usize;
    for (at, event) in events.enumerate() {
        match event {
            Event::Start(Tag::Heading { id, .. }) => open = Some((at, id.as_ref().map(ToString::to_string), String::new())),
            Event::Start(Tag::DefinitionListTitle) => open = Some((at, None, String::new())),
            Event::End(TagEnd::Heading(_) | TagEnd::DefinitionListTitle) => {
                if let Some((start, given, text)) = open.take() {
                    // A given id wins and does not enter the counter.
                    let id = given.unwrap_or_else(|| unique(&id_of(&text), &mut used));
                    found.insert(start, id);
                }
            }
            Event::Start(Tag::Image { .. }) => image += 1,
            Event::End(TagEnd::Image) => image -= 1,
            Event::FootnoteReference(name) => {
                let next = notes.len() + 1;
                let number = *notes.entry(name.to_string()).or_insert(next);
                if let Some((_, _, text)) = &mut open {
                    text.push_str(&number.to_string());
                }
            }
            Event::Text(part) | Event::Code(part) if image == 0 => {
                if let Some((_, _, text)) = &mut open {
                    text.push_str(part);
                }
            }
            Event::SoftBreak => {
                if let Some((_, _, text)) = &mut open {
                    text.push('\n');
                }
            }
            _ => {}
        }
    }
    found
}

fn id_of(text: &str) -> String {
    let kept = |letter: char| {
        if letter.is_alphanumeric() || letter == '_' || letter == '-' { Some(letter) } else { letter.is_whitespace().then_some('-') }
    };
    text.trim().to_lowercase().chars().filter_map(kept).collect()
}

fn unique(id: &str, used: &mut HashSet<String>) -> String {
    if used.insert(id.to_owned()) {
        return id.to_owned();
    }
    let mut count = 1_u32;
    loop {
        let next = format!("{id}-{count}");
        if used.insert(next.clone()) {
            return next;
        }
        count += 1;
    }
}

/// Whether Parsedown Extra can read an id in `{#id}`.
pub(crate) fn is_plain_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdbook_markdown::{MarkdownOptions, new_cmark_parser};

    fn of(text: &str) -> Vec<String> {
        let events: Vec<_> = new_cmark_parser(text, &MarkdownOptions::default()).collect();
        let ids = ids(events.iter());
        let mut order: Vec<_> = ids.into_iter().collect();
        order.sort();
        order.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn ids_are_those_of_the_html() {
        assert_eq!(of("# Foo -- bar\n## `Vec<T>` & co\n## 🦀\n## Über uns  \n"), ["foo--bar", "vect--co", "", "über-uns"]);
        assert_eq!(of("# A\n# A\n# A {#b}\n# B\n"), ["a", "a-1", "b", "b"]);
        assert_eq!(of("Term\n: what\n\n# Term\n"), ["term", "term-1"]);
    }
}
