//! Trends by definition: for each combination of breakdown values and each bucket, the rows that count, and the math over them.

use super::trends_values::{Counted, value};
use super::{Dice, Seen, Sight, agree, days};
use jiff::{SignedDuration, ToSpan, Zoned};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const NULL: &str = "$$_posthog_breakdown_null_$$";
const OTHER: &str = "$$_posthog_breakdown_other_$$";

fn series(dice: &mut Dice) -> Json {
    let mut series = json!({"kind": "EventsNode", "event": dice.pick(&[json!("view"), json!("$pageview"), Json::Null])});
    let math = dice.pick(&[
        "total",
        "dau",
        "weekly_active",
        "monthly_active",
        "unique_session",
        "unique_group",
        "first_time_for_user",
        "first_matching_event_for_user",
        "sum",
        "avg",
        "median",
        "p90",
        "max",
        "avg_count_per_actor",
        "max_count_per_actor",
        "p75_count_per_actor",
        "session",
        "hogql",
    ]);
    match math {
        "session" => series["math_property"] = json!("$session_duration"),
        "sum" | "avg" | "median" | "p90" | "max" => series["math_property"] = json!("n"),
        "unique_group" => series["math_group_type_index"] = json!(0),
        "hogql" => series["math_hogql"] = json!("sum(e.properties.n) * 2 + count()"),
        _ => {}
    }
    series["math"] = json!(if math == "session" { "avg" } else { math });
    if dice.once_in(4) {
        series["properties"] = json!([{"key": "k", "value": dice.pick(&["x", "y"]), "type": "event"}]);
    }
    series
}

fn ask(dice: &mut Dice) -> Json {
    let (from, to) = days(dice);
    let interval = dice.pick(&["hour", "day", "day", "week", "month"]);
    let mut query = json!({
        "kind": "TrendsQuery",
        "series": [series(dice)],
        "interval": interval,
        "dateRange": {"date_from": from, "date_to": to},
        "trendsFilter": {"display": dice.pick(&["ActionsLineGraph", "ActionsLineGraph", "ActionsLineGraphCumulative", "BoldNumber"])},
    });
    if dice.once_in(4) {
        query["series"].as_array_mut().expect("series").push(series(dice));
        if dice.once_in(2) {
            query["trendsFilter"]["formula"] = json!(dice.pick(&["A+2*B", "A/B", "B-A"]));
        }
    }
    if dice.once_in(4) {
        query["trendsFilter"]["smoothingIntervals"] = json!(dice.below(4) + 1);
    }
    if interval != "hour" && dice.once_in(4) {
        query["compareFilter"] = dice.pick(&[json!({"compare": true}), json!({"compare": true, "compare_to": "-3d"})]);
    }
    // Of rows at one moment any may be a person's first, so what they differ in says nothing there.
    let by_person_only = query["series"]
        .as_array()
        .is_some_and(|series| series.iter().any(|series| series["math"].as_str().is_some_and(|math| math.starts_with("first"))));
    let person = json!({"breakdown": "p", "breakdown_type": "person"});
    query["breakdownFilter"] = match dice.below(6) {
        0 => person,
        _ if by_person_only => Json::Null,
        1 => json!({"breakdown": "k", "breakdown_type": "event"}),
        2 => json!({"breakdown": "n", "breakdown_type": "event", "breakdown_histogram_bin_count": dice.below(3) + 1}),
        3 => json!({"breakdowns": [{"property": "k"}, {"property": "p", "type": "person"}]}),
        4 => json!({"breakdown": "n"}),
        _ => Json::Null,
    };
    if !query["breakdownFilter"].is_null() && dice.once_in(2) {
        query["breakdownFilter"]["breakdown_limit"] = json!(dice.below(3) + 1);
        query["breakdownFilter"]["breakdown_hide_other_aggregation"] = json!(dice.once_in(2));
    }
    query
}

/// One period of one query.
struct Period<'s> {
    sight: &'s Sight,
    query: &'s Json,
    interval: &'s str,
    from: Zoned,
    to: Zoned,
    starts: Vec<Zoned>,
}

