//! Writes what a v1 event says outside its properties into them, under the names that the rest of the system knows.

use super::shape::Good;
use crate::json::{Cursor, JsonError};
use std::borrow::Cow;

/// The event's properties with the server's own put in; a property of the sender with such a name gives way.
pub(super) fn properties(good: &Good<'_>, sdk: Option<&(String, String)>) -> Result<String, JsonError> {
    let written = written(good, sdk);
    let mut out = String::with_capacity(good.properties.len() + 64 * written.len());
    let mut cursor = Cursor::new(good.properties);
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        let value = cursor.value()?;
        if written.iter().all(|(name, _)| *name != key) {
            push(&mut out, &serde_json::Value::from(&*key).to_string(), value.0);
        }
    }
    for (name, value) in &written {
        push(&mut out, &format!("\"{name}\""), value);
    }
    out.push_str(if out.is_empty() { "{}" } else { "}" });
    Ok(out)
}

fn push(out: &mut String, key: &str, value: &str) {
    out.push(if out.is_empty() { '{' } else { ',' });
    out.push_str(key);
    out.push(':');
    out.push_str(value);
}

/// Names and JSON values, in a fixed order.
fn written<'a>(good: &'a Good<'_>, sdk: Option<&'a (String, String)>) -> Vec<(&'static str, Cow<'a, str>)> {
    let flag = |value: Option<bool>| value.map(|value| Cow::Borrowed(if value { "true" } else { "false" }));
    let text = |value: &str| Cow::Owned(serde_json::Value::from(value).to_string());
    let all = [
        ("$session_id", good.session_id.map(Cow::Borrowed)),
        ("$window_id", good.window_id.map(Cow::Borrowed)),
        ("$cookieless_mode", flag(good.options.cookieless_mode)),
        ("$ignore_sent_at", flag(good.options.disable_skew_correction)),
        ("$product_tour_id", good.options.product_tour_id.as_deref().map(Cow::Borrowed)),
        ("$process_person_profile", flag(good.options.process_person_profile)),
        ("$lib", sdk.map(|(name, _)| text(name))),
        ("$lib_version", sdk.map(|(_, version)| text(version))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
