//! Whole columns of instants at once, for the functions that every query over time calls.
//!
//! A zone's distance from UTC changes a few times a year, so it is looked up once per stretch ([`Offsets`]) and the calendar is plain arithmetic.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, PrimitiveArray, TimestampSecondArray};
use arrow::datatypes::{ArrowTimestampType, DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampSecondType};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::start::Unit;
use crate::functions::WeekStart;
use crate::functions::udf::Env;

/// What to compute.
#[derive(Clone, Copy, Debug)]
pub(in crate::functions) enum Fast {
    /// The beginning of a period, a date.
    StartDate(Unit),
    /// The beginning of the week as the project has it.
    StartWeek,
    /// The beginning of a period, a time.
    StartTime(Unit),
    /// The date itself.
    Date,
    Year,
    Month,
    DayOfMonth,
    /// 1 for Monday.
    DayOfWeek,
    Hour,
    Minute,
    /// `202001`.
    YearMonth,
    /// `20200110`.
    YearMonthDay,
}

const DAY: i64 = 86_400;

/// Seconds that a zone is ahead of UTC, for the stretch of time asked for last.
struct Offsets<'z> {
    zone: &'z TimeZone,
    from: i64,
    until: i64,
    ahead: i64,
}

impl<'z> Offsets<'z> {
    fn new(zone: &'z TimeZone) -> Self {
        Offsets { zone, from: 1, until: 0, ahead: 0 }
    }

    /// At an instant in seconds.
    fn at(&mut self, second: i64) -> Option<i64> {
        if !(self.from..self.until).contains(&second) {
            let moment = Timestamp::from_second(second).ok()?;
            self.ahead = self.zone.to_offset(moment).seconds().into();
            let next = self.zone.following(moment).next().map(|change| change.timestamp().as_second());
            // a change at this very second counts as passed
            let after = Timestamp::from_second(second + 1).unwrap_or(moment);
            let last = self.zone.preceding(after).next().map(|change| change.timestamp().as_second());
            self.from = last.unwrap_or(i64::MIN);
            self.until = next.unwrap_or(i64::MAX);
        }
        Some(self.ahead)
    }

    /// The instant at which a clock of the zone shows midnight of that day.
    fn midnight(&mut self, day: i32, near: i64) -> Option<i64> {
        let local = i64::from(day) * DAY;
        let guess = local - near;
        if self.from <= guess && guess < self.until {
            return Some(guess);
        }
        let date = super::date_of_days(day)?;
        super::micros_of(date.to_datetime(jiff::civil::Time::midnight()), self.zone).map(|micros| micros.div_euclid(1_000_000))
    }
}

/// Year, month and day of a day since 1970-01-01, by Hinnant's counting of days from March on.
fn civil(day: i32) -> (i32, i32, i32) {
    let shifted = i64::from(day) + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |value: i64| i32::try_from(value).unwrap_or_default();
    (small(year), small(month), small(day))
}

/// The day since 1970-01-01 of a date.
fn day_of(year: i32, month: i32) -> i32 {
    let (year, month) = (i64::from(year) - i64::from(month <= 2), i64::from(month));
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    i32::try_from(era * 146_097 + of_era - 719_468).unwrap_or_default()
}

/// Monday is 0; 1970-01-01 was a Thursday.
fn weekday(day: i32) -> i32 {
    (day + 3).rem_euclid(7)
}

fn start_day(day: i32, unit: Unit) -> i32 {
    match unit {
        Unit::Week(WeekStart::Monday) => day - weekday(day),
        Unit::Week(WeekStart::Sunday) => day - (weekday(day) + 1).rem_euclid(7),
        Unit::Month => day - civil(day).2 + 1,
        Unit::Quarter => {
            let (year, month, _) = civil(day);
            day_of(year, (month - 1) / 3 * 3 + 1)
        }
        Unit::Year => day_of(civil(day).0, 1),
        _ => day,
    }
}

impl Fast {
    /// With ClickHouse's mode of weeks; `None` for a function that has no modes.
    pub(in crate::functions) fn with_mode(self, mode: i64) -> Option<Fast> {
        let start = super::week_start_of(mode);
        matches!(self, Fast::StartWeek).then_some(Fast::StartDate(Unit::Week(start)))
    }

