//! Property values as JSON, both ways.
//!
//! # Invariants
//! - Floats are written in the shortest form that reads back the same, integers without a point, texts with the fewest escapes, nested JSON as
//!   it was sent.

use aqueduct_event::PropertyValue;
use std::borrow::Cow;

/// Appends a text as a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Writing to memory does not fail; a text has no form that JSON cannot express.
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"null");
    }
}

/// Appends a value.
pub(crate) fn write_value(out: &mut Vec<u8>, value: PropertyValue<'_>) {
    match value {
        PropertyValue::Str(text) => write_text(out, text),
        PropertyValue::Int(number) => {
            let _ = serde_json::to_writer(&mut *out, &number);
        }
        PropertyValue::Float(number) => {
            let _ = serde_json::to_writer(&mut *out, &number);
        }
        PropertyValue::Bool(true) => out.extend_from_slice(b"true"),
        PropertyValue::Bool(false) => out.extend_from_slice(b"false"),
        PropertyValue::Json(text) => out.extend_from_slice(text.as_bytes()),
    }
}

/// A value that owns its text only where escapes had to be resolved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parsed<'a> {
    Text(Cow<'a, str>),
    Json(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Parsed<'_> {
    pub(crate) fn value(&self) -> PropertyValue<'_> {
        match self {
            Self::Text(text) => PropertyValue::Str(text),
            Self::Json(text) => PropertyValue::Json(text),
            Self::Int(number) => PropertyValue::Int(*number),
            Self::Float(number) => PropertyValue::Float(*number),
            Self::Bool(value) => PropertyValue::Bool(*value),
        }
    }
}

/// The value of a JSON text that is known to be valid, in the narrowest type that gives it back.
pub(crate) fn parse_value(raw: Cow<'_, str>) -> Parsed<'_> {
    match raw.as_bytes().first() {
        Some(b'"') => parse_text(raw),
        Some(b't') if raw == "true" => Parsed::Bool(true),
        Some(b'f') if raw == "false" => Parsed::Bool(false),
        Some(b'-' | b'0'..=b'9') => parse_number(raw),
        _ => Parsed::Json(raw),
    }
}

fn parse_text(raw: Cow<'_, str>) -> Parsed<'_> {
    if raw.contains('\\') {
        // A lone surrogate has no UTF-8 form: it stays JSON.
        return serde_json::from_str::<String>(&raw).map_or(Parsed::Json(raw), |text| Parsed::Text(Cow::Owned(text)));
    }
    match raw {
        Cow::Borrowed(raw) => Parsed::Text(Cow::Borrowed(raw.trim_matches('"'))),
        Cow::Owned(raw) => Parsed::Text(Cow::Owned(raw.trim_matches('"').to_owned())),
    }
}

fn parse_number(raw: Cow<'_, str>) -> Parsed<'_> {
    let whole = !raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if whole && raw != "-0" {
        return raw.parse::<i64>().map_or(Parsed::Json(raw), Parsed::Int);
    }
    match raw.parse::<f64>() {
        Ok(number) if number.is_finite() => Parsed::Float(number),
        _ => Parsed::Json(raw),
    }
}

/// Keys and values of a JSON object, in its order; stops at what is not JSON.
pub(crate) fn object_entries(object: &str) -> impl Iterator<Item = (Cow<'_, str>, Parsed<'_>)> {
    sonic_rs::to_object_iter(object).map_while(Result::ok).map(|(key, value)| (key, parse_value(value.as_raw_cow())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(object: &str) {
        let mut out = vec![b'{'];
        for (key, value) in object_entries(object) {
            if out.len() > 1 {
                out.push(b',');
            }
            write_text(&mut out, &key);
            out.push(b':');
            write_value(&mut out, value.value());
        }
        out.push(b'}');
        assert_eq!(String::from_utf8(out).unwrap(), object);
    }

    #[test]
    fn values_come_back_as_sent() {
        check(r#"{"a":1,"b":1.0,"c":-0.0,"d":"ü\u0000\"\\","e":null,"f":[1, 2.50,{"x":"y"}],"g":true,"h":false,"i":""}"#);
        check(r#"{"big":18446744073709551616,"over":9223372036854775808,"far":1e400,"tiny":5e-324,"large":1e+21}"#);
        check("{}");
    }
}
