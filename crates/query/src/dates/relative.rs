//! Absolute and relative moments: `2020-01-15 10:00`, `-7d`, `-1mStart`, `hEnd`, `30M`.

use crate::time::parse_best_effort;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// A moment as a query names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moment {
    /// The instant, in the project's zone.
    pub(crate) at: Zoned,
    /// How far back it was said to be, when it was said relative to now.
    pub(crate) back: Option<Back>,
}

/// A distance back from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Back {
    /// Its unit, `None` when the text could not be read and so means now.
    pub(crate) unit: Option<BackUnit>,
    /// Its number, 0 for a bare unit.
    pub(crate) count: i64,
    /// `mStart` and the like: the beginning of the unit that is running.
    pub(crate) is_start_of_present_unit: bool,
}

/// Units of relative dates, with their letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackUnit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Start,
    End,
}

/// Reads a moment. A text that is neither a date nor holds a relative one means now.
/// `truncate`: relative moments go back to midnight, those in hours to the full hour.
pub(crate) fn parse_moment(text: &str, now: &Zoned, truncate: bool) -> Moment {
    let zone = now.time_zone();
    if let Some(micros) = absolute(text, zone) {
        return Moment { at: zoned(micros, zone), back: None };
    }
    let Some((back, edge)) = relative(text) else {
        return Moment { at: now.clone(), back: Some(Back::default()) };
    };
    let mut at = back.unit.map_or(now.clone(), |unit| now.checked_sub(span(unit, back.count)).unwrap_or_else(|_| now.clone()));
    if let (Some(unit), Some(edge)) = (back.unit, edge) {
        at = to_edge(&at, unit, edge);
    }
    if truncate {
        at = match back.unit {
            Some(BackUnit::Hour) if back.count != 0 => clock(&at, Time::constant(at.hour(), 0, 0, 0)),
            _ => clock(&at, Time::midnight()),
        };
    }
    Moment { at, back: Some(back) }
}

