//! Times of events: every accepted shape, what is none, and how claims resolve.

use super::*;

/// 2023-11-14T22:13:20Z.
const NOW: UnixMicros = UnixMicros(1_700_000_000 * SECOND);
const HOUR: i64 = 3_600 * SECOND;

fn at(text: &str) -> UnixMicros {
    rfc3339(text).unwrap_or_else(|| panic!("{text} is not RFC 3339"))
}

#[test]
fn every_accepted_shape() {
    let noon = "2023-01-31T12:30:45Z";
    let midnight = "2023-01-31T00:00:00Z";
    let table: &[(&str, &str)] = &[
        // RFC 3339
        ("2023-01-31T12:30:45Z", noon),
        ("2023-01-31t12:30:45z", noon),
        ("2023-01-31 12:30:45Z", noon),
        ("2023-01-31T12:30:45.123Z", "2023-01-31T12:30:45.123Z"),
        ("2023-01-31T12:30:45.123456Z", "2023-01-31T12:30:45.123456Z"),
        ("2023-01-31T12:30:45.123456789Z", "2023-01-31T12:30:45.123456Z"),
        ("2023-01-31T12:30:45.1Z", "2023-01-31T12:30:45.100Z"),
        ("2023-01-31T15:30:45+03:00", noon),
        ("2023-01-31T09:00:45-03:30", noon),
        ("2023-01-31T12:30:45-00:00", noon),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        // zones that RFC 3339 does not know
        ("2023-01-31T15:30:45+03", noon),
        ("2023-01-31T15:30:45+0300", noon),
        ("2023-01-31T15:30:45.5+03", "2023-01-31T12:30:45.5Z"),
        ("2023-01-31T07:30:45.25-05", "2023-01-31T12:30:45.25Z"),
        // without a zone: UTC
        ("2023-01-31T12:30:45", noon),
        ("2023-01-31T12:30:45.678", "2023-01-31T12:30:45.678Z"),
        ("2023-01-31T12:30:45,678", "2023-01-31T12:30:45.678Z"),
        ("2023-01-31T12:30", "2023-01-31T12:30:00Z"),
        ("2023-01-31T12:30Z", "2023-01-31T12:30:00Z"),
        // a space instead of T
        ("2023-01-31 12:30:45", noon),
        ("2023-01-31 12:30:45.000001", "2023-01-31T12:30:45.000001Z"),
        ("2023-01-31  12:30:45", noon),
        ("2023-01-31 12:30", "2023-01-31T12:30:00Z"),
        ("2023-01-31 12:30:45 UTC", noon),
        ("2023-01-31 12:30:45 GMT", noon),
        ("2023-01-31 15:30:45 +0300", noon),
        ("2023-01-31 15:30:45+03", noon),
        ("2023-01-31 15:30:45 +03:00", noon),
        // the date alone
        ("2023-01-31", midnight),
        ("2023-1-31", midnight),
        ("20230131", midnight),
        // slashes
        ("2023/01/31", midnight),
        ("2023/1/31 12:30:45", noon),
        ("01/31/2023", midnight),
        ("1/31/2023", midnight),
        ("1/31/23", midnight),
        ("1/31/2023 12:30:45", noon),
        ("1/31/2023 12:30:45.5", "2023-01-31T12:30:45.5Z"),
        ("1/31/2023 1:05 PM", "2023-01-31T13:05:00Z"),
        ("1/31/2023 12:05 am", "2023-01-31T00:05:00Z"),
        ("1/31/2023 12:05:09pm", "2023-01-31T12:05:09Z"),
        // RFC 2822
        ("Tue, 31 Jan 2023 12:30:45 +0000", noon),
        ("Tue, 31 Jan 2023 12:30:45 GMT", noon),
        ("31 Jan 2023 15:30:45 +0300", noon),
        // Unix time as text
        ("1675168245", noon),
        ("1675168245.5", "2023-01-31T12:30:45.5Z"),
        ("1675168245123", "2023-01-31T12:30:45.123Z"),
        ("1675168245123.25", "2023-01-31T12:30:45.123250Z"),
        ("1675168245123456", "2023-01-31T12:30:45.123456Z"),
        ("1675168245123456789", "2023-01-31T12:30:45.123456Z"),
        // rarer forms, and space around
        ("20230131T123045Z", noon),
        ("20230131T123045", noon),
        ("  2023-01-31T12:30:45Z\n", noon),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text), Some(at(expected)), "{text}");
    }
}

