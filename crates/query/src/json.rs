//! Taking values out of JSON.

use crate::error::QueryError;
use aqueduct_store::PropertyColumn;
use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringArray, StringDictionaryBuilder};
use arrow::datatypes::Int32Type;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// A request as its kind of query has it.
///
/// # Errors
/// [`QueryError::Request`] when it has another form.
pub(crate) fn read_query<T: DeserializeOwned>(request: &Value) -> Result<T, QueryError> {
    serde_json::from_value(request.clone())
        .map_err(|error| QueryError::Request { detail: format!("the query cannot be read: {error}"), attr: Some("query") })
}

/// JSON without the blanks between its tokens, as ClickHouse gives it.
pub(crate) fn compact(json: &str) -> String {
    if !json.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        if quoted || !c.is_ascii_whitespace() {
            out.push(c);
        }
        match c {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    out
}

/// One key of each JSON object as typed columns, in the way that the store types event properties.
pub(crate) fn property_of_objects(objects: &StringArray, key: &str) -> PropertyColumn {
    let mut builder = TypedBuilder::default();
    for object in objects {
        builder.push(object.and_then(|object| raw_value(object, key)));
    }
    builder.finish()
}

/// The text of a key's value in a JSON object; `None` when it is absent or the text is no object.
pub(crate) fn raw_value<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    KeyOf(key).deserialize(&mut deserializer).ok().flatten().map(RawValue::get)
}

struct KeyOf<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for KeyOf<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeyOf<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>().map_err(A::Error::custom)? {
            if name == self.0 {
                found = Some(map.next_value::<&RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[derive(Default)]
struct TypedBuilder {
    text: StringDictionaryBuilder<Int32Type>,
    int: Int64Builder,
    float: Float64Builder,
    bool: BooleanBuilder,
    json: StringDictionaryBuilder<Int32Type>,
    /// Which of the five have a value.
    used: [bool; 5],
}

impl TypedBuilder {
    fn push(&mut self, raw: Option<&str>) {
        let (mut text, mut int, mut float, mut bool, mut json) = (None, None, None, None, None);
        match raw.map(|raw| (raw, raw.as_bytes().first().copied().unwrap_or(b' '))) {
            None => {}
            Some((raw, b'"')) => text = serde_json::from_str::<String>(raw).ok(),
            Some((raw, b't' | b'f')) => bool = Some(raw == "true"),
            Some((raw, b'-' | b'0'..=b'9')) => match raw.parse::<i64>() {
                Ok(value) => int = Some(value),
                Err(_) => match raw.parse::<f64>() {
                    Ok(value) if value.is_finite() && raw.contains(['.', 'e', 'E']) => float = Some(value),
                    _ => json = Some(raw),
                },
            },
            Some((raw, _)) => json = Some(raw),
        }
        let now = [text.is_some(), int.is_some(), float.is_some(), bool.is_some(), json.is_some()];
        for (used, now) in self.used.iter_mut().zip(now) {
            *used |= now;
        }
        self.text.append_option(text);
        self.int.append_option(int);
        self.float.append_option(float);
        self.bool.append_option(bool);
        self.json.append_option(json);
    }

    fn finish(mut self) -> PropertyColumn {
        let [text, int, float, bool, json] = self.used;
        PropertyColumn {
            text: text.then(|| Arc::new(self.text.finish()) as ArrayRef),
            int: int.then(|| Arc::new(self.int.finish()) as ArrayRef),
            float: float.then(|| Arc::new(self.float.finish()) as ArrayRef),
            bool: bool.then(|| Arc::new(self.bool.finish()) as ArrayRef),
            json: json.then(|| Arc::new(self.json.finish()) as ArrayRef),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_raw_text_of_a_key() {
        let object = r#"{"a":"x","b":[1, 2],"c\"d":null,"a":"y"}"#;
        assert_eq!(raw_value(object, "a"), Some(r#""y""#));
        assert_eq!(raw_value(object, "b"), Some("[1, 2]"));
        assert_eq!(raw_value(object, "c\"d"), Some("null"));
        assert_eq!(raw_value(object, "e"), None);
        assert_eq!(raw_value("[1]", "a"), None);
    }

    #[test]
    fn blanks_go_where_they_mean_nothing() {
        for (json, want) in [
            (r#"{"a": [1, "x y"], "b" : null}"#, r#"{"a":[1,"x y"],"b":null}"#),
            (r#"["a \\" , "b\" c"]"#, r#"["a \\","b\" c"]"#),
            ("[ ]", "[]"),
            ("1", "1"),
        ] {
            assert_eq!(compact(json), want);
        }
    }
}
