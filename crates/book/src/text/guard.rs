//! Lines that are text to mdBook and the start of a block to Grav's engine.
//!
//! In: one line of a paragraph. Out: the same line, its first sign escaped where Parsedown would take it for a block.

/// Escapes the start of a line where needed. `pipe`: an earlier line of the paragraph has a `|`.
pub(crate) fn guard(line: &str, pipe: bool) -> String {
    let Some(first) = line.chars().next() else { return String::new() };
    let rest = &line[first.len_utf8()..];
    let entity = || format!("&#{};{rest}", u32::from(first));
    let is_divider = pipe && line.chars().all(|sign| " -:|".contains(sign));
    match first {
        '#' if rest.starts_with(|_| true) && line.bytes().take_while(|byte| *byte == b'#').count() <= 6 => format!("\\{line}"),
        '0'..='9' => guard_number(line),
        '-' | '+' if rest.starts_with(' ') || is_divider || rest.is_empty() => format!("\\{line}"),
        '*' if rest.starts_with(' ') || rest.is_empty() => format!("\\{line}"),
        // The star may be the start of emphasis, so it cannot be escaped.
        '*' if abbreviation(rest) => format!("<span></span>{line}"),
        '=' if line.trim_end().chars().all(|sign| sign == '=') => entity(),
        ':' => entity(),
        '|' if is_divider => format!("\\{line}"),
        '>' => format!("\\{line}"),
        '<' if starts_block_tag(line) => format!("<span></span>{line}"),
        '[' if reads_as_definition(line) => format!("<span></span>{line}"),
        '!' if rest.trim_start_matches('!').starts_with(' ') => format!("\\{line}"),
        '{' if rest.starts_with(['{', '%', '#']) => entity(),
        _ => line.to_owned(),
    }
}

fn guard_number(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &line[digits..];
    let is_marker = rest.starts_with(['.', ')']) && (rest.len() == 1 || rest[1..].starts_with(' '));
    if is_marker { format!("{}\\{}", &line[..digits], &line[digits..]) } else { line.to_owned() }
}

fn abbreviation(rest: &str) -> bool {
    rest.starts_with('[') && rest.contains("]:")
}

/// `[label]: word…` at the start of a line is a definition to Parsedown even within a paragraph.
fn reads_as_definition(line: &str) -> bool {
    line.find("]:").is_some_and(|at| at > 1 && (line.starts_with("[^") || !line[at + 2..].trim().is_empty()))
}

/// Tags that Parsedown leaves in the flow of text.
const TEXT_LEVEL: &[&str] = &[
    "a", "br", "bdo", "abbr", "blink", "nextid", "acronym", "basefont", "b", "em", "big", "cite", "small", "spacer", "listing", "i", "rp",
    "del", "code", "strike", "marquee", "q", "rt", "ins", "font", "strong", "s", "tt", "kbd", "mark", "u", "xm", "sub", "nobr", "sup",
    "ruby", "var", "span", "wbr", "time",
];

/// Whether Parsedown keeps a tag in the flow of text.
pub(crate) fn is_text_level(name: &str) -> bool {
    TEXT_LEVEL.contains(&name.to_ascii_lowercase().as_str())
}

/// Tags without an end; Parsedown takes a line of text after them as text.
pub(crate) fn is_void(name: &str) -> bool {
    let void = ["area", "base", "br", "col", "command", "embed", "hr", "img", "input", "link", "meta", "param", "source"];
    void.contains(&name.to_ascii_lowercase().as_str())
}

fn starts_block_tag(line: &str) -> bool {
    if line.starts_with("<!--") {
        return true;
    }
    let name: String =
        line[1..].trim_start_matches('/').chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    !name.is_empty() && !is_text_level(&name) && !is_void(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_parsedown_takes_for_a_block() {
        let pairs = [
            ("#tag", "\\#tag"),
            ("2. of all", "2\\. of all"),
            ("2.5 of", "2.5 of"),
            (": x", "&#58; x"),
            ("===", "&#61;=="),
            ("== a", "== a"),
            ("{{ x }}", "&#123;{ x }}"),
            ("! note", "\\! note"),
            ("![a](b)", "![a](b)"),
            ("[a]: b", "<span></span>[a]: b"),
            ("[a](b)", "[a](b)"),
            ("<dfn>x</dfn> is", "<span></span><dfn>x</dfn> is"),
            ("<b>x</b>", "<b>x</b>"),
            ("*[X]: y", "<span></span>*[X]: y"),
            ("plain", "plain"),
        ];
        for (line, want) in pairs {
            assert_eq!(guard(line, false), want);
        }
        assert_eq!(guard("-|-", true), "\\-|-");
    }
}
