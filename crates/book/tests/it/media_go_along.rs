//! Pictures and files lie beside the page that shows them, bytes unchanged.

use crate::support::Book;

const SUMMARY: &str = "- [A](dir/a.md)\n- [B](b.md)\n";

#[test]
fn each_page_has_its_copy() {
    let book = Book::new(&[
        ("SUMMARY.md", SUMMARY),
        ("dir/a.md", "![one](../img/x.png?raw=true \"t\") ![two](x.png) [f](../data.csv)\n"),
        ("b.md", "![a *b*][p]\n\n[p]: img/x.png\n"),
        ("img/x.png", "one"),
        ("dir/x.png", "two"),
        ("data.csv", "1"),
    ]);
    let (summary, findings) = book.convert();
    assert_eq!(summary.media, 4);
    assert_eq!(findings, ["dir/a.md:1: `../data.csv`: Grav and common web servers may refuse to serve a file of this type"]);
    assert!(book.read("01.a/default.md").ends_with("![one](x.png \"t\") ![two](x-2.png) [f](/a/data.csv)\n"));
    assert_eq!((book.read("01.a/x.png").as_str(), book.read("01.a/x-2.png").as_str()), ("one", "two"));
    assert!(book.read("02.b/default.md").ends_with("![a b](x.png)\n\n[p]: /b/x.png\n"));
}

#[test]
fn or_one_copy_below_images() {
    let book = Book::new(&[
        ("book.toml", "[output.grav]\nmedia = \"shared\"\nroute = \"/d\"\n"),
        ("SUMMARY.md", SUMMARY),
        ("dir/a.md", "![](../img/x.png)\n"),
        ("b.md", "![](img/x.png)\n"),
        ("img/x.png", "one"),
    ]);
    book.convert();
    assert_eq!(book.files(), ["01.a/default.md", "02.b/default.md", "images/img/x.png"]);
    assert!(book.read("02.b/default.md").ends_with("![](/d/images/img/x.png)\n"));
}

#[test]
fn what_grav_does_not_serve_may_go_into_an_archive() {
    let book = Book::new(&[
        ("book.toml", "[output.grav]\nunserved = \"zip\"\n"),
        ("SUMMARY.md", SUMMARY),
        ("dir/a.md", "[f](../data.csv) [t](../notes.txt)\n"),
        ("b.md", "B\n"),
        ("data.csv", "a,b\n1,2\n"),
        ("notes.txt", "n"),
    ]);
    let (_, findings) = book.convert();
    assert_eq!(findings, Vec::<String>::new());
    assert!(book.read("01.a/default.md").ends_with("[f](/a/data.csv.zip) [t](/a/notes.txt)\n"));
    let archive = std::fs::File::open(book.out().join("01.a/data.csv.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let text = std::io::read_to_string(archive.by_name("data.csv").unwrap()).unwrap();
    assert_eq!((archive.len(), text.as_str()), (1, "a,b\n1,2\n"));
    let (again, _) = book.convert();
    assert_eq!((again.written, again.unchanged), (0, 4));
}

#[cfg(unix)]
#[test]
fn nothing_is_copied_through_a_link_or_from_outside() {
    let book =
        Book::new(&[("SUMMARY.md", SUMMARY), ("dir/a.md", "![](out.png) ![](../../secret)\n"), ("b.md", "![](c.md)\n"), ("c.md", "")]);
    book.write("secret", "s");
    std::os::unix::fs::symlink(book.root().join("secret"), book.root().join("src/dir/out.png")).unwrap();
    let (summary, findings) = book.convert();
    assert_eq!(summary.media, 0);
    assert_eq!(
        findings,
        [
            "dir/a.md:1: `out.png`: file not found: it lies behind a symbolic link",
            "dir/a.md:1: `../../secret` leaves the book",
            "b.md:1: `c.md`: file not found: it is not in SUMMARY.md",
        ]
    );
}
