//! What the scanner reads, refuses and writes.

use super::*;
use proptest::prelude::*;

fn value(raw: &str) -> Value<'_> {
    classify(raw).expect("valid")
}

#[test]
fn each_kind_has_its_form() {
    let text = |text: &'static str| Value::Str(Cow::Borrowed(text));
    let json = |text: &'static str| Value::Json(Cow::Borrowed(text));
    for (raw, expected) in [
        (r#""a""#, text("a")),
        (r#""""#, text("")),
        (r#""a\"b\\\u00e9\ud83d\ude00""#, text("a\"b\\é😀")),
        ("0", Value::Int(0)),
        ("-1", Value::Int(-1)),
        ("9223372036854775807", Value::Int(i64::MAX)),
        ("-9223372036854775808", Value::Int(i64::MIN)),
        ("9223372036854775808", json("9223372036854775808")),
        ("123456789012345678901234567890", json("123456789012345678901234567890")),
        ("1.0", Value::Float(1.0)),
        ("-0.0", Value::Float(-0.0)),
        ("1e5", Value::Float(100_000.0)),
        ("0e-999", Value::Float(0.0)),
        ("1e400", json("1e400")),
        ("1e-400", json("1e-400")),
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("null", json("null")),
        ("[1, 2]", json("[1, 2]")),
        (r#"{"a":{}}"#, json(r#"{"a":{}}"#)),
    ] {
        assert_eq!(value(raw), expected, "{raw}");
    }
    for raw in ["", "x", "\"", "+1"] {
        assert!(classify(raw).is_err(), "{raw}");
    }
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    for (text, expected) in [
        (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
        (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
        (r#"{"a":"\ude00x"}"#, r#"{"a":"\ufffdx"}"#),
        (r#"{"\uD800":["\ud83d\ud83d\ude00"]}"#, r#"{"\ufffd":["\ufffd\ud83d\ude00"]}"#),
        (r#"{"a":"\\ud800"}"#, r#"{"a":"\\ud800"}"#),
        (r#""\ud8"#, r#""\ud8"#),
        ("\\", "\\"),
    ] {
        assert_eq!(repair_surrogates(text), expected);
    }
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let is_taken = |text: &str| members(text).all(|member| member.is_ok());
    assert!(is_taken(&nested(127)));
    assert!(!is_taken(&nested(128)));
    assert!(!is_taken(&nested(100_000)));
    assert!(is_taken(&format!(r#"{{"a":["{}",{}[]]}}"#, "[".repeat(500), "[],".repeat(500))));
}

#[test]
fn elements_come_in_order() {
    let all = |text| elements(text).collect::<Vec<_>>();
    assert_eq!(all(r#" [ 1 , "a,]" , [2, {}] ,null ] "#), ["1", r#""a,]""#, "[2, {}]", "null"]);
    assert_eq!(all("[1,2"), ["1", "2"]);
    for text in ["", "[]", "{}", "1", "[,]", "[x"] {
        assert!(all(text).is_empty(), "{text}");
    }
}

#[test]
fn members_come_in_order_with_their_text() {
    let text = r#" { "a" : 1 , "b\n":"x\ty", "a":[1, {"c":2}] } "#;
    let found: Vec<_> =
        members(text).map(|member| member.map(|m| (m.key.into_owned(), m.raw.to_owned()))).collect::<Result<_, _>>().expect("valid");
    let expected = [("a", "1"), ("b\n", r#""x\ty""#), ("a", r#"[1, {"c":2}]"#)].map(|(key, raw)| (key.to_owned(), raw.to_owned()));
    assert_eq!(found, expected);
    assert_eq!(members("").count(), 0);
    for bad in [
        "[1]",
        "null",
        "{",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":[1}"#,
        r#"{"a":{]}"#,
        r#"{"a":{"b"}}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":01}"#,
        r#"{"a":tru}"#,
        r#"{"a":1} x"#,
        r#"{"a\x":1}"#,
        "{\"a\":\"\n\"}",
        "x",
    ] {
        assert!(members(bad).any(|member| member.is_err()), "{bad}");
    }
}

#[test]
fn sameness_is_of_values() {
    for (left, right, same) in [
        (r#""a""#, r#""a""#, true),
        (r#""a""#, r#""b""#, false),
        (r#""é""#, r#""\u00e9""#, true),
        ("1", "1.0", true),
        ("1", "2", false),
        ("1", r#""1""#, false),
        ("9007199254740993", "9007199254740992.0", false),
        ("12345678901234567890", "12345678901234567891", false),
        ("-9223372036854775808", "0.5", false),
        (r#"{"a":1,"b":2}"#, r#"{ "b":2, "a":1 }"#, true),
        ("[1,2]", "[2,1]", false),
        ("null", "null", true),
    ] {
        assert_eq!(same_value(left, right), same, "{left} {right}");
        assert_eq!(same_value(right, left), same, "{right} {left}");
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_filter("JSON has finite numbers only", |n| n.is_finite()).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn written(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) => serde_json::to_string(text).expect("valid"),
        Value::Float(number) => serde_json::to_string(number).expect("finite"),
        other => other.to_text().into_owned(),
    }
}

proptest! {
    #[test]
    fn what_is_taken_is_what_strict_readers_take(text in "[{}\\[\\]\",:0-9a-e.+\\-\\\\ untrlsfé\n]{0,24}") {
        let text = format!("{{\"a\":{text}}}");
        // A key that repeats is no error to either.
        let taken = members(&text).all(|member| member.is_ok());
        prop_assert_eq!(taken, serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn members_are_those_that_strict_readers_find(sent in proptest::collection::btree_map(any::<String>(), any_json(), 0..6), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&sent) } else { serde_json::to_string(&sent) }.expect("valid");
        let found: Result<std::collections::BTreeMap<String, serde_json::Value>, _> = members(&text)
            .map(|member| member.map(|member| (member.key.into_owned(), serde_json::from_str(member.raw).expect("valid"))))
            .collect();
        let expected: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).expect("valid");
        prop_assert_eq!(found.expect("valid"), expected);
    }

    #[test]
    fn what_is_sent_comes_back(sent in any_json()) {
        let raw = sent.to_string();
        prop_assert_eq!(written(&value(&raw)), raw);
    }

    #[test]
    fn any_text_is_refused_or_taken_but_never_panics(text in any::<String>()) {
        let _ = members(&repair_surrogates(&text)).count();
        let _ = classify(&text);
        let _ = same_value(&text, "1");
    }

    #[test]
    fn escaping_is_what_a_reader_undoes(text in any::<String>()) {
        let mut out = String::new();
        write_string(&text, &mut out);
        prop_assert_eq!(serde_json::from_str::<String>(&out).expect("valid"), text.clone());
        prop_assert_eq!(format!("\"{}\"", escaped(&text)), out);
    }
}
