//! The width of a bucket.

use jiff::civil::{Time, Weekday};
use jiff::{Span, ToSpan, Unit, Zoned, ZonedRound};
use serde::Deserialize;

/// How wide a bucket is. Weeks begin where the project says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interval {
    Second,
    Minute,
    Hour,
    #[default]
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Interval {
    /// One bucket on the calendar.
    pub(crate) fn span(self) -> Span {
        match self {
            Interval::Second => 1.second(),
            Interval::Minute => 1.minute(),
            Interval::Hour => 1.hour(),
            Interval::Day => 1.day(),
            Interval::Week => 1.week(),
            Interval::Month => 1.month(),
            Interval::Quarter => 3.months(),
            Interval::Year => 1.year(),
        }
    }

    /// Its name, as queries say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Interval::Second => "second",
            Interval::Minute => "minute",
            Interval::Hour => "hour",
            Interval::Day => "day",
            Interval::Week => "week",
            Interval::Month => "month",
            Interval::Quarter => "quarter",
            Interval::Year => "year",
        }
    }

    /// Whether bucket names carry a time of day.
    pub(crate) fn is_within_day(self) -> bool {
        matches!(self, Interval::Second | Interval::Minute | Interval::Hour)
    }

    /// The beginning of the bucket that holds `time`. `week_start`: first day of a week.
    pub(crate) fn floor(self, time: &Zoned, week_start: Weekday) -> Zoned {
        let date = time.date();
        let floored = match self {
            Interval::Second => return floor_clock(time, Unit::Second),
            Interval::Minute => return floor_clock(time, Unit::Minute),
            Interval::Hour => return floor_clock(time, Unit::Hour),
            Interval::Day => Ok(date),
            Interval::Week => date.checked_sub(i64::from(date.weekday().since(week_start)).days()),
            Interval::Month => Ok(date.first_of_month()),
            Interval::Quarter => date.with().month((date.month() - 1) / 3 * 3 + 1).day(1).build(),
            Interval::Year => Ok(date.first_of_year()),
        };
        floored.and_then(|date| date.to_datetime(Time::midnight()).to_zoned(time.time_zone().clone())).unwrap_or_else(|_| time.clone())
    }

    /// The beginning of the bucket after the one that begins at `start`.
    pub(crate) fn next(self, start: &Zoned) -> Option<Zoned> {
        let next = if self.is_within_day() {
            start.checked_add(self.span())
        } else {
            // By the date: where the clocks go forward at midnight a day begins at one, but the next does not.
            let date = start.date().checked_add(self.span());
            date.and_then(|date| date.to_datetime(Time::midnight()).to_zoned(start.time_zone().clone()))
        };
        next.ok().filter(|next| next > start)
    }
}

fn floor_clock(time: &Zoned, unit: Unit) -> Zoned {
    time.round(ZonedRound::new().smallest(unit).mode(jiff::RoundMode::Floor)).unwrap_or_else(|_| time.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_on_the_calendar() {
        let cases = [
            (Interval::Minute, "2020-01-15T10:20:00+00:00[UTC]"),
            (Interval::Hour, "2020-01-15T10:00:00+00:00[UTC]"),
            (Interval::Day, "2020-01-15T00:00:00+00:00[UTC]"),
            (Interval::Week, "2020-01-12T00:00:00+00:00[UTC]"),
            (Interval::Month, "2020-01-01T00:00:00+00:00[UTC]"),
            (Interval::Quarter, "2020-01-01T00:00:00+00:00[UTC]"),
            (Interval::Year, "2020-01-01T00:00:00+00:00[UTC]"),
        ];
        let time: Zoned = "2020-01-15T10:20:30.5+00:00[UTC]".parse().unwrap();
        for (interval, want) in cases {
            assert_eq!(interval.floor(&time, Weekday::Sunday).to_string(), want, "{interval:?}");
        }
        assert_eq!(Interval::Week.floor(&time, Weekday::Monday).to_string(), "2020-01-13T00:00:00+00:00[UTC]");
    }

    #[test]
    fn a_day_has_23_hours_when_the_clocks_go_forward() {
        let start: Zoned = "2024-03-31T00:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let next = Interval::Day.next(&start).unwrap();
        assert_eq!(next.timestamp().as_second() - start.timestamp().as_second(), 23 * 3600);
    }

    #[test]
    fn the_day_after_one_without_midnight_begins_at_midnight() {
        let start: Zoned = "2018-11-03T00:00:00-03:00[America/Sao_Paulo]".parse().unwrap();
        let without = Interval::Day.next(&start).unwrap();
        assert_eq!(without.to_string(), "2018-11-04T01:00:00-02:00[America/Sao_Paulo]");
        assert_eq!(Interval::Day.next(&without).unwrap().to_string(), "2018-11-05T00:00:00-02:00[America/Sao_Paulo]");
        assert_eq!(Interval::Week.next(&without).unwrap().to_string(), "2018-11-11T00:00:00-02:00[America/Sao_Paulo]");
    }
}