#[test]
fn what_is_no_time() {
    let table = [
        "",
        " ",
        "now",
        "yesterday",
        "not a date",
        "2023",
        "12",
        "-1",
        "1e9",
        "2023-13-01",
        "2023-02-29",
        "2023-02-30T00:00:00Z",
        "2023-00-10",
        "2023-01-00",
        "2023-01-31T24:00:00Z",
        "2023-01-31T12:60:00Z",
        "2023-01-31T12:30:61Z",
        "2023-01-31T12:30:45+99:00",
        "2023-01-31T12:30:45.Z",
        "2023-01-31T12:30:45X",
        "2023-01-31T12:30:45+3",
        "2023-01-31T",
        "2023-01-31T1",
        "31/31/2023",
        "1/31/2023 13:05 PM",
        "1-31-2023",
        "2023/01-31",
        "\u{661}\u{662}",
        "2023-01-3\u{661}",
        "99999999999999999999",
        "16751682451234567890123",
        "2023-01-31T12:30:45+\u{e9}",
        "1675168245x",
        "16751682451\u{e9}3",
        "123456789012\u{e9}",
    ];
    for text in table {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn calendar_agrees_with_jiff() {
    let mut date = jiff::civil::date(0, 1, 1);
    while date.year() < 9_999 {
        let text = format!("{date}T00:00:00Z");
        let expected = date.to_zoned(jiff::tz::TimeZone::UTC).expect("in range").timestamp().as_microsecond();
        assert_eq!(rfc3339(&text), Some(UnixMicros(expected)), "{text}");
        date = date.saturating_add(jiff::Span::new().days(97));
    }
}

#[test]
fn resolution() {
    let earlier = "2023-11-14T20:00:00Z";
    let claim = |timestamp| TimeClaim { timestamp, ..TimeClaim::default() };
    let ahead = Some(UnixMicros(NOW.0 + 10 * SECOND));
    let behind = Some(UnixMicros(NOW.0 - 10 * SECOND));
    let shifted = |seconds: i64| UnixMicros(at(earlier).0 + seconds * SECOND);
    let table: &[(&str, TimeClaim<'_>, UnixMicros)] = &[
        ("nothing said", claim(None), NOW),
        ("unreadable", claim(Some("soon")), NOW),
        ("unreadable, clock known", TimeClaim { sent_at: ahead, ..claim(Some("soon")) }, NOW),
        ("only the clock", TimeClaim { sent_at: ahead, ..claim(None) }, NOW),
        ("no clock, no correction", claim(Some(earlier)), shifted(0)),
        ("clock ahead is pulled back", TimeClaim { sent_at: ahead, ..claim(Some(earlier)) }, shifted(-10)),
        ("clock behind is pushed on", TimeClaim { sent_at: behind, ..claim(Some(earlier)) }, shifted(10)),
        ("clock right", TimeClaim { sent_at: Some(NOW), ..claim(Some(earlier)) }, shifted(0)),
        ("correction refused", TimeClaim { sent_at: ahead, ignore_sent_at: true, ..claim(Some(earlier)) }, shifted(0)),
        ("offset alone", TimeClaim { offset_ms: Some(5_000), ..claim(None) }, UnixMicros(NOW.0 - 5 * SECOND)),
        ("offset wins", TimeClaim { offset_ms: Some(5_000), sent_at: ahead, ..claim(Some(earlier)) }, UnixMicros(NOW.0 - 5 * SECOND)),
        ("negative offset", TimeClaim { offset_ms: Some(-5_000), ..claim(None) }, UnixMicros(NOW.0 + 5 * SECOND)),
        ("offset far ahead", TimeClaim { offset_ms: Some(-24 * 3_600_000), ..claim(None) }, NOW),
        ("absurd offset", TimeClaim { offset_ms: Some(i64::MAX), ..claim(None) }, UnixMicros(0)),
        ("absurd negative offset", TimeClaim { offset_ms: Some(i64::MIN), ..claim(None) }, NOW),
        ("a whole day ahead is now", claim(Some("2023-11-15T22:13:20Z")), NOW),
        ("year 9999 is the future", claim(Some("9999-12-31T23:59:59Z")), NOW),
        ("far past is kept", claim(Some("0000-01-01T00:00:00Z")), UnixMicros(YEAR_0)),
        ("before year 0 is the epoch", claim(Some("0000-01-01T00:00:00+01:00")), UnixMicros(0)),
    ];
    for (name, claim, expected) in table {
        assert_eq!(claim.resolve(NOW), *expected, "{name}");
    }
}

#[test]
fn future_is_kept_up_to_23_hours() {
    let edge = UnixMicros(NOW.0 + 23 * HOUR);
    assert_eq!(corrected(edge, None, NOW), edge);
    assert_eq!(corrected(UnixMicros(edge.0 + 1), None, NOW), NOW);
    // The clamp looks at the corrected time: a clock that is two days ahead sends times two days ahead.
    let ahead = UnixMicros(NOW.0 + 48 * HOUR);
    assert_eq!(corrected(ahead, Some(ahead), NOW), NOW);
    assert_eq!(corrected(UnixMicros(ahead.0 - HOUR), Some(ahead), NOW), UnixMicros(NOW.0 - HOUR));
}

#[test]
fn extremes_do_not_overflow() {
    for micros in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
        for sent_at in [None, Some(UnixMicros(i64::MIN)), Some(UnixMicros(i64::MAX))] {
            for now in [UnixMicros(i64::MIN), UnixMicros(0), NOW, UnixMicros(i64::MAX)] {
                let _ = corrected(UnixMicros(micros), sent_at, now);
            }
        }
    }
}
