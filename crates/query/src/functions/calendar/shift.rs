//! Adding periods to times, and distances between times.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use jiff::civil::DateTime;
use jiff::{Span, Timestamp};

use super::start::{Unit, start_date};
use super::{civil_in, days_datum, instant, like_first, time_datum, zone_of};
use crate::functions::datum::Datum;
use crate::functions::registry::{RowDef, row, row_call, row_call_typed};
use crate::functions::text::{n, t};
use crate::functions::types::Returns::{Interval, Of, Same};
use crate::functions::types::{micros, plain, seconds};
use crate::functions::udf::Env;
use crate::functions::{Argument, Built, FunctionContext, FunctionError, WeekStart};

/// So many of a unit; NULL when there are too many or the unit is not known.
pub(super) fn interval_of(count: Option<i64>, unit: &str) -> Datum<'static> {
    let Some(count) = count else { return Datum::Null };
    let small = |factor: i64| count.checked_mul(factor).and_then(|count| i32::try_from(count).ok());
    let (months, days, nanos) = match Unit::named(unit) {
        Some(Unit::Year) => (small(12), Some(0), Some(0)),
        Some(Unit::Quarter) => (small(3), Some(0), Some(0)),
        Some(Unit::Month) => (small(1), Some(0), Some(0)),
        Some(Unit::Week(_)) => (Some(0), small(7), Some(0)),
        Some(Unit::Day) => (Some(0), small(1), Some(0)),
        Some(Unit::Hour) => (Some(0), Some(0), count.checked_mul(3_600_000_000_000)),
        Some(Unit::Minutes(_)) => (Some(0), Some(0), count.checked_mul(60_000_000_000)),
        Some(Unit::Second) => (Some(0), Some(0), count.checked_mul(1_000_000_000)),
        _ => return Datum::Null,
    };
    match (months, days, nanos) {
        (Some(months), Some(days), Some(nanos)) => Datum::Interval { months, days, nanos },
        _ => Datum::Null,
    }
}

/// `make_interval(years, months, days, hours, minutes, seconds)`.
pub(super) fn make_interval<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let at = |place: usize| n(args, place).unwrap_or(0);
    let months = i32::try_from(at(0) * 12 + at(1));
    let days = i32::try_from(at(2));
    let nanos = (at(3) * 3600 + at(4) * 60 + at(5)).checked_mul(1_000_000_000);
    match (months, days, nanos) {
        (Ok(months), Ok(days), Some(nanos)) => Datum::Interval { months, days, nanos },
        _ => Datum::Null,
    }
}

/// Dates become times when hours are added to them.
pub(super) fn at_least_seconds(args: &[DataType]) -> DataType {
    match like_first(args) {
        DataType::Date32 => seconds(),
        other => other,
    }
}

/// The longest clock unit that an interval is known to be made of: `Some(true)` for days and more, `Some(false)` for hours and less.
pub(super) fn counts_days(interval: &Argument) -> Option<bool> {
    match &interval.expr {
        Expr::ScalarFunction(call) => {
            Some(matches!(call.name(), "toIntervalDay" | "toIntervalWeek" | "toIntervalMonth" | "toIntervalQuarter" | "toIntervalYear"))
        }
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => Some(interval.nanoseconds == 0),
        _ => None,
    }
}

/// A date plus an interval stays a date if the interval is one of days; a time keeps its digits.
fn interval_sum_type(args: &[DataType], days: bool) -> DataType {
    if args.iter().all(|arg| matches!(arg, DataType::Interval(_))) {
        return Interval.data_type(args);
    }
    match args.iter().find(|arg| matches!(arg, DataType::Timestamp(..))) {
        Some(time) => time.clone(),
        None if args.contains(&DataType::Date32) => {
            if days {
                DataType::Date32
            } else {
                seconds()
            }
        }
        None => micros(),
    }
}

/// `time + interval` and `time - interval`.
pub(super) fn interval_sum(args: Vec<Argument>, subtract: bool, context: &FunctionContext) -> Built {
    const ADD: RowDef = row("addInterval", 2, 2, Same(0), |args, env| add(&args[0], &args[1], 1, env));
    const SUBTRACT: RowDef = row("subtractInterval", 2, 2, Same(0), |args, env| add(&args[0], &args[1], -1, env));
    let types: Vec<DataType> = args.iter().map(|arg| plain(&arg.data_type)).collect();
    let days = args.iter().zip(&types).any(|(arg, data_type)| matches!(data_type, DataType::Interval(_)) && counts_days(arg) == Some(true));
    row_call_typed(if subtract { &SUBTRACT } else { &ADD }, interval_sum_type(&types, days), args, context)
}