/// The instant as civil time of a zone.
pub(super) fn zoned(micros: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

/// The same day at another time of day.
pub(super) fn clock(at: &Zoned, time: Time) -> Zoned {
    at.with().time(time).build().unwrap_or_else(|_| at.clone())
}

/// The last microsecond of a day's clock.
pub(super) fn end_of_day() -> Time {
    Time::constant(23, 59, 59, 999_999_000)
}

/// A distance on the calendar; quarters are 13 weeks.
pub(super) fn span(unit: BackUnit, count: i64) -> Span {
    match unit {
        BackUnit::Second => count.seconds(),
        BackUnit::Minute => count.minutes(),
        BackUnit::Hour => count.hours(),
        BackUnit::Day => count.days(),
        BackUnit::Week => count.weeks(),
        BackUnit::Month => count.months(),
        BackUnit::Quarter => (13 * count).weeks(),
        BackUnit::Year => count.years(),
    }
}

fn absolute(text: &str, zone: &TimeZone) -> Option<i64> {
    // Digits alone are a relative date without its unit, not a Unix time.
    let looks_like_date = text.len() >= 8 && text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.contains('-');
    if looks_like_date { parse_best_effort(text, zone) } else { None }
}

/// Finds `[number]unit[Start|End]` anywhere in the text, as PostHog does; a leading minus is optional.
fn relative(text: &str) -> Option<(Back, Option<Edge>)> {
    let bytes = text.as_bytes();
    let (at, unit) = bytes.iter().enumerate().find_map(|(at, byte)| unit_of(*byte).map(|unit| (at, unit)))?;
    let digits = bytes[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    // An absurd number is as good as the oldest date.
    let count = if digits == 0 { 0 } else { text[at - digits..at].parse::<i64>().unwrap_or(9999).min(1_000_000) };
    let rest = &text[at + 1..];
    let edge = if rest.starts_with("Start") {
        Some(Edge::Start)
    } else if rest.starts_with("End") {
        Some(Edge::End)
    } else {
        None
    };
    let is_start_of_present_unit = digits == 0 && edge == Some(Edge::Start);
    Some((Back { unit: Some(unit), count, is_start_of_present_unit }, edge))
}

fn unit_of(letter: u8) -> Option<BackUnit> {
    Some(match letter {
        b's' => BackUnit::Second,
        b'M' => BackUnit::Minute,
        b'h' | b'H' => BackUnit::Hour,
        b'd' | b'D' => BackUnit::Day,
        b'w' | b'W' => BackUnit::Week,
        b'm' => BackUnit::Month,
        b'q' | b'Q' => BackUnit::Quarter,
        b'y' | b'Y' => BackUnit::Year,
        _ => return None,
    })
}

fn to_edge(at: &Zoned, unit: BackUnit, edge: Edge) -> Zoned {
    let date = at.date();
    let moved = match (unit, edge) {
        (BackUnit::Hour, Edge::Start) => return clock(at, Time::constant(at.hour(), 0, 0, 0)),
        (BackUnit::Hour, Edge::End) => return clock(at, Time::constant(at.hour(), 59, 59, 999_999_000)),
        (BackUnit::Day, Edge::Start) => return clock(at, Time::midnight()),
        (BackUnit::Day, Edge::End) => return clock(at, end_of_day()),
        (BackUnit::Week, Edge::Start) => date.checked_sub(i64::from(date.weekday().to_sunday_zero_offset()).days()).ok(),
        (BackUnit::Month, Edge::Start) => Some(date.first_of_month()),
        (BackUnit::Quarter, Edge::Start) => date.with().month((date.month() - 1) / 3 * 3 + 1).day(1).build().ok(),
        (BackUnit::Year, Edge::Start) => Some(date.first_of_year()),
        // Of a year only the day is set, the month stays (query reference, section 4).
        (BackUnit::Month | BackUnit::Year, Edge::End) => Some(date.last_of_month()),
        _ => None,
    };
    moved.and_then(|date| at.with().date(date).build().ok()).unwrap_or_else(|| at.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, truncate: bool, want: &str) {
        let now: Zoned = "2020-03-15T10:20:30+00:00[UTC]".parse().unwrap();
        let at = parse_moment(text, &now, truncate).at;
        assert_eq!(at.datetime().to_string(), want, "{text}");
    }

    #[test]
    fn absolute_moments() {
        check("2021-1-1", false, "2021-01-01T00:00:00");
        check("2021-01-01T05:06:07Z", true, "2021-01-01T05:06:07");
        check("2021-01-01 05:06:07", true, "2021-01-01T05:06:07");
    }

    #[test]
    fn relative_moments() {
        check("-7d", true, "2020-03-08T00:00:00");
        check("7d", false, "2020-03-08T10:20:30");
        check("-24h", true, "2020-03-14T10:00:00");
        check("-30M", false, "2020-03-15T09:50:30");
        check("-1m", true, "2020-02-15T00:00:00");
        check("-1q", true, "2019-12-15T00:00:00");
        check("-1y", true, "2019-03-15T00:00:00");
        check("dStart", false, "2020-03-15T00:00:00");
        check("-1dEnd", false, "2020-03-14T23:59:59.999999");
        check("mStart", true, "2020-03-01T00:00:00");
        check("-1mStart", true, "2020-02-01T00:00:00");
        check("-1mEnd", false, "2020-02-29T10:20:30");
        check("yStart", true, "2020-01-01T00:00:00");
        check("d", true, "2020-03-15T00:00:00");
        check("???", false, "2020-03-15T10:20:30");
    }

    #[test]
    fn zones_apply_to_what_has_none() {
        let now: Zoned = "2020-03-15T10:20:30-07:00[America/Phoenix]".parse().unwrap();
        let at = parse_moment("2020-01-03", &now, true).at;
        assert_eq!(at.to_string(), "2020-01-03T00:00:00-07:00[America/Phoenix]");
        let at = parse_moment("2020-01-03T07:00:00Z", &now, true).at;
        assert_eq!(at.to_string(), "2020-01-03T00:00:00-07:00[America/Phoenix]");
    }
}
