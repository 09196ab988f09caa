//! Dates and times.
//!
//! In: a date, an instant or text that reads as one. Calendar fields are counted in the zone of the instant, see [`super::udf::Env`].
//!
//! Read next: `start.rs` (beginnings of periods), `shift.rs` (adding and distances), `pattern.rs` (formats).

mod fast;
mod pattern;
mod shift;
mod start;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast};
use jiff::Timestamp;
use jiff::civil::{self, DateTime, Weekday};
use jiff::tz::TimeZone;

pub(super) use fast::Fast;

use super::datum::Datum;
use super::registry::{Nulls, RewriteDef, RowDef, row};
use super::text::{n, t};
use super::types::Returns::{self, Bool, Date, Flag, Int, Interval, Micros, Of, Seconds, Text};
use super::types::{micros, plain, seconds, tuple_of};
use super::udf::Env;
use super::{Argument, Built, FunctionContext, FunctionError, Shown, WeekStart, zone_named};
use shift::{add_call, age, date_diff, interval_of, shifted};
use start::{Unit, start_of, start_of_interval, truncated};

/// The date so many days after 1970-01-01.
pub(super) fn date_of_days(days: i32) -> Option<civil::Date> {
    civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(i64::from(days)).ok()?).ok()
}

/// A date as a value.
pub(super) fn days_datum(date: civil::Date) -> Datum<'static> {
    let days = civil::date(1970, 1, 1).until(date).map(|span| span.get_days());
    days.map_or(Datum::Null, Datum::Date)
}

/// The instant of a value in microseconds; dates begin at midnight in `zone`, text is read as one.
pub(super) fn instant(value: &Datum<'_>, zone: &TimeZone) -> Option<i64> {
    match value {
        Datum::Time(micros) => Some(*micros),
        Datum::Date(days) => micros_of(date_of_days(*days)?.to_datetime(civil::Time::midnight()), zone),
        Datum::Text(text) => crate::time::parse_best_effort(text, zone),
        Datum::Int(seconds) => seconds.checked_mul(1_000_000),
        Datum::Float(seconds) => Some(super::datum::saturating_int(seconds * 1e6)),
        _ => None,
    }
}

/// What a clock and calendar in `zone` show.
pub(super) fn civil_in(value: &Datum<'_>, zone: &TimeZone) -> Option<DateTime> {
    match value {
        Datum::Date(days) => Some(date_of_days(*days)?.to_datetime(civil::Time::midnight())),
        other => Some(zone.to_datetime(Timestamp::from_microsecond(instant(other, zone)?).ok()?)),
    }
}

/// The instant at which a clock in `zone` shows this.
fn micros_of(time: DateTime, zone: &TimeZone) -> Option<i64> {
    Some(zone.to_ambiguous_timestamp(time).compatible().ok()?.as_microsecond())
}

fn time_datum(time: DateTime, zone: &TimeZone) -> Datum<'static> {
    micros_of(time, zone).map_or(Datum::Null, Datum::Time)
}

