//! Texts of JSON: escapes to characters, and escapes that name no character mended.

use memchr::memmem;
use std::borrow::Cow;

/// The characters of a validated JSON text (without its quotes). Half a surrogate pair becomes U+FFFD.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let (plain, mut rest) = text.split_at(first);
    out.push_str(plain);
    while let Some(escape) = rest.as_bytes().get(1) {
        let (character, bytes) = match escape {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode(rest.as_bytes()),
            other => (char::from(*other), 2),
        };
        out.push(character);
        rest = rest.get(bytes..).unwrap_or_default();
        let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        out.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
    Cow::Owned(out)
}

/// The character at a `\u` escape, and how many bytes name it: 6, or 12 for a pair.
fn unicode(bytes: &[u8]) -> (char, usize) {
    let high = code_unit(bytes);
    if let Some(character) = high.and_then(|unit| char::from_u32(u32::from(unit))) {
        return (character, 6);
    }
    let low = bytes.get(6..).and_then(code_unit);
    let pair = high.into_iter().chain(low);
    match char::decode_utf16(pair).next() {
        Some(Ok(character)) => (character, 12),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

/// The UTF-16 code unit of a `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let hex = bytes.get(..6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// Replaces each escape of half a surrogate pair by `\ufffd`, in place: what is stored must be text for every reader after us.
/// A whole pair stays as sent. Costs a search when there is none, which is nearly always so.
pub(crate) fn mend_surrogates(bytes: &mut [u8]) {
    let Some(mut at) = memchr::memchr(b'\\', bytes) else { return };
    if memmem::find(&bytes[at..], b"\\ud").is_none() && memmem::find(&bytes[at..], b"\\uD").is_none() {
        return;
    }
    while let Some(next) = memchr::memchr(b'\\', &bytes[at..]) {
        at += next;
        at += match code_unit(&bytes[at..]) {
            Some(0xd800..0xdc00) if matches!(bytes.get(at + 6..).and_then(code_unit), Some(0xdc00..0xe000)) => 12,
            Some(0xd800..0xe000) => {
                bytes[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            // Any other escape is at least two bytes: the second may be a backslash and begins nothing.
            _ => 2.min(bytes.len() - at),
        };
    }
}

/// The text with `NaN`, `Infinity` and `-Infinity` outside quotes turned into `null`. Some SDKs write them, though JSON has none of them.
pub(crate) fn lenient(text: &str) -> Cow<'_, str> {
    const FOREIGN: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if FOREIGN.iter().all(|name| memmem::find(text.as_bytes(), name.as_bytes()).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut rest) = (false, text);
    while let Some(character) = rest.chars().next() {
        let foreign = FOREIGN.iter().find(|name| !quoted && rest.starts_with(**name));
        let bytes = match (foreign, character) {
            (Some(name), _) => name.len(),
            // An escape is two characters at least, and the second does not close the quotes.
            (None, '\\') => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, character) => character.len_utf8(),
        };
        quoted ^= character == '"';
        out.push_str(if foreign.is_some() { "null" } else { &rest[..bytes] });
        rest = &rest[bytes..];
    }
    Cow::Owned(out)
}
