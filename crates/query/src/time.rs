//! Reading times that people and SDKs write.
//!
//! In: text or a number. Out: microseconds since 1970 UTC, or nothing when it is no time.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Reads a time as ClickHouse's `parseDateTimeBestEffort` does for the forms in use: ISO 8601 with `T` or a blank, with or without seconds,
/// fraction and zone; dates alone (`2020-1-1` too); Unix seconds and milliseconds as digits. Without a zone it is meant in `zone`.
pub(crate) fn parse_best_effort(text: &str, zone: &TimeZone) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.len() {
            4 => civil(Date::new(text.parse().ok()?, 1, 1).ok()?.to_datetime(jiff::civil::Time::midnight()), zone),
            8 => civil(compact_date(text)?.to_datetime(jiff::civil::Time::midnight()), zone),
            9 | 10 => Some(text.parse::<i64>().ok()?.saturating_mul(1_000_000)),
            14 => {
                let pair = |at: usize| text[at..at + 2].parse().ok();
                let time = jiff::civil::Time::new(pair(8)?, pair(10)?, pair(12)?, 0).ok()?;
                civil(compact_date(&text[..8])?.to_datetime(time), zone)
            }
            13 => Some(text.parse::<i64>().ok()?.saturating_mul(1_000)),
            16 => text.parse::<i64>().ok(),
            _ => None,
        };
    }
    if let Some(micros) = seconds_with_fraction(text) {
        return Some(micros);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_microsecond());
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Some(zoned.timestamp().as_microsecond());
    }
    if let Ok(date_time) = text.parse::<DateTime>() {
        return civil(date_time, zone);
    }
    // of `1/31/2024` only one reading is a date
    loose(text, zone).or_else(|| words(text, zone, DayFirst::Yes)).or_else(|| words(text, zone, DayFirst::No))
}

/// `1706695872.5`.
fn seconds_with_fraction(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.')?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(seconds.len(), 9 | 10) || !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    let micros: i64 = format!("{:0<6.6}", fraction).parse().ok()?;
    Some(seconds.parse::<i64>().ok()? * 1_000_000 + micros)
}

/// As [`parse_best_effort`], but `1/5/2024` is the fifth of January.
pub(crate) fn parse_best_effort_us(text: &str, zone: &TimeZone) -> Option<i64> {
    words(text.trim(), zone, DayFirst::No).or_else(|| parse_best_effort(text, zone))
}

/// What the first number of `1/5/2024` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayFirst {
    Yes,
    No,
}

/// `5.1.2024 10:11`, `5/1/2024`, `Jan 5 2024 3:04 pm`, `Fri, 05 Jan 2024 15:04:05 +0100`.
fn words(text: &str, zone: &TimeZone, day_first: DayFirst) -> Option<i64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let (mut month, mut numbers, mut time, mut offset, mut noon) = (None, Vec::new(), None, None, None);
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        let start = lower.get(..3).unwrap_or(&lower);
        if let Some(place) = MONTHS.iter().position(|name| *name == start) {
            month = i8::try_from(place + 1).ok();
        } else if matches!(lower.as_str(), "am" | "pm") {
            noon = Some(lower == "pm");
        } else if lower.contains(':') && !lower.starts_with(['+', '-']) {
            time = Some(clock_time(&lower)?);
        } else if matches!(lower.as_str(), "z" | "utc" | "gmt") || lower.starts_with(['+', '-']) {
            offset = split_offset(&format!("0:00{}", if lower.starts_with(['+', '-']) { &lower } else { "Z" }))?.1;
        } else if !DAYS.contains(&start) {
            for number in lower.split(['.', '/', '-']) {
                numbers.push(number.parse::<i16>().ok()?);
            }
        }
    }
    let (day, month, year) = match (month, numbers.as_slice()) {
        (Some(month), [day, year]) => (*day, month, *year),
        (None, [first, second, year]) => {
            let (day, month) = if day_first == DayFirst::Yes { (*first, *second) } else { (*second, *first) };
            (day, i8::try_from(month).ok()?, *year)
        }
        _ => return None,
    };
    if year < 1000 {
        return None;
    }
    let mut time = time.unwrap_or(jiff::civil::Time::midnight());
    if let Some(after_noon) = noon {
        let hour = time.hour() % 12 + if after_noon { 12 } else { 0 };
        time = jiff::civil::Time::new(hour, time.minute(), time.second(), time.subsec_nanosecond()).ok()?;
    }
    let date_time = Date::new(year, month, i8::try_from(day).ok()?).ok()?.to_datetime(time);
    in_zone(date_time, offset, zone)
}

