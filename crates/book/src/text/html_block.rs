//! Blocks of raw HTML, so written that Grav's engine passes them on as they are.
//!
//! In: the text of an HTML block. Out: its lines for Grav.
//!
//! Parsedown draws everything up to the closing tag into an HTML block, blank lines and Markdown too, and Extra sends it
//! through a DOM that loses neighbours and escapes code twice (`markdown="1"` included). A line that starts and ends with
//! a comment is passed on untouched by every version, and Markdown between two such lines stays Markdown, as in mdBook.

use super::guard::{is_text_level, is_void};
use super::html::{Piece, Tag, is_element, pieces};

/// What keeps a line from being read.
pub(crate) const HUG: &str = "<!-- -->";

/// The lines of a block; `known` says which other tags are meant as tags.
pub(crate) fn lines(html: &str, known: &dyn Fn(&str) -> bool) -> Vec<String> {
    let html = html.trim_end();
    let lower = html.trim_start().to_ascii_lowercase();
    if lower.starts_with("<!--") {
        return comment(html);
    }
    if ["<script", "<style", "<textarea"].iter().any(|tag| lower.starts_with(tag)) {
        return whole(html);
    }
    let html = show_unknown(html, known);
    join_open(&html).iter().map(|line| if stands_alone(line) { line.clone() } else { hug(line) }).collect()
}

fn hug(line: &str) -> String {
    format!("{HUG}{line}{HUG}")
}

/// A comment ends its block only where it ends its line.
fn comment(html: &str) -> Vec<String> {
    let mut lines: Vec<String> = html.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with("-->")) {
        last.push_str(if last.contains("-->") { HUG } else { "-->" });
    }
    lines
}

/// A script or style sheet: both engines keep it as it is, when its end tag ends a line.
fn whole(html: &str) -> Vec<String> {
    let mut lines: Vec<String> = html.lines().map(str::to_owned).collect();
    if let Some(last) = lines.pop() {
        let end = last.rfind("</").and_then(|at| last[at..].find('>').map(|length| at + length + 1)).unwrap_or(last.len());
        let rest = last[end..].trim();
        let rest = (!rest.is_empty()).then(|| hug(rest));
        lines.push(last[..end].to_owned());
        lines.extend(rest);
    }
    lines
}

/// Lines joined while a tag or comment is open; within `pre` every blank counts.
fn join_open(html: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    let mut pre = 0_usize;
    for line in html.lines() {
        let line = if pre > 0 { line } else { line.trim() };
        match lines.last_mut().filter(|_| open) {
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None if line.is_empty() && pre == 0 => continue,
            None => lines.push(line.to_owned()),
        }
        let (found, closed) = pieces(lines.last().map_or("", String::as_str));
        open = !closed;
        if closed {
            for piece in found {
                match piece {
                    Piece::Tag(tag) if tag.name == "pre" && tag.is_end => pre = pre.saturating_sub(1),
                    Piece::Tag(tag) if tag.name == "pre" => pre += 1,
                    _ => {}
                }
            }
        }
    }
    lines
}

/// A line of nothing but text-level tags, or one tag without an end: Parsedown reads it as it is.
fn stands_alone(line: &str) -> bool {
    let (pieces, _) = pieces(line);
    let plain = |tag: &Tag| is_text_level(&tag.name);
    let all_text_level = !pieces.is_empty() && pieces.iter().all(|piece| matches!(piece, Piece::Tag(tag) if plain(tag)));
    let one_void = matches!(pieces.as_slice(), [Piece::Tag(tag)] if is_void(&tag.name));
    all_text_level || one_void
}

/// `<T>` that is no tag is text that its author forgot to escape; mdBook would hide it.
pub(crate) fn show_unknown(html: &str, known: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(html.len());
    let mut at = 0;
    for piece in pieces(html).0 {
        if let Piece::Tag(tag) = piece
            && !is_element(&tag.name)
            && !known(&tag.name)
        {
            out.push_str(&html[at..tag.place.start]);
            out.push_str("&lt;");
            at = tag.place.start + 1;
        }
    }
    out.push_str(&html[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(html: &str) -> String {
        lines(html, &|_| false).join("\n")
    }

    #[test]
    fn lines_are_held_between_comments() {
        assert_eq!(of("<div\n  class=\"x\">\n*a*</div>\n"), "<!-- --><div class=\"x\"><!-- -->\n<!-- -->*a*</div><!-- -->");
        assert_eq!(of("<a id=\"x\"></a>\n"), "<a id=\"x\"></a>");
        assert_eq!(of("<img src=\"x\">"), "<img src=\"x\">");
        assert_eq!(of("<T>\n"), "<!-- -->&lt;T><!-- -->");
    }

    #[test]
    fn blanks_within_pre_are_kept() {
        assert_eq!(
            of("<ul>\n  <pre>\n    a\n\n  b</pre>\n  c"),
            "<!-- --><ul><!-- -->\n<!-- --><pre><!-- -->\n<!-- -->    a<!-- -->\n<!-- --><!-- -->\n<!-- -->  b</pre><!-- -->\n<!-- -->c<!-- -->"
        );
    }

    #[test]
    fn a_comment_always_ends_its_line() {
        assert_eq!(of("  <!-- a\n\n  b -->\n"), "<!-- a\nb -->");
        assert_eq!(of("<!-- a\nb --> text\n"), "<!-- a\nb --> text<!-- -->");
        assert_eq!(of("<!-- never\nclosed"), "<!-- never\nclosed-->");
    }

    #[test]
    fn scripts_have_no_comment_inside() {
        assert_eq!(of("<script>\nx<y\n</script>"), "<script>\nx<y\n</script>");
        assert_eq!(of("<style>a</style> b"), "<style>a</style>\n<!-- -->b<!-- -->");
    }
}
