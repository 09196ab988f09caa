//! For any summary and any text: nothing lost, one route for each page, strict order, and a second run that changes nothing.

use crate::support::Book;
use mdbook_grav::{Report, check_tree};
use proptest::prelude::*;
use std::collections::HashSet;
use std::fmt::Write;

/// A summary line: depth, kind, name.
fn summary() -> impl Strategy<Value = Vec<(usize, u8, String)>> {
    let name = prop_oneof!["[A-Za-z0-9 _.-]{1,12}", "[a-c]{1}", "\\PC{1,40}", "x{90,120}"];
    prop::collection::vec((0_usize..4, 0_u8..6, name), 1..40)
}

/// Texts and files of a summary, in mdBook's grammar.
fn book_of(lines: &[(usize, u8, String)]) -> Book {
    let mut summary = String::from("# Summary\n\n");
    let mut files = Vec::new();
    let mut depth = 0;
    for (at, (wanted, kind, name)) in lines.iter().enumerate() {
        depth = if at == 0 { 0 } else { (*wanted).min(depth + 1) };
        let plain: String = name.chars().filter(|letter| letter.is_alphanumeric() || " .-_".contains(*letter)).collect();
        let file = format!("{}{at}/{}.md", &"dir"[..1], plain.trim().replace([' ', '/'], "%20"));
        let target = if *kind == 0 || plain.trim().is_empty() { String::new() } else { file };
        if *kind == 1 && depth == 0 {
            let _infallible = write!(summary, "\n# Part {at}\n\n");
        }
        let _infallible = writeln!(summary, "{}- [Name {at}]({target})", "    ".repeat(depth));
        if !target.is_empty() {
            files.push((target.replace("%20", " "), format!("# Chapter {at}\n")));
        }
    }
    files.push(("SUMMARY.md".into(), summary));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Book::new(&files)
}

/// Pieces that the two engines read apart, in any order.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,6}".prop_map(|word| word),
        "[ -~]{1,12}",
        prop::sample::select(vec![
            "\n",
            "\n\n",
            " ",
            "  \n",
            "\\\n",
            "# ",
            "## ",
            "- ",
            "* ",
            "1. ",
            "2) ",
            "> ",
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
            "[a](b.md)",
            "[a]",
            "![x](y.png)",
            "[a]: page.md\n",
            "[^n]",
            "\n[^n]: note ",
            "<div>\n",
            "</div>\n",
            "<b>",
            "</b>",
            "<T>",
            "<!-- c -->",
            "<!--",
            "| a | b |\n|---|---|\n| c | d |\n",
            "|",
            "===\n",
            "---\n",
            ": ",
            "{{ x }}",
            "{#id}",
            "&amp;",
            "&",
            "<",
            "\\<",
            "\\*",
            "[!NOTE]\n",
            "[ ] ",
            "ü",
            "🦀",
            "<https://e.org>",
            "# hidden\n",
            "<script>\n",
            "</script>\n",
            "<pre>",
            "*[X]: y",
            "!",
            "===",
            "+ ",
            "<p",
            "\"",
            "'",
            "--",
            "...",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_summary_gives_strictly_ordered_folders_and_unique_routes(lines in summary()) {
        let book = book_of(&lines);
        let (summary, _) = book.convert();
        let mut report = Report::default();
        let checked = check_tree(&book.out(), &mut report).unwrap();
        prop_assert!(report.findings.is_empty(), "{:?}", report.findings);
        prop_assert!(checked.pages >= summary.pages);
        let mut routes = HashSet::new();
        for file in book.files() {
            let folder = file.rsplit_once('/').unwrap().0;
            let route: Vec<String> = folder.split('/').map(|part| part.split_once('.').unwrap().1.to_lowercase()).collect();
            prop_assert!(route.iter().all(|slug| !slug.is_empty() && slug.len() <= 90 && !slug.contains('.')), "{route:?}");
            prop_assert!(routes.insert(route.clone()), "{route:?} twice");
        }
    }

    #[test]
    fn no_word_of_any_text_is_lost_and_a_second_run_changes_nothing(text in text()) {
        let book = Book::page(&text);
        let (_, findings) = book.convert();
        let lost: Vec<&String> = findings.iter().filter(|finding| finding.contains("the page lacks")).collect();
        prop_assert!(lost.is_empty(), "{lost:?}\n{text:?}\n{}", book.body());
        let first = book.read("01.page/default.md");
        let (second, _) = book.convert();
        prop_assert_eq!(second.written, 0);
        prop_assert_eq!(book.read("01.page/default.md"), first);
    }
}
