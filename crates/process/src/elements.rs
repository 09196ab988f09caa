//! The elements chain of autocapture (ingestion semantics, section 11): which element was clicked, inside of which others, as one searchable text.
//!
//! In: `$elements_chain` as text, or `$elements` as an array of objects. Out: the chain, for the column `elements_chain`.
//!
//! ```text
//! tag.class1.class2:attr__href="…"href="…"nth-child="1"nth-of-type="1"text="…";outer:…
//! ```
//! Elements in the order sent (innermost first), classes sorted, attributes sorted as `localeCompare` does, quotes escaped with a backslash.

use crate::draft::Draft;
use crate::json::{self, Value, classify, members};
use crate::keys::Name;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;

/// UTF-16 units of an element's text that are kept.
const TEXT_UNITS_MAX: usize = 400;
/// UTF-16 units of a link that are kept.
const HREF_UNITS_MAX: usize = 2048;

/// The chain of an event; takes its two properties out of the draft.
pub(crate) fn take_chain<'a>(draft: &mut Draft<'a>) -> Cow<'a, str> {
    let given = draft.get(Name::ElementsChain).and_then(|chain| match &chain.value {
        Value::Str(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    });
    let chain = match given {
        Some(chain) => chain,
        None => draft.get(Name::Elements).map_or(Cow::Borrowed(""), |elements| Cow::Owned(chain_of(elements.raw))),
    };
    draft.remove(Name::ElementsChain);
    draft.remove(Name::Elements);
    chain
}

/// The chain of a JSON array of elements; what is no object in it is passed over.
fn chain_of(elements: &str) -> String {
    let mut chain = String::new();
    for element in json::elements(elements).filter(|element| json::is_object(element)) {
        if !chain.is_empty() {
            chain.push(';');
        }
        write_element(element, &mut chain);
    }
    chain
}

fn write_element(raw: &str, chain: &mut String) {
    let mut attributes: Vec<(Cow<'_, str>, String)> =
        vec![(Cow::Borrowed("nth-child"), "0".to_owned()), (Cow::Borrowed("nth-of-type"), "0".to_owned())];
    let mut put = |key: Cow<'_, str>, text: String| match attributes.iter_mut().find(|(known, _)| *known == key) {
        Some((_, value)) => *value = text,
        None => attributes.push((Cow::Owned(key.into_owned()), text)),
    };
    let mut tag = String::new();
    let mut classes = Vec::new();
    for member in members(raw).map_while(Result::ok) {
        let Ok(value) = member.value() else { continue };
        if member.raw == "null" {
            continue;
        }
        match member.key.as_ref() {
            "tag_name" => tag = text_of(&value),
            "$el_text" if value.is_truthy() => put(Cow::Borrowed("text"), cut(&text_of(&value), TEXT_UNITS_MAX)),
            "nth_child" => put(Cow::Borrowed("nth-child"), text_of(&value)),
            "nth_of_type" => put(Cow::Borrowed("nth-of-type"), text_of(&value)),
            "attr__href" if value.is_truthy() => put(Cow::Borrowed("href"), cut(&text_of(&value), HREF_UNITS_MAX)),
            "attr__id" if value.is_truthy() => put(Cow::Borrowed("attr_id"), text_of(&value)),
            "attr__class" => classes = classes_of(&value),
            _ => {}
        }
        if member.key.starts_with("attr__") {
            put(member.key, text_of(&value));
        }
    }
    chain.push_str(&tag);
    classes.sort_unstable();
    for class in classes {
        let _ = write!(chain, ".{}", class.replace('"', ""));
    }
    chain.push(':');
    attributes.sort_by(|(left, _), (right, _)| locale_compare(left, right));
    for (key, value) in attributes {
        let _ = write!(chain, "{}=\"{}\"", key.replace('"', "\\\""), value.replace('"', "\\\""));
    }
}

/// A value as JavaScript's `toString` has it; the items of an array joined by commas.
fn text_of(value: &Value<'_>) -> String {
    match value {
        Value::Json(raw) if raw.starts_with('[') => items(raw).join(","),
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        other => other.to_text().into_owned(),
    }
}

