//! Regular expressions of ClickHouse (RE2) in the spelling of the `regex` crate.
//!
//! In: a pattern as the user wrote it. Out: one that means the same here. What differs: `\w`, `\d`, `\s` and `\b` mean ASCII alone, and inside of
//! brackets `[`, `&` and `~` are plain characters.

use std::borrow::Cow;

/// The members of `\w`, `\d` or `\s`.
fn members(letter: char) -> Option<&'static str> {
    Some(match letter.to_ascii_lowercase() {
        'w' => "0-9A-Za-z_",
        'd' => "0-9",
        's' => r"\t\n\f\r ",
        _ => return None,
    })
}

/// The pattern as this crate's engine reads it.
pub(super) fn as_written_here(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains(['\\', '[']) {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(chars.next(), &mut out),
            '[' => class(&mut chars, &mut out),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// What follows a backslash outside of brackets.
fn escape(letter: Option<char>, out: &mut String) {
    match letter {
        Some('b') => out.push_str(r"(?-u:\b)"),
        Some(letter) => match members(letter) {
            Some(members) => out.extend(["[", if letter.is_ascii_uppercase() { "^" } else { "" }, members, "]"]),
            None => out.extend(['\\', letter]),
        },
        None => out.push('\\'),
    }
}

/// A class, from behind its `[` to its `]`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    out.push('[');
    if let Some(negation) = chars.next_if_eq(&'^') {
        out.push(negation);
    }
    if chars.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    while let Some(c) = chars.next() {
        match c {
            ']' => {
                out.push(']');
                return;
            }
            // a named class: `[:alpha:]`
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' | '&' | '~' => out.extend(['\\', c]),
            '\\' => class_escape(chars, out),
            c => out.push(c),
        }
    }
}

/// What follows a backslash in brackets. A `-` behind a class of characters is itself: such a class begins no range.
fn class_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let Some(letter) = chars.next() else {
        out.push('\\');
        return;
    };
    let Some(members) = members(letter) else {
        out.extend(['\\', letter]);
        return;
    };
    if letter.is_ascii_uppercase() {
        out.extend(["[^", members, "]"]);
    } else {
        out.push_str(members);
    }
    if chars.next_if_eq(&'-').is_some() {
        out.push_str(r"\-");
    }
}

#[cfg(test)]
mod tests {
    use super::super::regex;

    #[test]
    fn means_what_it_means_in_re2() {
        let cases = [
            (r"^\w+$", "abc_1", true),
            (r"^\w+$", "äbc", false),
            (r"^\W$", "ä", true),
            (r"^\d$", "٣", false),
            (r"^\s$", "\u{a0}", false),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^[\w-]+$", "a-b", true),
            (r"^[^\d]+$", "ab", true),
            (r"^[\D]+$", "ab1", false),
            (r"^[[]$", "[", true),
            (r"^[]]$", "]", true),
            (r"^[^]]$", "]", false),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[[:alpha:]_]+$", "ab_", true),
            (r"\bel\b", "an el b", true),
            (r"^\\w$", r"\w", true),
            (r"^.$", "ä", true),
        ];
        for (pattern, text, expected) in cases {
            let found = regex(pattern).map(|regex| regex.is_match(text));
            assert_eq!(found, Some(expected), "{pattern} on {text}");
        }
    }
}
