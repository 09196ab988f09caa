//! A look into the body of a request that was refused: which events it was about, as far as that can be told.
//!
//! In: bytes that may be broken anywhere. Out: token, uuids, distinct ids and names that stand in them.
//! No parser: a body that is refused because it is no JSON must be looked into all the same, and a wrong guess costs nothing, since a trace compares whole ids.

use flate2::read::GzDecoder;
use std::borrow::Cow;
use std::io::Read;
use uuid::Uuid;

/// Bytes that are looked at.
const LOOKED_AT_MAX: usize = 256 * 1024;
/// Bytes of a packed body that are looked at.
pub(crate) const PACKED_MAX: usize = 64 * 1024;
/// Different values of one kind that are kept.
pub(crate) const VALUES_MAX: usize = 50;
/// Bytes of a value; a longer one is cut.
const VALUE_BYTES_MAX: usize = 800;
const GZIP: &[u8] = &[0x1f, 0x8b];

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The whole token, the first one; empty when there is none.
    pub(crate) token: String,
    pub(crate) uuids: Vec<Uuid>,
    pub(crate) distinct_ids: Vec<String>,
    pub(crate) events: Vec<String>,
}

/// Looks into a text.
pub(crate) fn seen(text: &[u8]) -> Seen {
    let text = &text[..text.len().min(LOOKED_AT_MAX)];
    let mut seen = Seen::default();
    for quote in memchr::memchr_iter(b'"', text) {
        let rest = &text[quote + 1..];
        let Some((kind, key)) = KEYS.iter().find(|(_, key)| rest.starts_with(key)) else { continue };
        let Some(value) = value_after(&rest[key.len()..]) else { continue };
        match kind {
            Key::Token if seen.token.is_empty() => seen.token = value.into_owned(),
            Key::Token => {}
            Key::Uuid => {
                if let Ok(uuid) = Uuid::try_parse(value.trim()) {
                    push(&mut seen.uuids, uuid);
                }
            }
            Key::DistinctId => push(&mut seen.distinct_ids, value.into_owned()),
            Key::Event => push(&mut seen.events, value.into_owned()),
        }
    }
    seen
}

/// A body as text, as far as it can be unpacked.
pub(crate) fn unpacked(body: &[u8]) -> Cow<'_, [u8]> {
    let body = &body[..body.len().min(LOOKED_AT_MAX)];
    if !body.starts_with(GZIP) {
        return Cow::Borrowed(body);
    }
    let mut text = Vec::new();
    let mut part = [0; 4096];
    let mut decoder = GzDecoder::new(body);
    // What comes out before the fault is all that there is.
    while let Ok(len @ 1..) = decoder.read(&mut part) {
        text.extend_from_slice(&part[..len]);
        if text.len() >= LOOKED_AT_MAX {
            break;
        }
    }
    Cow::Owned(text)
}

/// Adds a value unless it is there or there are enough.
pub(crate) fn push<T: PartialEq>(values: &mut Vec<T>, value: T) {
    if values.len() < VALUES_MAX && !values.contains(&value) {
        values.push(value);
    }
}

enum Key {
    Token,
    Uuid,
    DistinctId,
    Event,
}

const KEYS: &[(Key, &[u8])] = &[
    (Key::Uuid, b"uuid\""),
    (Key::DistinctId, b"distinct_id\""),
    (Key::DistinctId, b"$distinct_id\""),
    (Key::Event, b"event\""),
    (Key::Token, b"api_key\""),
    (Key::Token, b"token\""),
    (Key::Token, b"$token\""),
];

/// The text or number after a key: its quotes are gone by now, colon and value follow.
fn value_after(rest: &[u8]) -> Option<Cow<'_, str>> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let Some(text) = rest.strip_prefix(b"\"") else {
        let len = rest.iter().take(40).take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')).count();
        return (len > 0).then(|| String::from_utf8_lossy(&rest[..len]));
    };
    let text = &text[..text.len().min(VALUE_BYTES_MAX)];
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    let (raw, quoted) = match end {
        Some(end) => (&text[..end], Some(&rest[..end + 2])),
        None => (text, None),
    };
    let unescaped = quoted.filter(|_| raw.contains(&b'\\')).and_then(|quoted| serde_json::from_slice::<String>(quoted).ok());
    Some(unescaped.map_or_else(|| String::from_utf8_lossy(raw), Cow::Owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0191c7ee-0000-7000-8000-000000000001";

    #[test]
    fn finds_ids_in_broken_texts() {
        let text = format!(
            r#"{{"api_key" : "phc_a", "batch":[{{"uuid":"{ID}","event":"a\"b","distinct_id":42,"properties":{{"token":"x"}}}},{{"uuid":"{ID}""#
        );
        let expected = Seen {
            token: "phc_a".to_owned(),
            uuids: vec![Uuid::parse_str(ID).expect("a uuid")],
            distinct_ids: vec!["42".to_owned()],
            events: vec!["a\"b".to_owned()],
        };
        assert_eq!(seen(text.as_bytes()), expected);
        assert_eq!(seen(br#"{"event":"cut o"#).events, ["cut o"]);
        assert_eq!(seen(b"no json at all"), Seen::default());
    }

    #[test]
    fn a_packed_body_gives_what_comes_before_its_fault() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let text = format!(r#"[{{"event":"early","distinct_id":"ann"}},{}]"#, r#"{"event":"late","n":1},"#.repeat(100));
        encoder.write_all(text.as_bytes()).expect("memory");
        let mut body = encoder.finish().expect("memory");
        body.truncate(body.len() - 8);
        assert_eq!(seen(&unpacked(&body)).events, ["early", "late"]);
        assert_eq!(unpacked(b"plain").as_ref(), b"plain");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_bad(bytes: Vec<u8>) {
            seen(&unpacked(&bytes));
            seen(&[b"\"uuid\":\"".as_slice(), &bytes].concat());
        }
    }
}
