//! Formats of dates and times, and reading by them.

use jiff::civil::{self, DateTime};
use jiff::tz::TimeZone;

use super::{civil_in, instant, quarter, time_datum};
use crate::functions::datum::Datum;
use crate::functions::text::n;

/// A date and time from year, month, day, hour, minute, second; what is left out is the first.
pub(super) fn civil_of(args: &[Datum<'_>]) -> Option<DateTime> {
    let at = |place: usize, default: i64| args.get(place).map_or(Some(default), |_| n(args, place));
    let small = |place: usize, default: i64| at(place, default).and_then(|value| i8::try_from(value).ok());
    let year = i16::try_from(at(0, 1970)?).ok()?;
    let nanos = match args.get(5) {
        Some(Datum::Float(seconds)) => super::super::datum::saturating_int(seconds.fract() * 1e9),
        _ => 0,
    };
    DateTime::new(year, small(1, 1)?, small(2, 1)?, small(3, 0)?, small(4, 0)?, small(5, 0)?, i32::try_from(nanos).ok()?).ok()
}

/// ClickHouse's format (MySQL's letters) as `strftime`'s. Quarter and fractions, which `strftime` does not know, are filled in from the time.
fn to_strftime(format: &str, time: DateTime) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('i') => out.push_str("%M"),
            Some('M') => out.push_str("%B"),
            Some('s') => out.push_str("%S"),
            Some('W') => out.push_str("%A"),
            Some('c') => out.push_str("%m"),
            Some('e') => out.push_str("%-d"),
            Some('k') => out.push_str("%H"),
            Some('l') => out.push_str("%I"),
            Some('h') => out.push_str("%I"),
            Some('r') => out.push_str("%I:%M %p"),
            Some('D') => out.push_str("%m/%d/%y"),
            Some('f') => out.push_str(&format!("{:06}", time.subsec_nanosecond() / 1000)),
            Some('Q') => out.push_str(&quarter(time).to_string()),
            Some('C') => out.push_str(&format!("{:02}", time.year() / 100)),
            Some(
                c @ ('Y' | 'm' | 'd' | 'H' | 'S' | 'j' | 'y' | 'F' | 'T' | 'R' | 'a' | 'b' | 'I' | 'p' | 'u' | 'w' | 'V' | 'G' | 'g' | 'n'
                | 't' | '%' | 'z'),
            ) => {
                out.extend(['%', c]);
            }
            Some(other) => out.extend(['%', '%', other]),
            None => out.push_str("%%"),
        }
    }
    out
}

/// `formatDateTime(time, format[, zone])`.
pub(super) fn format<'a>(args: &[Datum<'a>], format: &str, zone: &TimeZone) -> Datum<'a> {
    let Some(time) = civil_in(&args[0], zone) else { return Datum::Null };
    let pattern = to_strftime(format, time);
    match zone.to_ambiguous_zoned(time).compatible() {
        Ok(zoned) => jiff::fmt::strtime::format(&pattern, &zoned).ok().into(),
        Err(_) => Datum::Null,
    }
}

/// `parseDateTime(text, format[, zone])`; NULL when the text is not of this form.
pub(super) fn parse(text: &str, format: &str, zone: &TimeZone) -> Datum<'static> {
    let pattern = to_strftime(format, DateTime::default()).replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S").replace("%R", "%H:%M");
    let Ok(parsed) = jiff::fmt::strtime::parse(&pattern, text) else { return Datum::Null };
    if let Ok(moment) = parsed.to_timestamp() {
        return Datum::Time(moment.as_microsecond());
    }
    let date = civil::Date::new(parsed.year().unwrap_or(1970), parsed.month().unwrap_or(1), parsed.day().unwrap_or(1));
    let time = civil::Time::new(parsed.hour().unwrap_or(0), parsed.minute().unwrap_or(0), parsed.second().unwrap_or(0), 0);
    match (date, time) {
        (Ok(date), Ok(time)) => time_datum(date.to_datetime(time), zone),
        _ => Datum::Null,
    }
}

/// PostgreSQL's templates, longest first, and ClickHouse's letters for them.
const TEMPLATES: [(&str, &str); 24] = [
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("YYYY", "%Y"),
    ("Month", "%M"),
    ("MONTH", "%M"),
    ("month", "%M"),
    ("IYYY", "%G"),
    ("Day", "%W"),
    ("DAY", "%W"),
    ("DDD", "%j"),
    ("Mon", "%b"),
    ("MON", "%b"),
    ("mon", "%b"),
    ("Dy", "%a"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("HH", "%I"),
    ("MI", "%i"),
    ("SS", "%S"),
    ("US", "%f"),
    ("IW", "%V"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// The template of `to_char` in ClickHouse's letters, which it may be written in as well.
pub(super) fn from_postgres(template: &str) -> String {
    if template.contains('%') {
        return template.to_owned();
    }
    let mut out = String::new();
    let mut rest = template;
    'text: while let Some(first) = rest.chars().next() {
        for (name, letters) in TEMPLATES {
            if let Some(after) = rest.strip_prefix(name) {
                out.push_str(letters);
                rest = after;
                continue 'text;
            }
        }
        out.push(first);
        rest = &rest[first.len_utf8()..];
    }
    out
}

/// `dateName('month', time)`: the month's or weekday's name, any other part as a number.
pub(super) fn name<'a>(part: &str, value: &Datum<'a>, zone: &TimeZone) -> Datum<'a> {
    let args = std::slice::from_ref(value);
    match part.to_ascii_lowercase().as_str() {
        "month" => format(args, "%M", zone),
        "weekday" | "dow" => format(args, "%W", zone),
        other => match field(other, value, zone) {
            Datum::Int(number) => number.to_string().into(),
            _ => Datum::Null,
        },
    }
}

/// `date_part('hour', time)`.
pub(super) fn field(part: &str, value: &Datum<'_>, zone: &TimeZone) -> Datum<'static> {
    let Some(time) = civil_in(value, zone) else { return Datum::Null };
    let number = match part.to_ascii_lowercase().trim_end_matches('s') {
        "year" => time.year().into(),
        "isoyear" => time.date().iso_week_date().year().into(),
        "quarter" => quarter(time),
        "month" => time.month().into(),
        "week" => time.date().iso_week_date().week().into(),
        "day" => time.day().into(),
        "dayofyear" | "doy" => time.day_of_year().into(),
        "dow" | "isodow" => time.weekday().to_monday_one_offset().into(),
        "hour" => time.hour().into(),
        "minute" => time.minute().into(),
        "second" => time.second().into(),
        "millisecond" => i64::from(time.second()) * 1000 + i64::from(time.millisecond()),
        "epoch" => match instant(value, zone) {
            Some(micros) => micros.div_euclid(1_000_000),
            None => return Datum::Null,
        },
        _ => return Datum::Null,
    };
    Datum::Int(number)
}
