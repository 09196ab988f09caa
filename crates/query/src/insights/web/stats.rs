//! WebStatsTableQuery: a row for each value of a breakdown, each number with that of the period before.

use super::breakdown::{Breakdown, BreakdownBy, clean, page};
use super::model::{Periods, VIEWS, WebQuery, named, sampling_rate};
use super::tally::{Pair, Tally, float};
use super::time_on_page::TimeOnPage;
use super::visits::{Atom, Key, Question, Visit};
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{call, compare, eq};
use crate::insights::{InsightContext, InsightResult};
use hashbrown::HashMap;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// Rows of a page when the request says nothing.
const LIMIT_DEFAULT: usize = 100;

/// A number of both periods.
type Cell = (Option<f64>, Option<f64>);

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Visitors,
    Views,
    BounceRate,
    AvgTimeOnPage,
    AverageScroll,
    ScrollGt80,
    TotalConversions,
    UniqueConversions,
    ConversionRate,
    RageClicks,
    DeadClicks,
    Errors,
}

use Column as C;

impl Column {
    /// Its name in the answer, after `context.columns.`.
    fn name(self) -> &'static str {
        match self {
            C::Visitors => "visitors",
            C::Views => "views",
            C::BounceRate => "bounce_rate",
            C::AvgTimeOnPage => "avg_time_on_page",
            C::AverageScroll => "average_scroll_percentage",
            C::ScrollGt80 => "scroll_gt80_percentage",
            C::TotalConversions => "total_conversions",
            C::UniqueConversions => "unique_conversions",
            C::ConversionRate => "conversion_rate",
            C::RageClicks => "rage_clicks",
            C::DeadClicks => "dead_clicks",
            C::Errors => "errors",
        }
    }

    /// By its name in `orderBy`.
    fn ordered(name: &str) -> Option<Self> {
        Some(match name {
            "Visitors" => C::Visitors,
            "Views" => C::Views,
            "BounceRate" => C::BounceRate,
            "AvgTimeOnPage" => C::AvgTimeOnPage,
            "AverageScrollPercentage" => C::AverageScroll,
            "ScrollGt80Percentage" => C::ScrollGt80,
            "TotalConversions" => C::TotalConversions,
            "UniqueConversions" => C::UniqueConversions,
            "ConversionRate" => C::ConversionRate,
            "RageClicks" => C::RageClicks,
            "DeadClicks" => C::DeadClicks,
            "Errors" => C::Errors,
            _ => return None,
        })
    }

    /// Whether its numbers are parts of one already.
    fn is_fraction(self) -> bool {
        matches!(self, C::BounceRate | C::AverageScroll | C::ScrollGt80 | C::ConversionRate)
    }
}

/// The rows, before they are cut to a page.
struct Table {
    columns: Vec<Column>,
    lines: Vec<(Key, Vec<Cell>)>,
}

/// Answers the query.
///
/// # Errors
/// [`QueryError`] when a filter, goal or breakdown cannot be understood.
pub(in crate::insights) fn run(query: &WebQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let range = query.range(context);
    let periods = query.periods(&range);
    let by = match query.breakdown_by.as_deref() {
        Some(name) => BreakdownBy::named(name)?,
        None => return Err(QueryError::Request { detail: "breakdownBy is missing".to_owned(), attr: Some("breakdownBy") }),
    };
    let is_asked = |flag: Option<bool>| flag == Some(true);
    let of_pages = is_asked(query.include_bounce_rate) || is_asked(query.include_avg_time_on_page);
    let mut table = match by {
        BreakdownBy::FrustrationMetrics => frustration(query, by, &periods, context)?,
        BreakdownBy::Page if of_pages && query.conversion_goal.is_none() => pages(query, &periods, context)?,
        by => main(query, by, &periods, context)?,
    };
    let order = table.sort(query, by);
    Ok(InsightResult { range: Some(range), ..table.page(query, by, order) })
}

/// Visits by a breakdown.
fn asked(
    mut question: Question,
    breakdown: Breakdown,
    periods: &Periods,
    context: &InsightContext<'_>,
) -> Result<Vec<(Key, Vec<Visit>)>, QueryError> {
    question.conditions.extend(breakdown.shown);
    question.breakdown = breakdown.exprs;
    Ok(question.visits(context, periods)?.by_key().collect())
}

fn count(pair: &Pair, of: impl Fn(&Tally) -> u64) -> Cell {
    pair.map(|tally| Some(float(of(tally))))
}

