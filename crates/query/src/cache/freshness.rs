//! How long an answer stays what it was: PostHog's ages by interval, and the borders of the clock that a query depends on.

use super::unwrapped;
use aqueduct_event::UnixMicros;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Ages of PostHog's cache for one query, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// Older answers are stale.
    pub(crate) age_max: i64,
    /// Older answers are stale even to those who tolerate staler ones.
    pub(crate) lazy_age_max: i64,
    /// How long a client should wait before it asks for a new answer.
    pub(crate) refresh_floor: i64,
}

impl Freshness {
    /// By the query's interval; queries without one count as of the day.
    pub(crate) fn of(query: &Json) -> Self {
        let query = unwrapped(query);
        let interval = find(query, "interval").and_then(Json::as_str).unwrap_or("day");
        let (age_max, lazy_age_max) = match interval {
            "second" | "minute" => (5 * MINUTE, 15 * MINUTE),
            "hour" => (HOUR, 2 * HOUR),
            "week" => (DAY, DAY),
            "month" | "quarter" | "year" => (2 * DAY, 2 * DAY),
            _ => (6 * HOUR, 12 * HOUR),
        };
        let refresh_floor = match interval {
            "second" | "minute" => MINUTE,
            "hour" => 3 * MINUTE,
            _ if is_insight(query) && !is_short(query) => 15 * MINUTE,
            _ if is_insight(query) => 3 * MINUTE,
            _ => MINUTE,
        };
        Self { age_max, lazy_age_max, refresh_floor }
    }
}

/// Between which borders of the clock a query gives the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// As long as these borders hold: the number of the day or hour in the project's zone.
    Within(i64),
    /// Every moment has its own answer. The number is that of the second.
    Instant(i64),
}

impl Moment {
    /// Of a query and the filters of test accounts that it may apply.
    pub(crate) fn of(query: &Json, filters: &Json, now: UnixMicros, zone: &TimeZone) -> Self {
        let local = Timestamp::from_microsecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
        match Dependence::of(unwrapped(query), true).max(Dependence::of(filters, false)) {
            Dependence::Day => Moment::Within(local.date().duration_since(jiff::civil::Date::constant(1970, 1, 1)).as_hours() / 24),
            // Summer time gives two hours the same name; the instant tells them apart.
            Dependence::Hour => Moment::Within(now.0.div_euclid(HOUR / 4)),
            Dependence::Instant => Moment::Instant(now.0.div_euclid(SECOND)),
        }
    }

    /// Tells moments apart for queries that are computed at the same time.
    pub(crate) fn number(self) -> i64 {
        match self {
            Moment::Within(number) | Moment::Instant(number) => number,
        }
    }

    /// Whether an answer of this moment is that of another one.
    pub(crate) fn is_same(self, other: Self) -> bool {
        matches!((self, other), (Moment::Within(a), Moment::Within(b)) if a == b)
    }
}

/// How finely a query looks at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dependence {
    /// Ranges of whole days. Also what does not look at the clock at all: an answer a day old is old enough.
    Day,
    /// Ranges of whole hours. Some zones have borders at the half or quarter of an hour.
    Hour,
    Instant,
}

/// Words of HogQL whose answer differs from call to call. Who is in a cohort may depend on the clock, too.
const CLOCK: [&str; 13] = [
    "cohort",
    "now",
    "today",
    "yesterday",
    "current_timestamp",
    "current_date",
    "localtimestamp",
    "utctimestamp",
    "timeslot",
    "rand",
    "generateuuid",
    "generateulid",
    "query_log",
];

/// Kinds whose date ranges are rounded to intervals.
const ROUNDED: [&str; 9] = [
    "TrendsQuery",
    "FunnelsQuery",
    "RetentionQuery",
    "StickinessQuery",
    "LifecycleQuery",
    "PathsQuery",
    "WebOverviewQuery",
    "WebStatsTableQuery",
    "CalendarHeatmapQuery",
];

impl Dependence {
    /// Looks at every text of the query. What merely looks like the clock costs an answer that might have been kept, never a wrong one.
    fn of(value: &Json, outermost: bool) -> Self {
        match value {
            Json::String(text) => Self::of_text(text),
            Json::Array(items) => items.iter().map(|item| Self::of(item, false)).max().unwrap_or(Self::Day),
            Json::Object(fields) => {
                let kind = value.get("kind").and_then(Json::as_str).unwrap_or_default();
                let own = match kind {
                    kind if ROUNDED.contains(&kind) => Self::of_range(value),
                    // It shows events up to some seconds from now.
                    "EventsQuery" | "SessionsQuery" | "SessionsTimelineQuery" => Self::Instant,
                    _ if !outermost && !fields.contains_key("kind") && Self::names_a_date(value) => Self::Instant,
                    _ => Self::Day,
                };
                let rounded = ROUNDED.contains(&kind);
                let inner = fields.iter().filter(|(key, _)| !(rounded && *key == "dateRange"));
                inner.map(|(_, value)| Self::of(value, false)).max().unwrap_or(Self::Day).max(own)
            }
            _ => Self::Day,
        }
    }

