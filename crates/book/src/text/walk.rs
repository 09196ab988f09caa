//! Blocks in their order: each leaf's lines, with the containers that it stands in.
//!
//! In: the events of a body. Out: the page's body, put together by `assemble.rs`.

use super::assemble::{Assembler, Frame, FrameKind, Leaf};
use super::definitions::{self, Definitions};
use super::edit::Edits;
use super::ids::{Ids, ids, is_plain_id};
use super::inline::{Inline, Last, end_of, meant_tags};
use super::link::guarded;
use super::words::visible_events;
use super::{Addresses, Definition, Events, Making, code, html, html_block, parse, table};
use crate::options::Notes;
use mdbook_markdown::pulldown_cmark::{BlockQuoteKind, CodeBlockKind, Event, Tag, TagEnd};
use std::collections::HashSet;
use std::ops::Range;

/// What Markdown takes for blank; a no-break space is text.
const BLANK: [char; 3] = [' ', '\t', '\n'];

/// A body made for Grav.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) text: String,
    /// Headings and terms that carry an id.
    pub(crate) anchors: usize,
    /// What a reader saw of the source.
    pub(crate) visible: String,
}

/// Converts a body.
pub(crate) fn convert(body: &str, making: Making<'_>, links: &mut dyn Addresses) -> Converted {
    let parser = parse(body, &making.options.book);
    let found = parser
        .reference_definitions()
        .iter()
        .map(|(_, found)| Definition::new(body, &found.dest, found.title.as_deref().unwrap_or_default(), found.span.clone()))
        .collect();
    let events: Events<'_> = parser.collect();
    let definitions = Definitions::new(found, &events);
    let mut walker = Walker {
        body,
        events: &events,
        definitions: &definitions,
        tags: meant_tags(&events),
        ids: ids(events.iter().map(|(event, _)| event)),
        making,
        links,
        out: Assembler::default(),
        stack: Vec::new(),
        last_end: 0,
        next_id: 0,
        definitions_done: 0,
        anchors: 0,
        dropped: false,
        code_lists: Vec::new(),
    };
    walker.blocks();
    walker.definitions_before(body.len());
    let (text, anchors) = (walker.out.finish(), walker.anchors);
    let visible = visible_events(events.iter().map(|(event, _)| event), body.len(), Some(making.options));
    Converted { text, anchors, visible }
}

struct Walker<'a, 'c> {
    body: &'a str,
    events: &'a Events<'a>,
    definitions: &'a Definitions,
    tags: HashSet<String>,
    ids: Ids,
    making: Making<'a>,
    links: &'c mut dyn Addresses,
    out: Assembler,
    stack: Vec<Frame>,
    /// Where the last leaf ended in the source.
    last_end: usize,
    next_id: usize,
    definitions_done: usize,
    anchors: usize,
    dropped: bool,
    /// For each open list, whether it holds code.
    code_lists: Vec<bool>,
}

impl Walker<'_, '_> {
    fn blocks(&mut self) {
        let events = self.events;
        let mut at = 0;
        while at < events.len() {
            let (event, range) = &events[at];
            if self.stack.is_empty() {
                self.definitions_before(range.start);
            }
            at = match event {
                Event::Start(tag) if is_container(tag) => {
                    self.open(tag, range, at);
                    at + 1
                }
                Event::End(tag) => {
                    self.close(*tag, range);
                    at + 1
                }
                Event::Start(tag) if is_leaf(tag) => {
                    let end = end_of(events, at);
                    self.leaf(tag, at, end, range);
                    end + 1
                }
                Event::Rule => {
                    let line = self.body[range.clone()].trim_matches(BLANK).to_owned();
                    self.emit(Leaf::Other, range.clone(), vec![line]);
                    at + 1
                }
                _ => self.tight(at),
            };
        }
    }

    /// Text that stands in a list item without a paragraph.
    fn tight(&mut self, from: usize) -> usize {
        let events = self.events;
        let mut to = from;
        while let Some((event, _)) = events.get(to) {
            match event {
                Event::Start(tag) if is_container(tag) || is_leaf(tag) => break,
                Event::Start(_) => to = end_of(events, to) + 1,
                Event::End(_) | Event::Rule => break,
                _ => to += 1,
            }
        }
        let first = &events[from];
        let mut start = first.1.start;
        if matches!(first.0, Event::Text(_)) && self.body[..start].ends_with('\\') {
            start -= 1;
        }
        let end = events[from..to].iter().map(|(_, range)| range.end).max().unwrap_or(start);
        self.paragraph(from, to, start..end);
        to
    }