fn main(query: &WebQuery, by: BreakdownBy, periods: &Periods, context: &InsightContext<'_>) -> Result<Table, QueryError> {
    let mut visits = asked(query.question(context)?, by.breakdown(query, context)?, periods, context)?;
    if by == BreakdownBy::Language {
        visits = by_language(visits);
    }
    let columns = match (&query.conversion_goal, query.include_bounce_rate) {
        (Some(_), _) => vec![C::Visitors, C::TotalConversions, C::UniqueConversions, C::ConversionRate],
        (None, Some(true)) => vec![C::Visitors, C::Views, C::BounceRate],
        (None, _) => vec![C::Visitors, C::Views],
    };
    let cell = |pair: &Pair, column: Column| match column {
        C::Views => count(pair, |tally| tally.events),
        C::BounceRate => pair.map(Tally::bounce_rate),
        C::TotalConversions => count(pair, |tally| tally.conversions),
        C::UniqueConversions => count(pair, Tally::unique_conversions),
        C::ConversionRate => pair.map(Tally::conversion_rate),
        _ => count(pair, Tally::visitors),
    };
    let line = |(key, visits): (Key, Vec<Visit>)| {
        let pair = Pair::of(&visits, periods, false);
        (key, columns.iter().map(|column| cell(&pair, *column)).collect())
    };
    let lines = visits.into_iter().map(line).collect();
    Ok(Table { columns, lines })
}

/// Languages by their first part; the region that most visits have is shown with it.
fn by_language(visits: Vec<(Key, Vec<Visit>)>) -> Vec<(Key, Vec<Visit>)> {
    let mut languages: FxHashMap<String, (FxHashMap<String, usize>, Vec<Visit>)> = FxHashMap::default();
    for (key, visits) in visits {
        let [Atom::Text(whole)] = key.as_slice() else { continue };
        let mut parts = whole.split('-');
        let language = parts.next().unwrap_or_default().to_owned();
        let (regions, all) = languages.entry(language).or_default();
        *regions.entry(parts.next().unwrap_or_default().to_owned()).or_default() += visits.len();
        all.extend(visits);
    }
    let named = |(language, (regions, visits)): (String, (FxHashMap<String, usize>, Vec<Visit>))| {
        let frequent = regions.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
        let region = frequent.map(|(region, _)| region).unwrap_or_default();
        (vec![Atom::Text(format!("{language}-{region}"))], visits)
    };
    languages.into_iter().map(named).collect()
}

/// Pages, with what the sessions that began on them did and how they were read.
fn pages(query: &WebQuery, periods: &Periods, context: &InsightContext<'_>) -> Result<Table, QueryError> {
    let scrolls = query.include_scroll_depth == Some(true) && query.include_bounce_rate == Some(true);
    let timed = !scrolls && query.include_avg_time_on_page == Some(true);
    let visits = asked(query.question(context)?, BreakdownBy::Page.breakdown(query, context)?, periods, context)?;
    // filters by page would choose among the sessions that began on a page
    let filters = if scrolls { query.filters(context)? } else { query.changed_filters(context, about_no_page)? };
    let bounces = Question { conditions: std::iter::once(named(&VIEWS)).chain(filters).collect(), ..plain() };
    let bounces = pairs(asked(bounces, BreakdownBy::InitialPage.breakdown(query, context)?, periods, context)?, periods);
    let scrolled = if scrolls { scrolled(query, periods, context)? } else { HashMap::new() };
    let mut times = match timed {
        true => TimeOnPage::of(&page_left(query, context)?, query, periods, context)?,
        false => TimeOnPage::default(),
    };
    let mut columns = vec![C::Visitors, C::Views];
    columns.extend(if timed { vec![C::AvgTimeOnPage, C::BounceRate] } else { vec![C::BounceRate] });
    columns.extend(if scrolls { vec![C::AverageScroll, C::ScrollGt80] } else { Vec::new() });
    let lines = visits.into_iter().map(|(key, visits)| {
        let pair = Pair::of(&visits, periods, true);
        let or_zero = |(current, previous): Cell| (current.or(Some(0.0)), previous.or(Some(0.0)));
        let bounce = bounces.get(&key).map_or((None, None), |pair| pair.map(Tally::bounce_rate));
        let scroll = |measure: usize| scrolled.get(&key).map_or((None, None), |pair: &Pair| pair.map(|tally| tally.mean_of(measure)));
        let cells = columns.iter().map(|column| match column {
            C::Views => or_zero(count(&pair, |tally| tally.events)),
            C::AvgTimeOnPage => times.pair(&key),
            C::BounceRate if timed => or_zero(bounce),
            C::BounceRate => bounce,
            C::AverageScroll => scroll(0),
            C::ScrollGt80 => scroll(1),
            _ => or_zero(count(&pair, Tally::visitors)),
        });
        let cells = cells.collect();
        (key, cells)
    });
    let lines = lines.collect();
    Ok(Table { columns, lines })
}

