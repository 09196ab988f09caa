//! The JSON scanner against tables, and against serde_json on generated texts.

use super::*;
use proptest::prelude::*;

fn whole(text: &str) -> Result<Raw<'_>, JsonError> {
    let mut cursor = Cursor::new(text);
    let raw = cursor.value()?;
    cursor.end()?;
    Ok(raw)
}

#[test]
fn valid_values_are_handed_out_without_the_space_around() {
    let table = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "12",
        "-1.5",
        "1e9",
        "1E-9",
        "1.25e+3",
        r#""""#,
        r#""a""#,
        r#""é 日本 \u00e9 \n\\""#,
        "[]",
        "{}",
        "[[],{}]",
        r#"{"a":[1,{"b":null}],"c":"}"}"#,
        r#"{ "a" : [ 1 , 2 ] }"#,
        r#"[ ]"#,
        "{\n}",
        r#"{"":0}"#,
        r#""12345678""#,
        r#""1234567\"890""#,
        "1e999",
    ];
    for text in table {
        assert_eq!(whole(text).map(|raw| raw.0), Ok(text), "{text}");
        assert_eq!(whole(&format!(" \n{text}\t\r ")).map(|raw| raw.0), Ok(text), "{text} with space");
    }
}

#[test]
fn invalid_values_are_refused() {
    let table = [
        "",
        " ",
        "nul",
        "tru",
        "True",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        r#"""#,
        r#""a"#,
        r#""\"#,
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        "\"a\nb\"",
        "\"\u{0}\"",
        "\"1234567\u{1}\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "[1 2]",
        "{",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1"#,
        r#"{a:1}"#,
        r#"{'a':1}"#,
        r#"{"a" 1}"#,
        r#"{1:1}"#,
        "[}",
        "{]",
        "[1}",
        r#"{"a":1]"#,
        "1 2",
        "{} {}",
        "// c",
        "[1]x",
        "\u{feff}1",
    ];
    for text in table {
        assert!(whole(text).is_err(), "{text:?}");
    }
}

#[test]
fn depth_is_capped_where_serde_json_caps_it() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(whole(&nested(127)).is_ok());
    assert!(serde_json::from_str::<serde_json::Value>(&nested(127)).is_ok());
    assert_eq!(whole(&nested(128)), Err(JsonError::TooDeep { at: 127 }));
    assert!(serde_json::from_str::<serde_json::Value>(&nested(128)).is_err());
    assert!(whole(&"[".repeat(10_000_000)).is_err());
    assert!(whole(&"{\"a\":".repeat(1_000_000)).is_err());
}

#[test]
fn depth_counts_what_was_entered() {
    let text = format!("[{}{}]", "[".repeat(127), "]".repeat(127));
    let mut cursor = Cursor::new(&text);
    cursor.enter_array().expect("an array");
    assert_eq!(cursor.next_element(), Ok(true));
    assert_eq!(cursor.value(), Err(JsonError::TooDeep { at: 127 }));
}

#[test]
fn objects_and_arrays_are_walked() {
    let mut cursor = Cursor::new(r#" { "a" : 1 , "\u0062" : [ true , "x" ] } "#);
    cursor.enter_object().expect("an object");
    assert_eq!(cursor.next_key(), Ok(Some("a".into())));
    assert_eq!(cursor.value(), Ok(Raw("1")));
    assert_eq!(cursor.next_key(), Ok(Some("b".into())));
    cursor.enter_array().expect("an array");
    assert_eq!(cursor.next_element(), Ok(true));
    assert_eq!(cursor.value().map(Raw::bool), Ok(Some(true)));
    assert_eq!(cursor.next_element(), Ok(true));
    assert_eq!(cursor.value().map(Raw::text), Ok(Some("x".into())));
    assert_eq!(cursor.next_element(), Ok(false));
    assert_eq!(cursor.next_key(), Ok(None));
    assert_eq!(cursor.end(), Ok(()));
}

#[test]
fn decoding() {
    let table = [
        ("plain", "plain"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\u0041\u00e9\u65e5", "Aé日"),
        (r"\ud83d\ude00!", "😀!"),
        (r"\uD83D\uDE00", "😀"),
        (r"\ud83d", "\u{fffd}"),
        (r"\ud83dx", "\u{fffd}x"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"a\u0000b", "a\0b"),
        (r"é\né", "é\né"),
    ];
    for (text, expected) in table {
        assert_eq!(decode(text), expected, "{text}");
    }
}

#[test]
fn mending() {
    let table = [
        (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
        (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
        (r#"{"a":"\uD83Dx\uDE00"}"#, r#"{"a":"\ufffdx\ufffd"}"#),
        (r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#),
        (r#"{"a":"\\\ud83d"}"#, r#"{"a":"\\\ufffd"}"#),
        (r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#),
        (r#""\ud8"#, r#""\ud8"#),
        (r"\ud800\", r"\ufffd\"),
    ];
    for (text, expected) in table {
        let mut bytes = text.as_bytes().to_vec();
        mend_surrogates(&mut bytes);
        assert_eq!(String::from_utf8(bytes).expect("text"), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in r#"[\[\]{}",:\\ u0-9a-f.eE+\-tnrlsé\x00-\x1f]{0,40}"#) {
        let ours = whole(&text).map(|raw| raw.0.to_owned());
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
    }

    #[test]
    fn takes_what_serde_json_writes(value in value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("writes");
        prop_assert_eq!(whole(&text).map(|raw| raw.0), Ok(&*text));
    }

    #[test]
    fn decodes_as_serde_json_does(text in any::<String>()) {
        let json = serde_json::to_string(&text).expect("writes");
        prop_assert_eq!(whole(&json).expect("valid").text().expect("a text"), text);
    }

    #[test]
    fn a_cut_or_changed_byte_never_panics(value in value(), at in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let mut bytes = serde_json::to_vec(&value).expect("writes");
        let at = at.index(bytes.len());
        if bytes[at] < 128 {
            bytes[at] = byte;
        }
        mend_surrogates(&mut bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = whole(text);
        }
        if let Ok(text) = std::str::from_utf8(&bytes[..at]) {
            let _ = whole(text);
        }
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e9..1e9).prop_map(|number: f64| number.into()),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
