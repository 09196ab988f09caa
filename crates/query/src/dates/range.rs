//! The range of an insight: from, to, the lower bound that rows must reach, and the beginnings of its buckets.

use super::interval::Interval;
use super::relative::{Back, BackUnit, Moment, clock, end_of_day, parse_moment, span, zoned};
use jiff::civil::{Time, Weekday};
use jiff::{SignedDuration, ToSpan, Zoned};
use serde::Deserialize;

/// `dateRange` of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct RangeRequest {
    #[serde(default)]
    pub(crate) date_from: Option<String>,
    #[serde(default)]
    pub(crate) date_to: Option<String>,
    #[serde(default, rename = "explicitDate")]
    pub(crate) explicit_date: Option<bool>,
}

/// What a project's days depend on.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    /// The present, in the project's zone.
    pub(crate) now: Zoned,
    /// First day of a week.
    pub(crate) week_start: Weekday,
    /// Time of the project's first event, µs, for `all`.
    pub(crate) earliest_micros: Option<i64>,
}

/// A range made definite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryRange {
    pub(crate) from: Zoned,
    pub(crate) to: Zoned,
    pub(crate) interval: Interval,
    week_start: Weekday,
    from_back: Option<Back>,
    to_is_open: bool,
    is_explicit: bool,
}

/// More buckets than anybody can look at; ends a loop over centuries of seconds.
const BUCKETS_MAX: usize = 100_000;

impl QueryRange {
    /// The range that a query asks for.
    pub(crate) fn new(request: &RangeRequest, interval: Interval, calendar: &Calendar) -> Self {
        let is_explicit = request.explicit_date.unwrap_or(false);
        let from = moment_from(request, interval, calendar, is_explicit);
        let to = match request.date_to.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => parse_moment(text, &calendar.now, false),
            None => Moment { at: calendar.now.clone(), back: Some(Back::default()) },
        };
        let to_is_open = request.date_to.is_none();
        let at_end = if is_explicit { to.at } else { round_end(&to, interval) };
        Self { from: from.at, to: at_end, interval, week_start: calendar.week_start, from_back: from.back, to_is_open, is_explicit }
    }

    /// The instant that rows must reach: the beginning of the first bucket, unless the range is finer than its interval.
    pub(crate) fn lower_bound(&self) -> Zoned {
        let is_hours_back = self.from_back.is_some_and(|back| back.unit == Some(BackUnit::Hour));
        match self.interval {
            _ if self.is_explicit => self.from.clone(),
            Interval::Second | Interval::Minute | Interval::Hour => self.from.clone(),
            Interval::Day if is_hours_back => self.from.clone(),
            // The first week may be a part of one.
            Interval::Week => Interval::Day.floor(&self.from, self.week_start),
            interval => interval.floor(&self.from, self.week_start),
        }
    }

    /// Beginnings of the buckets, from the one that holds `from` up to `to`.
    pub(crate) fn buckets(&self) -> Vec<Zoned> {
        let mut starts = Vec::new();
        let mut start = Some(self.interval.floor(&self.from, self.week_start));
        while let Some(at) = start.filter(|at| *at <= self.to && starts.len() < BUCKETS_MAX) {
            start = self.interval.next(&at);
            starts.push(at);
        }
        starts
    }

    /// The range of equal length before this one.
    fn previous(&self) -> Self {
        let length = self.to.duration_since(&self.from);
        let shifted = self.from.checked_sub(length).unwrap_or_else(|_| self.from.clone());
        let (from, to) = match self.interval {
            Interval::Second | Interval::Minute => (shifted, self.from.clone()),
            Interval::Hour => {
                let from = clock(&shifted, Time::constant(self.from.hour(), 0, 0, 0));
                let end = plus(&from, length);
                let to = clock(&end, Time::constant(end.hour(), 59, 59, 999_999_000));
                (from, to)
            }
            _ => {
                let mut from = clock(&shifted, Time::midnight());
                // "-7d" is eight days long; a day more keeps weekdays aligned (query reference, section 4).
                let whole_weeks =
                    self.from_back.is_some_and(|back| back.unit == Some(BackUnit::Day) && back.count > 0 && back.count % 7 == 0);
                if self.interval == Interval::Day && whole_weeks && self.to_is_open {
                    from = from.checked_add(1.day()).unwrap_or(from);
                }
                let to = clock(&plus(&from, length), end_of_day());
                (from, to)
            }
        };
        Self { from, to, ..self.clone() }
    }

    /// This range, moved back by `compare_to` (`-1w`, `-1y`, …).
    fn moved_back(&self, compare_to: &str) -> Self {
        let Moment { back, .. } = parse_moment(compare_to, &self.to, false);
        let Some(Back { unit: Some(unit), count }) = back else { return self.previous() };
        let back_by = |at: &Zoned| at.checked_sub(span(unit, count)).unwrap_or_else(|_| at.clone());
        Self { from: back_by(&self.from), to: back_by(&self.to), ..self.clone() }
    }

    /// The range to compare with: moved back by `compare_to`, else the one before.
    pub(crate) fn compared(&self, compare_to: Option<&str>) -> Self {
        compare_to.map_or_else(|| self.previous(), |to| self.moved_back(to))
    }

    /// Whether times outside of `from` and `to` never count, not even to fill their buckets.
    pub(crate) fn is_explicit(&self) -> bool {
        self.is_explicit
    }

    /// First day of a week.
    pub(crate) fn week_start(&self) -> Weekday {
        self.week_start
    }
}

