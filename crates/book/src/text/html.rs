//! Raw HTML, read only as far as tags and their attributes.
//!
//! In: HTML as the author wrote it. Out: the same, with some attributes' values replaced or names told; text untouched.

use std::ops::Range;

/// A piece of HTML.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Range<usize>),
    Comment(Range<usize>),
    Tag(Tag),
}

/// One tag, start or end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) place: Range<usize>,
    /// Lower case.
    pub(crate) name: String,
    pub(crate) is_end: bool,
    /// Lower-case names with the place of each value, without quotes.
    pub(crate) attributes: Vec<(String, Range<usize>)>,
}

/// Splits HTML into its pieces, nothing left out. An unfinished tag or comment is `None` at the end.
pub(crate) fn pieces(html: &str) -> (Vec<Piece>, bool) {
    let mut found = Vec::new();
    let mut at = 0;
    let mut text_at = 0;
    while let Some(open) = html[at..].find('<').map(|open| open + at) {
        let rest = &html[open..];
        let piece = if let Some(comment) = rest.strip_prefix("<!--") {
            match comment.find("-->") {
                Some(end) => Piece::Comment(open..open + 4 + end + 3),
                None => return (close(found, text_at..open), false),
            }
        } else if rest[1..].starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/') {
            match read_tag(html, open) {
                Some(tag) => Piece::Tag(tag),
                None => return (close(found, text_at..open), false),
            }
        } else {
            at = open + 1;
            continue;
        };
        if text_at < open {
            found.push(Piece::Text(text_at..open));
        }
        at = match &piece {
            Piece::Comment(place) | Piece::Text(place) => place.end,
            Piece::Tag(tag) => tag.place.end,
        };
        text_at = at;
        found.push(piece);
    }
    (close(found, text_at..html.len()), true)
}

fn close(mut found: Vec<Piece>, rest: Range<usize>) -> Vec<Piece> {
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

fn read_tag(html: &str, open: usize) -> Option<Tag> {
    let bytes = html.as_bytes();
    let is_end = bytes.get(open + 1) == Some(&b'/');
    let name_at = open + 1 + usize::from(is_end);
    let name_end = span(bytes, name_at, |byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte));
    let mut at = name_end;
    let mut attributes = Vec::new();
    loop {
        at = span(bytes, at, |byte| byte.is_ascii_whitespace() || byte == b'/');
        match bytes.get(at)? {
            b'>' => break,
            _ => {
                let end = span(bytes, at, |byte| !byte.is_ascii_whitespace() && !b"=>/".contains(&byte));
                let name = html.get(at..end)?.to_ascii_lowercase();
                let equals = span(bytes, end, |byte| byte.is_ascii_whitespace());
                if bytes.get(equals) != Some(&b'=') {
                    at = end.max(at + 1);
                    attributes.push((name, end..end));
                    continue;
                }
                let value = span(bytes, equals + 1, |byte| byte.is_ascii_whitespace());
                let (place, next) = read_value(bytes, value)?;
                attributes.push((name, place));
                at = next;
            }
        }
    }
    Some(Tag { place: open..at + 1, name: html.get(name_at..name_end)?.to_ascii_lowercase(), is_end, attributes })
}

fn read_value(bytes: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let quote = *bytes.get(at)?;
    if quote == b'"' || quote == b'\'' {
        let end = span(bytes, at + 1, |byte| byte != quote);
        return (end < bytes.len()).then_some((at + 1..end, end + 1));
    }
    let end = span(bytes, at, |byte| !byte.is_ascii_whitespace() && byte != b'>');
    Some((at..end, end.max(at + 1)))
}

fn span(bytes: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    at + bytes.iter().skip(at).take_while(|byte| wanted(**byte)).count()
}

/// Whether an attribute of a tag holds an address.
pub(crate) fn holds_address(tag: &str, attribute: &str) -> bool {
    match attribute {
        "href" => matches!(tag, "a" | "area"),
        "src" => matches!(tag, "img" | "source" | "video" | "audio" | "track" | "embed" | "iframe" | "input"),
        "poster" => tag == "video",
        "data" => tag == "object",
        _ => false,
    }
}