    fn of_text(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        if CLOCK.iter().any(|word| lower.contains(word)) { Self::Instant } else { Self::Day }
    }

    /// An insight's range: its interval, and units finer than the day in its dates.
    fn of_range(query: &Json) -> Self {
        let range = query.get("dateRange");
        let date = |name: &str| range.and_then(|range| range.get(name)).and_then(Json::as_str).unwrap_or_default();
        if range.and_then(|range| range.get("explicitDate")).and_then(Json::as_bool).unwrap_or(false) {
            return Self::Instant;
        }
        let dates = [date("date_from"), date("date_to")];
        // `M` and `s` are minutes and seconds; with `T` or `:` a text is an absolute time.
        let fine = |text: &&str| !text.contains(':') && (text.ends_with('M') || text.ends_with('s'));
        let hours = |text: &&str| !text.contains(':') && text.contains('h');
        match find(query, "interval").and_then(Json::as_str) {
            Some("second" | "minute") => Self::Instant,
            _ if dates.iter().any(fine) => Self::Instant,
            Some("hour") => Self::Hour,
            _ if dates.iter().any(hours) => Self::Hour,
            _ if find(query, "period").and_then(Json::as_str).is_some_and(|period| period.eq_ignore_ascii_case("hour")) => Self::Hour,
            _ => Self::Day,
        }
    }

    /// A date range that is not rounded, or a filter that compares with a date: relative ones move with the clock.
    fn names_a_date(object: &Json) -> bool {
        let is_relative = |value: &Json| match value.as_str() {
            Some(text) => !text.is_empty() && text != "all" && !starts_with_a_year(text),
            None => value.as_array().is_some_and(|items| !items.is_empty()),
        };
        let range = ["date_from", "date_to", "after", "before"];
        let compares = object.get("operator").and_then(Json::as_str).is_some_and(|operator| operator.starts_with("is_date"));
        range.iter().any(|name| object.get(name).is_some_and(is_relative)) || (compares && object.get("value").is_some_and(is_relative))
    }
}

