//! The faults of the conversion that this program replaces: a second block in the body, the wrong title, flat folders.

use crate::support::Book;

#[test]
fn a_pages_own_block_is_merged_and_its_title_wins() {
    let text = "\u{feff}\r\n---\r\ntitle: Team Infrastructure & Deployments\r\nsidebar: Handbook\r\nshowTitle: true\r\nslug: x\r\n---\r\n\r\n## People\r\n\r\nWe.\r\n";
    let book = Book::new(&[
        ("SUMMARY.md", "- [Infra](Handbook/SourceMaterial/infrastructure.md)\n"),
        ("Handbook/SourceMaterial/infrastructure.md", text),
    ]);
    let (_, findings) = book.convert();
    assert_eq!(findings, ["Handbook/SourceMaterial/infrastructure.md:6: front matter key `slug` left out: it changes what Grav does"]);
    assert_eq!(
        book.read("01.infrastructure/default.md"),
        "---\ntitle: 'Team Infrastructure & Deployments'\nmenu: Infra\nroutes:\n  aliases:\n    - '/Handbook/SourceMaterial/infrastructure'\n\
         process:\n  twig: false\nmarkdown:\n  extra: true\nmdbook:\n  source: Handbook/SourceMaterial/infrastructure.md\n\
         sidebar: Handbook\nshowTitle: true\n---\n\n## People {#people}\n\nWe.\n"
    );
}

#[test]
fn the_title_is_the_first_heading_only_where_it_is_the_first_block() {
    let title = |text: &str| {
        let book = Book::page(text);
        book.convert();
        book.read("01.page/default.md").lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(title("# The `Vec<T>` *type* {#x}\n"), "title: 'The Vec<T> type'");
    assert_eq!(title("<!-- by -->\n\n# Head\n"), "title: Head");
    assert_eq!(title("Text.\n\n# Head\n"), "title: Page");
    assert_eq!(title("## People\n"), "title: Page");
}

#[test]
fn a_rule_at_the_start_stays_and_broken_keys_go() {
    let book = Book::page("---\n\nTwo words: no key\n\n---\n\nEnd\n");
    book.convert();
    assert_eq!(book.body(), "---\n\nTwo words: no key\n\n---\n\nEnd\n");
    let book = Book::page("---\ntitle: a: b\nsidebar: c\n---\nEnd\n");
    let (_, findings) = book.convert();
    assert!(findings[0].starts_with("page.md:1: front matter left out, it is no YAML"), "{findings:?}");
    assert_eq!(book.body(), "End\n");
}
