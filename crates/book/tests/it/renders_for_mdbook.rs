//! As mdBook's renderer: the context on standard input, the same tree as `convert`, plain words for another version.

use crate::support::Book;
use mdbook_driver::MDBook;
use mdbook_renderer::book::{Book as Items, BookItem, Chapter};
use mdbook_renderer::config::Config;
use mdbook_renderer::{MDBOOK_VERSION, RenderContext};
use std::io::Write;
use std::process::{Command, Stdio};

fn render(json: &[u8]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mdbook-grav")).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn writes_what_convert_writes() {
    let book = Book::page("# Page\n\n[self](page.md#page)\n");
    book.convert();
    let converted = book.read("01.page/default.md");
    std::fs::remove_dir_all(book.out()).unwrap();
    let mut chapter = Chapter::new("Page", "# Page\n\n[self](page.md#page)\n".into(), "page.md", vec![]);
    chapter.number = Some(mdbook_renderer::book::SectionNumber::new([1]));
    let items = Items::new_with_items(vec![BookItem::Chapter(chapter)]);
    let context = RenderContext::new(book.root(), items, Config::default(), book.out());
    let (code, stderr) = render(&serde_json::to_vec(&context).unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(book.read("01.page/default.md"), converted);
}

#[test]
fn mdbook_itself_runs_it() {
    let book = Book::new(&[("SUMMARY.md", "[A](a.md)\n"), ("a.md", "# A\n\n{{#include part.txt}}\n"), ("part.txt", "included")]);
    let toml = format!("[book]\ntitle = \"T\"\n[output.grav]\ncommand = {:?}\noptional = false\n", env!("CARGO_BIN_EXE_mdbook-grav"));
    book.write("book.toml", &toml);
    MDBook::load(book.root()).unwrap().build().unwrap();
    let page = std::fs::read_to_string(book.root().join("book/01.home/default.md")).unwrap();
    assert!(page.ends_with("# A {#a}\n\nincluded\n"), "{page}");
}

#[test]
fn another_version_is_named() {
    let book = Book::page("");
    let context = RenderContext::new(book.root(), Items::default(), Config::default(), book.out());
    let mut json: serde_json::Value = serde_json::to_value(&context).unwrap();
    json["version"] = "0.6.1".into();
    let (code, stderr) = render(json.to_string().as_bytes());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("mdbook 0.6.1 sent this book") && stderr.contains(MDBOOK_VERSION), "{stderr}");
    let (code, stderr) = render(b"{\"version\":\"0.4.40\",\"root\":\"/\",\"book\":{\"sections\":[]}}");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("it says mdbook 0.4.40"), "{stderr}");
    assert_eq!(render(b"").0, Some(1));
}
