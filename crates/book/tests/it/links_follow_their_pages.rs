//! Every internal link and fragment that worked in the book works in Grav.

use crate::support::Book;

const SUMMARY: &str = "[Intro](intro.md)\n\n- [Guide](guide/README.md)\n  - [One](guide/one.md)\n- [Drafty]()\n- [Two](other/Two.md)\n";

fn links(text: &str, toml: &str) -> (String, Vec<String>) {
    let book = Book::new(&[
        ("book.toml", toml),
        ("SUMMARY.md", SUMMARY),
        ("intro.md", "# Intro\n\n## Über uns\n"),
        ("guide/README.md", "# Guide\n"),
        ("guide/one.md", text),
        ("other/Two.md", "# Two\n\nnote[^a]\n\n[^a]: b\n\n## Part\n"),
    ]);
    let (_, findings) = book.convert();
    let page = book.read("02.guide/01.one/default.md");
    (page.split_once("\n---\n\n").unwrap().1.to_owned(), findings)
}

#[test]
fn all_forms_of_a_target_are_found() {
    let text = "[a](../other/Two.md#part) [b](../other/Two.html) [c](.) [d](index.html) [e](README.md \"t\") [f](#) [g](../intro.md#über-uns)\n\
                [h](../other/Two.md#footnote-a) [i](../intro.md?q=1#intro) [j](../other/two.md)\n";
    let (body, findings) = links(text, "");
    assert_eq!(
        body,
        "[a](/two#part) [b](/two) [c](/guide) [d](/guide) [e](/guide \"t\") [f](#) [g](/#%C3%BCber-uns)\n\
         [h](/two#fn:a) [i](/?q=1#intro) [j](/two)\n"
    );
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn references_are_rewritten_once_or_written_out() {
    let text = "[two] and [a_b][Two] and [`t`] [x][l(1)].\n\n> [q]\n>\n> [q]: ../other/Two.md\n\n[two]: ../other/Two.md 'a \"b\"'\n[`t`]: <../other/Two.md#part>\n[l(1)]: https://e.org/a?id=1&b\n";
    let (body, _) = links(text, "");
    assert_eq!(
        body,
        "[two] and [a_b][Two] and [`t`][`t`] <a href=\"https://e.org/a?id=1&amp;b\">x</a>.\n\n> [q](/two)\n\n\
         [two]: /two 'a \"b\"'\n[`t`]: /two#part\n[l(1)]: https://e.org/a?id=1&b\n"
    );
}

#[test]
fn what_leads_nowhere_stays_and_is_named_with_its_line() {
    let (body, findings) = links("# One\n\n[a](none.md)\n[b](../../std/x.html) [c](/else) [d](#nope)\n", "");
    assert_eq!(body, "# One {#one}\n\n[a](none.md)\n[b](../../std/x.html) [c](/else) [d](#nope)\n");
    assert_eq!(
        findings,
        [
            "guide/one.md:3: `none.md`: target not found: there is no such file in the book",
            "guide/one.md:4: `../../std/x.html` leaves the book",
            "guide/one.md:4: `#nope`: the page has no id `nope`",
        ]
    );
}

#[test]
fn links_may_be_relative_and_the_site_may_be_ours() {
    let toml = "[output.html]\nsite-url = \"/book/\"\n[output.grav]\nlinks = \"relative\"\nroute = \"/docs\"\n";
    let (body, _) = links("[a](/book/other/Two.html) [b](README.md) [c](one.md#x)\n\n## X\n", toml);
    assert_eq!(body, "[a](../../two) [b](..) [c](.#x)\n\n## X {#x}\n");
}

#[test]
fn old_addresses_answer() {
    let toml = "[output.html.redirect]\n\"/old/place.html\" = \"../guide/one.html#x\"\n\"/gone.html\" = \"https://e.org/\"\n[output.grav]\nredirect-snippet = true\n";
    let book = Book::new(&[
        ("book.toml", toml),
        ("SUMMARY.md", SUMMARY),
        ("intro.md", ""),
        ("guide/README.md", ""),
        ("guide/one.md", "# O\n"),
        ("other/Two.md", ""),
    ]);
    book.convert();
    assert!(book.read("02.guide/01.one/default.md").contains("aliases:\n    - '/old/place'\n"));
    assert!(book.read("02.guide/default.md").contains("aliases:\n    - '/guide/index'\n"));
    assert!(book.read("03.two/default.md").contains("- '/other/Two'\n"));
    assert_eq!(book.read(".mdbook-grav.site.yaml"), "redirects:\n  '/gone.html': 'https://e.org/'\n");
}
