//! What the options of `[output.grav]` do to the tree and its pages.

use crate::support::Book;

fn book(options: &str) -> Book {
    let toml = format!("[output.grav]\n{options}");
    Book::new(&[
        ("book.toml", &toml),
        (
            "SUMMARY.md",
            "[Hello](hello.md)\n\n# Part One\n\n- [A](a.md)\n  - [Sub]()\n    - [C](c.md)\n\n# Part Two\n\n- [B](b.md)\n\n---\n\n[End](end.md)\n",
        ),
        ("hello.md", "# Hello\n\n[a](a.md#a) [in](a.md#inner)\n"),
        ("a.md", "# A\n\n## Inner\n\n> [!WARNING]\n> careful\n\n- [ ] todo\n"),
        ("b.md", "---\nslug: Own Slug\n---\n\"Quoted\" -- text\n\n```rust\n# hidden\nshown\n```\n"),
        ("c.md", "# C\n"),
        ("end.md", "# End\n"),
    ])
}

#[test]
fn by_default() {
    let book = book("");
    book.convert();
    let files = [
        "01.home/default.md",
        "02.a/01.sub/01.c/default.md",
        "02.a/01.sub/default.md",
        "02.a/default.md",
        "03.b/default.md",
        "04.end/default.md",
    ];
    assert_eq!(book.files(), files);
    assert!(book.read("02.a/default.md").contains("mdbook:\n  source: a.md\n  part: Part One\n"));
    assert!(!book.read("04.end/default.md").contains("part:"));
    assert!(book.read("02.a/01.sub/default.md").contains("title: Sub\nroutable: false\n"));
    assert!(book.read("03.b/default.md").ends_with("\"Quoted\" -- text\n\n```rust\nshown\n```\n"));
}

#[test]
fn with_everything_else() {
    let book = book(
        "template = \"docs\"\nnumber-width = 3\nroute = \"/h\"\nhome = \"none\"\nparts = \"folders\"\nhidden-lines = true\ngrav = \"2.0\"\n\
         notes = \"notices\"\nsmart-punctuation = true\nkeep-slug = true\naliases = false\n",
    );
    book.convert();
    let files = [
        "001.hello/docs.md",
        "002.part-one/001.a/001.sub/001.c/docs.md",
        "002.part-one/001.a/001.sub/docs.md",
        "002.part-one/001.a/docs.md",
        "002.part-one/chapter.md",
        "003.part-two/001.own-slug/docs.md",
        "003.part-two/chapter.md",
        "004.end/docs.md",
    ];
    assert_eq!(book.files(), files);
    // The theme prints the title, so the heading goes and its id is the top of the page.
    assert!(book.read("001.hello/docs.md").ends_with("---\n\n[a](/h/part-one/a) [in](/h/part-one/a#inner)\n"));
    assert!(book.read("002.part-one/001.a/docs.md").ends_with("## Inner {#inner}\n\n! **Warning**\n!\n! careful\n\n- [ ] todo\n"));
    assert!(book.read("003.part-two/001.own-slug/docs.md").ends_with("“Quoted” – text\n\n```rust\nhidden\nshown\n```\n"));
    assert!(!book.read("004.end/docs.md").contains("aliases"));
}

#[test]
fn notes_as_shortcodes_stand_on_lines_of_their_own() {
    let book = Book::new(&[
        ("book.toml", "[output.grav]\nnotes = \"shortcodes\"\n"),
        ("SUMMARY.md", "- [A](a.md)\n"),
        ("a.md", "before\n> [!CAUTION]\n> careful\n> now\n>\n> - one\n> - two\n\nafter\n\n- item\n\n  > [!NOTE]\n  > within\n"),
    ]);
    book.convert();
    let text = "before\n\n[notice=warning]\n\n**Caution**\n\ncareful\nnow\n\n- one\n- two\n\n[/notice]\n\nafter\n\n\
                - item\n\n    [notice=note]\n\n    **Note**\n\n    within\n\n    [/notice]\n";
    let page = book.read("01.a/default.md");
    assert!(page.ends_with(text), "{page}");
}