fn starts_with_a_year(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 5 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

fn is_insight(query: &Json) -> bool {
    query.get("kind").and_then(Json::as_str).is_some_and(|kind| ROUNDED.contains(&kind))
}

/// At most seven days, told by the date it begins at.
fn is_short(query: &Json) -> bool {
    let from = query.get("dateRange").and_then(|range| range.get("date_from")).and_then(Json::as_str).unwrap_or("-7d");
    let number = |unit: char| from.strip_prefix('-').and_then(|rest| rest.strip_suffix(unit)).and_then(|number| number.parse::<u32>().ok());
    from.starts_with("dStart") || from.starts_with("-1d") || number('h').is_some() || number('d').is_some_and(|days| days <= 7)
}

/// A field of the query, or of the query that it asks about.
fn find<'q>(query: &'q Json, name: &str) -> Option<&'q Json> {
    query.get(name).or_else(|| query.get("source").and_then(|source| find(source, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    /// 2026-03-01 23:30 UTC.
    const LATE: UnixMicros = UnixMicros(1_772_407_800 * SECOND);

    #[test]
    fn how_finely_queries_look_at_the_clock() {
        let cases = [
            json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-7d"}}),
            json!({"kind": "TrendsQuery"}),
            json!({"kind": "InsightVizNode", "source": {"kind": "TrendsQuery", "interval": "hour"}}),
            json!({"kind": "TrendsQuery", "interval": "minute"}),
            json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-24h"}}),
            json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-30M"}}),
            json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-7d", "explicitDate": true}}),
            json!({"kind": "TrendsQuery", "properties": [{"key": "at", "operator": "is_date_before", "value": "-7d"}]}),
            json!({"kind": "TrendsQuery", "properties": [{"key": "at", "operator": "is_date_before", "value": "2020-01-01"}]}),
            json!({"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "math": "hogql", "math_hogql": "max(dateDiff('day', timestamp, now()))"}]}),
            json!({"kind": "ActorsQuery", "source": {"kind": "InsightActorsQuery", "source": {"kind": "TrendsQuery", "interval": "hour"}}}),
            json!({"kind": "HogQLQuery", "query": "select count() from events"}),
            json!({"kind": "HogQLQuery", "query": "select count() from events where timestamp > NOW() - interval 1 day"}),
            json!({"kind": "HogQLQuery", "query": "select 1 where {filters}", "filters": {"dateRange": {"date_from": "-1d"}}}),
            json!({"kind": "HogQLQuery", "query": "select 1 where {filters}", "filters": {"dateRange": {"date_from": "2020-01-01"}}}),
            json!({"kind": "EventsQuery", "select": ["*"]}),
        ];
        let shown: Vec<String> = cases.iter().map(|case| format!("{:?} {case}", Dependence::of(unwrapped(case), true))).collect();
        expect![[r#"
            Day {"kind":"TrendsQuery","dateRange":{"date_from":"-7d"}}
            Day {"kind":"TrendsQuery"}
            Hour {"kind":"InsightVizNode","source":{"kind":"TrendsQuery","interval":"hour"}}
            Instant {"kind":"TrendsQuery","interval":"minute"}
            Hour {"kind":"TrendsQuery","dateRange":{"date_from":"-24h"}}
            Instant {"kind":"TrendsQuery","dateRange":{"date_from":"-30M"}}
            Instant {"kind":"TrendsQuery","dateRange":{"date_from":"-7d","explicitDate":true}}
            Instant {"kind":"TrendsQuery","properties":[{"key":"at","operator":"is_date_before","value":"-7d"}]}
            Day {"kind":"TrendsQuery","properties":[{"key":"at","operator":"is_date_before","value":"2020-01-01"}]}
            Instant {"kind":"TrendsQuery","series":[{"kind":"EventsNode","math":"hogql","math_hogql":"max(dateDiff('day', timestamp, now()))"}]}
            Hour {"kind":"ActorsQuery","source":{"kind":"InsightActorsQuery","source":{"kind":"TrendsQuery","interval":"hour"}}}
            Day {"kind":"HogQLQuery","query":"select count() from events"}
            Instant {"kind":"HogQLQuery","query":"select count() from events where timestamp > NOW() - interval 1 day"}
            Instant {"kind":"HogQLQuery","query":"select 1 where {filters}","filters":{"dateRange":{"date_from":"-1d"}}}
            Day {"kind":"HogQLQuery","query":"select 1 where {filters}","filters":{"dateRange":{"date_from":"2020-01-01"}}}
            Instant {"kind":"EventsQuery","select":["*"]}"#]]
        .assert_eq(&shown.join("\n"));
    }

    #[test]
    fn days_end_at_the_projects_midnight() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let (query, soon) = (json!({"kind": "TrendsQuery"}), UnixMicros(LATE.0 + 45 * MINUTE));
        let same = |zone: &TimeZone| Moment::of(&query, &json!([]), LATE, zone).is_same(Moment::of(&query, &json!([]), soon, zone));
        assert!(!same(&TimeZone::UTC), "midnight lies between");
        assert!(same(&berlin), "there it is past midnight already");
        let clock = json!({"kind": "HogQLQuery", "query": "select now()"});
        let (first, second) =
            (Moment::of(&clock, &json!([]), LATE, &berlin), Moment::of(&clock, &json!([]), UnixMicros(LATE.0 + 1), &berlin));
        assert!(!first.is_same(first) && first.number() == second.number(), "never kept, but shared by those who ask together");
    }

    #[test]
    fn ages_follow_the_interval() {
        let ages = |query: Json| {
            let fresh = Freshness::of(&query);
            [fresh.age_max / MINUTE, fresh.lazy_age_max / MINUTE, fresh.refresh_floor / MINUTE]
        };
        assert_eq!(ages(json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-30d"}})), [360, 720, 15]);
        assert_eq!(ages(json!({"kind": "TrendsQuery"})), [360, 720, 3]);
        assert_eq!(ages(json!({"kind": "TrendsQuery", "interval": "hour", "dateRange": {"date_from": "-30d"}})), [60, 120, 3]);
        assert_eq!(ages(json!({"kind": "TrendsQuery", "interval": "minute"})), [5, 15, 1]);
        assert_eq!(ages(json!({"kind": "TrendsQuery", "interval": "month", "dateRange": {"date_from": "all"}})), [2880, 2880, 15]);
        assert_eq!(ages(json!({"kind": "HogQLQuery", "query": "select 1"})), [360, 720, 1]);
    }
}
