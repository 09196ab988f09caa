//! Names and ids as they are kept: text, without NUL, cut to their limits.

use crate::json::{Kind, Raw};
use std::borrow::Cow;

/// The text of a distinct id or event name: text stays, every other value becomes its JSON. `None` for `null`.
pub(crate) fn coerced(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    match raw.kind() {
        Kind::Null => None,
        Kind::Text => raw.text(),
        // A whole number is its digits, however many.
        Kind::Number if !raw.0.contains(['.', 'e', 'E']) => Some(Cow::Borrowed(raw.0)),
        // Compact, with numbers in one form: `{"a": 1.50}` and `{"a":1.5}` are the same id.
        _ => Some(match serde_json::from_str::<serde_json::Value>(raw.0) {
            Ok(value) => Cow::Owned(value.to_string()),
            Err(_) => Cow::Borrowed(raw.0),
        }),
    }
}

/// NUL becomes U+FFFD, and only the first `chars_max` characters stay. Borrows when nothing changes.
#[must_use]
pub fn cleaned(text: Cow<'_, str>, chars_max: usize) -> Cow<'_, str> {
    let text = if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text };
    // A text of so many bytes cannot have more characters.
    if text.len() <= chars_max {
        return text;
    }
    let Some((end, _)) = text.char_indices().nth(chars_max) else { return text };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_texts() {
        let table = [
            (r#""ann""#, Some("ann")),
            (r#""""#, Some("")),
            (r#""a\u0062""#, Some("ab")),
            ("23", Some("23")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("23.40", Some("23.4")),
            ("true", Some("true")),
            (r#"[ "a", "b" ]"#, Some(r#"["a","b"]"#)),
            (r#"{"b": 1, "a": "x"}"#, Some(r#"{"b":1,"a":"x"}"#)),
            ("1e999", Some("1e999")),
            ("null", None),
        ];
        for (json, expected) in table {
            assert_eq!(coerced(Raw(json)).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn texts_are_cut_by_characters() {
        let long = "é".repeat(201);
        assert_eq!(cleaned(Cow::Borrowed(&long), 200), "é".repeat(200));
        assert_eq!(cleaned(Cow::Owned(long), 200), "é".repeat(200));
        let fits = "é".repeat(200);
        assert!(matches!(cleaned(Cow::Borrowed(&fits), 200), Cow::Borrowed(text) if text == fits));
        assert_eq!(cleaned(Cow::Borrowed("a\0b"), 200), "a\u{fffd}b");
    }
}