impl<'s> Period<'s> {
    fn new(sight: &'s Sight, query: &'s Json, from: Zoned, to: Zoned) -> Self {
        let is_total = query["trendsFilter"]["display"] == "BoldNumber";
        let interval = if is_total { "day" } else { query["interval"].as_str().expect("an interval") };
        let lower = if interval == "month" { sight.floor(&from, "month") } else { from.clone() };
        let starts = if is_total { vec![lower.clone()] } else { sight.starts(&from, &to, interval) };
        Self { sight, query, interval, from: lower, to, starts }
    }

    fn is_total(&self) -> bool {
        self.query["trendsFilter"]["display"] == "BoldNumber"
    }

    /// The bucket of an event in the range.
    fn bucket(&self, event: &Seen) -> Option<usize> {
        let inside = event.at >= self.from && event.at <= self.to;
        self.starts.iter().rposition(|start| *start <= event.at).filter(|_| inside)
    }

    fn passes(series: &Json, event: &Seen) -> bool {
        let named = series["event"].as_str().is_none_or(|name| name == event.name);
        named && series["properties"][0]["value"].as_str().is_none_or(|value| event.text("k") == value)
    }

    /// Edges of bins: equal widths over the numbers of the rows that count.
    fn edges(&self, series: &Json) -> Vec<f64> {
        let counted = self.sight.events.iter().filter(|event| Self::passes(series, event) && self.bucket(event).is_some());
        let numbers: Vec<f64> = counted.filter_map(|event| event.properties["n"].as_f64()).collect();
        let (min, max) = (numbers.iter().copied().fold(f64::INFINITY, f64::min), numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let (min, max) = if numbers.is_empty() { (0.0, 0.0) } else { (min, max) };
        let count = if min == max { 1 } else { self.query["breakdownFilter"]["breakdown_histogram_bin_count"].as_u64().expect("bins") };
        // To the last digit: names of bins are such numbers.
        let edge = |at: u64| (max - min) / count as f64 * at as f64 + min;
        (0..count).map(edge).chain([edge(count) + 0.01]).collect()
    }

    /// The breakdown values of an event as texts.
    fn texts(&self, event: &Seen, edges: &[f64]) -> Vec<String> {
        let filter = &self.query["breakdownFilter"];
        let person = || {
            let owner = self.sight.world.persons.iter().find(|(ids, _)| ids[0] == event.person);
            owner.and_then(|(_, properties)| properties["p"].as_str()).unwrap_or(NULL).to_owned()
        };
        let text = || Some(event.text("k")).filter(|text| !text.is_empty()).unwrap_or_else(|| NULL.to_owned());
        if filter["breakdowns"].is_array() {
            return vec![text(), person()];
        }
        match filter["breakdown"].as_str() {
            None => Vec::new(),
            Some("p") => vec![person()],
            Some("k") => vec![text()],
            _ => {
                let number = event.properties["n"].as_f64();
                let name = if filter["breakdown_histogram_bin_count"].is_null() {
                    number.map(|number| number.to_string())
                } else {
                    let bin = |number: f64| edges.windows(2).find(|edges| number >= edges[0] && number < edges[1]);
                    number.and_then(bin).map(|edges| format!("[{},{}]", edges[0], edges[1]))
                };
                vec![name.unwrap_or_else(|| NULL.to_owned())]
            }
        }
    }

    /// For each combination of texts and each bucket the rows that count there.
    fn cells(&self, series: &Json, math: &str) -> BTreeMap<Vec<String>, Vec<Vec<&'s Seen>>> {
        let edges = if self.query["breakdownFilter"]["breakdown_histogram_bin_count"].is_null() { Vec::new() } else { self.edges(series) };
        let mut cells: BTreeMap<Vec<String>, Vec<Vec<&Seen>>> = BTreeMap::new();
        for event in self.sight.events.iter().filter(|event| Self::passes(series, event)) {
            let buckets: Vec<usize> = match math {
                "weekly_active" => self.active_in(event, 7),
                "monthly_active" => self.active_in(event, 30),
                "first_time_for_user" | "first_matching_event_for_user" if !self.is_first(series, math, event) => Vec::new(),
                _ => self.bucket(event).into_iter().collect(),
            };
            for bucket in buckets {
                let line = cells.entry(self.texts(event, &edges)).or_insert_with(|| vec![Vec::new(); self.starts.len()]);
                line[bucket].push(event);
            }
        }
        if self.query["breakdownFilter"].is_null() && cells.is_empty() {
            cells.insert(Vec::new(), vec![Vec::new(); self.starts.len()]);
        }
        cells
    }

