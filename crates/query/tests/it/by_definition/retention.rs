//! Retention by definition: each actor, each interval in which it began, each interval after.

use super::{Dice, Seen, Sight, agree, days};
use jiff::Zoned;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

fn entity(dice: &mut Dice) -> Json {
    let mut entity = json!({"id": dice.pick(&[json!("view"), json!("$pageview"), Json::Null]), "type": "events"});
    if dice.once_in(3) {
        entity["properties"] = json!([{"key": "k", "value": ["x", "y"], "type": "event"}]);
    }
    entity
}

fn ask(dice: &mut Dice) -> Json {
    let (from, to) = days(dice);
    let target = entity(dice);
    let returning = if dice.once_in(2) { target.clone() } else { entity(dice) };
    let mut filter = json!({
        "period": dice.pick(&["Hour", "Day", "Day", "Week", "Month"]),
        "totalIntervals": dice.below(6) + 1,
        "targetEntity": target,
        "returningEntity": returning,
        "retentionType": dice.pick(&["retention_recurring", "retention_first_time", "retention_first_ever_occurrence"]),
    });
    match dice.below(6) {
        0 => filter["cumulative"] = json!(true),
        1 => filter["minimumOccurrences"] = json!(2),
        2 => filter["retentionCustomBrackets"] = json!([1, 3]),
        3 => filter["timeWindowMode"] = json!("24_hour_windows"),
        4 => {
            filter["aggregationType"] = json!(dice.pick(&["sum", "avg"]));
            filter["aggregationProperty"] = json!("n");
        }
        _ => {}
    }
    let mut query = json!({"kind": "RetentionQuery", "dateRange": {"date_to": to}, "retentionFilter": filter});
    if dice.once_in(2) {
        query["dateRange"]["date_from"] = json!(from);
    }
    if dice.once_in(4) {
        query["aggregation_group_type_index"] = json!(0);
    }
    if dice.once_in(4) {
        query["properties"] = json!([{"key": "n", "operator": "is_set", "type": "event"}]);
    }
    if dice.once_in(3) {
        query["breakdownFilter"] = json!({"breakdowns": [{"property": "k", "type": "event"}]});
        if dice.once_in(2) {
            query["breakdownFilter"]["breakdown_limit"] = json!(1);
        }
    }
    query
}

/// By row and column the number of actors and the sum of their values.
type Grid = BTreeMap<(usize, usize), (f64, f64)>;

struct Terms<'q> {
    sight: &'q Sight,
    filter: &'q Json,
    interval: String,
    starts: Vec<Zoned>,
    end: Zoned,
    columns: usize,
}

/// One actor's matching events, in order of time.
struct Story<'e> {
    named: Vec<&'e Seen>,
    begins: Vec<&'e Seen>,
    returns: Vec<&'e Seen>,
}

fn matches(event: &Seen, entity: &Json, with_properties: bool) -> bool {
    let named = entity["id"].as_str().is_none_or(|name| name == event.name);
    let passes = !with_properties || entity["properties"].is_null() || ["x", "y"].contains(&event.text("k").as_str());
    named && passes
}

