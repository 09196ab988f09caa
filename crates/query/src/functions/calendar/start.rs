//! The beginning of the period that a time lies in.

use datafusion::logical_expr::Expr;
use jiff::civil::{self, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{civil_in, days_datum, instant, quarter, time_datum, zone_of};
use crate::functions::datum::Datum;
use crate::functions::registry::{RowDef, row, row_call};
use crate::functions::text::t;
use crate::functions::types::Returns;
use crate::functions::udf::Env;
use crate::functions::{Argument, Built, FunctionContext, WeekStart};

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::functions) enum Unit {
    Year,
    IsoYear,
    Quarter,
    Month,
    Week(WeekStart),
    Day,
    Hour,
    Minutes(i8),
    Second,
}

impl Unit {
    /// By the name that `dateTrunc` and `dateDiff` take.
    pub(super) fn named(name: &str) -> Option<Unit> {
        let name = name.to_ascii_lowercase();
        Some(match name.strip_suffix('s').filter(|name| name.len() > 2).unwrap_or(&name) {
            "year" | "yy" | "yyyy" => Unit::Year,
            "quarter" | "qq" => Unit::Quarter,
            "month" | "mm" => Unit::Month,
            "week" | "wk" | "ww" => Unit::Week(WeekStart::Monday),
            "day" | "dd" => Unit::Day,
            "hour" | "hh" => Unit::Hour,
            "minute" | "mi" => Unit::Minutes(1),
            "second" | "ss" => Unit::Second,
            _ => return None,
        })
    }

    /// Whether the beginning is a date rather than a time.
    pub(super) fn gives_date(self) -> bool {
        matches!(self, Unit::Year | Unit::IsoYear | Unit::Quarter | Unit::Month | Unit::Week(_))
    }
}

fn first_of(time: DateTime, month: i8) -> Option<civil::Date> {
    civil::Date::new(time.year(), month, 1).ok()
}

/// Days back to the beginning of the week.
fn since_week_start(date: civil::Date, start: WeekStart) -> i64 {
    match start {
        WeekStart::Sunday => date.weekday().to_sunday_zero_offset().into(),
        WeekStart::Monday => date.weekday().to_monday_zero_offset().into(),
    }
}

/// The date on which the period of `time` began, for periods of days and more.
pub(super) fn start_date(time: DateTime, unit: Unit) -> Option<civil::Date> {
    match unit {
        Unit::Year => first_of(time, 1),
        Unit::IsoYear => {
            let year = time.date().iso_week_date().year();
            Some(civil::ISOWeekDate::new(year, 1, civil::Weekday::Monday).ok()?.date())
        }
        Unit::Quarter => first_of(time, i8::try_from(quarter(time) * 3 - 2).ok()?),
        Unit::Month => first_of(time, time.month()),
        Unit::Week(start) => time.date().checked_sub(Span::new().days(since_week_start(time.date(), start))).ok(),
        _ => Some(time.date()),
    }
}