    /// Buckets in whose last days the event lies.
    fn active_in(&self, event: &Seen, days: i64) -> Vec<usize> {
        if self.is_total() {
            let from = self.to.checked_sub(days.days()).expect("a moment");
            return if event.at >= from && event.at <= self.to { vec![0] } else { Vec::new() };
        }
        let inside = |start: &Zoned| {
            let end = Sight::plus(start, self.interval, 1);
            event.at < end && event.at >= end.checked_sub(days.days()).expect("a moment")
        };
        (0..self.starts.len()).filter(|at| inside(&self.starts[*at])).collect()
    }

    /// Whether this is the first row of its person: of all of the event, or of those that pass.
    fn is_first(&self, series: &Json, math: &str, event: &Seen) -> bool {
        let is_candidate = |other: &&Seen| {
            let named = series["event"].as_str().is_none_or(|name| name == other.name);
            other.person == event.person && if math == "first_time_for_user" { named } else { Self::passes(series, other) }
        };
        self.sight.events.iter().filter(is_candidate).all(|other| other.at >= event.at)
    }

    fn lines(&self, series: &Json) -> Vec<(Vec<String>, Vec<f64>)> {
        let is_cumulative = self.query["trendsFilter"]["display"] == "ActionsLineGraphCumulative";
        // Over intervals as wide as their days, active users are just users.
        let math = match (series["math"].as_str().expect("a math"), self.interval) {
            ("weekly_active", "week" | "month") | ("monthly_active", "month") if !self.is_total() => "dau",
            (math, _) => math,
        };
        let shape = |rows: Vec<Vec<&Seen>>| {
            let mut values = Vec::new();
            let mut known = Vec::new();
            for rows in rows {
                // Whoever is counted once in all is not counted again.
                let rows = if is_cumulative { Counted::unknown(rows, math, &mut known) } else { rows };
                values.push(value(self.sight, series, math, &rows));
            }
            if is_cumulative {
                (1..values.len()).for_each(|at| values[at] += values[at - 1]);
            }
            if let Some(width) = self.query["trendsFilter"]["smoothingIntervals"].as_u64().filter(|width| *width > 1 && !self.is_total()) {
                let width = usize::try_from(width).expect("small");
                let mean = |at: usize| {
                    let window = &values[(at + 1).saturating_sub(width)..=at];
                    (window.iter().sum::<f64>() / window.len() as f64).floor()
                };
                values = (0..values.len()).map(mean).collect();
            }
            values
        };
        self.cells(series, math).into_iter().map(|(texts, rows)| (texts, shape(rows))).collect()
    }

    /// The largest lines, and the rest as one.
    fn limited(&self, mut lines: Vec<(Vec<String>, Vec<f64>)>) -> Vec<(Vec<String>, Vec<f64>)> {
        let filter = &self.query["breakdownFilter"];
        if filter.is_null() {
            return lines;
        }
        // Among single numbers no value is one like others.
        if self.is_total() {
            by_size(&mut lines)
        } else {
            sort(&mut lines)
        }
        let limit = usize::try_from(filter["breakdown_limit"].as_u64().unwrap_or(25)).expect("small");
        if lines.len() > limit {
            let rest = lines.split_off(limit);
            if filter["breakdown_hide_other_aggregation"] != true {
                let sum = |at: usize| rest.iter().map(|(_, values)| values[at]).sum::<f64>();
                lines.push((vec![OTHER.to_owned(); rest[0].0.len()], (0..rest[0].1.len()).map(sum).collect()));
            }
        }
        sort(&mut lines);
        lines
    }

