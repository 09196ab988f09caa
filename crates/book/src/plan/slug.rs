//! Slugs: the last part of a page's address.
//!
//! In: a chapter's path, or a name. Out: lower case words joined by `-`, at most 80 bytes, never empty, unique among siblings.

use crate::input::Chapter;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization;

/// Longest slug, in bytes: deep trees stay below the limits of common file systems.
pub(crate) const SLUG_BYTES_MAX: usize = 80;
/// Hex digits of the hash that ends a slug that was cut.
const HASH_DIGITS: usize = 8;
const _: () = assert!(HASH_DIGITS + 1 < SLUG_BYTES_MAX, "a cut slug has room for words");

/// The slug of a chapter: its file's stem, its folder's name for an index, else its name.
pub(crate) fn chapter_slug(chapter: &Chapter) -> String {
    let Some(path) = &chapter.path else { return slug_of(&chapter.name) };
    let path = path.replace('\\', "/");
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if !matches!(stem.to_ascii_lowercase().as_str(), "index" | "readme") {
        return slug_of(stem);
    }
    match parts.next() {
        Some(folder) if !folder.is_empty() && folder != ".." => slug_of(folder),
        _ => slug_of(&chapter.name),
    }
}

/// Any text as a slug.
pub(crate) fn slug_of(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.nfc().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    // Lowering may leave letters apart from their marks.
    let slug: String = slug.trim_end_matches('-').nfc().collect();
    match slug.len() {
        0 => "page".into(),
        1..=SLUG_BYTES_MAX => slug,
        _ => cut(&slug),
    }
}

fn cut(slug: &str) -> String {
    let hash: String = Sha256::digest(slug.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut end = SLUG_BYTES_MAX - HASH_DIGITS - 1;
    while !slug.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{}", slug[..end].trim_end_matches('-'), &hash[..HASH_DIGITS])
}

/// The slugs already given below one parent.
#[derive(Debug, Default)]
pub(crate) struct Siblings(HashSet<String>);

impl Siblings {
    /// The slug itself, or with `-2`, `-3`… when it is taken.
    pub(crate) fn unique(&mut self, slug: &str) -> String {
        if self.0.insert(fold(slug)) {
            return slug.into();
        }
        let mut count = 2_u32;
        loop {
            let next = format!("{slug}-{count}");
            if self.0.insert(fold(&next)) {
                return next;
            }
            count += 1;
        }
    }
}

/// Some file systems and PHP fold case in their own ways: upper, then lower, joins `ß`/`ss` and `ς`/`σ` too.
fn fold(slug: &str) -> String {
    slug.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_joined_by_dashes() {
        assert_eq!(slug_of("Handbook.culture.Org"), "handbook-culture-org");
        assert_eq!(slug_of("  C++ & Co. "), "c-co");
        assert_eq!(slug_of("_hidden"), "hidden");
        assert_eq!(slug_of("U\u{308}ber"), "über");
        assert_eq!(slug_of("🦀"), "page");
    }

    #[test]
    fn long_names_are_cut_on_a_letter_and_stay_apart() {
        let one = slug_of(&format!("{}x", "ü".repeat(100)));
        let two = slug_of(&format!("{}y", "ü".repeat(100)));
        assert!(one.len() <= SLUG_BYTES_MAX && two.len() <= SLUG_BYTES_MAX);
        assert_ne!(one, two);
    }

    #[test]
    fn siblings_never_share_a_slug() {
        let mut siblings = Siblings::default();
        assert_eq!(siblings.unique("a"), "a");
        assert_eq!(siblings.unique("a-2"), "a-2");
        assert_eq!(siblings.unique("a"), "a-3");
    }

    #[test]
    fn an_index_takes_the_name_of_its_folder() {
        let at = |path: &str| chapter_slug(&Chapter { name: "The Name".into(), path: Some(path.into()), ..Chapter::default() });
        assert_eq!(at("guide/index.md"), "guide");
        assert_eq!(at("guide/ch01.intro.md"), "ch01-intro");
        assert_eq!(at("README.md"), "the-name");
    }
}