/// `addDays(time, count)` and its like.
pub(super) fn shifted(args: &[Datum<'_>], env: &Env, unit: &str, sign: i64) -> Datum<'static> {
    let count = n(args, 1).and_then(|count| count.checked_mul(sign));
    add_in(&args[0], &interval_of(count, unit), 1, &env.time_zone)
}

/// `time + interval`, in either order of arguments.
pub(super) fn add<'a>(left: &Datum<'a>, right: &Datum<'a>, sign: i32, env: &Env) -> Datum<'a> {
    let sum = match (left, right) {
        (Datum::Interval { months, days, nanos }, Datum::Interval { months: m, days: d, nanos: n }) => Datum::Interval {
            months: months.saturating_add(m.saturating_mul(sign)),
            days: days.saturating_add(d.saturating_mul(sign)),
            nanos: nanos.saturating_add(n.saturating_mul(i64::from(sign))),
        },
        (interval @ Datum::Interval { .. }, time) => add_in(time, interval, sign, &env.time_zone),
        (time, interval) => add_in(time, interval, sign, &env.time_zone),
    };
    match (&sum, &env.returns) {
        // a date as a time is its midnight in the zone
        (Datum::Date(_), DataType::Timestamp(..)) => instant(&sum, &env.time_zone).map_or(Datum::Null, Datum::Time),
        _ => sum,
    }
}

/// Months and days are added on the calendar, the rest on the clock. Days that a month does not have become its last.
fn add_in(time: &Datum<'_>, interval: &Datum<'_>, sign: i32, zone: &jiff::tz::TimeZone) -> Datum<'static> {
    let Datum::Interval { months, days, nanos } = interval else { return Datum::Null };
    let span = |months: i32, days: i32| Span::new().try_months(i64::from(months)).ok()?.try_days(i64::from(days)).ok();
    let Some(calendar) = span(months.saturating_mul(sign), days.saturating_mul(sign)) else { return Datum::Null };
    let clock = nanos.saturating_mul(i64::from(sign)) / 1000;
    if let (Datum::Date(_), 0) = (time, clock) {
        let date = civil_in(time, zone).and_then(|time| time.date().checked_add(calendar).ok());
        return date.map_or(Datum::Null, days_datum);
    }
    let Some(start) = instant(time, zone) else { return Datum::Null };
    let moved = if *months == 0 && *days == 0 {
        Some(start)
    } else {
        let local = Timestamp::from_microsecond(start).ok().map(|moment| zone.to_datetime(moment));
        match local.and_then(|local| local.checked_add(calendar).ok()).map(|local| time_datum(local, zone)) {
            Some(Datum::Time(micros)) => Some(micros),
            _ => None,
        }
    };
    moved.and_then(|micros| micros.checked_add(clock)).map_or(Datum::Null, Datum::Time)
}

/// `dateAdd('unit', count, time)`, `dateAdd(time, interval)`.
pub(super) fn add_call(name: &'static str, args: Vec<Argument>, subtract: bool, context: &FunctionContext) -> Result<Built, FunctionError> {
    const ADD: RowDef = row("dateAdd", 3, 3, Of(at_least_seconds), |args, env| add_units(args, 1, env));
    const SUBTRACT: RowDef = row("dateSub", 3, 3, Of(at_least_seconds), |args, env| add_units(args, -1, env));
    const ADD_DATE: RowDef = row("dateAdd", 3, 3, Of(like_first), |args, env| add_units(args, 1, env));
    const SUBTRACT_DATE: RowDef = row("dateSub", 3, 3, Of(like_first), |args, env| add_units(args, -1, env));
    if args.len() == 2 {
        let function = crate::functions::lookup(if subtract { "subtractInterval" } else { "addInterval" });
        return match function {
            Some(function) => function.build(args, crate::functions::CallOptions::default(), context),
            None => Err(crate::functions::unknown(name)),
        };
    }
    let unit = args[0].text().and_then(Unit::named).ok_or_else(|| FunctionError::Argument {
        name: name.to_owned(),
        position: 1,
        expected: "a unit of time in quotes",
        found: "something else".to_owned(),
    })?;
    let keeps_date = unit.gives_date() || unit == Unit::Day;
    let def = match (subtract, keeps_date) {
        (false, false) => &ADD,
        (true, false) => &SUBTRACT,
        (false, true) => &ADD_DATE,
        (true, true) => &SUBTRACT_DATE,
    };
    Ok(row_call(def, args, context))
}

fn add_units<'a>(args: &[Datum<'a>], sign: i32, env: &Env) -> Datum<'a> {
    add_in(&args[2], &interval_of(n(args, 1), &t(args, 0)), sign, &env.time_zone)
}

