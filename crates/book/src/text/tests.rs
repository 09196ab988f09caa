//! Any text: no word lost, headings and items kept, the same result each time.

use super::*;
use mdbook_renderer::config::Config;
use proptest::prelude::*;

/// Links stay as they are.
struct Nowhere;

impl Addresses for Nowhere {
    fn address(&mut self, _written: &str, _used: Use, _at: usize) -> Option<String> {
        None
    }
    fn seen(&mut self, _written: &str) {}
    fn notice(&mut self, _at: usize, _message: &str) {}
    fn note(&self, label: &str) -> String {
        label.to_owned()
    }
}

fn made(text: &str) -> Converted {
    let options = Options::defaults(&Config::default());
    convert(&clean(text), Making { options: &options, drop_first: false }, &mut Nowhere)
}

/// Pieces that the two engines read apart.
const PIECES: &[&str] = &[
    "\n",
    "\n\n",
    "\n\n\n",
    " ",
    "  \n",
    "\\\n",
    "# ",
    "## ",
    "#",
    "- ",
    "* ",
    "1. ",
    "2) ",
    "> ",
    ">",
    "    ",
    "\t",
    "```rust\n",
    "```\n",
    "~~~\n",
    "`",
    "``",
    "*",
    "**",
    "_",
    "~~",
    "~",
    "[a](b.md)",
    "[a]",
    "[a][b]",
    "![x](y.png)",
    "\n[a]: page.md\n",
    "[^n]",
    "\n[^n]: note ",
    "<div>\n",
    "</div>\n",
    "<b>",
    "</b>",
    "<T>",
    "<!-- c -->",
    "<!--",
    "-->",
    "| a | b |\n|---|---|\n| c | d |\n",
    "|",
    "===\n",
    "---\n",
    "***\n",
    "\n: ",
    "{{ x }}",
    "{#id}",
    "&amp;",
    "&",
    "<",
    "\\<",
    "\\*",
    "\\",
    "> [!NOTE]\n",
    "[ ] ",
    "ü",
    "🦀",
    "<https://e.org>",
    "\n# hidden\n",
    "<script>\n",
    "</script>\n",
    "<pre>",
    "*[X]: y",
    "!",
    "+ ",
    "<p",
    "\"",
    "'",
    "--",
    "...",
    "\u{a0}",
    "\r\n",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![2 => "[a-z]{1,6}", 1 => "[ -~]{1,8}", 5 => prop::sample::select(PIECES).prop_map(str::to_owned)];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_word_is_lost(text in text()) {
        let first = made(&text);
        let options = Options::defaults(&Config::default());
        let after = visible(&first.text, &options.book);
        let lost = missing_word(&first.visible, &after).and_then(|at| words(&first.visible).nth(at));
        prop_assert!(lost.is_none(), "lost {lost:?} of {:?}\nmade {:?}\nseen {after:?}", first.visible, first.text);
        prop_assert_eq!(made(&text).text, first.text);
    }
}
