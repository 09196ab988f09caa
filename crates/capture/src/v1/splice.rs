//! Writes what a v1 event says outside its properties into them, under the names that the rest of the system knows.

use super::shape::Good;
use crate::json::{Cursor, JsonError};
use std::borrow::Cow;

/// The event's properties with the server's own put in; a property of the sender with such a name gives way.
pub(super) fn properties(good: &Good<'_>, sdk: Option<&(String, String)>) -> Result<String, JsonError> {
    let written = written(good, sdk);
    let room: usize = written.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = String::with_capacity(good.properties.len() + room);
    out.push('{');
    let mut cursor = Cursor::new(good.properties);
    cursor.enter_object()?;
    // The sender's properties are copied in as few pieces as there are collisions.
    let (mut piece, mut end) = (cursor.at(), cursor.at());
    while let Some(key) = cursor.next_key()? {
        cursor.value()?;
        if written.iter().any(|(name, _)| *name == key) {
            push(&mut out, &good.properties[piece..end]);
            piece = cursor.at();
        }
        end = cursor.at();
    }
    push(&mut out, &good.properties[piece..end]);
    for (name, value) in &written {
        push(&mut out, "\"");
        out.push_str(name);
        out.push_str("\":");
        out.push_str(value);
    }
    out.push('}');
    Ok(out)
}

/// Appends properties as JSON, which may bring a comma from before them.
fn push(out: &mut String, properties: &str) {
    let properties = properties.trim_start().trim_start_matches(',');
    if !properties.trim().is_empty() {
        if !out.ends_with('{') {
            out.push(',');
        }
        out.push_str(properties);
    }
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