fn plain() -> Question {
    Question { conditions: Vec::new(), breakdown: Vec::new(), goal: None, measures: Vec::new() }
}

fn pairs(visits: Vec<(Key, Vec<Visit>)>, periods: &Periods) -> HashMap<Key, Pair> {
    visits.into_iter().map(|(key, visits)| (key, Pair::of(&visits, periods, true))).collect()
}

/// The page that was looked at before the event.
fn page_left(query: &WebQuery, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
    clean(Expr::field(["properties", "$prev_pageview_pathname"]), query, context)
}

/// How far pages were scrolled, as the event after says: the mean, and the part of views that saw more than four fifths.
fn scrolled(query: &WebQuery, periods: &Periods, context: &InsightContext<'_>) -> Result<HashMap<Key, Pair>, QueryError> {
    let number = |key: &str| call("toFloat", vec![Expr::field(["properties", key])]);
    let content = number("$prev_pageview_max_content_percentage");
    let most = call("if", vec![compare(CompareOp::Gt, content.clone(), Expr::lit(0.8)), Expr::lit(1.0), Expr::lit(0.0)]);
    let most = call("if", vec![call("isNull", vec![content]), Expr::null(), most]);
    let conditions =
        std::iter::once(named(&["$pageview", "$pageleave", "$screen"])).chain(query.changed_filters(context, about_page_left)?);
    let question =
        Question { conditions: conditions.collect(), measures: vec![number("$prev_pageview_max_scroll_percentage"), most], ..plain() };
    let left = page_left(query, context)?;
    let breakdown = Breakdown { shown: Some(call("isNotNull", vec![left.clone()])), exprs: vec![left] };
    Ok(pairs(asked(question, breakdown, periods, context)?, periods))
}

/// Whether a filter is about the page that an event was on.
fn is_about_page(filter: &Value) -> bool {
    let kind = filter.get("type").and_then(Value::as_str).unwrap_or("event");
    kind == "event" && filter.get("key").and_then(Value::as_str) == Some("$pathname")
}

fn about_no_page(filter: &Value) -> Option<Value> {
    (!is_about_page(filter)).then(|| filter.clone())
}

/// A filter by page becomes one by the page before.
#[expect(clippy::unnecessary_wraps, reason = "the form that changes of filters have")]
pub(super) fn about_page_left(filter: &Value) -> Option<Value> {
    let mut filter = filter.clone();
    if is_about_page(&filter) {
        filter["key"] = json!("$prev_pageview_pathname");
    }
    Some(filter)
}

/// Pages on which visitors were in trouble.
fn frustration(query: &WebQuery, by: BreakdownBy, periods: &Periods, context: &InsightContext<'_>) -> Result<Table, QueryError> {
    let columns = vec![C::RageClicks, C::DeadClicks, C::Errors];
    let trouble = ["$rageclick", "$dead_click", "$exception"];
    let mut events = VIEWS.to_vec();
    events.extend(trouble);
    let measures = trouble.map(|name| call("if", vec![eq(Expr::field(["event"]), Expr::lit(name)), Expr::lit(1.0), Expr::lit(0.0)]));
    let conditions = std::iter::once(named(&events)).chain(query.filters(context)?).collect();
    let question = Question { conditions, measures: measures.to_vec(), ..plain() };
    let breakdown = Breakdown { exprs: vec![page(query, context)?], shown: by.breakdown(query, context)?.shown };
    let line = |(key, visits): (Key, Vec<Visit>)| {
        let pair = Pair::of(&visits, periods, false);
        let cells: Vec<Cell> = (0..columns.len()).map(|measure| pair.map(|tally| Some(tally.sum_of(measure)))).collect();
        let is_trouble = |(current, previous): &Cell| *current > Some(0.0) || (*current == Some(0.0) && *previous > Some(0.0));
        cells.iter().any(is_trouble).then_some((key, cells))
    };
    let lines = asked(question, breakdown, periods, context)?.into_iter().filter_map(line).collect();
    Ok(Table { columns, lines })
}

/// What is not known comes last, whatever the direction.
fn by_cell(a: &Cell, b: &Cell, descending: bool) -> Ordering {
    let one = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) if descending => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    one(a.0, b.0).then_with(|| one(a.1, b.1))
}

