//! The program's exit codes and what it says on standard error.

use crate::support::Book;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_mdbook-grav")).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn findings_are_warnings_until_strict() {
    let toml = "[output.grav]\ncolour = 1\n";
    let book =
        Book::new(&[("book.toml", toml), ("SUMMARY.md", "[A](a.md)\n"), ("a.md", "---\nredirect: /x\n---\n\n![](no.png) [x](no.md)\n")]);
    let (root, out) = (book.root(), book.out());
    let arguments = ["convert", root.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let (code, stderr) = run(&[&arguments[..], &["--strict"]].concat());
    assert_eq!(code, Some(1), "{stderr}");
    for part in [
        "book.toml:2: unknown option `colour`",
        "a.md:2: front matter key `redirect`",
        "a.md:5: `no.png`",
        "a.md:5: `no.md`",
        "error: 4 finding(s)",
    ] {
        assert!(stderr.contains(part), "no {part} in {stderr}");
    }
    assert!(!out.exists(), "strict writes nothing");
    let (code, stderr) = run(&arguments);
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn wrong_values_and_usage_exit_with_two() {
    let book = Book::new(&[("book.toml", "[output.grav]\nmedia = \"x\"\n"), ("SUMMARY.md", "[A](a.md)\n"), ("a.md", "")]);
    let (root, out) = (book.root(), book.out());
    let (code, stderr) = run(&["convert", root.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(
        (code, stderr.as_str()),
        (Some(2), "mdbook-grav: error: book.toml:2: option `media` is \"x\", expected \"page\" or \"shared\"\n")
    );
    assert_eq!(run(&["convert"]).0, Some(2));
    assert_eq!(run(&["--version"]).0, Some(0));
    assert_eq!(run(&["--help"]).0, Some(0));
}