fn moment_from(request: &RangeRequest, interval: Interval, calendar: &Calendar, is_explicit: bool) -> Moment {
    match request.date_from.as_deref() {
        Some("all") => {
            let now = &calendar.now;
            let earliest = calendar.earliest_micros.map_or_else(|| now.clone(), |micros| zoned(micros, now.time_zone()));
            Moment { at: earliest, back: None }
        }
        Some(text) if !text.is_empty() => {
            let truncate = !is_explicit && !matches!(interval, Interval::Minute | Interval::Second);
            parse_moment(text, &calendar.now, truncate)
        }
        _ => {
            let week_ago = calendar.now.checked_sub(7.days()).unwrap_or_else(|_| calendar.now.clone());
            Moment { at: clock(&week_ago, Time::midnight()), back: Some(Back { unit: Some(BackUnit::Day), count: 7 }) }
        }
    }
}

fn round_end(to: &Moment, interval: Interval) -> Zoned {
    let at = &to.at;
    let is_relative = to.back.is_some();
    match interval {
        Interval::Second => at.clone(),
        Interval::Minute if is_relative => clock(at, Time::constant(at.hour(), at.minute(), 59, 999_999_000)),
        Interval::Hour if is_relative => clock(at, Time::constant(at.hour(), 59, 59, 999_999_000)),
        Interval::Minute | Interval::Hour => at.clone(),
        _ => clock(at, end_of_day()),
    }
}

fn plus(at: &Zoned, length: SignedDuration) -> Zoned {
    at.checked_add(length).unwrap_or_else(|_| at.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: Option<&str>, to: Option<&str>, interval: Interval) -> QueryRange {
        let calendar =
            Calendar { now: "2020-01-15T10:20:30+00:00[UTC]".parse().unwrap(), week_start: Weekday::Sunday, earliest_micros: None };
        let request = RangeRequest { date_from: from.map(str::to_owned), date_to: to.map(str::to_owned), explicit_date: None };
        QueryRange::new(&request, interval, &calendar)
    }

    fn ends(range: &QueryRange) -> (String, String) {
        (range.from.datetime().to_string(), range.to.datetime().to_string())
    }

    fn days(range: &QueryRange) -> Vec<String> {
        range.buckets().iter().map(|start| start.date().to_string()).collect()
    }

    #[test]
    fn the_last_seven_days_are_eight() {
        let range = range(Some("-7d"), None, Interval::Day);
        assert_eq!(ends(&range), ("2020-01-08T00:00:00".into(), "2020-01-15T23:59:59.999999".into()));
        assert_eq!(days(&range).len(), 8);
        assert_eq!(ends(&range.previous()), ("2020-01-01T00:00:00".into(), "2020-01-08T23:59:59.999999".into()));
    }

    #[test]
    fn weeks_begin_before_the_range_but_rows_do_not() {
        let range = range(Some("2020-01-14"), Some("2020-01-16"), Interval::Week);
        assert_eq!(days(&range), ["2020-01-12"]);
        assert_eq!(range.lower_bound().date().to_string(), "2020-01-14");
    }

    #[test]
    fn months_reach_back_to_their_first() {
        let range = range(Some("2020-06-07"), Some("2020-07-30"), Interval::Month);
        assert_eq!(days(&range), ["2020-06-01", "2020-07-01"]);
        assert_eq!(range.lower_bound().date().to_string(), "2020-06-01");
    }

    #[test]
    fn comparing_moves_the_range() {
        let range = range(Some("2020-01-15"), Some("2020-01-19"), Interval::Day);
        assert_eq!(ends(&range.previous()), ("2020-01-10T00:00:00".into(), "2020-01-14T23:59:59.999999".into()));
        assert_eq!(ends(&range.moved_back("-1w")), ("2020-01-08T00:00:00".into(), "2020-01-12T23:59:59.999999".into()));
    }

    #[test]
    fn hours_keep_their_minute_ends() {
        let range = range(Some("-24h"), None, Interval::Hour);
        assert_eq!(ends(&range), ("2020-01-14T10:00:00".into(), "2020-01-15T10:59:59.999999".into()));
        assert_eq!(range.buckets().len(), 25);
    }

    #[test]
    fn an_explicit_range_is_taken_as_it_is() {
        let calendar =
            Calendar { now: "2020-01-15T10:20:30+00:00[UTC]".parse().unwrap(), week_start: Weekday::Sunday, earliest_micros: None };
        let request = RangeRequest {
            date_from: Some("2020-01-10T05:00:00Z".into()),
            date_to: Some("2020-01-11T06:00:00Z".into()),
            explicit_date: Some(true),
        };
        let range = QueryRange::new(&request, Interval::Day, &calendar);
        assert_eq!(ends(&range), ("2020-01-10T05:00:00".into(), "2020-01-11T06:00:00".into()));
        assert_eq!(range.lower_bound(), range.from);
    }
}