    fn leaf(&mut self, tag: &Tag<'_>, from: usize, to: usize, range: &Range<usize>) {
        match tag {
            Tag::Paragraph => self.paragraph(from + 1, to, range.clone()),
            Tag::Heading { .. } => self.heading(tag, from, to, range),
            Tag::CodeBlock(kind) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                let text = self.gather(from, to);
                let lines = match self.in_note() {
                    true => vec![code::one_line(&info, &text, self.making.options)],
                    false => code::lines(&info, &text, self.making.options),
                };
                self.emit(Leaf::Other, range.clone(), lines);
            }
            Tag::HtmlBlock => self.html_block(from, to, range),
            Tag::Table(_) => {
                if self.in_note() {
                    self.links.notice(range.start, "a table in a footnote: Parsedown Extra shows its rows as lines");
                }
                let edited = self.edited(from + 1, to, range.clone(), true);
                let lines = self.lines(&edited);
                let lines = lines
                    .iter()
                    .enumerate()
                    .map(|(at, line)| if at == 1 { line.trim_matches(BLANK).into() } else { table::row(line) })
                    .collect();
                self.emit(Leaf::Table, range.clone(), lines);
            }
            Tag::DefinitionListTitle => self.term(from, to),
            _ => {}
        }
    }

    fn paragraph(&mut self, from: usize, to: usize, range: Range<usize>) {
        let end = range.start + self.body[range.clone()].trim_end_matches(BLANK).len();
        let range = range.start..end;
        let edited = self.edited(from, to, range.clone(), false);
        let mut lines = self.lines(&edited);
        if self.in_note() {
            lines = vec![one_line(&lines)];
        }
        self.emit(Leaf::Text, range, guarded(lines));
    }

    /// Extra makes every line of a footnote after its first empty one a paragraph and drops its indent.
    fn in_note(&self) -> bool {
        self.stack.iter().any(|frame| matches!(frame.kind, FrameKind::Note { .. }))
    }

    fn heading(&mut self, tag: &Tag<'_>, from: usize, to: usize, range: &Range<usize>) {
        let Tag::Heading { level, classes, .. } = tag else { return };
        // The survey found it first, comments aside, so the first heading met is the one.
        if self.making.drop_first && !self.dropped {
            self.dropped = true;
            return;
        }
        let mut text = self.joined(from + 1, to);
        // Parsedown strips `#` off both ends of a heading.
        if let Some(rest) = text.strip_prefix("\\#").or_else(|| text.strip_prefix('#')) {
            text = format!("&#35;{rest}");
        }
        if let Some(rest) = text.strip_suffix("\\#").or_else(|| text.strip_suffix('#')) {
            text = format!("{rest}&#35;");
        }
        let id = self.ids.get(&from).cloned().unwrap_or_default();
        let mut attributes: Vec<String> = classes.iter().filter(|class| is_plain_id(class)).map(|class| format!(".{class}")).collect();
        if is_plain_id(&id) {
            attributes.insert(0, format!("#{id}"));
        } else if !id.is_empty() {
            text = format!("<a id=\"{}\"></a>{text}", html::escape(&id));
        }
        self.anchors += usize::from(!id.is_empty());
        let attributes = if attributes.is_empty() { String::new() } else { format!(" {{{}}}", attributes.join(" ")) };
        let line = format!("{} {text}{attributes}", "#".repeat(*level as usize));
        self.emit(Leaf::Other, range.clone(), vec![line.trim_end_matches(BLANK).to_owned()]);
    }

    fn term(&mut self, from: usize, to: usize) {
        let mut text = self.joined(from + 1, to);
        let id = self.ids.get(&from).cloned().unwrap_or_default();
        if !id.is_empty() {
            text = format!("<a id=\"{}\"></a>{text}", html::escape(&id));
            self.anchors += 1;
        }
        let range = self.events[from].1.clone();
        self.emit(Leaf::Text, range, guarded(vec![text]));
    }

    fn html_block(&mut self, from: usize, to: usize, range: &Range<usize>) {
        let text = self.gather(from, to);
        let lower = text.to_ascii_lowercase();
        for tag in ["script", "style", "iframe"] {
            if lower.contains(&format!("<{tag}")) {
                self.links.notice(range.start, &format!("<{tag}> is shown as text by Grav 2.0 unless its tag filter is off"));
            }
        }
        let links = &mut *self.links;
        let text = html::rewrite(&text, |address, _| links.address(address, super::Use::Raw, range.start));
        let lines = html_block::lines(&text, &|name| self.tags.contains(name));
        self.emit(Leaf::Other, range.clone(), lines);
    }

    fn gather(&self, from: usize, to: usize) -> String {
        let mut text = String::new();
        for (event, _) in &self.events[from + 1..to] {
            if let Event::Text(part) | Event::Html(part) = event {
                text.push_str(part);
            }
        }
        text
    }

    /// The edited text of inline events on one line.
    fn joined(&mut self, from: usize, to: usize) -> String {
        let Some((first, rest)) = self.events[from..to].split_first() else { return String::new() };
        let mut start = first.1.start;
        if matches!(first.0, Event::Text(_)) && self.body[..start].ends_with('\\') {
            start -= 1;
        }
        let end = rest.iter().map(|(_, range)| range.end).fold(first.1.end, usize::max);
        let edited = self.edited(from, to, start..end, false);
        self.lines(&edited).join(" ").trim_matches(BLANK).to_owned()
    }

    fn edited(&mut self, from: usize, to: usize, range: Range<usize>, in_table: bool) -> String {
        let mut inline = Inline {
            body: self.body,
            events: self.events,
            definitions: self.definitions,
            links: &mut *self.links,
            options: self.making.options,
            tags: &self.tags,
            in_table,
            in_note: self.stack.iter().any(|frame| matches!(frame.kind, FrameKind::Note { .. })),
            edits: Edits::default(),
            last: Last::of(self.body, &range),
        };
        inline.span(from, to, false);
        inline.edits.apply(self.body, range)
    }

    /// Lines without the marks of the quotes around them.
    fn lines(&self, text: &str) -> Vec<String> {
        let quotes = self.stack.iter().filter(|frame| matches!(frame.kind, FrameKind::Quote { .. } | FrameKind::Box)).count();
        let strip = |(at, line): (usize, &str)| {
            let mut line = line;
            for _ in 0..if at == 0 { 0 } else { quotes } {
                line = line.trim_start_matches(BLANK).strip_prefix('>').unwrap_or(line);
            }
            if at == 0 { line.to_owned() } else { line.trim_start_matches(BLANK).to_owned() }
        };
        text.split('\n').enumerate().map(strip).filter(|line| !line.is_empty()).collect()
    }

    fn emit(&mut self, leaf: Leaf, range: Range<usize>, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let between = self.body.get(self.last_end..range.start).unwrap_or_default();
        // One empty line says all that several would; between two blocks may also lie definitions that are written out.
        let gap = between.matches('\n').count().saturating_sub(1).min(1);
        self.out.add(&mut self.stack, leaf, gap, &lines);
        let end = range.start + self.body[range.clone()].trim_end_matches(BLANK).len();
        self.last_end = self.last_end.max(end);
    }

    fn definitions_before(&mut self, place: usize) {
        let definitions = self.definitions;
        while let Some(definition) = definitions.kept.get(self.definitions_done).filter(|found| found.place.start < place) {
            let line = definitions::line(definition, &mut *self.links);
            self.emit(Leaf::Definition, definition.place.clone(), vec![line]);
            self.definitions_done += 1;
        }
    }

    fn open(&mut self, tag: &Tag<'_>, range: &Range<usize>, at: usize) {
        let kind = match tag {
            Tag::List(_) => {
                self.code_lists.push(self.holds_code(at));
                FrameKind::List
            }
            Tag::Item => FrameKind::Item { marker: self.marker(range) },
            Tag::BlockQuote(Some(kind)) => return self.open_note(*kind, range),
            Tag::BlockQuote(None) => FrameKind::Quote { sign: ">" },
            Tag::FootnoteDefinition(label) => FrameKind::Note { label: self.links.note(label) },
            Tag::DefinitionList => FrameKind::Terms,
            _ => FrameKind::Meaning,
        };
        self.push(kind);
    }

    fn push(&mut self, kind: FrameKind) {
        self.next_id += 1;
        self.stack.push(Frame { id: self.next_id, kind, opened: false });
    }

    fn open_note(&mut self, kind: BlockQuoteKind, range: &Range<usize>) {
        // The boxes of Markdown Notices are counted in signs, those of Shortcode Core have names.
        let (name, sign, box_name) = match kind {
            BlockQuoteKind::Note => ("Note", "!!!", "note"),
            BlockQuoteKind::Tip => ("Tip", "!!!!", "tip"),
            BlockQuoteKind::Important => ("Important", "!", "info"),
            BlockQuoteKind::Warning => ("Warning", "!", "warning"),
            BlockQuoteKind::Caution => ("Caution", "!!", "warning"),
        };
        let start = range.start..range.start;
        let title = vec![format!("**{name}**"), String::new()];
        match self.making.options.notes {
            Notes::Shortcodes => {
                self.push(FrameKind::Box);
                self.emit(Leaf::Alone, start.clone(), vec![format!("[notice={box_name}]")]);
                self.emit(Leaf::Other, start, title);
            }
            notes => {
                self.push(FrameKind::Quote { sign: if notes == Notes::Notices { sign } else { ">" } });
                self.emit(Leaf::Other, start, if notes == Notes::Keep { vec![format!("[!{}]", name.to_uppercase())] } else { title });
            }
        }
        let line = self.body[range.clone()].find('\n').unwrap_or(range.len());
        self.last_end = range.start + line + 1;
    }

    fn close(&mut self, tag: TagEnd, range: &Range<usize>) {
        if !matches!(tag, TagEnd::List(_) | TagEnd::DefinitionList)
            && let Some(frame) = self.stack.last()
            && !frame.opened
        {
            // An empty item still has its marker.
            self.emit(Leaf::Other, range.clone(), vec![String::new()]);
        }
        if matches!(tag, TagEnd::List(_)) {
            self.code_lists.pop();
        }
        if self.stack.pop().is_some_and(|frame| frame.kind == FrameKind::Box) {
            self.emit(Leaf::Alone, range.end..range.end, vec!["[/notice]".to_owned()]);
        }
    }

    /// A bullet as written; a number with the point that Parsedown wants.
    fn marker(&self, range: &Range<usize>) -> String {
        // The range of a nested item starts with its indent.
        let text = self.body[range.clone()].trim_start_matches(BLANK);
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        let sign =
            if digits.is_empty() { text.chars().next().map_or_else(|| "-".into(), |sign| sign.to_string()) } else { format!("{digits}.") };
        // Parsedown 1.8 takes the first marker's width off each line, 1.7 four blanks: code needs the two to be one.
        if self.code_lists.last() == Some(&true) { format!("{sign:<3}") } else { sign }
    }

    /// Whether a list has code or raw HTML anywhere, so that each blank before a line counts.
    fn holds_code(&self, at: usize) -> bool {
        let end = end_of(self.events, at);
        self.events[at..end].iter().any(|(event, _)| matches!(event, Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock)))
    }
}

/// Lines joined into one; a hard break becomes a tag.
fn one_line(lines: &[String]) -> String {
    let mut out = String::new();
    for line in lines {
        let text = line.trim_end_matches(BLANK);
        let hard = text.ends_with('\\') || line.ends_with("  ");
        out.push_str(text.trim_end_matches('\\'));
        out.push_str(if hard { "<br /> " } else { " " });
    }
    out.trim_end_matches(BLANK).strip_suffix("<br />").map_or_else(|| out.trim_end_matches(BLANK).to_owned(), str::to_owned)
}

fn is_container(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::List(_) | Tag::Item | Tag::BlockQuote(_) | Tag::FootnoteDefinition(_) | Tag::DefinitionList | Tag::DefinitionListDefinition
    )
}

fn is_leaf(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Paragraph | Tag::Heading { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::Table(_) | Tag::DefinitionListTitle)
}
