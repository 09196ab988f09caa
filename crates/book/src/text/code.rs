//! Blocks of code: the language alone, hidden lines out, and a fence that the code cannot close.
//!
//! In: the info string and the text of a block. Out: the lines of a fenced block.

use super::html::escape;
use super::html_block::HUG;
use crate::options::{BookSettings, Options};
use std::collections::BTreeMap;

/// A block's language and what else its info string says.
#[derive(Debug)]
struct Info<'a> {
    language: &'a str,
    rest: Vec<&'a str>,
}

fn info(text: &str) -> Info<'_> {
    let mut parts = text.split([' ', '\t', ',']).filter(|part| !part.is_empty());
    Info { language: parts.next().unwrap_or_default(), rest: parts.collect() }
}

/// The text that a reader of the book sees.
pub(crate) fn shown(info_text: &str, text: &str, keep_hidden: bool, book: &BookSettings) -> String {
    let info = info(info_text);
    let of_block = info.rest.iter().find_map(|part| part.strip_prefix("hidelines="));
    if info.language == "rust" {
        return text.split_inclusive('\n').filter_map(|line| rust_line(line, keep_hidden)).collect();
    }
    match of_block.or_else(|| prefix_of(&book.hidelines, info.language)).filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => text.split_inclusive('\n').filter_map(|line| prefix_line(line, prefix, keep_hidden)).collect(),
        None => text.to_owned(),
    }
}

fn prefix_of<'a>(all: &'a BTreeMap<String, String>, language: &str) -> Option<&'a str> {
    all.get(language).map(String::as_str)
}

/// `# x` is hidden, `##x` is shown as `#x`, `#[x]` is code.
fn rust_line(line: &str, keep_hidden: bool) -> Option<String> {
    let trimmed = line.trim_start_matches([' ', '\t']);
    let lead = &line[..line.len() - trimmed.len()];
    let Some(rest) = trimmed.strip_prefix('#') else { return Some(line.to_owned()) };
    let after = rest.trim_end_matches(['\n']);
    if rest.starts_with('#') {
        Some(format!("{lead}{rest}"))
    } else if after.is_empty() || rest.starts_with(' ') {
        keep_hidden.then(|| format!("{lead}{}", rest.strip_prefix(' ').unwrap_or(rest)))
    } else {
        Some(line.to_owned())
    }
}

fn prefix_line(line: &str, prefix: &str, keep_hidden: bool) -> Option<String> {
    let trimmed = line.trim_start();
    let Some(rest) = trimmed.strip_prefix(prefix) else { return Some(line.to_owned()) };
    keep_hidden.then(|| format!("{}{rest}", &line[..line.len() - trimmed.len()]))
}

/// The lines of the block for Grav.
pub(crate) fn lines(info_text: &str, text: &str, options: &Options) -> Vec<String> {
    let text = shown(info_text, text, options.hidden_lines, &options.book);
    let language = info(info_text).language.replace('`', "");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let body = text.split('\n').map(str::to_owned);
    let Some(fence) = fence(text) else { return as_html(&language, text) };
    let mut lines = vec![format!("{fence}{language}")];
    lines.extend(body);
    lines.push(fence);
    lines
}

/// A fence that no line of the code closes: Parsedown 1.7 closes on any three of the same sign, alone on a line.
fn fence(text: &str) -> Option<String> {
    ['`', '~'].into_iter().find_map(|sign| {
        let run = |line: &str| line.trim_start().chars().take_while(|letter| *letter == sign).count();
        let closes = text.lines().any(|line| run(line) >= 3 && line.trim().chars().all(|letter| letter == sign));
        let longest = text.lines().map(run).max().unwrap_or(0);
        (!closes).then(|| sign.to_string().repeat(3.max(longest + 1)))
    })
}

/// The block as raw HTML on one line, for places that tear lines apart.
pub(crate) fn one_line(info_text: &str, text: &str, options: &Options) -> String {
    let text = shown(info_text, text, options.hidden_lines, &options.book);
    let text = escape(text.strip_suffix('\n').unwrap_or(&text)).replace('\n', "&#10;");
    format!("{HUG}<pre><code{}>{text}</code></pre>{HUG}", class(info(info_text).language))
}

fn class(language: &str) -> String {
    if language.is_empty() { String::new() } else { format!(" class=\"language-{}\"", escape(language)) }
}

/// Code that holds both sorts of closing fences: raw HTML, line by line between comments, which no engine reads.
fn as_html(language: &str, text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.split('\n').map(|line| format!("{HUG}{}{HUG}", escape(line))).collect();
    if let Some(first) = lines.first_mut() {
        *first = format!("{HUG}<pre><code{}>{first}", class(language));
    }
    if let Some(last) = lines.last_mut() {
        *last = format!("{last}</code></pre>{HUG}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdbook_renderer::config::Config;

    fn of(info: &str, text: &str) -> String {
        lines(info, text, &Options::defaults(&Config::default())).join("\n")
    }

    #[test]
    fn hides_what_the_book_hides() {
        assert_eq!(of("rust,editable", "# use x;\n#![y]\n#[z]\n##a\n  # b\n#\nfn\n"), "```rust\n#![y]\n#[z]\n#a\nfn\n```");
        assert_eq!(of("python hidelines=!!!", "!!!a\nb\n"), "```python\nb\n```");
        assert_eq!(of("", "# a\n"), "```\n# a\n```");
    }

    #[test]
    fn a_fence_inside_cannot_close_the_block() {
        assert_eq!(of("md", "```rust\nx\n```\n"), "~~~md\n```rust\nx\n```\n~~~");
        assert_eq!(of("md", "```rust\nx\n"), "````md\n```rust\nx\n````");
        assert!(of("md", "```\n~~~\n").starts_with("<!-- --><pre><code class=\"language-md\"><!-- -->```<!-- -->\n"));
    }
}
