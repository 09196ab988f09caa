//! The check reads a tree as Grav does and names what is wrong.

use crate::support::Book;
use mdbook_grav::{Report, check_tree};
use std::fs;

#[test]
fn faults_are_named_with_their_page() {
    let book = Book::new(&[("SUMMARY.md", "- [A](a.md)\n- [B](b.md)\n"), ("a.md", "# A\n\n[b](b.md#b)\n"), ("b.md", "# B\n")]);
    book.convert();
    let mut report = Report::default();
    let checked = check_tree(&book.out(), &mut report).unwrap();
    assert_eq!((checked.pages, checked.links, checked.fragments, report.findings.len()), (2, 1, 1, 0));

    let page = |path: &str, text: &str| {
        fs::create_dir_all(book.out().join(path).parent().unwrap()).unwrap();
        fs::write(book.out().join(path), text).unwrap();
    };
    page("02.b/default.md", "---\ntitle: B\n---\n---\ntitle: again\n---\n# B\n");
    page("2.z/default.md", "no header\n");
    page("05.x/default.md", "---\ntitle: X\nroutes:\n  aliases: ['/a']\n---\n![](no.png)\n\n<a href=\"/q\">q</a>\n");
    page("05.x/other.md", "---\ntitle: X\n---\n");
    page("06.B/default.md", "---\ntitle: B\n---\n");
    let mut report = Report::default();
    check_tree(&book.out(), &mut report).unwrap();
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    for part in [
        "05.x: 2 pages in one folder",
        ".: folder 6 sorts before 2, or has the same number",
        "06.B/default.md: has the route /b of 02.b/default.md",
        "02.b/default.md: has a second block of front matter",
        "2.z/default.md: has no front matter",
        "05.x/default.md: has the alias /a, which is a page's route",
        "05.x/default.md:6: `no.png` leads nowhere",
        "05.x/default.md:8: `/q` leads nowhere",
        "01.a/default.md:13: `/b#b`: 06.B/default.md has no id `b`",
    ] {
        assert!(findings.iter().any(|text| text.contains(part)), "no {part} in {findings:#?}");
    }
}