/// The instant that a clock shows, in the given distance from UTC or in `zone`.
fn in_zone(date_time: DateTime, offset: Option<i32>, zone: &TimeZone) -> Option<i64> {
    match offset {
        None => civil(date_time, zone),
        Some(seconds) => {
            let utc = TimeZone::UTC.to_ambiguous_timestamp(date_time).compatible().ok()?;
            Some(utc.as_microsecond() - i64::from(seconds) * 1_000_000)
        }
    }
}

/// A number as Unix time: seconds, or milliseconds when it is too large for seconds.
pub(crate) fn from_unix_number(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
    let micros = if value.abs() >= 1e11 { (value * 1e3) as i64 } else { (value * 1e6) as i64 };
    micros
}

fn civil(date_time: DateTime, zone: &TimeZone) -> Option<i64> {
    Some(zone.to_ambiguous_timestamp(date_time).compatible().ok()?.as_microsecond())
}

fn compact_date(text: &str) -> Option<Date> {
    Date::new(text.get(..4)?.parse().ok()?, text.get(4..6)?.parse().ok()?, text.get(6..8)?.parse().ok()?).ok()
}

/// `2021-1-1`, `2021-1-1 7:05`, `2021/01/02 …`, each with an optional zone.
fn loose(text: &str, zone: &TimeZone) -> Option<i64> {
    let split = text.find([' ', 'T', 't']).unwrap_or(text.len());
    let (date, rest) = text.split_at(split);
    let mut parts = date.split(['-', '/']);
    // a month without a day begins with its first
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next().unwrap_or("1"));
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let rest = rest.trim_start_matches([' ', 'T', 't']).trim();
    let (clock, offset) = split_offset(rest)?;
    let time = clock_time(clock)?;
    in_zone(date.to_datetime(time), offset, zone)
}

fn clock_time(text: &str) -> Option<jiff::civil::Time> {
    if text.is_empty() {
        return Some(jiff::civil::Time::midnight());
    }
    let mut parts = text.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next().unwrap_or("0").parse().ok()?;
    let (second, fraction) = parts.next().map_or(("0", ""), |second| second.split_once('.').unwrap_or((second, "")));
    let mut nanos = 0_i32;
    for (at, digit) in fraction.chars().take(9).enumerate() {
        nanos += i32::try_from(digit.to_digit(10)?).ok()? * 10_i32.pow(8 - u32::try_from(at).ok()?);
    }
    jiff::civil::Time::new(hour, minute, second.parse().ok()?, nanos).ok()
}

/// The clock text and the zone's distance from UTC in seconds.
fn split_offset(text: &str) -> Option<(&str, Option<i32>)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock.trim(), Some(0)));
    }
    if let Some(clock) = text.strip_suffix("UTC") {
        return Some((clock.trim(), Some(0)));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, None)) };
    let (clock, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = if digits.len() >= 4 { digits.get(2..4)?.parse().ok()? } else { 0 };
    Some((clock.trim(), Some(sign * (hours * 3600 + minutes * 60))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let cases = [
            ("2020-01-10T00:00:00Z", 1_578_614_400_000_000),
            ("2020-01-10 00:00:00", 1_578_610_800_000_000),
            ("2020-01-10", 1_578_610_800_000_000),
            ("2020-1-10", 1_578_610_800_000_000),
            ("2020-01-10 02:30:00.5+02:30", 1_578_614_400_500_000),
            ("1578614400", 1_578_614_400_000_000),
            ("1578614400000", 1_578_614_400_000_000),
            ("2020-01-10T01:00", 1_578_614_400_000_000),
            ("10.01.2020 01:00", 1_578_614_400_000_000),
            ("10/1/2020", 1_578_610_800_000_000),
            ("Jan 10 2020 1:00 am", 1_578_614_400_000_000),
            ("Fri, 10 Jan 2020 00:00:00 GMT", 1_578_614_400_000_000),
            ("10 January 2020 02:00 +0200", 1_578_614_400_000_000),
        ];
        for (text, want) in cases {
            assert_eq!(parse_best_effort(text, &berlin), Some(want), "{text}");
        }
        assert_eq!(parse_best_effort_us("1/10/2020", &berlin), Some(1_578_610_800_000_000));
        for text in ["", "x", "12", "2020-13-01", "not a date at all", "1.2.3", "31.2.2020", "10:11"] {
            assert_eq!(parse_best_effort(text, &berlin), None, "{text}");
        }
    }
}