/// Days since 1970, of the date on which the period began.
fn day_number(time: DateTime, unit: Unit) -> Option<i64> {
    match start_date(time, unit).map(days_datum)? {
        Datum::Date(days) => Some(days.into()),
        _ => None,
    }
}

fn month_number(time: DateTime) -> i64 {
    i64::from(time.year()) * 12 + i64::from(time.month()) - 1
}

/// Nanoseconds in a unit smaller than a second.
fn nanos_in(unit: &str) -> Option<i128> {
    match unit.to_ascii_lowercase().trim_end_matches('s') {
        "millisecond" | "m" => Some(1_000_000),
        "microsecond" | "u" => Some(1000),
        "nanosecond" | "n" => Some(1),
        _ => None,
    }
}

/// `dateDiff('unit', from, to[, zone])`: how many boundaries of the unit lie between.
pub(super) fn date_diff<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    let zone = zone_of(args, 3, env);
    if let Some(nanos) = nanos_in(&t(args, 0)) {
        let count = |value: &Datum<'_>| Some(i128::from(instant(value, &zone)?) * 1000 / nanos);
        let distance = count(&args[2]).zip(count(&args[1])).and_then(|(to, from)| i64::try_from(to - from).ok());
        return distance.into();
    }
    let (Some(unit), Some(from), Some(to)) = (Unit::named(&t(args, 0)), civil_in(&args[1], &zone), civil_in(&args[2], &zone)) else {
        return Datum::Null;
    };
    let clock = |size: i64| {
        let count = |value: &Datum<'_>| {
            let micros = instant(value, &zone)?;
            let offset = Timestamp::from_microsecond(micros).map_or(0, |moment| i64::from(zone.to_offset(moment).seconds()));
            // whole minutes and hours are those of the zone's clock
            let offset = if size == 3600 { offset % 3600 } else { offset % 60 };
            Some((micros + offset * 1_000_000).div_euclid(size * 1_000_000))
        };
        Some(count(&args[2])? - count(&args[1])?)
    };
    let days = |unit: Unit, size: i64| Some((day_number(to, unit)? - day_number(from, unit)?) / size);
    match unit {
        Unit::Year | Unit::IsoYear => Some(i64::from(to.year()) - i64::from(from.year())),
        Unit::Quarter => Some(month_number(to).div_euclid(3) - month_number(from).div_euclid(3)),
        Unit::Month => Some(month_number(to) - month_number(from)),
        Unit::Week(_) => days(Unit::Week(WeekStart::Monday), 7),
        Unit::Day => days(Unit::Day, 1),
        Unit::Hour => clock(3600),
        Unit::Minutes(_) => clock(60),
        Unit::Second => clock(1),
    }
    .into()
}

/// `age('unit', from, to[, zone])`: how many whole units fit between.
pub(super) fn age<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    let zone = zone_of(args, 3, env);
    let (Some(unit), Some(from), Some(to)) = (Unit::named(&t(args, 0)), civil_in(&args[1], &zone), civil_in(&args[2], &zone)) else {
        return Datum::Null;
    };
    let (sign, first, last) = if from <= to { (1, from, to) } else { (-1, to, from) };
    // a month is over on the same day at the same time; one that lacks the day, with the next month
    let months = || sign * (month_number(last) - month_number(first) - i64::from((last.day(), last.time()) < (first.day(), first.time())));
    let days = || {
        let apart = day_number(last, Unit::Day)? - day_number(first, Unit::Day)?;
        Some(sign * (apart - i64::from(last.time() < first.time())))
    };
    let seconds = |size: i64| Some((instant(&args[2], &zone)? - instant(&args[1], &zone)?) / (size * 1_000_000));
    match unit {
        Unit::Year | Unit::IsoYear => Some(months() / 12),
        Unit::Quarter => Some(months() / 3),
        Unit::Month => Some(months()),
        Unit::Week(_) => days().map(|days| days / 7),
        Unit::Day => days(),
        Unit::Hour => seconds(3600),
        Unit::Minutes(_) => seconds(60),
        Unit::Second => seconds(1),
    }
    .into()
}