/// The HTML with addresses replaced by `map(address, place)`.
pub(crate) fn rewrite(html: &str, mut map: impl FnMut(&str, usize) -> Option<String>) -> String {
    let mut out = String::with_capacity(html.len());
    let mut at = 0;
    for piece in pieces(html).0 {
        let Piece::Tag(tag) = piece else { continue };
        for (name, place) in tag.attributes {
            let value = unescape(&html[place.clone()]);
            let new = if name == "srcset" {
                map_srcset(&value, |address| map(address, place.start))
            } else if holds_address(&tag.name, &name) {
                map(&value, place.start)
            } else {
                None
            };
            if let Some(new) = new {
                out.push_str(&html[at..place.start]);
                let quoted = html[..place.start].ends_with(['"', '\'']);
                out.push_str(&if quoted { escape(&new) } else { format!("\"{}\"", escape(&new)) });
                at = place.end;
            }
        }
    }
    out.push_str(&html[at..]);
    out
}

fn map_srcset(value: &str, mut map: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut changed = false;
    let parts: Vec<String> = value
        .split(',')
        .map(|part| {
            let mut words = part.split_whitespace();
            let address = words.next().unwrap_or_default();
            let new = map(address);
            changed |= new.is_some();
            let rest: Vec<&str> = words.collect();
            format!("{} {}", new.as_deref().unwrap_or(address), rest.join(" ")).trim().to_owned()
        })
        .collect();
    changed.then(|| parts.join(", "))
}

/// All `(tag, attribute, value)` of a piece of HTML.
pub(crate) fn attributes(html: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for piece in pieces(html).0 {
        if let Piece::Tag(tag) = piece {
            for (name, place) in tag.attributes {
                found.push((tag.name.clone(), name, unescape(&html[place])));
            }
        }
    }
    found
}

/// The text of a piece of HTML, a blank for each tag.
pub(crate) fn strip_tags(html: &str) -> String {
    let mut out = String::new();
    let mut hidden: Option<String> = None;
    for piece in pieces(html).0 {
        match piece {
            Piece::Text(place) if hidden.is_none() => out.push_str(&html[place]),
            Piece::Tag(tag) => {
                match &hidden {
                    Some(name) if tag.is_end && *name == tag.name => hidden = None,
                    None if !tag.is_end && matches!(tag.name.as_str(), "script" | "style") => hidden = Some(tag.name),
                    _ => {}
                }
                out.push(' ');
            }
            _ => {}
        }
    }
    out
}

/// A value for a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('\'', "&#39;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The elements of HTML, and the commoner ones of SVG and MathML.
const ELEMENTS: &str = " a abbr acronym address area article aside audio b base bdi bdo big blockquote body br button canvas caption \
center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer form \
frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label legend li link main map mark marquee menu \
meta meter nav nobr noframes noscript object ol optgroup option output p param picture pre progress q rb rp rt rtc ruby s samp script \
search section select slot small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead \
time title tr track tt u ul var video wbr math mi mn mo ms mtext mrow mfrac msqrt mroot msub msup msubsup munder mover munderover mtable \
mtr mtd g path rect circle ellipse line polyline polygon text tspan defs use symbol marker lineargradient radialgradient stop filter \
clippath mask pattern image foreignobject desc animate ";

/// Whether a tag's name is one that a browser knows, or could be a custom element.
pub(crate) fn is_element(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains('-') || ELEMENTS.contains(&format!(" {name} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_addresses_only() {
        let html =
            "<a title='x.md' href=\"x.md?a=1&amp;b\">x.md</a><img src=y.png alt><source srcset='a.png 1x, b.png 2x'><!-- <a href='c'> -->";
        let new = rewrite(html, |address, _| Some(format!("/{address}")));
        assert_eq!(
            new,
            "<a title='x.md' href=\"/x.md?a=1&amp;b\">x.md</a><img src=\"/y.png\" alt><source srcset='/a.png 1x, /b.png 2x'><!-- <a href='c'> -->"
        );
    }

    #[test]
    fn tells_text_from_tags() {
        assert_eq!(strip_tags("<b>a</b> < 3 <script>x</script><!-- y -->z").split_whitespace().collect::<Vec<_>>(), ["a", "<", "3", "z"]);
        assert!(!pieces("<div class='x").1 && !pieces("<!-- x").1 && pieces("a < b").1);
        assert!(is_element("DIV") && is_element("my-box") && !is_element("T"));
    }
}
