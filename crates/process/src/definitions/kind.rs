//! What a property's values are, told from one of them.

use aqueduct_event::{PropertyValue, UnixMicros};

/// What the values of a property are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PropertyKind {
    /// Text.
    String,
    /// Numbers.
    Numeric,
    /// `true` or `false`, as JSON or as text.
    Boolean,
    /// Times, as text or as Unix time.
    DateTime,
}

/// What the property `key` is, judging by a value received at `received_at`; the first rule that fits (ingestion semantics, section 19).
/// `None` for null, arrays and objects.
#[must_use]
pub fn property_kind(key: &str, value: &PropertyValue<'_>, received_at: UnixMicros) -> Option<PropertyKind> {
    let key = key.to_lowercase();
    // Campaigns and flags look like numbers or booleans at first and turn out otherwise.
    if ["utm_", "$initial_utm_", "$feature/", "$survey_response"].iter().any(|start| key.starts_with(start))
        || key == "$feature_flag_response"
    {
        return Some(PropertyKind::String);
    }
    let sounds_like_time = || ["time", "date", "_at", "-at", "createdat", "updatedat"].iter().any(|part| key.contains(part));
    match value {
        PropertyValue::Str(text) if sounds_like_time() && is_date(text) => Some(PropertyKind::DateTime),
        PropertyValue::Int(number) if sounds_like_time() && is_recent(*number, received_at) => Some(PropertyKind::DateTime),
        PropertyValue::Str(text) => Some(match text.trim() {
            "true" | "false" | "TRUE" | "FALSE" => PropertyKind::Boolean,
            text if is_date(text) => PropertyKind::DateTime,
            _ => PropertyKind::String,
        }),
        PropertyValue::Int(_) | PropertyValue::Float(_) => Some(PropertyKind::Numeric),
        PropertyValue::Bool(_) => Some(PropertyKind::Boolean),
        PropertyValue::Json(raw) => raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(PropertyKind::Numeric),
    }
}

/// Unix seconds (or milliseconds) not longer ago than half a year.
fn is_recent(number: i64, received_at: UnixMicros) -> bool {
    const HALF_A_YEAR_SECONDS: i64 = 15_768_000;
    number >= received_at.0.div_euclid(1_000_000) - HALF_A_YEAR_SECONDS
}

/// A day as `YYYY-MM-DD` or `DD-MM-YYYY` (or with slashes), alone or with a time of day; or the date of a mail.
fn is_date(text: &str) -> bool {
    ["9999-29-39", "29-39-9999"].iter().any(|pattern| {
        let Some(rest) = after(text, pattern) else { return false };
        rest.is_empty() || after(rest, "T29:69:69").is_some_and(|rest| !rest.contains('\n'))
    }) || jiff::fmt::rfc2822::parse(text).is_ok()
}

/// What follows `pattern` in `text`: a digit stands for itself and all below, `-` for a dash or slash, `T` for itself or a space.
fn after<'t>(text: &'t str, pattern: &str) -> Option<&'t str> {
    let fits = |byte: u8, wanted: u8| match wanted {
        b'0'..=b'9' => byte.is_ascii_digit() && byte <= wanted,
        b'-' => matches!(byte, b'-' | b'/'),
        b'T' => matches!(byte, b'T' | b' '),
        _ => byte == wanted,
    };
    let matches = text.len() >= pattern.len() && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| fits(byte, wanted));
    matches.then(|| &text[pattern.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        use PropertyKind::{Boolean, DateTime, Numeric, String};
        use PropertyValue::{Bool, Float, Int, Json, Str};
        let received_at = UnixMicros(1_700_000_000_000_000);
        for (key, value, expected) in [
            ("utm_source", Int(5), Some(String)),
            ("$initial_utm_source", Int(5), Some(String)),
            ("UTM_source", Int(5), Some(String)),
            ("$feature/new", Bool(true), Some(String)),
            ("$feature_flag_response", Bool(true), Some(String)),
            ("$survey_response_2", Int(9), Some(String)),
            ("timestamp", Int(1_690_000_000), Some(DateTime)),
            ("timestamp", Int(1_600_000_000), Some(Numeric)),
            ("createdAt", Int(1_700_000_000_000), Some(DateTime)),
            ("seen_at", Float(1_700_000_000.5), Some(Numeric)),
            ("price", Int(1_700_000_000), Some(Numeric)),
            ("flag", Str(" true "), Some(Boolean)),
            ("flag", Str("FALSE"), Some(Boolean)),
            ("flag", Str("True"), Some(String)),
            ("flag", Bool(false), Some(Boolean)),
            ("day", Str("2023-11-14"), Some(DateTime)),
            ("day", Str("2023/11/14 10:20:30"), Some(DateTime)),
            ("day", Str("14-11-2023"), Some(DateTime)),
            ("day", Str("2023-11-14T10:20:30.123+02:00"), Some(DateTime)),
            ("day", Str("Tue, 14 Nov 2023 10:20:30 +0000"), Some(DateTime)),
            ("day", Str("2023-11-14x"), Some(String)),
            ("day", Str("2023-41-14"), Some(String)),
            ("update_time", Str("soon"), Some(String)),
            ("n", Float(1.5), Some(Numeric)),
            ("n", Json("123456789012345678901"), Some(Numeric)),
            ("n", Str("5"), Some(String)),
            ("n", Json("null"), None),
            ("n", Json("[1]"), None),
            ("n", Json("{}"), None),
        ] {
            assert_eq!(property_kind(key, &value, received_at), expected, "{key} {value:?}");
        }
    }
}