/// The zone named by an optional argument, else the one of the value.
fn zone_of(args: &[Datum<'_>], place: usize, env: &Env) -> TimeZone {
    args.get(place).and_then(Datum::as_text).and_then(zone_named).unwrap_or_else(|| env.time_zone.clone())
}

/// A field of the calendar.
fn part(args: &[Datum<'_>], env: &Env, part: fn(DateTime) -> i64) -> Datum<'static> {
    civil_in(&args[0], &zone_of(args, 1, env)).map(part).into()
}

fn quarter(time: DateTime) -> i64 {
    i64::from((time.month() + 2) / 3)
}

/// ClickHouse's weeks of the year, as in MySQL. Bit 0: weeks begin on Monday; bit 1: from 1 (else from 0); bit 2: the first week is the one
/// with the first such day (else with four days or more).
fn year_week(date: civil::Date, mode: i64) -> (i64, i64) {
    let monday = mode & 1 == 1;
    let from_one = mode & 2 == 2;
    let first_day_rule = (mode & 4 == 4) == monday;
    let start_of = |year: i16| -> Option<civil::Date> {
        let new_year = civil::Date::new(year, 1, 1).ok()?;
        let offset = if monday { new_year.weekday().to_monday_zero_offset() } else { new_year.weekday().to_sunday_zero_offset() };
        let back = new_year.checked_sub(jiff::Span::new().days(i64::from(offset))).ok()?;
        let belongs = if first_day_rule { offset == 0 } else { offset <= 3 };
        if belongs { Some(back) } else { back.checked_add(jiff::Span::new().days(7)).ok() }
    };
    let weeks_since = |start: civil::Date| i64::from(start.until(date).map_or(0, |span| span.get_days()).div_euclid(7)) + 1;
    let year = date.year();
    if let (true, Some(next)) = (from_one, start_of(year + 1))
        && date >= next
    {
        return (i64::from(year) + 1, weeks_since(next));
    }
    match start_of(year) {
        Some(start) if date >= start => (i64::from(year), weeks_since(start)),
        _ if from_one => (i64::from(year) - 1, start_of(year - 1).map_or(0, weeks_since)),
        _ => (i64::from(year), 0),
    }
}

fn week_args(args: &[Datum<'_>], env: &Env) -> Option<(i64, i64)> {
    Some(year_week(civil_in(&args[0], &env.time_zone)?.date(), n(args, 1).unwrap_or(0)))
}

/// Digits of a date and time put together, as `20200110123000`.
fn digits(time: DateTime, with_time: bool) -> i64 {
    let date = (i64::from(time.year()) * 100 + i64::from(time.month())) * 100 + i64::from(time.day());
    if !with_time {
        return date;
    }
    ((date * 100 + i64::from(time.hour())) * 100 + i64::from(time.minute())) * 100 + i64::from(time.second())
}

fn like_first(args: &[DataType]) -> DataType {
    match args.iter().find(|arg| matches!(arg, DataType::Date32 | DataType::Timestamp(..))) {
        Some(DataType::Date32) => DataType::Date32,
        Some(seconds @ DataType::Timestamp(TimeUnit::Second, _)) => seconds.clone(),
        Some(DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        _ => micros(),
    }
}

/// `DateTime` in the zone of the first time.
fn seconds_like(args: &[DataType]) -> DataType {
    match args.iter().find_map(|arg| if let DataType::Timestamp(_, zone) = arg { Some(zone) } else { None }) {
        Some(zone) => DataType::Timestamp(TimeUnit::Second, zone.clone()),
        None => seconds(),
    }
}

pub(super) const ROWS: &[RowDef] = &[
    row("toYear", 1, 2, Int, |args, env| part(args, env, |time| time.year().into())).also(&["year"]).fast(Fast::Year),
    row("toQuarter", 1, 2, Int, |args, env| part(args, env, quarter)).also(&["quarter"]),
    row("toMonth", 1, 2, Int, |args, env| part(args, env, |time| time.month().into())).also(&["month"]).fast(Fast::Month),
    row("toDayOfYear", 1, 2, Int, |args, env| part(args, env, |time| time.day_of_year().into())),
    row("toDayOfMonth", 1, 2, Int, |args, env| part(args, env, |time| time.day().into()))
        .also(&["day", "dayOfMonth"])
        .fast(Fast::DayOfMonth),
    row("toDayOfWeek", 1, 3, Int, day_of_week).also(&["dayOfWeek"]).fast(Fast::DayOfWeek),
    row("toHour", 1, 2, Int, |args, env| part(args, env, |time| time.hour().into())).also(&["hour"]).fast(Fast::Hour),
    row("toMinute", 1, 2, Int, |args, env| part(args, env, |time| time.minute().into())).also(&["minute"]).fast(Fast::Minute),
    row("toSecond", 1, 2, Int, |args, env| part(args, env, |time| time.second().into())).also(&["second"]),
    row("toMillisecond", 1, 2, Int, |args, env| part(args, env, |time| time.millisecond().into())),
    row("toISOYear", 1, 2, Int, |args, env| part(args, env, |time| time.date().iso_week_date().year().into())),
    row("toISOWeek", 1, 2, Int, |args, env| part(args, env, |time| time.date().iso_week_date().week().into())),
    row("toWeek", 1, 3, Int, |args, env| week_args(args, env).map(|(_, week)| week).into()).also(&["week"]),
    row("toYearWeek", 1, 3, Int, |args, env| {
        // always in the form that has no week 0
        let mode = n(args, 1).unwrap_or(0) | 2;
        civil_in(&args[0], &env.time_zone).map(|time| year_week(time.date(), mode)).map(|(year, week)| year * 100 + week).into()
    })
    .also(&["yearweek"]),
    row("toYYYYMM", 1, 2, Int, |args, env| part(args, env, |time| digits(time, false) / 100)).fast(Fast::YearMonth),
    row("toYYYYMMDD", 1, 2, Int, |args, env| part(args, env, |time| digits(time, false))).fast(Fast::YearMonthDay),
    row("toYYYYMMDDhhmmss", 1, 2, Int, |args, env| part(args, env, |time| digits(time, true))),
    row("toUnixTimestamp", 1, 2, Int, |args, env| {
        instant(&args[0], &zone_of(args, 1, env)).map(|micros| micros.div_euclid(1_000_000)).into()
    }),
    row("toUnixTimestamp64Second", 1, 2, Int, |args, env| instant(&args[0], &env.zone).map(|micros| micros.div_euclid(1_000_000)).into()),
    row("toUnixTimestamp64Milli", 1, 2, Int, |args, env| instant(&args[0], &env.zone).map(|micros| micros.div_euclid(1000)).into()),
    row("toUnixTimestamp64Micro", 1, 2, Int, |args, env| instant(&args[0], &env.zone).into()),
    row("fromUnixTimestamp", 1, 1, Seconds, |args, env| instant(&args[0], &env.zone).map_or(Datum::Null, Datum::Time)),
    row("fromUnixTimestamp64Milli", 1, 2, Of(|_| DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))), |args, _| {
        n(args, 0).and_then(|millis| millis.checked_mul(1000)).map_or(Datum::Null, Datum::Time)
    }),
    row("fromUnixTimestamp64Micro", 1, 2, Micros, |args, _| n(args, 0).map_or(Datum::Null, Datum::Time)),
    row("toStartOfYear", 1, 2, Date, |args, env| start_of(args, env, Unit::Year)).fast(Fast::StartDate(Unit::Year)),
    row("toStartOfISOYear", 1, 2, Date, |args, env| start_of(args, env, Unit::IsoYear)),
    row("toStartOfQuarter", 1, 2, Date, |args, env| start_of(args, env, Unit::Quarter)).fast(Fast::StartDate(Unit::Quarter)),
    row("toStartOfMonth", 1, 2, Date, |args, env| start_of(args, env, Unit::Month)).fast(Fast::StartDate(Unit::Month)),
    row("toLastDayOfMonth", 1, 2, Date, |args, env| {
        civil_in(&args[0], &zone_of(args, 1, env)).map_or(Datum::Null, |time| days_datum(time.date().last_of_month()))
    })
    .also(&["LAST_DAY", "last_day"]),
    row("toMonday", 1, 2, Date, |args, env| start_of(args, env, Unit::Week(WeekStart::Monday)))
        .fast(Fast::StartDate(Unit::Week(WeekStart::Monday))),
    row("toStartOfWeek", 1, 3, Date, |args, env| start_of(&[args[0].clone()], env, Unit::Week(week_start(args, env))))
        .fast(Fast::StartWeek),
    row("toLastDayOfWeek", 1, 3, Date, |args, env| match start_of(&[args[0].clone()], env, Unit::Week(week_start(args, env))) {
        Datum::Date(days) => Datum::Date(days + 6),
        other => other,
    }),
    row("toStartOfHour", 1, 2, Of(seconds_like), |args, env| start_of(args, env, Unit::Hour)).fast(Fast::StartTime(Unit::Hour)),
    row("toStartOfMinute", 1, 2, Of(seconds_like), |args, env| start_of(args, env, Unit::Minutes(1)))
        .fast(Fast::StartTime(Unit::Minutes(1))),
    row("toStartOfFiveMinutes", 1, 2, Of(seconds_like), |args, env| start_of(args, env, Unit::Minutes(5)))
        .also(&["toStartOfFiveMinute"])
        .fast(Fast::StartTime(Unit::Minutes(5))),
    row("toStartOfTenMinutes", 1, 2, Of(seconds_like), |args, env| start_of(args, env, Unit::Minutes(10)))
        .fast(Fast::StartTime(Unit::Minutes(10))),
    row("toStartOfFifteenMinutes", 1, 2, Of(seconds_like), |args, env| start_of(args, env, Unit::Minutes(15)))
        .fast(Fast::StartTime(Unit::Minutes(15))),
    row("timeSlot", 1, 2, Of(seconds_like), |args, env| start_of(args, env, Unit::Minutes(30))),
    row("toStartOfSecond", 1, 2, Micros, |args, env| start_of(args, env, Unit::Second)),
    row("timeSlots", 2, 3, Of(|_| super::types::list_of(seconds())), |args, env| {
        let (Some(from), Some(length)) = (instant(&args[0], &env.zone), n(args, 1)) else { return Datum::Null };
        let size = n(args, 2).unwrap_or(1800).max(1) * 1_000_000;
        let until = from.saturating_add(length.saturating_mul(1_000_000)).div_euclid(size);
        Datum::List((from.div_euclid(size)..=until).take(100_000).map(|slot| Datum::Time(slot * size)).collect())
    }),
    row("toTime", 1, 2, Of(seconds_like), |args, env| {
        let zone = zone_of(args, 1, env);
        civil_in(&args[0], &zone).map_or(Datum::Null, |time| time_datum(civil::date(1970, 1, 2).to_datetime(time.time()), &zone))
    }),
    row("date_bin", 2, 3, Micros, start_of_interval),
    row("dateDiff", 3, 4, Int, date_diff).also(&["date_diff", "DATE_DIFF", "timestampDiff", "TIMESTAMP_DIFF"]),
    row("age", 3, 4, Int, age),
    row("addYears", 2, 2, Of(like_first), |args, env| shifted(args, env, "year", 1)),
    row("addQuarters", 2, 2, Of(like_first), |args, env| shifted(args, env, "quarter", 1)),
    row("addMonths", 2, 2, Of(like_first), |args, env| shifted(args, env, "month", 1)),
    row("addWeeks", 2, 2, Of(like_first), |args, env| shifted(args, env, "week", 1)),
    row("addDays", 2, 2, Of(like_first), |args, env| shifted(args, env, "day", 1)),
    row("addHours", 2, 2, Of(shift::at_least_seconds), |args, env| shifted(args, env, "hour", 1)),
    row("addMinutes", 2, 2, Of(shift::at_least_seconds), |args, env| shifted(args, env, "minute", 1)),
    row("addSeconds", 2, 2, Of(shift::at_least_seconds), |args, env| shifted(args, env, "second", 1)),
    row("subtractYears", 2, 2, Of(like_first), |args, env| shifted(args, env, "year", -1)),
    row("subtractQuarters", 2, 2, Of(like_first), |args, env| shifted(args, env, "quarter", -1)),
    row("subtractMonths", 2, 2, Of(like_first), |args, env| shifted(args, env, "month", -1)),
    row("subtractWeeks", 2, 2, Of(like_first), |args, env| shifted(args, env, "week", -1)),
    row("subtractDays", 2, 2, Of(like_first), |args, env| shifted(args, env, "day", -1)),
    row("subtractHours", 2, 2, Of(shift::at_least_seconds), |args, env| shifted(args, env, "hour", -1)),
    row("subtractMinutes", 2, 2, Of(shift::at_least_seconds), |args, env| shifted(args, env, "minute", -1)),
    row("subtractSeconds", 2, 2, Of(shift::at_least_seconds), |args, env| shifted(args, env, "second", -1)),
    row("toIntervalSecond", 1, 1, Interval, |args, _| interval_of(n(args, 0), "second")),
    row("toIntervalMinute", 1, 1, Interval, |args, _| interval_of(n(args, 0), "minute")),
    row("toIntervalHour", 1, 1, Interval, |args, _| interval_of(n(args, 0), "hour")),
    row("toIntervalDay", 1, 1, Interval, |args, _| interval_of(n(args, 0), "day")),
    row("toIntervalWeek", 1, 1, Interval, |args, _| interval_of(n(args, 0), "week")),
    row("toIntervalMonth", 1, 1, Interval, |args, _| interval_of(n(args, 0), "month")),
    row("toIntervalQuarter", 1, 1, Interval, |args, _| interval_of(n(args, 0), "quarter")),
    row("toIntervalYear", 1, 1, Interval, |args, _| interval_of(n(args, 0), "year")),
    row("make_interval", 6, 6, Interval, shift::make_interval),
    row("make_date", 1, 3, Date, |args, _| pattern::civil_of(args).map_or(Datum::Null, |time| days_datum(time.date()))).also(&["makeDate"]),
    row("make_timestamp", 6, 7, Micros, |args, env| {
        pattern::civil_of(args).map_or(Datum::Null, |time| time_datum(time, &zone_of(args, 6, env)))
    })
    .also(&["make_timestamptz", "makeDateTime"]),
    row("to_timestamp", 1, 2, Micros, |args, env| match args.get(1) {
        Some(format) => pattern::parse(&t(args, 0), &pattern::from_postgres(format.as_text().unwrap_or_default()), &env.zone),
        None => instant(&args[0], &env.zone).map_or(Datum::Null, Datum::Time),
    }),
    row("parseDateTime", 2, 3, Seconds, |args, env| pattern::parse(&t(args, 0), &t(args, 1), &zone_of(args, 2, env)))
        .or_null(Nulls::Always)
        .also(&["parseDateTimeOrNull", "parseDateTimeInJodaSyntax"]),
    row("formatDateTime", 2, 3, Text, |args, env| pattern::format(args, &t(args, 1), &zone_of(args, 2, env)))
        .also(&["DATE_FORMAT", "date_format"]),
    row("to_char", 2, 2, Text, |args, env| pattern::format(args, &pattern::from_postgres(&t(args, 1)), &env.time_zone)),
    row("dateName", 2, 3, Text, |args, env| pattern::name(&t(args, 0), &args[1], &zone_of(args, 2, env))),
    row("monthName", 1, 1, Text, |args, env| pattern::name("month", &args[0], &env.time_zone)),
    row("date_part", 2, 2, Int, |args, env| pattern::field(&t(args, 0), &args[1], &env.time_zone)).also(&["datePart"]),
    row("toModifiedJulianDay", 1, 1, Int, |args, env| match civil_in(&args[0], &env.time_zone).map(|time| days_datum(time.date())) {
        Some(Datum::Date(days)) => (i64::from(days) + 40_587).into(),
        _ => Datum::Null,
    })
    .or_null(Nulls::Always),
    row("fromModifiedJulianDay", 1, 1, Text, |args, _| {
        let days = n(args, 0).and_then(|day| i32::try_from(day - 40_587).ok());
        days.and_then(date_of_days).map(|date| date.to_string()).into()
    })
    .or_null(Nulls::Always),
    row("timeZoneOf", 1, 1, Text, |_, env| env.time_zone.iana_name().unwrap_or("UTC").to_owned().into()).also(&["timezoneOf"]),
    row("timeZoneOffset", 1, 1, Int, |args, env| {
        let moment = instant(&args[0], &env.zone).and_then(|micros| Timestamp::from_microsecond(micros).ok());
        moment.map(|moment| i64::from(env.time_zone.to_offset(moment).seconds())).into()
    })
    .also(&["timezoneOffset"]),
    row("isWeekend", 1, 1, Bool, |args, env| {
        civil_in(&args[0], &env.time_zone).map(|time| matches!(time.weekday(), Weekday::Saturday | Weekday::Sunday)).into()
    }),
    row("isLeapYear", 1, 1, Flag, |args, env| civil_in(&args[0], &env.time_zone).map(|time| time.in_leap_year()).into()),
    row("tumble", 2, 3, Of(|_| tuple_of([seconds(), seconds()])), |args, env| start::window(args, &args[1], env)),
    row("hop", 3, 4, Of(|_| tuple_of([seconds(), seconds()])), |args, env| start::window(args, &args[2], env)),
    row("hopStart", 3, 4, Seconds, |args, env| start::side(start::window(args, &args[2], env), 0)),
    row("hopEnd", 3, 4, Seconds, |args, env| start::side(start::window(args, &args[2], env), 1)),
    row("tumbleStart", 2, 3, Seconds, start_of_interval),
    row("tumbleEnd", 2, 3, Seconds, |args, env| start::side(start::window(args, &args[1], env), 1)),
];

pub(super) const REWRITES: &[RewriteDef] = &[
    RewriteDef {
        name: "addInterval",
        aliases: &[],
        min: 2,
        max: 2,
        build: |_, args, context| Ok(shift::interval_sum(args, false, context)),
    },
    RewriteDef {
        name: "subtractInterval",
        aliases: &[],
        min: 2,
        max: 2,
        build: |_, args, context| Ok(shift::interval_sum(args, true, context)),
    },
    RewriteDef {
        name: "toStartOfInterval",
        aliases: &[],
        min: 2,
        max: 4,
        build: |_, args, context| Ok(start::interval_call(args, context)),
    },
    RewriteDef { name: "toStartOfDay", aliases: &[], min: 1, max: 2, build: start_of_day },
    RewriteDef { name: "now", aliases: &["NOW", "now64", "current_timestamp", "nowInBlock"], min: 0, max: 2, build: now },
    RewriteDef { name: "today", aliases: &["current_date", "curdate"], min: 0, max: 1, build: today },
    RewriteDef { name: "yesterday", aliases: &[], min: 0, max: 0, build: yesterday },
    RewriteDef { name: "timezone", aliases: &["timeZone"], min: 0, max: 2, build: timezone },
    RewriteDef { name: "toTimeZone", aliases: &["toTimezone"], min: 1, max: 2, build: to_time_zone },
    RewriteDef { name: "dateTrunc", aliases: &["date_trunc", "DATE_TRUNC"], min: 2, max: 3, build: date_trunc },
    RewriteDef {
        name: "dateAdd",
        aliases: &["date_add", "DATE_ADD", "timestampAdd", "timeStampAdd", "timestamp_add"],
        min: 2,
        max: 3,
        build: |name, args, context| add_call(name, args, false, context),
    },
    RewriteDef {
        name: "dateSub",
        aliases: &["date_sub", "date_subtract", "DATE_SUB", "timestampSub", "timeStampSub", "timestamp_sub"],
        min: 2,
        max: 3,
        build: |name, args, context| add_call(name, args, true, context),
    },
];

/// 1 for Monday … 7; by mode also from 0 or from Sunday.
fn day_of_week<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    let Some(time) = civil_in(&args[0], &zone_of(args, 2, env)) else { return Datum::Null };
    let weekday = time.weekday();
    let day = match n(args, 1).unwrap_or(0) & 3 {
        1 => weekday.to_monday_zero_offset(),
        2 => weekday.to_sunday_zero_offset(),
        3 => weekday.to_sunday_one_offset(),
        _ => weekday.to_monday_one_offset(),
    };
    i64::from(day).into()
}

/// ClickHouse's modes: odd ones begin weeks on Monday; without a mode the project decides.
fn week_start(args: &[Datum<'_>], env: &Env) -> WeekStart {
    match args.get(1).and_then(Datum::as_int) {
        None => env.week_start,
        Some(mode) => week_start_of(mode),
    }
}

/// Odd modes begin weeks on Monday.
fn week_start_of(mode: i64) -> WeekStart {
    if mode % 2 == 0 { WeekStart::Sunday } else { WeekStart::Monday }
}

fn constant(scalar: ScalarValue) -> Built {
    let data_type = scalar.data_type();
    Built { expr: Expr::Literal(scalar, None), data_type, nullable: false, shown: Shown::Plain }
}

fn now(_: &'static str, _: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    Ok(constant(ScalarValue::TimestampMicrosecond(Some(context.now_micros), Some("UTC".into()))))
}

fn day_from_today(context: &FunctionContext, distance: i32) -> Built {
    let today = civil_in(&Datum::Time(context.now_micros), &context.zone()).map(|time| days_datum(time.date()));
    let days = match today {
        Some(Datum::Date(days)) => Some(days + distance),
        _ => None,
    };
    constant(ScalarValue::Date32(days))
}

fn today(_: &'static str, _: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    Ok(day_from_today(context, 0))
}

fn yesterday(_: &'static str, _: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    Ok(day_from_today(context, -1))
}

/// `timezone(zone, time)` as in PostgreSQL; without arguments the project's zone.
fn timezone(name: &'static str, mut args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    if args.len() == 2 {
        args.reverse();
        return to_time_zone(name, args, context);
    }
    Ok(constant(ScalarValue::from(context.timezone.as_str())))
}

/// The same instant, counted and shown in another zone from here on.
fn to_time_zone(name: &'static str, mut args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    if let [only] = args.as_slice() {
        return Ok(super::convert::cast_to(only.clone(), micros(), context));
    }
    let zone = args.pop();
    let zone = zone.as_ref().and_then(|arg| arg.text()).filter(|zone| zone_named(zone).is_some());
    let (Some(zone), Some(value)) = (zone, args.pop()) else {
        return Err(FunctionError::Argument {
            name: name.to_owned(),
            position: 2,
            expected: "the name of a time zone in quotes",
            found: "something else".to_owned(),
        });
    };
    let value = match plain(&value.data_type) {
        DataType::Timestamp(..) => value,
        _ => {
            let Built { expr, data_type, nullable, .. } = super::convert::cast_to(value, micros(), context);
            Argument { expr, data_type, nullable }
        }
    };
    let DataType::Timestamp(unit, _) = plain(&value.data_type) else { return Ok(constant(ScalarValue::Null)) };
    // "UTC" alone stands for the project's zone, see `Env`
    let zone = if zone.eq_ignore_ascii_case("utc") { "Etc/UTC" } else { zone };
    let data_type = DataType::Timestamp(unit, Some(zone.into()));
    Ok(Built { expr: cast(value.expr, data_type.clone()), data_type, nullable: value.nullable, shown: Shown::Plain })
}

/// The result of a function that takes the name of a zone: a time in it.
fn in_zone_of(built: Built, zone: Option<&str>) -> Built {
    let (DataType::Timestamp(unit, _), Some(zone)) = (&built.data_type, zone.filter(|zone| zone_named(zone).is_some())) else {
        return built;
    };
    // "UTC" alone stands for the project's zone, see `Env`
    let zone = if zone.eq_ignore_ascii_case("utc") { "Etc/UTC" } else { zone };
    let data_type = DataType::Timestamp(*unit, Some(zone.into()));
    Built { expr: cast(built.expr, data_type.clone()), data_type, ..built }
}

/// `toStartOfDay(time[, zone])`.
fn start_of_day(_: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const DEF: RowDef =
        row("toStartOfDay", 1, 2, Of(seconds_like), |args, env| start_of(args, env, Unit::Day)).fast(Fast::StartTime(Unit::Day));
    let zone = args.get(1).and_then(Argument::text).map(str::to_owned);
    Ok(in_zone_of(super::registry::row_call(&DEF, args, context), zone.as_deref()))
}

/// `dateTrunc('month', time)`: a date from the week on, else a time.
fn date_trunc(name: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const DATE: RowDef = row("dateTrunc", 2, 3, Returns::Date, truncated);
    const TIME: RowDef = row("dateTrunc", 2, 3, Returns::Seconds, truncated);
    let unit = args.first().and_then(|arg| arg.text()).and_then(Unit::named);
    let unit = unit.ok_or_else(|| FunctionError::Argument {
        name: name.to_owned(),
        position: 1,
        expected: "a unit of time in quotes",
        found: "something else".to_owned(),
    })?;
    let zone = args.get(2).and_then(Argument::text).map(str::to_owned);
    Ok(in_zone_of(super::registry::row_call(if unit.gives_date() { &DATE } else { &TIME }, args, context), zone.as_deref()))
}
