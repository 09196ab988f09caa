//! Files that we did not write are never touched, and nothing is written when one is in the way.

use crate::support::Book;
use mdbook_grav::{Error, Overrides};
use std::fs;

#[test]
fn a_foreign_file_in_the_way_stops_everything() {
    let book = Book::new(&[("SUMMARY.md", "- [A](a.md)\n- [B](b.md)\n"), ("a.md", "# A\n"), ("b.md", "# B\n")]);
    fs::create_dir_all(book.out().join("02.b")).unwrap();
    fs::write(book.out().join("02.b/default.md"), "theirs").unwrap();
    let (done, _) = book.try_convert(Overrides::default());
    assert!(matches!(done, Err(Error::Foreign { .. })), "{done:?}");
    assert_eq!(book.files(), ["02.b/default.md"]);
    assert_eq!(book.read("02.b/default.md"), "theirs");
}

#[test]
fn neighbours_stay() {
    let book = Book::page("# A\n");
    fs::create_dir_all(book.out().join("05.blog")).unwrap();
    fs::write(book.out().join("05.blog/blog.md"), "---\ntitle: Blog\n---\n").unwrap();
    book.convert();
    assert_eq!(book.files(), ["01.page/default.md", "05.blog/blog.md"]);
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_followed() {
    let book = Book::page("# A\n");
    let elsewhere = book.root().join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(book.out()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, book.out().join("01.page")).unwrap();
    let (done, _) = book.try_convert(Overrides::default());
    assert!(matches!(done, Err(Error::Symlink { .. })), "{done:?}");
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
}

#[test]
fn a_live_site_needs_a_word() {
    let book = Book::page("# A\n");
    let out = book.out().join("user/pages");
    fs::create_dir_all(&out).unwrap();
    let convert = |live| {
        let overrides = Overrides { live, ..Overrides::default() };
        mdbook_grav::convert_book(&book.root(), &out, overrides, &mut mdbook_grav::Report::default())
    };
    assert!(matches!(convert(false), Err(Error::Live { .. })));
    assert!(convert(true).is_ok());
}

#[test]
fn a_manifest_cannot_point_outside() {
    let book = Book::page("# A\n");
    fs::create_dir_all(book.out()).unwrap();
    let manifest = r#"{"version":1,"route":"","base":"","outside":[],"files":{"../book/book.toml":"00"}}"#;
    fs::write(book.out().join(".mdbook-grav.json"), manifest).unwrap();
    let (done, _) = book.try_convert(Overrides::default());
    assert!(matches!(done, Err(Error::Manifest { .. })), "{done:?}");
}