    fn items(&self, period: Option<&str>) -> Vec<Json> {
        let series = self.query["series"].as_array().expect("series");
        let lines: Vec<_> = series.iter().map(|series| self.limited(self.lines(series))).collect();
        let lines = match self.query["trendsFilter"]["formula"].as_str() {
            None => lines,
            // Over what the series show, what is "other" in each included.
            Some(formula) => vec![combined(&lines[0], &lines[1], self.starts.len(), formula)],
        };
        let is_list = self.query["breakdownFilter"]["breakdowns"].is_array();
        let item = |(texts, values): (Vec<String>, Vec<f64>)| {
            let shown = if is_list { json!(texts) } else { texts.first().map_or(Json::Null, |text| json!(text)) };
            if self.is_total() { json!([shown, period, values[0]]) } else { json!([shown, period, values]) }
        };
        lines.into_iter().flatten().map(item).collect()
    }
}

type Line = (Vec<String>, Vec<f64>);

fn combined(a: &[Line], b: &[Line], width: usize, formula: &str) -> Vec<Line> {
    let mut texts: Vec<&Vec<String>> = a.iter().chain(b).map(|(texts, _)| texts).collect();
    texts.sort();
    texts.dedup();
    let of = |lines: &[Line], texts: &Vec<String>, at: usize| lines.iter().find(|line| line.0 == *texts).map_or(0.0, |line| line.1[at]);
    let line = |texts: &Vec<String>| {
        let value = |at: usize| match (of(a, texts, at), of(b, texts, at), formula) {
            (a, b, "A+2*B") => a + 2.0 * b,
            (a, b, "B-A") => b - a,
            (_, 0.0, _) => 0.0,
            (a, b, _) => a / b,
        };
        (texts.clone(), (0..width).map(value).collect())
    };
    let mut lines = texts.into_iter().map(line).collect::<Vec<_>>();
    sort(&mut lines);
    lines
}

fn by_size(lines: &mut [Line]) {
    let total = |line: &Line| line.1.iter().sum::<f64>();
    lines.sort_by(|a, b| total(b).total_cmp(&total(a)).then(a.0.cmp(&b.0)));
}

/// The largest first; then what has no value, then what is "other".
fn sort(lines: &mut [Line]) {
    by_size(lines);
    let has = |line: &Line, label: &str| line.0.iter().any(|text| text == label);
    lines.sort_by_key(|line| (has(line, OTHER), has(line, NULL)));
}

fn expect(sight: &Sight, query: &Json) -> Vec<Json> {
    let from = sight.midnight(query["dateRange"]["date_from"].as_str().expect("a day"));
    let day = query["dateRange"]["date_to"].as_str().expect("a day");
    let is_hourly = query["interval"] == "hour" && query["trendsFilter"]["display"] != "BoldNumber";
    let to = if is_hourly { sight.midnight(day) } else { sight.end(day) };
    let days = (to.clone() + SignedDuration::from_micros(1)).duration_since(&from).as_hours() / 24;
    let current = Period::new(sight, query, from.clone(), to.clone());
    let back = match (query["compareFilter"]["compare"] == true, query["compareFilter"]["compare_to"].is_string()) {
        (false, _) => return current.items(None),
        (true, true) => 3,
        (true, false) => days,
    };
    let before = |at: &Zoned| at.checked_sub(back.days()).expect("a moment");
    let previous = Period::new(sight, query, before(&from), before(&to));
    current.items(Some("current")).into_iter().chain(previous.items(Some("previous"))).collect()
}

fn shown(item: &Json) -> Json {
    let values = if item["aggregated_value"].is_null() { &item["data"] } else { &item["aggregated_value"] };
    json!([item["breakdown_value"], item["compare_label"], values])
}

#[tokio::test]
async fn trends() {
    agree(5, false, ask, expect, shown).await;
}