impl Terms<'_> {
    fn kind(&self) -> &str {
        self.filter["retentionType"].as_str().expect("a type")
    }

    fn is_rolling(&self) -> bool {
        self.filter["timeWindowMode"] == "24_hour_windows"
    }

    fn is_aggregated(&self) -> bool {
        self.filter["aggregationType"].is_string()
    }

    fn inside(&self, event: &Seen) -> bool {
        event.at >= self.starts[0] && event.at < self.end
    }

    fn period(&self, event: &Seen) -> Option<usize> {
        if !self.inside(event) {
            return None;
        }
        self.starts.iter().rposition(|start| *start <= event.at)
    }

    fn anchor<'e>(&self, story: &Story<'e>) -> Option<&'e Seen> {
        match self.kind() {
            "retention_recurring" => story.begins.iter().copied().find(|event| self.inside(event)),
            "retention_first_time" => story.begins.first().copied(),
            _ => story.begins.first().copied().filter(|first| first.at == story.named[0].at),
        }
    }

    fn beginnings(&self, story: &Story<'_>) -> BTreeSet<usize> {
        if self.kind() == "retention_recurring" {
            return story.begins.iter().filter_map(|event| self.period(event)).collect();
        }
        self.anchor(story).and_then(|event| self.period(event)).into_iter().collect()
    }

    /// Row → columns.
    fn cells(&self, story: &Story<'_>, anchor: Option<&Seen>) -> BTreeMap<usize, BTreeSet<usize>> {
        if self.is_rolling() {
            return self.rolling(story, anchor);
        }
        let starts = self.beginnings(story);
        let minimum = if self.is_aggregated() { 1 } else { self.filter["minimumOccurrences"].as_u64().unwrap_or(1) };
        let returned = |period: usize| story.returns.iter().filter(|event| self.period(event) == Some(period)).count() as u64 >= minimum;
        let mut cells: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for start in &starts {
            let mut columns = BTreeSet::from([0]);
            for period in (0..self.starts.len()).filter(|period| returned(*period)) {
                if let (Some(brackets), false) = (self.filter["retentionCustomBrackets"].as_array(), self.is_aggregated()) {
                    let first = starts.first().copied().unwrap_or(0);
                    let (mut low, mut column) = (first, 0);
                    for size in brackets {
                        let high = low + usize::try_from(size.as_u64().expect("a size")).expect("small");
                        column += 1;
                        if period > low && period <= high {
                            columns.insert(column);
                        }
                        low = high;
                    }
                } else if period > *start && period - start < self.columns {
                    columns.insert(period - start);
                }
            }
            if self.filter["cumulative"] == true {
                let last = columns.last().copied().unwrap_or(0);
                columns = (0..=last).collect();
            }
            cells.insert(*start, columns);
        }
        cells
    }

    fn rolling(&self, story: &Story<'_>, anchor: Option<&Seen>) -> BTreeMap<usize, BTreeSet<usize>> {
        let Some(anchor) = anchor else { return BTreeMap::new() };
        let after = |event: &&&Seen| event.at >= anchor.at && (self.kind() != "retention_recurring" || self.inside(event));
        let row = self.periods_between(&self.starts[0], &anchor.at);
        let is_there = story.begins.iter().chain(&story.returns).chain(&story.named).any(|event| after(&event));
        if row < 0 || row >= self.starts.len() as i64 || !is_there {
            return BTreeMap::new();
        }
        let columns = story.returns.iter().filter(after).map(|event| self.periods_between(&anchor.at, &event.at));
        let columns = columns.filter_map(|column| usize::try_from(column).ok()).filter(|column| *column < self.columns).chain([0]);
        BTreeMap::from([(usize::try_from(row).expect("small"), columns.collect())])
    }

    /// Borders of hours or days that lie between, in periods.
    fn periods_between(&self, from: &Zoned, to: &Zoned) -> i64 {
        let days = |at: &Zoned| at.date().since(jiff::civil::date(1970, 1, 1)).expect("days").get_days();
        let hours = |at: &Zoned| (at.timestamp().as_second() + i64::from(self.starts[0].offset().seconds() % 3600)).div_euclid(3600);
        match self.interval.as_str() {
            "hour" => hours(to) - hours(from),
            "day" => (hours(to) - hours(from)).div_euclid(24),
            "week" => i64::from(days(to) - days(from)).div_euclid(7),
            _ => i64::from(days(to) - days(from)).div_euclid(30),
        }
    }

    /// The sum of values behind a cell of an actor.
    fn sum(&self, story: &Story<'_>, start: usize, column: usize) -> f64 {
        let value = |event: &&Seen| event.properties["n"].as_f64().unwrap_or(0.0);
        let of = |events: &[&Seen], period: usize| {
            events.iter().copied().filter(|event| self.period(event) == Some(period)).map(|event| value(&event)).sum::<f64>()
        };
        let same = self.filter["targetEntity"] == self.filter["returningEntity"];
        if column > 0 {
            return of(&story.returns, start + column);
        }
        if same {
            return of(&story.begins, start);
        }
        let began = story.begins.iter().find(|event| self.period(event) == Some(start)).map(|event| event.at.clone());
        let later: Vec<&Seen> =
            story.returns.iter().copied().filter(|event| began.as_ref().is_some_and(|began| event.at > *began)).collect();
        of(&later, start)
    }
}

