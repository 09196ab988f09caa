//! When an event happened: from what its sender said to one corrected time.
//!
//! In: the texts and numbers of a request, and `now`, the time of receipt. Out: [`UnixMicros`]. Pure functions; nothing here reads a clock.
//!
//! # Invariants
//! - A text that cannot be read is as good as none: no sender's date can refuse an event.
//! - A time without a zone is UTC; a date without a time is its midnight.
//! - What comes out lies in the years 0 to 9999 and at most 23 hours after `now`.
//!
//! Order of the accepted shapes: RFC 3339 (straight digits, no allocation: this runs for each event), then the loose ones.

use crate::time::UnixMicros;

const SECOND: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
/// A time further ahead than this is a wrong clock, not a time zone.
const FUTURE_MICROS_MAX: i64 = 23 * 3_600 * SECOND;
/// 0000-01-01T00:00:00Z.
const YEAR_0: i64 = -62_167_219_200 * SECOND;
/// 10000-01-01T00:00:00Z.
const YEAR_10000: i64 = 253_402_300_800 * SECOND;

/// Why an event does not have the time that its sender said. The number is what files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum TimeFault {
    /// `timestamp` cannot be read; the time of receipt counts.
    Unreadable = 900,
    /// It lies more than 23 hours after the receipt; the time of receipt counts.
    Future = 901,
    /// It lies outside the years 0 to 9999; the beginning of 1970 counts.
    OutOfRange = 902,
}

impl TimeFault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unreadable, Self::Future, Self::OutOfRange];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "timestamp_unreadable",
            Self::Future => "timestamp_in_future",
            Self::OutOfRange => "timestamp_out_of_range",
        }
    }

    /// What happened, in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unreadable => "The event's timestamp cannot be read, so it has the time of its receipt.",
            Self::Future => "The event's timestamp lies more than 23 hours after its receipt, so it has the time of its receipt.",
            Self::OutOfRange => "The event's timestamp lies outside the years 0 to 9999, so it has the beginning of 1970.",
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unreadable => "Send timestamp as ISO 8601, for instance 2026-03-01T12:00:00Z.",
            Self::Future => "Set the clock of the device, and send sent_at so that a wrong clock is corrected.",
            Self::OutOfRange => "Look for a wrong unit: seconds, milliseconds and microseconds are told apart by their size.",
        }
    }
}

/// What a sender says about the time of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeClaim<'a> {
    /// `timestamp` of the event.
    pub timestamp: Option<&'a str>,
    /// `offset`: milliseconds between the event and the sending; wins over `timestamp`.
    pub offset_ms: Option<i64>,
    /// The sender's clock when it sent the request.
    pub sent_at: Option<UnixMicros>,
    /// `$ignore_sent_at`: the sender's clock is not to be corrected.
    pub ignore_sent_at: bool,
}

impl TimeClaim<'_> {
    /// The time of the event, for a request that arrived at `now`.
    #[must_use]
    pub fn resolve(&self, now: UnixMicros) -> UnixMicros {
        self.resolve_told(now).0
    }

    /// As [`TimeClaim::resolve`], and why it is not what the sender said. A clock that was corrected by `sent_at` is no fault.
    #[must_use]
    pub fn resolve_told(&self, now: UnixMicros) -> (UnixMicros, Option<TimeFault>) {
        if let Some(offset_ms) = self.offset_ms {
            return bounded(now.0.saturating_sub(offset_ms.saturating_mul(1_000)), now);
        }
        let Some(text) = self.timestamp else { return (now, None) };
        match parse(text) {
            Some(timestamp) => corrected_told(timestamp, self.sent_at.filter(|_| !self.ignore_sent_at), now),
            None => (now, Some(TimeFault::Unreadable)),
        }
    }
}

/// A readable `timestamp`, corrected by what the sender's clock was off by when it sent (`sent_at` against `now`), and bounded.
#[must_use]
pub fn corrected(timestamp: UnixMicros, sent_at: Option<UnixMicros>, now: UnixMicros) -> UnixMicros {
    corrected_told(timestamp, sent_at, now).0
}

/// As [`corrected`], and why the time is not the corrected one.
#[must_use]
pub fn corrected_told(timestamp: UnixMicros, sent_at: Option<UnixMicros>, now: UnixMicros) -> (UnixMicros, Option<TimeFault>) {
    let skew = sent_at.map_or(0, |sent_at| sent_at.0.saturating_sub(now.0));
    bounded(timestamp.0.saturating_sub(skew), now)
}