fn classes_of(value: &Value<'_>) -> Vec<String> {
    match value {
        Value::Json(raw) => items(raw),
        other if other.is_truthy() => other.to_text().split(' ').map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn items(array: &str) -> Vec<String> {
    let text = |item| if item == "null" { String::new() } else { classify(item).map(|value| text_of(&value)).unwrap_or_default() };
    json::elements(array).map(text).collect()
}

/// The first `units_max` UTF-16 units, never half a character.
fn cut(text: &str, units_max: usize) -> String {
    let mut units = 0;
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= units_max
    };
    text.chars().take_while(fits).collect()
}

/// The order of `localeCompare` for the letters that attribute names are made of: signs before digits before letters, letters without regard to case, and of
/// two names that differ in case alone the lower one first.
fn locale_compare(left: &str, right: &str) -> Ordering {
    let primary = |text: &str| text.chars().map(weight).collect::<Vec<_>>();
    let case = |text: &str| text.chars().map(|c| c.is_uppercase()).collect::<Vec<_>>();
    primary(left).cmp(&primary(right)).then_with(|| case(left).cmp(&case(right))).then_with(|| left.cmp(right))
}

fn weight(c: char) -> (u8, u32) {
    const SIGNS: &str = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
    match SIGNS.find(c) {
        Some(at) => (0, u32::try_from(at).unwrap_or(u32::MAX)),
        None if c.is_ascii_digit() => (1, u32::from(c)),
        None => (2, c.to_lowercase().next().map_or(0, u32::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::DraftBuffer;
    use crate::keys::Keys;
    use expect_test::{Expect, expect};

    fn check(properties: &str, expected: Expect) {
        let keys = Keys::new();
        let mut draft = Draft::new(DraftBuffer::default());
        draft.parse(&keys, properties).expect("valid");
        let chain = take_chain(&mut draft);
        assert_eq!(draft.stored().count(), 0, "both properties are taken out");
        expected.assert_eq(&chain);
    }

    #[test]
    fn a_given_chain_is_kept() {
        check(r#"{"$elements_chain":"a:href=\"x\"","$elements":[{"tag_name":"b"}]}"#, expect![[r#"a:href="x""#]]);
        check(r#"{"$elements_chain":"","$elements":[{"tag_name":"b"}]}"#, expect![[r#"b:nth-child="0"nth-of-type="0""#]]);
        check(r#"{"$elements_chain":5}"#, expect![""]);
    }

    #[test]
    fn elements_become_a_chain() {
        check(
            r#"{"$elements":[
                {"tag_name":"a","$el_text":"Say \"hi\"","attr__href":"/x","attr__class":"small btn","attr__id":"go","nth_child":1,"nth_of_type":2,"attr__data-b":"1","attr__data_a":true},
                {"tag_name":"div","attr__class":["z","a\"b"],"nth_child":3.0,"attr__data":null},
                "no element",
                {"nth_child":null}
            ]}"#,
            expect![[
                r#"a.btn.small:attr__class="small btn"attr__data_a="true"attr__data-b="1"attr__href="/x"attr__id="go"attr_id="go"href="/x"nth-child="1"nth-of-type="2"text="Say \"hi\"";div.ab.z:attr__class="z,a\"b"nth-child="3"nth-of-type="0";:nth-child="0"nth-of-type="0""#
            ]],
        );
    }

    #[test]
    fn what_is_no_list_of_elements_gives_no_chain() {
        for elements in ["[]", "null", "{}", "\"a\"", "7", "[1]"] {
            check(&format!(r#"{{"$elements":{elements}}}"#), expect![""]);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "😀".repeat(TEXT_UNITS_MAX);
        let keys = Keys::new();
        let properties = format!(r#"{{"$elements":[{{"$el_text":"{text}"}}]}}"#);
        let mut draft = Draft::new(DraftBuffer::default());
        draft.parse(&keys, &properties).expect("valid");
        assert_eq!(take_chain(&mut draft).matches('😀').count(), TEXT_UNITS_MAX / 2);
    }
}
