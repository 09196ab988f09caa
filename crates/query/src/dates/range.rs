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
    /// It has no end, and so goes on until now.
    to_is_open: bool,
    /// Its end was said relative to now.
    to_is_relative: bool,
    /// It is `all`.
    is_from_first_event: bool,
    is_explicit: bool,
}

/// More buckets than anybody can look at; ends a loop over centuries of seconds.
const BUCKETS_MAX: usize = 100_000;

impl QueryRange {
    /// The range that a query asks for.
    pub(crate) fn new(request: &RangeRequest, interval: Interval, calendar: &Calendar) -> Self {
        Self::of(request, interval, calendar, request.explicit_date.unwrap_or(false))
    }

    /// The same without making it wider: it begins at the very moment that was said, and ends now when no end was said.
    pub(crate) fn unrounded(request: &RangeRequest, interval: Interval, calendar: &Calendar) -> Self {
        Self::of(request, interval, calendar, true)
    }

    /// `is_explicit`: times outside of the moments that were said never count.
    fn of(request: &RangeRequest, interval: Interval, calendar: &Calendar, is_explicit: bool) -> Self {
        let from = moment_from(request, interval, calendar, is_explicit);
        let to = match request.date_to.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => parse_moment(text, &calendar.now, false),
            None => Moment { at: calendar.now.clone(), back: Some(Back::default()) },
        };
        let to_is_open = request.date_to.as_deref().is_none_or(str::is_empty);
        Self {
            from: from.at,
            interval,
            week_start: calendar.week_start,
            from_back: from.back,
            to_is_open,
            to_is_relative: !to_is_open && to.back.is_some_and(|back| back.unit.is_some()),
            is_from_first_event: request.date_from.as_deref() == Some("all"),
            is_explicit,
            to: if request.explicit_date == Some(true) || (is_explicit && to_is_open) { to.at } else { round_end(&to, interval) },
        }
    }

    /// The instant that rows must reach: the beginning of the first bucket, unless the range is finer than its interval, or said back from now in
    /// hours or minutes.
    pub(crate) fn lower_bound(&self) -> Zoned {
        let is_hours_back = self.from_back.is_some_and(|back| back.unit == Some(BackUnit::Hour));
        match self.interval {
            _ if self.is_explicit => self.from.clone(),
            Interval::Minute | Interval::Hour if self.from_back.is_some() => self.from.clone(),
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

    /// The range before this one: of equal length, on the calendar's clock, so that changes of summer time do not move it.
    fn previous(&self) -> Self {
        let (from, to) = self.calendar_unit_before().unwrap_or_else(|| self.span_before());
        Self { from, to, ..self.clone() }
    }

    /// Of a unit of the calendar that is still running (`mStart` until now), the whole unit before.
    fn calendar_unit_before(&self) -> Option<(Zoned, Zoned)> {
        let unit = self.from_back.filter(|back| back.is_start_of_present_unit && self.to_is_open)?.unit?;
        let length = match unit {
            BackUnit::Week => 1.weeks(),
            BackUnit::Month => 1.months(),
            BackUnit::Quarter => 3.months(),
            BackUnit::Year => 1.years(),
            BackUnit::Second | BackUnit::Minute | BackUnit::Hour | BackUnit::Day => return None,
        };
        Some((self.from.checked_sub(length).ok()?, self.from.checked_sub(1.microsecond()).ok()?))
    }

    fn span_before(&self) -> (Zoned, Zoned) {
        let length = self.length();
        if self.is_from_first_event {
            // Its beginning is somewhere within a day: the range before ends right there.
            let to = self.from.checked_sub(1.microsecond()).unwrap_or_else(|_| self.from.clone());
            return (plus(&to, -length), to);
        }
        let shifted = plus(&self.from, -length);
        if matches!(self.interval, Interval::Second | Interval::Minute) {
            return (shifted, self.from.clone());
        }
        let mut from = clock(&shifted, self.from.time());
        // "-7d" is eight days long; a day more keeps weekdays aligned (query reference, section 4).
        let whole_weeks = self.from_back.is_some_and(|back| back.unit == Some(BackUnit::Day) && back.count > 0 && back.count % 7 == 0);
        if self.interval == Interval::Day && whole_weeks && !self.to_is_relative {
            from = from.checked_add(1.day()).unwrap_or(from);
        }
        let (end, of_day) = (plus(&from, length), self.to.time());
        let hour = if self.interval == Interval::Hour { end.hour() } else { of_day.hour() };
        let to = clock(&end, of_day.with().hour(hour).build().unwrap_or(of_day));
        (from, to)
    }

    /// From the beginning to the end, on the calendar's clock.
    fn length(&self) -> SignedDuration {
        self.to.datetime().duration_since(self.from.datetime())
    }

    /// A range of equal length that begins as much earlier as `compare_to` says (`-1w`, `-1y`, …).
    fn moved_back(&self, compare_to: &str) -> Self {
        let Moment { back, .. } = parse_moment(compare_to, &self.from, false);
        let Some(Back { unit: Some(unit), count, .. }) = back else { return self.previous() };
        let from = self.from.checked_sub(span(unit, count)).unwrap_or_else(|_| self.from.clone());
        let to = plus(&from, self.length());
        Self { from, to, ..self.clone() }
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
            Moment { at: clock(&week_ago, Time::midnight()), back: Some(Back { unit: Some(BackUnit::Day), count: 7, ..Back::default() }) }
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

/// So much later on the calendar's clock.
fn plus(at: &Zoned, length: SignedDuration) -> Zoned {
    let later = at.datetime().checked_add(length).and_then(|later| later.to_zoned(at.time_zone().clone()));
    later.unwrap_or_else(|_| at.clone())
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
    fn the_range_before_keeps_its_clock_over_changes_of_summer_time() {
        let calendar = |now: &str| Calendar { now: now.parse().unwrap(), week_start: Weekday::Sunday, earliest_micros: None };
        let request =
            |from: &str, to: &str| RangeRequest { date_from: Some(from.to_owned()), date_to: Some(to.to_owned()), explicit_date: None };
        let zone = calendar("2020-12-01T00:00:00-08:00[US/Pacific]");
        // the clock goes back on the first of November, so these eight days are an hour longer
        let range = QueryRange::new(&request("2020-11-01", "2020-11-08"), Interval::Day, &zone);
        assert_eq!(ends(&range.previous()), ("2020-10-24T00:00:00".into(), "2020-10-31T23:59:59.999999".into()));
        assert_eq!(ends(&range.moved_back("-1w")), ("2020-10-25T00:00:00".into(), "2020-11-01T23:59:59.999999".into()));
    }

    #[test]
    fn hours_before_keep_minutes() {
        let range = range(Some("2020-01-14 10:20:00"), Some("2020-01-14 15:40:00"), Interval::Hour);
        assert_eq!(ends(&range.previous()), ("2020-01-14T10:20:00".into(), "2020-01-14T15:40:00".into()));
        let days = self::range(Some("2020-01-10 10:20:00"), Some("2020-01-12"), Interval::Hour);
        assert_eq!(ends(&days.previous()), ("2020-01-08T10:20:00".into(), "2020-01-10T00:00:00".into()));
    }

    #[test]
    fn what_is_moved_back_keeps_its_length() {
        // a month before March begins February, which is shorter
        let range = range(Some("2020-03-01"), Some("2020-03-31"), Interval::Day);
        assert_eq!(ends(&range.moved_back("-1m")), ("2020-02-01T00:00:00".into(), "2020-03-02T23:59:59.999999".into()));
        assert_eq!(ends(&range.moved_back("-1y")), ("2019-03-01T00:00:00".into(), "2019-03-31T23:59:59.999999".into()));
    }

    #[test]
    fn a_running_unit_is_compared_with_the_whole_one_before() {
        let before = |from: &str| ends(&range(Some(from), None, Interval::Day).previous());
        assert_eq!(before("mStart"), ("2019-12-01T00:00:00".into(), "2019-12-31T23:59:59.999999".into()));
        assert_eq!(before("wStart"), ("2020-01-05T00:00:00".into(), "2020-01-11T23:59:59.999999".into()));
        assert_eq!(before("qStart"), ("2019-10-01T00:00:00".into(), "2019-12-31T23:59:59.999999".into()));
        assert_eq!(before("yStart"), ("2019-01-01T00:00:00".into(), "2019-12-31T23:59:59.999999".into()));
        // not of a unit that is over
        let over = range(Some("-1mStart"), Some("-1mEnd"), Interval::Day);
        assert_eq!(ends(&over.previous()), ("2019-10-31T00:00:00".into(), "2019-11-30T23:59:59.999999".into()));
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
    fn hours_from_a_date_begin_whole() {
        let lower = |from: &str, interval| range(Some(from), None, interval).lower_bound().datetime().to_string();
        assert_eq!(lower("2020-01-14 10:20:30", Interval::Hour), "2020-01-14T10:00:00");
        assert_eq!(lower("2020-01-14 10:20:30", Interval::Minute), "2020-01-14T10:20:00");
        // back from now the hour or minute is the one of now
        assert_eq!(lower("-30M", Interval::Minute), "2020-01-15T09:50:30");
        assert_eq!(lower("-30M", Interval::Hour), "2020-01-15T00:00:00");
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

    #[test]
    fn an_unrounded_range_ends_at_a_day_that_was_said() {
        let calendar =
            Calendar { now: "2020-01-15T10:20:30+00:00[UTC]".parse().unwrap(), week_start: Weekday::Sunday, earliest_micros: None };
        let unrounded = |from: &str, to: Option<&str>| {
            let request = RangeRequest { date_from: Some(from.to_owned()), date_to: to.map(str::to_owned), explicit_date: None };
            ends(&QueryRange::unrounded(&request, Interval::Month, &calendar))
        };
        assert_eq!(unrounded("-3d", None), ("2020-01-12T10:20:30".into(), "2020-01-15T10:20:30".into()));
        assert_eq!(unrounded("2020-01-10", Some("2020-01-11")), ("2020-01-10T00:00:00".into(), "2020-01-11T23:59:59.999999".into()));
    }
}