    /// The column computed; `None` where the arguments are not one column of instants.
    pub(in crate::functions) fn run(self, array: &ArrayRef, env: &Env) -> Option<ArrayRef> {
        let zone = &env.time_zone;
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.over(array.as_primitive::<TimestampMicrosecondType>(), 1_000_000, zone, env)
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => self.over(array.as_primitive::<TimestampMillisecondType>(), 1_000, zone, env),
            DataType::Timestamp(TimeUnit::Second, _) => self.over(array.as_primitive::<TimestampSecondType>(), 1, zone, env),
            _ => None,
        }
    }

    fn over<T: ArrowTimestampType>(self, array: &PrimitiveArray<T>, scale: i64, zone: &TimeZone, env: &Env) -> Option<ArrayRef> {
        let mut offsets = Offsets::new(zone);
        let unit = match self {
            Fast::StartDate(unit) | Fast::StartTime(unit) => unit,
            Fast::StartWeek => Unit::Week(env.week_start),
            _ => Unit::Day,
        };
        // Second of the local clock since 1970, and how far it is ahead.
        let mut local = |value: Option<i64>| {
            let second = value?.div_euclid(scale);
            let ahead = offsets.at(second)?;
            Some((second + ahead, ahead))
        };
        let day = |second: i64| i32::try_from(second.div_euclid(DAY)).unwrap_or_default();
        let number = |local: &mut dyn FnMut(Option<i64>) -> Option<(i64, i64)>, part: fn(i64, i32) -> i64| {
            let values = array.iter().map(|value| local(value).map(|(second, _)| part(second, day(second))));
            Arc::new(values.collect::<Int64Array>()) as ArrayRef
        };
        Some(match self {
            Fast::StartDate(_) | Fast::StartWeek | Fast::Date => {
                let days = array.iter().map(|value| local(value).map(|(second, _)| start_day(day(second), unit)));
                Arc::new(days.collect::<Date32Array>())
            }
            Fast::StartTime(_) => return start_times(array, scale, unit, env),
            Fast::Year => number(&mut local, |_, day| civil(day).0.into()),
            Fast::Month => number(&mut local, |_, day| civil(day).1.into()),
            Fast::DayOfMonth => number(&mut local, |_, day| civil(day).2.into()),
            Fast::DayOfWeek => number(&mut local, |_, day| i64::from(weekday(day)) + 1),
            Fast::Hour => number(&mut local, |second, _| second.rem_euclid(DAY) / 3600),
            Fast::Minute => number(&mut local, |second, _| second.rem_euclid(3600) / 60),
            Fast::YearMonth => number(&mut local, |_, day| {
                let (year, month, _) = civil(day);
                i64::from(year) * 100 + i64::from(month)
            }),
            Fast::YearMonthDay => number(&mut local, |_, day| {
                let (year, month, day) = civil(day);
                (i64::from(year) * 100 + i64::from(month)) * 100 + i64::from(day)
            }),
        })
    }
}

fn start_times<T: ArrowTimestampType>(array: &PrimitiveArray<T>, scale: i64, unit: Unit, env: &Env) -> Option<ArrayRef> {
    let mut offsets = Offsets::new(&env.time_zone);
    let size = match unit {
        Unit::Day => None,
        Unit::Hour => Some(3600),
        Unit::Minutes(minutes) => Some(i64::from(minutes) * 60),
        _ => return None,
    };
    let start = |value: Option<i64>| {
        let second = value?.div_euclid(scale);
        let ahead = offsets.at(second)?;
        match size {
            Some(size) => Some((second + ahead).div_euclid(size) * size - ahead),
            None => offsets.midnight(i32::try_from((second + ahead).div_euclid(DAY)).ok()?, ahead),
        }
    };
    let starts: TimestampSecondArray = array.iter().map(start).collect();
    Some(Arc::new(starts.with_timezone_opt(array.timezone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::datum::{Datum, read};
    use crate::functions::{FunctionContext, calendar};
    use arrow::array::TimestampMicrosecondArray;
    use proptest::prelude::*;

    /// The function row by row, which the fast way must equal.
    fn slow(name: &str, micros: i64, env: &Env) -> Datum<'static> {
        let def = calendar::ROWS.iter().find(|def| def.name == name).expect("INVARIANT: the name is known");
        (def.row)(&[Datum::Time(micros)], env)
    }

    proptest! {
        #[test]
        fn columns_equal_rows(
            micros in prop::collection::vec(-2_000_000_000_000_000..4_000_000_000_000_000_i64, 1..20),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]),
        ) {
            let context = FunctionContext { timezone: zone.to_owned(), week_start: WeekStart::Sunday, now_micros: 0 };
            let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(micros.clone()).with_timezone("UTC"));
            let env = Env::new(vec![array.data_type().clone()], DataType::Null, &context);
            for def in calendar::ROWS.iter().filter(|def| def.fast.is_some()) {
                let column = def.fast.and_then(|fast| fast.run(&array, &env)).expect("INVARIANT: it is a column of instants");
                for (row, value) in micros.iter().enumerate() {
                    prop_assert_eq!(read(column.as_ref(), row), slow(def.name, *value, &env), "{} of {} in {}", def.name, value, zone);
                }
            }
        }
    }
}
