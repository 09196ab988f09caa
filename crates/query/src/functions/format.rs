//! How values look as text.

use std::fmt::Write;

use arrow::datatypes::{DataType, TimeUnit};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::datum::Datum;
use super::registry::{RowDef, row};
use super::text::n;
use super::types::Returns::{Int, Text};

/// A value as ClickHouse's `toString` shows it; times in UTC with as many digits as they have.
pub(crate) fn show(value: &Datum<'_>) -> String {
    show_in(value, None, &TimeZone::UTC)
}

/// A value as text: times in a zone, with the digits of their type.
pub(super) fn show_in(value: &Datum<'_>, data_type: Option<&DataType>, zone: &TimeZone) -> String {
    match value {
        Datum::Null => "NULL".to_owned(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int(value) => value.to_string(),
        Datum::UInt(value) => value.to_string(),
        Datum::Float(value) => show_float(*value),
        Datum::Text(text) => text.to_string(),
        Datum::Date(days) => super::calendar::date_of_days(*days).map_or(String::new(), |date| date.to_string()),
        Datum::Time(micros) => show_time(*micros, data_type, zone),
        Datum::Uuid(uuid) => Uuid::from_u128(*uuid).to_string(),
        Datum::Interval { months, days, nanos } => {
            let (count, _) = if *months != 0 {
                (i64::from(*months), "month")
            } else if *days != 0 {
                (i64::from(*days), "day")
            } else {
                (nanos / 1_000_000_000, "second")
            };
            count.to_string()
        }
        Datum::List(items) => format!("[{}]", show_items(items, zone)),
        Datum::Tuple(items) => format!("({})", show_items(items, zone)),
        Datum::Map(pairs) => {
            let shown: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{}:{}", show_item(key, zone), show_item(value, zone))).collect();
            format!("{{{}}}", shown.join(","))
        }
    }
}

fn show_items(items: &[Datum<'_>], zone: &TimeZone) -> String {
    items.iter().map(|item| show_item(item, zone)).collect::<Vec<_>>().join(",")
}

/// Inside of arrays everything that is no number has quotes.
fn show_item(item: &Datum<'_>, zone: &TimeZone) -> String {
    match item {
        Datum::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Datum::Date(_) | Datum::Time(_) | Datum::Uuid(_) => format!("'{}'", show_in(item, None, zone)),
        other => show_in(other, None, zone),
    }
}

/// The shortest digits that give the same number; an exponent from 1e21 and below 1e-6.
pub(crate) fn show_float(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        (if value > 0.0 { "inf" } else { "-inf" }).to_owned()
    } else if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

fn show_time(micros: i64, data_type: Option<&DataType>, zone: &TimeZone) -> String {
    let Ok(timestamp) = Timestamp::from_microsecond(micros) else { return String::new() };
    let time = zone.to_datetime(timestamp);
    let mut out = time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = micros.rem_euclid(1_000_000);
    let digits = match data_type {
        Some(DataType::Timestamp(TimeUnit::Second, _)) => 0,
        Some(DataType::Timestamp(TimeUnit::Millisecond, _)) => 3,
        Some(DataType::Timestamp(..)) => 6,
        _ if fraction == 0 => 0,
        _ => 6,
    };
    // INVARIANT: writing to a `String` never fails
    let _ = match digits {
        0 => Ok(()),
        3 => write!(out, ".{:03}", fraction / 1000),
        _ => write!(out, ".{fraction:06}"),
    };
    out
}

pub(super) const ROWS: &[RowDef] = &[
    row("formatReadableSize", 1, 1, Text, |args, _| scaled(args, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])),
    row("formatReadableDecimalSize", 1, 1, Text, |args, _| scaled(args, 1000.0, &["B", "KB", "MB", "GB", "TB", "PB", "EB"])),
    row("formatReadableQuantity", 1, 1, Text, |args, _| {
        scaled(args, 1000.0, &["", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion"])
    }),
    row("formatReadableTimeDelta", 1, 3, Text, |args, _| time_delta(args)),
    row("bar", 3, 4, Text, |args, _| bar(args)),
    row("byteSize", 1, 255, Int, |args, _| args.iter().map(|arg| show(arg).len()).sum::<usize>().into()),
];

fn scaled(args: &[Datum<'_>], base: f64, units: &[&str]) -> Datum<'static> {
    let Some(mut value) = args[0].as_float() else { return Datum::Null };
    let mut unit = 0;
    while value.abs() >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{value:.2} {}", units[unit]).trim_end().to_owned().into()
}

fn time_delta(args: &[Datum<'_>]) -> Datum<'static> {
    let Some(seconds) = args[0].as_float() else { return Datum::Null };
    let units: [(&str, f64); 6] =
        [("year", 31_556_952.0), ("month", 2_629_746.0), ("day", 86_400.0), ("hour", 3_600.0), ("minute", 60.0), ("second", 1.0)];
    let largest = args.get(1).and_then(Datum::as_text).map(|name| name.trim_end_matches('s').to_owned());
    let from = largest.and_then(|largest| units.iter().position(|(name, _)| *name == largest)).unwrap_or(0);
    let mut rest = seconds.abs();
    let mut parts = Vec::new();
    for (name, size) in &units[from..] {
        let count = (rest / size).floor();
        rest -= count * size;
        if count > 0.0 {
            parts.push(format!("{count} {name}{}", if count > 1.0 { "s" } else { "" }));
        }
    }
    let text = match parts.pop() {
        None => "0 seconds".to_owned(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} and {last}", parts.join(", ")),
    };
    (if seconds < 0.0 { format!("-{text}") } else { text }).into()
}

/// `bar(x, min, max, width)`: a bar whose length is in proportion.
fn bar(args: &[Datum<'_>]) -> Datum<'static> {
    let (Some(value), Some(min), Some(max)) = (args[0].as_float(), args[1].as_float(), args[2].as_float()) else { return Datum::Null };
    let width = n(args, 3).unwrap_or(80).clamp(1, 1000);
    #[expect(clippy::cast_precision_loss, reason = "a width in characters")]
    let eighths = ((value.min(max).max(min) - min) / (max - min) * width as f64 * 8.0).floor();
    let eighths = usize::try_from(super::datum::saturating_int(eighths)).unwrap_or(0);
    let mut out = "█".repeat(eighths / 8);
    out.extend(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied());
    out.into()
}