/// `toStartOf…(time[, zone])`.
pub(super) fn start_of(args: &[Datum<'_>], env: &Env, unit: Unit) -> Datum<'static> {
    let zone = zone_of(args, 1, env);
    start_in(&args[0], &zone, unit)
}

fn start_in(value: &Datum<'_>, zone: &TimeZone, unit: Unit) -> Datum<'static> {
    let seconds_of_unit = match unit {
        Unit::Hour => 3600,
        Unit::Minutes(minutes) => i64::from(minutes) * 60,
        Unit::Second => 1,
        _ => {
            let date = civil_in(value, zone).and_then(|time| start_date(time, unit));
            return match date {
                Some(date) if unit == Unit::Day => time_datum(date.to_datetime(civil::Time::midnight()), zone),
                Some(date) => days_datum(date),
                None => Datum::Null,
            };
        }
    };
    let Some(micros) = instant(value, zone) else { return Datum::Null };
    Datum::Time(floor_by(micros, seconds_of_unit * 1_000_000, offset_micros(micros, zone)))
}

/// How far a zone's clock is from UTC.
fn offset_micros(micros: i64, zone: &TimeZone) -> i64 {
    Timestamp::from_microsecond(micros).map_or(0, |moment| i64::from(zone.to_offset(moment).seconds()) * 1_000_000)
}

/// Down to a multiple, counted on a clock that is `offset` ahead.
fn floor_by(micros: i64, size: i64, offset: i64) -> i64 {
    (micros + offset).div_euclid(size) * size - offset
}

/// `dateTrunc('unit', time[, zone])`.
pub(super) fn truncated<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    let Some(unit) = Unit::named(&t(args, 0)) else { return Datum::Null };
    start_in(&args[1], &zone_of(args, 2, env), unit)
}

/// `toStartOfInterval(time, interval[, origin or zone])`: a date for intervals of weeks and more, else a time.
pub(super) fn interval_call(args: Vec<Argument>, context: &FunctionContext) -> Built {
    const DATE: RowDef = row("toStartOfInterval", 2, 4, Returns::Date, |args, env| match start_of_interval(args, env) {
        Datum::Null => Datum::Null,
        time => civil_in(&time, &zone_of(args, 2, env)).map_or(Datum::Null, |time| days_datum(time.date())),
    });
    const TIME: RowDef = row("toStartOfInterval", 2, 4, Returns::Seconds, start_of_interval);
    let weeks = args.iter().any(|arg| match &arg.expr {
        Expr::ScalarFunction(call) => matches!(call.name(), "toIntervalWeek" | "toIntervalMonth" | "toIntervalQuarter" | "toIntervalYear"),
        _ => false,
    });
    let zone = args.get(2).and_then(Argument::text).map(str::to_owned);
    super::in_zone_of(row_call(if weeks { &DATE } else { &TIME }, args, context), zone.as_deref())
}

const HOUR_MICROS: i64 = 3_600_000_000;

/// Weeks begin on Monday, longer periods are counted from year 1 or 1970.
pub(super) fn start_of_interval<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    let (time, interval) = if matches!(args[0], Datum::Interval { .. }) { (&args[1], &args[0]) } else { (&args[0], &args[1]) };
    let zone = zone_of(args, 2, env);
    let (Datum::Interval { months, days, nanos }, Some(local)) = (interval, civil_in(time, &zone)) else { return Datum::Null };
    if let Some(origin) = args.get(2).and_then(|origin| if origin.as_text().is_some() { None } else { instant(origin, &zone) }) {
        let size = i64::from(*days) * 86_400_000_000 + nanos / 1000;
        let micros = instant(time, &zone).unwrap_or_default();
        return if size > 0 { Datum::Time((micros - origin).div_euclid(size) * size + origin) } else { Datum::Null };
    }
    if *months > 0 {
        let count = i64::from(*months);
        let month = (i64::from(local.year()) * 12 + i64::from(local.month()) - 1).div_euclid(count) * count;
        let (year, month) = (i16::try_from(month.div_euclid(12)), i8::try_from(month.rem_euclid(12) + 1));
        let date = year.ok().zip(month.ok()).and_then(|(year, month)| civil::Date::new(year, month, 1).ok());
        return date.map_or(Datum::Null, |date| time_datum(date.to_datetime(civil::Time::midnight()), &zone));
    }
    if *days > 0 {
        let Datum::Date(today) = days_datum(local.date()) else { return Datum::Null };
        // 1970-01-01 was a Thursday: weeks are counted from the Monday after it
        let shift = if days % 7 == 0 { -4 } else { 0 };
        let start = (today + shift).div_euclid(*days) * days - shift;
        return super::date_of_days(start).map_or(Datum::Null, |date| time_datum(date.to_datetime(civil::Time::midnight()), &zone));
    }
    let Some(micros) = instant(time, &zone) else { return Datum::Null };
    let size = nanos / 1000;
    if size <= 0 {
        return Datum::Null;
    }
    // hours are counted from midnight, smaller units from 1970 whatever the zone
    let origin = match time_datum(local.date().to_datetime(civil::Time::midnight()), &zone) {
        Datum::Time(midnight) if size % HOUR_MICROS == 0 => midnight,
        _ => 0,
    };
    Datum::Time((micros - origin).div_euclid(size) * size + origin)
}

/// The window of a length that ends with the step in which the time lies: `tumble` has steps as long as the window.
pub(super) fn window<'a>(args: &[Datum<'a>], length: &Datum<'a>, env: &Env) -> Datum<'a> {
    let step = start_of_interval(&args[..2], env);
    let end = super::shift::add(&step, &args[1], 1, env);
    let start = super::shift::add(&end, length, -1, env);
    Datum::Tuple(vec![start, end])
}

/// One end of a window.
pub(super) fn side(window: Datum<'_>, place: usize) -> Datum<'_> {
    window.as_list().and_then(|ends| ends.get(place)).cloned().unwrap_or_default()
}
