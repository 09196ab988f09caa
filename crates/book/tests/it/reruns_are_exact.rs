//! Same input, same bytes; what is stale goes, what was changed by hand is not removed.

use crate::support::Book;
use std::fs;

fn book() -> Book {
    Book::new(&[("SUMMARY.md", "- [A](a.md)\n- [B](b.md)\n"), ("a.md", "# A\n\n![](x.png)\n"), ("b.md", "# B\n"), ("x.png", "1")])
}

#[test]
fn a_second_run_changes_nothing() {
    let book = book();
    let (first, _) = book.convert();
    assert_eq!((first.written, first.unchanged), (3, 0));
    let manifest = book.read(".mdbook-grav.json");
    let time = fs::metadata(book.out().join("01.a/default.md")).unwrap().modified().unwrap();
    let (second, findings) = book.convert();
    assert_eq!((second.written, second.unchanged, second.removed), (0, 3, 0));
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(book.read(".mdbook-grav.json"), manifest);
    assert_eq!(fs::metadata(book.out().join("01.a/default.md")).unwrap().modified().unwrap(), time);
}

#[test]
fn stale_pages_go_and_their_folders_with_them() {
    let book = book();
    book.convert();
    book.write("src/SUMMARY.md", "- [B](b.md)\n");
    let (summary, _) = book.convert();
    assert_eq!(summary.removed, 3);
    assert_eq!(book.files(), ["01.b/default.md"]);
    assert!(!book.out().join("01.a").exists());
}

#[test]
fn a_stale_page_that_was_changed_by_hand_stays() {
    let book = book();
    book.convert();
    fs::write(book.out().join("02.b/default.md"), "---\ntitle: mine\n---\n").unwrap();
    book.write("src/SUMMARY.md", "- [A](a.md)\n");
    let (summary, findings) = book.convert();
    assert_eq!(summary.removed, 0);
    assert_eq!(findings, ["02.b/default.md: is stale but was changed by hand; left where it is"]);
    assert!(book.read("02.b/default.md").contains("mine"));
}

#[test]
fn a_run_that_was_cut_short_can_be_repeated() {
    let book = book();
    book.convert();
    fs::remove_file(book.out().join(".mdbook-grav.json")).unwrap();
    fs::remove_file(book.out().join("02.b/default.md")).unwrap();
    assert_eq!(book.convert().0.written, 1);
}
