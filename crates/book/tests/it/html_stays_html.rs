//! Raw HTML reaches the browser as written, and Markdown between its lines stays Markdown.

use crate::support::{Book, check};

#[test]
fn containers_do_not_swallow_their_text() {
    check(
        "<details>\n<summary>More</summary>\n\n*text* `a < b`\n\n</details>\n",
        "<!-- --><details><!-- -->\n<!-- --><summary>More</summary><!-- -->\n\n*text* `a < b`\n\n<!-- --></details><!-- -->\n",
    );
    check("<T>\n\nend\n", "<!-- -->&lt;T><!-- -->\n\nend\n");
    check("<!-- a --> b\n\nend\n", "<!-- a --> b<!-- -->\n\nend\n");
}

#[test]
fn addresses_in_raw_html_are_from_the_site() {
    let book = Book::new(&[
        ("book.toml", "[output.grav]\nbase = \"/site\"\n"),
        ("SUMMARY.md", "[Start](README.md)\n\n- [A](dir/a.md)\n"),
        ("README.md", "# Start\n"),
        ("dir/a.md", "<img src=\"../x y.png\">\n\n<a href=\"../index.html#start\">s</a> and <a\n  href=\"a.md\">a</a>\n"),
        ("x y.png", "png"),
    ]);
    book.convert();
    assert!(
        book.read("02.a/default.md")
            .ends_with("<img src=\"/site/a/x-y.png\">\n\n<a href=\"/site/#start\">s</a> and <a href=\"/site/a\">a</a>\n")
    );
}