fn bounded(micros: i64, now: UnixMicros) -> (UnixMicros, Option<TimeFault>) {
    if micros.saturating_sub(now.0) > FUTURE_MICROS_MAX {
        return (now, Some(TimeFault::Future));
    }
    if (YEAR_0..YEAR_10000).contains(&micros) { (UnixMicros(micros), None) } else { (UnixMicros(0), Some(TimeFault::OutOfRange)) }
}

/// Reads a time in any accepted shape; `None` when it is none of them.
#[must_use]
pub fn parse(text: &str) -> Option<UnixMicros> {
    rfc3339(text).or_else(|| loose(text.trim()))
}

/// Reads RFC 3339 strictly: date, `T` (or `t`, or one space), time to the second or finer, and a zone `Z` or `±hh:mm`.
#[must_use]
pub fn rfc3339(text: &str) -> Option<UnixMicros> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[4] != b'-' || bytes[7] != b'-' || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let date = Date { year: two(bytes, 0)? * 100 + two(bytes, 2)?, month: two(bytes, 5)?, day: two(bytes, 8)? };
    let time = Time { hour: two(bytes, 11)?, minute: two(bytes, 14)?, second: two(bytes, 17)? };
    let (fraction, at) = fraction(bytes, 19)?;
    let zone = match *bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && bytes[at + 3] == b':' => {
            zone_seconds(sign, two(bytes, at + 1)?, two(bytes, at + 4)?)?
        }
        _ => return None,
    };
    instant(date, time, fraction, zone)
}

struct Date {
    year: i64,
    month: i64,
    day: i64,
}

#[derive(Default)]
struct Time {
    hour: i64,
    minute: i64,
    second: i64,
}

fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let (tens, units) = (bytes.get(at)?.wrapping_sub(b'0'), bytes.get(at + 1)?.wrapping_sub(b'0'));
    (tens < 10 && units < 10).then(|| i64::from(tens) * 10 + i64::from(units))
}

/// The fraction of a second at `at`, in microseconds (finer digits are cut), and where it ends. No fraction is 0; a point without digits is none.
fn fraction(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    if !matches!(bytes.get(at), Some(b'.' | b',')) {
        return Some((0, at));
    }
    let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        let digit = if place < digits { i64::from(bytes[at + 1 + place] - b'0') } else { 0 };
        micros = micros * 10 + digit;
    }
    Some((micros, at + 1 + digits))
}

fn zone_seconds(sign: u8, hours: i64, minutes: i64) -> Option<i64> {
    let seconds = (hours * 60 + minutes) * 60;
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
}

fn instant(date: Date, time: Time, fraction: i64, zone: i64) -> Option<UnixMicros> {
    let Time { hour, minute, second } = time;
    // 60 is a leap second: the first moment of the next minute.
    if !date.exists() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = date.days_since_1970() * DAY_SECONDS + hour * 3_600 + minute * 60 + second - zone;
    Some(UnixMicros(seconds * SECOND + fraction))
}

impl Date {
    fn exists(&self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        (1..=days).contains(&self.day)
    }

    /// Days of the proleptic Gregorian calendar, counted in years that begin in March, so that the leap day is the last day of a year.
    fn days_since_1970(&self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let day_of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
    }
}

fn loose(text: &str) -> Option<UnixMicros> {
    unix_number(text).or_else(|| calendar(text)).or_else(|| named(text))
}

