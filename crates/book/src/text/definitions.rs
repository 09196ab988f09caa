//! Reference definitions: `[label]: address "title"`.
//!
//! In: the definitions that the parser found. Out: which links may go on using them, and the lines to write for them.
//!
//! Parsedown sees a definition only at the top of the text, on one line, and compares labels by ASCII case alone. Links that
//! need more are written out.

use super::link::{alters, encode, title};
use super::{Addresses, Definition, Events, Use};
use mdbook_markdown::pulldown_cmark::{Event, Tag};
use std::collections::HashMap;
use std::ops::Range;

/// The definitions of a text, in its order.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// Those that Parsedown reads, in the order of the text.
    pub(crate) kept: Vec<Definition>,
    labels: HashMap<String, usize>,
}

impl Definitions {
    /// Sorts out which definitions stay.
    pub(crate) fn new(mut all: Vec<Definition>, events: &Events<'_>) -> Definitions {
        all.sort_by_key(|definition| definition.place.start);
        let containers: Vec<&Range<usize>> = events
            .iter()
            .filter(|(event, _)| {
                matches!(event, Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::FootnoteDefinition(_) | Tag::DefinitionList))
            })
            .map(|(_, range)| range)
            .collect();
        // Ranges are sorted by start; nested ones end no later than the first that holds them.
        let nested = |place: &Range<usize>| containers.iter().any(|range| range.start <= place.start && place.end <= range.end);
        let kept: Vec<Definition> =
            all.into_iter().filter(|definition| is_simple(&definition.label) && !nested(&definition.place)).collect();
        let labels = kept.iter().enumerate().map(|(at, definition)| (definition.label.to_ascii_lowercase(), at)).collect();
        Definitions { kept, labels }
    }

    /// Whether a link by this label works in Parsedown with the same address.
    pub(crate) fn serves(&self, label: &str, address: &str) -> bool {
        is_simple(label)
            && self.labels.get(&label.to_ascii_lowercase()).is_some_and(|at| self.kept[*at].address == address && !alters(address))
    }
}

fn is_simple(label: &str) -> bool {
    !label.is_empty() && !label.starts_with('^') && !label.contains(['\n', '[', ']', '\\'])
}

/// The line that a definition is written as.
pub(crate) fn line(definition: &Definition, links: &mut dyn Addresses) -> String {
    let address =
        links.address(&definition.address, Use::Link, definition.place.start).unwrap_or_else(|| encode(&definition.address, false));
    let address = if address.is_empty() { "#".to_owned() } else { address };
    format!("[{}]: {address}{}", definition.label, title(&definition.title))
}