fn expect(sight: &Sight, query: &Json) -> Vec<Json> {
    let filter = &query["retentionFilter"];
    let interval = filter["period"].as_str().expect("a period").to_lowercase();
    let total = i64::try_from(filter["totalIntervals"].as_u64().expect("a number")).expect("small");
    let day = query["dateRange"]["date_to"].as_str().expect("a day");
    let last = if interval == "hour" { sight.midnight(day) } else { sight.end(day) };
    let end = sight.floor(&Sight::plus(&last, &interval, 1), &interval);
    let from = match query["dateRange"]["date_from"].as_str() {
        Some(day) => sight.floor(&sight.midnight(day), &interval),
        None => sight.floor(&Sight::plus(&end, &interval, -total), &interval),
    };
    let starts: Vec<Zoned> = (0..).map(|at| Sight::plus(&from, &interval, at)).take_while(|start| *start < end).collect();
    let columns =
        filter["retentionCustomBrackets"].as_array().map_or(usize::try_from(total).expect("small"), |brackets| brackets.len() + 1);
    let terms = Terms { sight, filter, interval, starts, end, columns };
    let by_group = query["aggregation_group_type_index"].is_number();
    let is_broken_down = query["breakdownFilter"].is_object();

    let mut of_actors: BTreeMap<String, Vec<&Seen>> = BTreeMap::new();
    for event in terms.sight.events.iter().filter(|event| query["properties"].is_null() || event.properties["n"].is_number()) {
        if let Some(actor) = event.actor(by_group) {
            of_actors.entry(actor).or_default().push(event);
        }
    }
    // Breakdown value → cell → actors and sum.
    let mut grids: BTreeMap<String, Grid> = BTreeMap::new();
    for events in of_actors.values() {
        let story = |keep: &dyn Fn(&Seen) -> bool| Story {
            named: events.iter().copied().filter(|event| keep(event) && matches(event, &filter["targetEntity"], false)).collect(),
            begins: events.iter().copied().filter(|event| keep(event) && matches(event, &filter["targetEntity"], true)).collect(),
            returns: events.iter().copied().filter(|event| keep(event) && matches(event, &filter["returningEntity"], true)).collect(),
        };
        let whole = story(&|_| true);
        let mut stories: Vec<(String, Story<'_>)> = Vec::new();
        if is_broken_down && terms.kind() != "retention_first_ever_occurrence" {
            let values: BTreeSet<String> = events.iter().map(|event| event.text("k")).collect();
            stories.extend(values.into_iter().map(|value| (value.clone(), story(&|event| event.text("k") == value))));
        } else {
            let first = whole.named.first().map(|event| event.at.clone());
            let value =
                whole.named.iter().filter(|event| Some(&event.at) == first.as_ref()).map(|event| event.text("k")).min_by_key(|text| {
                    // No value has a name of its own among values.
                    if text.is_empty() { "$$_posthog_breakdown_null_$$".to_owned() } else { text.clone() }
                });
            stories.push((value.filter(|_| is_broken_down).unwrap_or_default(), story(&|_| true)));
        }
        let anchor = terms.anchor(&whole);
        for (value, mut story) in stories {
            if terms.kind() != "retention_first_ever_occurrence" {
                story.named = Vec::new();
            }
            for (row, columns) in terms.cells(&story, anchor) {
                for column in columns {
                    let cell = grids.entry(value.clone()).or_default().entry((row, column)).or_default();
                    cell.0 += 1.0;
                    if terms.is_aggregated() && column < terms.columns {
                        cell.1 += terms.sum(&story, row, column);
                    }
                }
            }
        }
    }
    if filter["aggregationType"] == "avg" {
        grids.values_mut().flat_map(BTreeMap::values_mut).for_each(|cell| cell.1 /= cell.0);
    }
    shown(&terms, query, grids, is_broken_down)
}

fn shown(terms: &Terms<'_>, query: &Json, grids: BTreeMap<String, Grid>, is_broken_down: bool) -> Vec<Json> {
    let rows = |value: Json, grid: &Grid| -> Vec<Json> {
        (0..terms.starts.len())
            .map(|row| {
                let cells: Vec<Json> = (0..terms.columns)
                    .map(|column| {
                        let (count, sum) = grid.get(&(row, column)).copied().unwrap_or_default();
                        if terms.is_aggregated() { json!([count, sum]) } else { json!([count, null]) }
                    })
                    .collect();
                json!([value, cells])
            })
            .collect()
    };
    if !is_broken_down {
        return rows(Json::Null, &grids.into_values().next().unwrap_or_default());
    }
    let size = |grid: &Grid| grid.iter().filter(|((_, column), _)| *column == 0).map(|(_, cell)| cell.0).sum::<f64>();
    let mut ranked: Vec<_> = grids.into_iter().collect();
    ranked.sort_by(|a, b| size(&b.1).total_cmp(&size(&a.1)));
    let limit = query["breakdownFilter"]["breakdown_limit"].as_u64().map_or(25, |limit| usize::try_from(limit).expect("small"));
    let mut other: Grid = BTreeMap::new();
    for (_, grid) in ranked.iter().skip(limit) {
        for (cell, (count, sum)) in grid {
            let cell = other.entry(*cell).or_default();
            *cell = (cell.0 + count, cell.1 + sum);
        }
    }
    let has_other = ranked.len() > limit;
    ranked.truncate(limit);
    let mut items: Vec<Json> = ranked.iter().flat_map(|(value, grid)| rows(json!(value), grid)).collect();
    if has_other {
        items.extend(rows(json!("$$_posthog_breakdown_other_$$"), &other));
    }
    items
}

#[tokio::test]
async fn retention() {
    let cell = |cell: &Json| json!([cell["count"], cell["aggregation_value"]]);
    let shown = |item: &Json| {
        let cells: Vec<Json> = item["values"].as_array().expect("cells").iter().map(cell).collect();
        json!([item["breakdown_value"], cells])
    };
    agree(4, false, ask, expect, shown).await;
}