/// Seconds (with a fraction if need be), milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
fn unix_number(text: &str) -> Option<UnixMicros> {
    let (whole, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let number: i64 = whole.parse().ok()?;
    match (whole.len(), rest.is_empty()) {
        (9..=11, _) => {
            let (micros, end) = fraction(rest.as_bytes(), 0)?;
            (end == rest.len()).then_some(UnixMicros(number * SECOND + micros))
        }
        (12..=14, true) => Some(UnixMicros(number * 1_000)),
        (12..=14, false) => {
            let (micros, end) = fraction(rest.as_bytes(), 0)?;
            (end == rest.len()).then_some(UnixMicros(number * 1_000 + micros / 1_000))
        }
        (15..=17, true) => Some(UnixMicros(number)),
        (18..=19, true) => Some(UnixMicros(number / 1_000)),
        _ => None,
    }
}

/// Year first (`2023-01-31`, `2023/1/31`) or month first (`1/31/2023`), then perhaps a time, then perhaps a zone.
fn calendar(text: &str) -> Option<UnixMicros> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let (first, digits) = reader.number(4)?;
    let separator = reader.one_of(b"-/")?;
    let (second, _) = reader.number(2)?;
    let date = match reader.one_of(&[separator]) {
        Some(_) if digits == 4 => Date { year: first, month: second, day: reader.number(2)?.0 },
        Some(_) if separator == b'/' => Date { year: full_year(reader.number(4)?)?, month: first, day: second },
        _ => return None,
    };
    if reader.ended() {
        return instant(date, Time::default(), 0, 0);
    }
    reader.one_of(b"Tt ")?;
    reader.spaces();
    let (time, fraction) = reader.time()?;
    let zone = reader.zone()?;
    reader.ended().then(|| instant(date, time, fraction, zone)).flatten()
}

/// Two digits are a year of this or the last century, as clocks with two digits mean them.
fn full_year((year, digits): (i64, usize)) -> Option<i64> {
    match digits {
        4 => Some(year),
        2 if year < 69 => Some(2_000 + year),
        2 => Some(1_900 + year),
        _ => None,
    }
}

/// Dates with words (RFC 2822) and the rarer forms of ISO 8601.
fn named(text: &str) -> Option<UnixMicros> {
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(UnixMicros(zoned.timestamp().as_microsecond()));
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(UnixMicros(timestamp.as_microsecond()));
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(UnixMicros(zoned.timestamp().as_microsecond()))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn ended(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| wanted.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    fn spaces(&mut self) {
        while self.one_of(b" ").is_some() {}
    }

    /// One to `digits_max` digits, and how many there were.
    fn number(&mut self, digits_max: usize) -> Option<(i64, usize)> {
        let digits = self.bytes[self.at..].iter().take(digits_max).take_while(|byte| byte.is_ascii_digit()).count();
        let number = self.bytes[self.at..self.at + digits].iter().fold(0, |number, byte| number * 10 + i64::from(byte - b'0'));
        self.at += digits;
        (digits > 0).then_some((number, digits))
    }

    /// `h:mm`, `hh:mm:ss`, `hh:mm:ss.fff`, each perhaps with `am` or `pm`; also the microseconds.
    fn time(&mut self) -> Option<(Time, i64)> {
        let (hour, _) = self.number(2)?;
        self.one_of(b":")?;
        let (minute, _) = self.number(2)?;
        let (mut second, mut micros) = (0, 0);
        if self.one_of(b":").is_some() {
            second = self.number(2)?.0;
            (micros, self.at) = fraction(self.bytes, self.at)?;
        }
        let hour = match (self.meridiem(), hour) {
            (None, hour) => hour,
            (Some(b'a'), 12) => 0,
            (Some(b'p'), 1..12) => hour + 12,
            (Some(_), 1..=12) => hour,
            (Some(_), _) => return None,
        };
        Some((Time { hour, minute, second }, micros))
    }

    fn meridiem(&mut self) -> Option<u8> {
        let before = self.at;
        self.spaces();
        let half = self.peek().map(|byte| byte.to_ascii_lowercase()).filter(|byte| matches!(byte, b'a' | b'p'));
        let followed = matches!(self.bytes.get(self.at + 1), Some(b'm' | b'M'));
        self.at = if half.is_some() && followed { self.at + 2 } else { before };
        half.filter(|_| followed)
    }

    /// Nothing, `Z`, `UTC`, `GMT`, `+03`, `+0300` or `+03:00`, perhaps after a space: seconds east of Greenwich.
    fn zone(&mut self) -> Option<i64> {
        self.spaces();
        let rest = &self.bytes[self.at..];
        if rest.is_empty() || [&b"Z"[..], b"UTC", b"GMT"].iter().any(|name| rest.eq_ignore_ascii_case(name)) {
            self.at = self.bytes.len();
            return Some(0);
        }
        let sign = self.one_of(b"+-")?;
        let hours = two(self.bytes, self.at)?;
        self.at += 2;
        self.one_of(b":");
        let minutes = if self.ended() { 0 } else { two(self.bytes, self.at)? };
        self.at = (self.at + 2).min(self.bytes.len());
        zone_seconds(sign, hours, minutes)
    }
}

#[cfg(test)]
mod tests;