impl Table {
    /// Puts the lines in order; answers which column is the first to decide.
    fn sort(&mut self, query: &WebQuery, by: BreakdownBy) -> Option<Column> {
        let asked = query.order_by.as_deref().unwrap_or_default();
        let field = asked.first().and_then(|name| Column::ordered(name)).filter(|column| self.columns.contains(column));
        let descending = asked.get(1).is_none_or(|direction| direction != "ASC");
        let rest: &[Column] = match by {
            BreakdownBy::FrustrationMetrics => &[C::Errors, C::RageClicks, C::DeadClicks],
            _ => &[C::UniqueConversions, C::TotalConversions, C::Visitors, C::Views],
        };
        let order: Vec<Column> = field.into_iter().chain(rest.iter().copied().filter(|column| Some(*column) != field)).collect();
        let places: Vec<usize> = order.iter().filter_map(|column| self.place(*column)).collect();
        self.lines.sort_by(|(key, cells), (other, others)| {
            let unequal = places.iter().map(|place| by_cell(&cells[*place], &others[*place], descending)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| key.cmp(other))
        });
        order.into_iter().find(|column| self.columns.contains(column))
    }

    fn place(&self, column: Column) -> Option<usize> {
        self.columns.iter().position(|known| *known == column)
    }

    /// For each line how much of its row is to be coloured: what it has of the whole, or the fraction that it is.
    fn fill(&self, order: Option<Column>) -> Vec<Option<f64>> {
        let shared = |column: Column| !column.is_fraction() && column != C::AvgTimeOnPage;
        match order.filter(|column| column.is_fraction()).and_then(|column| self.place(column)) {
            Some(place) => self.lines.iter().map(|(_, cells)| cells[place].0).collect(),
            None => {
                let place = order.filter(|column| shared(*column)).or(Some(C::Visitors)).and_then(|column| self.place(column)).unwrap_or(0);
                let of = |cells: &[Cell]| cells[place].0.unwrap_or(0.0);
                let whole: f64 = self.lines.iter().map(|(_, cells)| of(cells)).sum();
                self.lines.iter().map(|(_, cells)| (whole > 0.0).then(|| of(cells) / whole)).collect()
            }
        }
    }

    /// One page of the lines as PostHog's rows.
    fn page(self, query: &WebQuery, by: BreakdownBy, order: Option<Column>) -> InsightResult {
        let limit = query.limit.filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT).min(crate::plan::ROWS_MAX);
        let offset = query.offset.unwrap_or(0);
        // neither is shown with languages and with trouble
        let filled = !matches!(by, BreakdownBy::FrustrationMetrics | BreakdownBy::Language);
        let fill = self.fill(order);
        let has_more = self.lines.len() > offset.saturating_add(limit);
        let name = |column: &str| format!("context.columns.{column}");
        let mut columns = vec![name("breakdown_value")];
        columns.extend(self.columns.iter().map(|column| name(column.name())));
        columns.extend(filled.then(|| name("ui_fill_fraction")));
        columns.push(name("cross_sell"));
        let types: Vec<Value> = columns.iter().map(|name| json!([name, type_of(name)])).collect();
        let row = |((key, cells), fill): ((Key, Vec<Cell>), Option<f64>)| {
            let mut row = vec![shown(&key)];
            row.extend(cells.into_iter().map(|(current, previous)| json!([current, previous])));
            row.extend(filled.then(|| json!(fill)));
            row.push(json!(""));
            Value::Array(row)
        };
        let rows: Vec<Value> = self.lines.into_iter().zip(fill).skip(offset).take(limit).map(row).collect();
        let more = Map::from_iter([
            ("columns".to_owned(), json!(columns)),
            ("types".to_owned(), json!(types)),
            ("limit".to_owned(), json!(limit)),
            ("offset".to_owned(), json!(offset)),
            ("samplingRate".to_owned(), sampling_rate()),
            ("usedPreAggregatedTables".to_owned(), json!(false)),
        ]);
        InsightResult { results: Value::Array(rows), has_more, more, range: None }
    }
}

fn type_of(column: &str) -> &'static str {
    match column.rsplit('.').next() {
        Some("breakdown_value") => "Nullable(String)",
        Some("cross_sell") => "String",
        Some("ui_fill_fraction") => "Nullable(Float64)",
        _ => "Tuple(Nullable(Float64), Nullable(Float64))",
    }
}

/// A breakdown's value: one as it is, several as a list.
fn shown(key: &Key) -> Value {
    let one = |atom: &Atom| match (atom, atom.as_number()) {
        (Atom::Text(text), _) => json!(text),
        (_, Some(number)) => json!(number),
        _ => Value::Null,
    };
    match key.as_slice() {
        [only] => one(only),
        several => several.iter().map(one).collect(),
    }
}
