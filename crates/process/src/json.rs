//! The sender's JSON, taken apart once and borrowed: members of an object, values in their narrowest form, text in and out.
//!
//! In: one JSON object as text. Out: its members as (key, raw text of the value), and [`classify`]d values.
//!
//! # Invariants
//! - Nothing here builds trees; a nested value stays the sender's text.
//! - Text that no Rust string can hold (a surrogate without its other half) becomes U+FFFD, in keys, values and nested text alike, before anything else
//!   sees it ([`repair_surrogates`]): whoever reads the stored JSON later with a strict reader must be able to.
//! - A fraction or exponent makes a number a float: its nearest `f64`, as every JSON reader takes it. Integers outside `i64` and floats outside `f64` keep
//!   their digits as JSON text.

mod scan;

use aqueduct_event::PropertyValue;
use scan::{RawString, Scanner};
use std::borrow::Cow;
use thiserror::Error;

/// The text is not the JSON that was expected there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("found {found:?}, expected a JSON {expected}")]
pub(crate) struct Malformed {
    /// The beginning of the text.
    pub(crate) found: String,
    /// What should be there.
    pub(crate) expected: &'static str,
}

impl Malformed {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { found: text.chars().take(60).collect(), expected }
    }
}

/// The members of a JSON object in the order sent; a key may come again.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    scanner: Scanner<'a>,
    text: &'a str,
    state: Reading,
}

/// The elements of a JSON array, as their texts.
#[derive(Debug)]
pub(crate) struct Elements<'a>(Members<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Begin,
    Within,
    Ended,
}

/// A member: key without escapes, the value's own text.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) raw: &'a str,
    /// What stands between the quotes, if the value is a string.
    string: Option<RawString<'a>>,
}

impl<'a> Member<'a> {
    /// The value in its narrowest form. What was learned in passing is not looked for again.
    pub(crate) fn value(&self) -> Result<Value<'a>, Malformed> {
        match self.string {
            None => scalar(self.raw),
            Some(string) if !string.has_escapes => Ok(Value::Str(Cow::Borrowed(string.text))),
            Some(_) => classify(self.raw),
        }
    }
}

/// The members of `text`; none when it is empty (absent).
pub(crate) fn members(text: &str) -> Members<'_> {
    let state = if text.is_empty() { Reading::Ended } else { Reading::Begin };
    Members { scanner: Scanner::new(text), text, state }
}

/// The elements of `text`; none when it is empty (absent).
pub(crate) fn elements(text: &str) -> Elements<'_> {
    Elements(members(text))
}

impl<'a> Members<'a> {
    /// Moves to the next item. `Some(false)` at the end, `None` when the text is not right.
    fn advance(&mut self, open: u8, close: u8) -> Option<bool> {
        if self.state == Reading::Begin {
            self.scanner.byte(open)?;
            self.state = Reading::Within;
            if self.scanner.byte(close).is_none() {
                return Some(true);
            }
        } else if self.scanner.byte(b',').is_some() {
            return Some(true);
        } else {
            self.scanner.byte(close)?;
        }
        self.state = Reading::Ended;
        self.scanner.is_end().then_some(false)
    }

    fn member(&mut self) -> Option<Option<Member<'a>>> {
        if !self.advance(b'{', b'}')? {
            return Some(None);
        }
        let key = self.scanner.key()?;
        let key = if key.has_escapes { Cow::Owned(unescaped(key.text)?) } else { Cow::Borrowed(key.text) };
        let (raw, string) = self.scanner.value_or_string()?;
        Some(Some(Member { key, raw, string }))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == Reading::Ended {
            return None;
        }
        match self.member() {
            Some(member) => member.map(Ok),
            None => {
                self.state = Reading::Ended;
                Some(Err(Malformed::new(self.text, "object")))
            }
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let members = &mut self.0;
        if members.state == Reading::Ended {
            return None;
        }
        let element = match members.advance(b'[', b']') {
            Some(true) => members.scanner.value(),
            Some(false) | None => None,
        };
        if element.is_none() {
            members.state = Reading::Ended;
        }
        element
    }
}

/// What stands between the quotes of a JSON string, without its escapes.
fn unescaped(text: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{text}\"")).ok()
}

/// A property value; [`PropertyValue`] that may own its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Str(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Json(Cow<'a, str>),
}

impl Value<'_> {
    /// As the store takes it.
    pub(crate) fn as_property(&self) -> PropertyValue<'_> {
        match self {
            Self::Str(text) => PropertyValue::Str(text),
            Self::Int(number) => PropertyValue::Int(*number),
            Self::Float(number) => PropertyValue::Float(*number),
            Self::Bool(flag) => PropertyValue::Bool(*flag),
            Self::Json(text) => PropertyValue::Json(text),
        }
    }

    /// JavaScript's idea of a value that counts as given.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Str(text) => !text.is_empty(),
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Bool(flag) => *flag,
            Self::Json(text) => text != "null",
        }
    }

    /// As text, the way JavaScript turns it into an id: text as it is, everything else as JSON.
    pub(crate) fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Str(text) | Self::Json(text) => Cow::Borrowed(text),
            Self::Int(number) => Cow::Owned(number.to_string()),
            Self::Float(number) => Cow::Owned(number.to_string()),
            Self::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        }
    }
}

/// The value of a JSON text.
pub(crate) fn classify(raw: &str) -> Result<Value<'_>, Malformed> {
    if !raw.starts_with('"') {
        return scalar(raw);
    }
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(|| Malformed::new(raw, "string"))?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Value::Str(Cow::Borrowed(inner)));
    }
    unescaped(inner).map(|text| Value::Str(Cow::Owned(text))).ok_or_else(|| Malformed::new(raw, "string"))
}

fn scalar(raw: &str) -> Result<Value<'_>, Malformed> {
    match raw.as_bytes().first() {
        Some(b'{' | b'[' | b'n') => Ok(Value::Json(Cow::Borrowed(raw))),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'-' | b'0'..=b'9') => Ok(number(raw)),
        _ => Err(Malformed::new(raw, "value")),
    }
}

fn number(raw: &str) -> Value<'_> {
    let is_float = raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if !is_float && let Ok(number) = raw.parse::<i64>() {
        return Value::Int(number);
    }
    match raw.parse::<f64>() {
        Ok(number) if is_float && number.is_finite() && (number != 0.0 || is_zero(raw)) => Value::Float(number),
        _ => Value::Json(Cow::Borrowed(raw)),
    }
}

/// Whether every digit before the exponent is 0, so that 0.0 is no underflow.
fn is_zero(raw: &str) -> bool {
    raw.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).all(|byte| !matches!(byte, b'1'..=b'9'))
}

/// Whether all of `text` is one JSON value.
pub(crate) fn is_valid(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value().is_some() && scanner.is_end()
}

/// Whether `raw` is a JSON object.
pub(crate) fn is_object(raw: &str) -> bool {
    raw.starts_with('{')
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    write_escaped(text, out);
    out.push('"');
}

/// Appends `text` with the escapes that JSON asks for and no others.
pub(crate) fn write_escaped(text: &str, out: &mut String) {
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
                out.push_str("\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.push_str(&text[clean..]);
}

/// `text` as it stands inside a JSON string; borrowed when nothing needs an escape.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    write_escaped(text, &mut out);
    Cow::Owned(out)
}

/// Whether two JSON texts mean the same value: spelling of escapes, spaces and order of keys do not count, nor does 1 against 1.0.
pub(crate) fn same_value(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let (Some(a), Some(b)) = (left.bytes().next(), right.bytes().next()) else {
        return false;
    };
    let is_number = |byte: u8| byte == b'-' || byte.is_ascii_digit();
    if is_number(a) && is_number(b) {
        return match (number(left), number(right)) {
            (Value::Int(x), Value::Float(y)) | (Value::Float(y), Value::Int(x)) => int_equals_float(x, y),
            (x, y) => x == y,
        };
    }
    if a != b || (a == b'"' && !left.contains('\\') && !right.contains('\\')) {
        return false;
    }
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    parse(left).is_some_and(|value| Some(value) == parse(right))
}

fn int_equals_float(int: i64, float: f64) -> bool {
    // Exact both ways below 2^53; above it the float would round and is called different.
    const EXACT: u64 = 1 << 53;
    int.unsigned_abs() <= EXACT && float == int as f64
}

/// `text` with each `\u` escape of half a surrogate pair replaced by `\ufffd`. Borrowed when there is none, which is nearly always.
pub(crate) fn repair_surrogates(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut repaired: Option<String> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let escape = at + found;
        at = escape + 2;
        let Some(unit) = code_unit(bytes, escape) else { continue };
        at = escape + 6;
        let is_pair = (0xD800..0xDC00).contains(&unit) && code_unit(bytes, at).is_some_and(|low| (0xDC00..0xE000).contains(&low));
        if is_pair {
            at += 6;
        } else if (0xD800..0xE000).contains(&unit) {
            let out = repaired.get_or_insert_with(|| String::with_capacity(text.len()));
            out.push_str(&text[copied..escape]);
            out.push_str("\\ufffd");
            copied = at;
        }
    }
    match repaired {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
    }
}

/// The UTF-16 code unit of a `\uXXXX` at `at`; `None` when there is no such escape.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests;
