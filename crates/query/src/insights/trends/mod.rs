//! TrendsQuery: how often, by how many, how much, over time.
//!
//! In: the query's JSON and a project. Out: PostHog's result items.
//! The way: [`plan`] says what each row is asked, [`operator`] counts in one pass, [`render`] writes the items.
//!
//! Source of the rules: query reference, sections 6 and 7.

mod actors;
mod box_plot;
mod calendar_heatmap;
mod expression;
mod formula;
mod math;
mod operator;
mod options;
mod plan;
mod render;
mod rows;
mod tally;

pub(super) use actors::{actors, events};
pub(super) use calendar_heatmap::run as calendar_heatmap;
pub(super) use options::options;

use super::breakdowns::Breakdowns;
use super::buckets::Buckets;
use super::labels::{Bins, SharedLabels};
use super::model::{FormulaNode, TrendsQuery};
use super::{InsightContext, InsightResult, paths};
use crate::dates::{Interval, QueryRange};
use crate::error::QueryError;
use crate::hogql::build::call;
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use expression::Grid;
use formula::Formula;
use jiff::{ToSpan, Zoned};
use math::Math;
use operator::Operator;
use plan::SeriesPlan;
use render::{Frame, Line};
use rows::Layout;
use serde_json::Value;
use tally::Lines;

/// How the result is shown decides what is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Display {
    Series,
    Cumulative,
    /// The first bucket and the last alone.
    Slope,
    Total,
    /// Rows that tell how values are spread.
    BoxPlot,
    /// Hours of the week.
    CalendarHeatmap,
}

impl Display {
    fn of(name: &str) -> Self {
        match name {
            "ActionsLineGraphCumulative" => Display::Cumulative,
            "BoldNumber" | "ActionsPie" | "ActionsDonut" | "ActionsBarValue" | "ActionsTable" | "WorldMap" => Display::Total,
            "SlopeGraph" => Display::Slope,
            "BoxPlot" => Display::BoxPlot,
            "CalendarHeatmap" => Display::CalendarHeatmap,
            _ => Display::Series,
        }
    }
}

/// Answers a TrendsQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &TrendsQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let filter = query.trends_filter.clone().unwrap_or_default();
    let display_name = filter.display.as_deref().unwrap_or("ActionsLineGraph");
    let display = Display::of(display_name);
    if display == Display::CalendarHeatmap {
        return calendar_heatmap::item(query, context);
    }
    let breakdowns = breakdowns(query, display_name, filter.breakdown_histogram_bin_count, context)?;
    let current = range_of(query, display_name, context)?;
    let plans = query.series.iter().map(|series| SeriesPlan::new(series, query, context)).collect::<Result<Vec<_>, _>>()?;
    if display == Display::BoxPlot {
        let results = box_plot::rows(&plans, &current, context)?;
        return Ok(InsightResult { results, range: Some(current), ..InsightResult::default() });
    }
    let formulas = formulas(&filter, plans.len())?;

    let mut periods = vec![(current.clone(), None)];
    // The ends of a slope are its comparison.
    let compare = query.compare_filter.as_ref().filter(|compare| compare.compare == Some(true) && display != Display::Slope);
    if let Some(compare) = compare {
        let previous = current.compared(compare.compare_to.as_deref());
        periods = vec![(current.clone(), Some("current")), (previous, Some("previous"))];
    }
    let (mut items, mut has_more) = (Vec::new(), false);
    let mut per_formula: Vec<Vec<Value>> = vec![Vec::new(); formulas.len()];
    for (range, compare_label) in &periods {
        let frame = Frame {
            range,
            is_total: display == Display::Total,
            is_cumulative: display == Display::Cumulative,
            incomplete_end: (display == Display::Slope).then(|| is_running(range, context)),
            breakdown_is_list: breakdowns.is_list,
            cohorts: &breakdowns.cohorts,
            many_series: plans.len() > 1,
            compare_label: *compare_label,
        };
        let smoothing = filter.smoothing_intervals.unwrap_or(1);
        // Each series shows its own largest values, so a formula's "other" is computed from what is other in each.
        let mut lines = Vec::with_capacity(plans.len());
        for plan in &plans {
            let all = series_lines(plan, &breakdowns, range, display, smoothing, context)?;
            let (shown, more) = limited(all, &breakdowns, display);
            has_more |= more;
            lines.push(shown);
        }
        for (at, (node, formula)) in formulas.iter().enumerate() {
            let mut lines = combined(&lines, formula);
            if !breakdowns.is_empty() {
                render::sort(&mut lines);
            }
            let label = node.custom_name.clone().unwrap_or_else(|| format!("Formula ({})", node.formula));
            per_formula[at].extend(lines.iter().map(|line| render::formula_item(line, &label, at, frame)));
        }
        // Formulas take the place of their series.
        if formulas.is_empty() {
            let mut of_series = Vec::with_capacity(plans.len());
            for (order, (plan, lines)) in plans.iter().zip(lines).enumerate() {
                of_series.push(lines.iter().map(|line| render::series_item(line, plan, order, frame)).collect::<Vec<_>>());
            }
            items.extend(if breakdowns.cohorts.is_empty() { of_series.concat() } else { by_cohort(of_series) });
        }
    }
    items.extend(per_formula.into_iter().flatten());
    Ok(InsightResult { results: Value::Array(items), has_more, range: Some(current), ..InsightResult::default() })
}

/// The range of the query. A graph of a single bar shows what was asked for alone, not all of its bucket.
fn range_of(query: &TrendsQuery, display_name: &str, context: &InsightContext<'_>) -> Result<QueryRange, QueryError> {
    let interval = if Display::of(display_name) == Display::Total { Interval::Day } else { query.interval.unwrap_or_default() };
    let request = query.date_range.clone().unwrap_or_default();
    let calendar = context.calendar_of(&query.series, &request)?;
    let range = QueryRange::new(&request, interval, &calendar);
    let is_bar = matches!(display_name, "ActionsBar" | "ActionsUnstackedBar") && range.buckets().len() == 1;
    Ok(if is_bar { QueryRange::unrounded(&request, interval, &calendar) } else { range })
}

/// Whether the last bucket is not over yet.
fn is_running(range: &QueryRange, context: &InsightContext<'_>) -> bool {
    let now = &context.calendar.now;
    range.buckets().last().is_some_and(|last| last <= now && range.interval.next(last).is_some_and(|next| *now < next))
}

/// Series of the first cohort, then those of the next; given are the cohorts of each series.
fn by_cohort(of_series: Vec<Vec<Value>>) -> Vec<Value> {
    let cohorts = of_series.iter().map(Vec::len).max().unwrap_or(0);
    (0..cohorts).flat_map(|cohort| of_series.iter().filter_map(move |items| items.get(cohort).cloned())).collect()
}

/// A world map shows more values than a graph.
const LIMIT_WORLD_MAP: usize = 300;

fn breakdowns(query: &TrendsQuery, display: &str, bins: Option<u32>, context: &InsightContext<'_>) -> Result<Breakdowns, QueryError> {
    let mut breakdowns = Breakdowns::new(query.breakdown_filter.as_ref(), bins, context.query)?;
    let is_limited = query.breakdown_filter.as_ref().is_some_and(|filter| filter.breakdown_limit.is_some());
    if display == "WorldMap" && !is_limited {
        breakdowns.limit = LIMIT_WORLD_MAP;
    }
    if query.breakdown_filter.as_ref().is_some_and(|filter| filter.breakdown_path_cleaning == Some(true)) {
        for each in &mut breakdowns.exprs {
            each.expr = paths::cleaned_by_project(each.expr.clone(), context)?;
        }
    }
    Ok(breakdowns)
}

fn formulas(filter: &super::model::TrendsFilter, series: usize) -> Result<Vec<(FormulaNode, Formula)>, QueryError> {
    let plain = |formula: &String| FormulaNode { formula: formula.clone(), custom_name: None };
    let nodes = match (&filter.formula_nodes, &filter.formulas, &filter.formula) {
        (Some(nodes), _, _) if !nodes.is_empty() => nodes.clone(),
        (_, Some(formulas), _) if !formulas.is_empty() => formulas.iter().map(plain).collect(),
        (_, _, Some(formula)) if !formula.trim().is_empty() => vec![plain(formula)],
        _ => Vec::new(),
    };
    nodes.into_iter().map(|node| Formula::parse(&node.formula, series).map(|formula| (node, formula))).collect()
}

/// The formula for each combination of breakdown values that any series has.
fn combined(series: &[Vec<Line>], formula: &Formula) -> Vec<Line> {
    let mut texts: Vec<&Vec<String>> = Vec::new();
    for line in series.iter().flatten() {
        if !texts.contains(&&line.texts) {
            texts.push(&line.texts);
        }
    }
    let width = series.iter().flatten().map(|line| line.values.len()).max().unwrap_or(0);
    let value_of = |lines: &Vec<Line>, texts: &Vec<String>, at: usize| {
        lines.iter().find(|line| line.texts == *texts).and_then(|line| line.values.get(at)).copied().unwrap_or(0.0)
    };
    let line = |texts: &Vec<String>| {
        let values = (0..width).map(|at| {
            let of_series: Vec<f64> = series.iter().map(|lines| value_of(lines, texts, at)).collect();
            formula.value(&of_series)
        });
        Line { texts: texts.clone(), values: values.collect() }
    };
    texts.into_iter().map(line).collect()
}

fn limited(mut lines: Vec<Line>, breakdowns: &Breakdowns, display: Display) -> (Vec<Line>, bool) {
    if breakdowns.is_empty() {
        return (lines, false);
    }
    // Among single numbers no value is a value like others when it is about which are shown.
    if display == Display::Total {
        render::by_size(&mut lines)
    } else {
        render::sort(&mut lines)
    }
    let (mut lines, more) = render::limit(lines, breakdowns.limit, breakdowns.hide_other);
    render::sort(&mut lines);
    (lines, more)
}

fn series_lines(
    plan: &SeriesPlan,
    breakdowns: &Breakdowns,
    range: &QueryRange,
    display: Display,
    smoothing: usize,
    context: &InsightContext<'_>,
) -> Result<Vec<Line>, QueryError> {
    let shape = |values: Vec<f64>| match display {
        Display::Total => values,
        Display::Slope => render::ends(values),
        Display::Cumulative => render::smooth(&render::cumulated(&values), smoothing),
        Display::Series | Display::BoxPlot | Display::CalendarHeatmap => render::smooth(&values, smoothing),
    };
    // A person may be in several cohorts: each is a question of its own.
    if !breakdowns.cohorts.is_empty() {
        let mut all = Vec::with_capacity(breakdowns.cohorts.len());
        for cohort in &breakdowns.cohorts {
            let lines = values(&plan.within(cohort), breakdowns, range, display, context)?;
            all.extend(lines.into_iter().map(|(_, values)| Line { texts: vec![cohort.id.to_string()], values: shape(values) }));
        }
        return Ok(all);
    }
    Ok(values(plan, breakdowns, range, display, context)?
        .into_iter()
        .filter(|(texts, _)| breakdowns.is_empty() == texts.is_empty())
        .map(|(texts, values)| Line { texts, values: shape(values) })
        .collect())
}

/// The values of each bucket for each combination of breakdown values.
fn values(
    plan: &SeriesPlan,
    breakdowns: &Breakdowns,
    range: &QueryRange,
    display: Display,
    context: &InsightContext<'_>,
) -> Result<Lines, QueryError> {
    if plan.math != Math::Expression {
        return operator(plan, breakdowns, range, display, context)?.run(context);
    }
    let starts = starts(range, display);
    let buckets = Buckets::new(&starts, &range.lower_bound(), &range.to);
    let bins = bins(plan, breakdowns, &buckets, context)?;
    let grid = Grid { buckets: &buckets, interval: (display != Display::Total).then_some(range.interval) };
    expression::lines(plan, breakdowns, &bins, grid, context)
}

/// Beginnings of the buckets that are counted in.
fn starts(range: &QueryRange, display: Display) -> Vec<Zoned> {
    if display == Display::Total { vec![range.lower_bound()] } else { range.buckets() }
}

fn operator(
    plan: &SeriesPlan,
    breakdowns: &Breakdowns,
    range: &QueryRange,
    display: Display,
    context: &InsightContext<'_>,
) -> Result<Operator, QueryError> {
    let mut math = plan.math;
    let mut from = range.lower_bound();
    let mut starts = starts(range, display);
    let mut windows = Vec::new();
    if let Math::Active { days } | Math::ActiveKeys { days } = math {
        if display == Display::Total {
            // Over a whole range, those count who were active in the days up to its end, wherever it begins.
            from = days_before(&range.to, days);
            starts = vec![from.clone()];
            math = if matches!(math, Math::Active { .. }) { Math::Persons } else { Math::Keys };
        } else if wider_than(range.interval, days) {
            math = if matches!(math, Math::Active { .. }) { Math::Persons } else { Math::Keys };
        } else {
            let micros = |at: &Zoned| at.timestamp().as_microsecond();
            let end = |start: &Zoned| range.interval.next(start).unwrap_or_else(|| start.clone());
            windows = starts.iter().map(end).map(|end| (micros(&days_before(&end, days)) - 1, micros(&end) - 1)).collect();
        }
    }
    let buckets = Buckets::new(&starts, &from, &range.to);
    let splits = matches!(math, Math::First { .. });
    let mut exprs = if splits { vec![plan.event.clone(), plan.condition()] } else { vec![plan.condition()] };
    let conditions = exprs.len();
    exprs.extend(breakdowns.exprs.iter().map(|each| each.expr.clone()));
    if matches!(math, Math::PerSession(_)) {
        exprs.push(crate::hogql::ast::Expr::field(["$session_id"]));
    }
    if let Some(operand) = &plan.operand {
        exprs.push(operand.clone());
    }
    let layout = Layout { conditions, breakdowns: breakdowns.exprs.len(), exprs: exprs.len() };
    let bins = bins(plan, breakdowns, &buckets, context)?;
    let first_bucket_only = display == Display::Cumulative && matches!(math, Math::Persons | Math::Keys);
    let labels = SharedLabels::default();
    Ok(Operator { math, program: context.compile(&exprs)?, layout, buckets, bins, labels, first_bucket_only, windows })
}

/// So many calendar days before a moment.
fn days_before(at: &Zoned, days: usize) -> Zoned {
    at.checked_sub(i64::try_from(days).unwrap_or(1).days()).unwrap_or_else(|_| at.clone())
}

fn wider_than(interval: Interval, days: usize) -> bool {
    match interval {
        Interval::Week => days <= 7,
        Interval::Month | Interval::Quarter | Interval::Year => true,
        _ => false,
    }
}

/// Bins of the breakdowns that have them, over the values of all rows that count.
fn bins(
    plan: &SeriesPlan,
    breakdowns: &Breakdowns,
    buckets: &Buckets,
    context: &InsightContext<'_>,
) -> Result<Vec<Option<Bins>>, QueryError> {
    let mut all = Vec::with_capacity(breakdowns.exprs.len());
    for each in &breakdowns.exprs {
        let Some(count) = each.bins else {
            all.push(None);
            continue;
        };
        let program = context.compile(&[plan.condition(), call("toFloat", vec![each.expr.clone()])])?;
        let span = buckets.range();
        let ends = context.over_shards(span, |parts| {
            let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
            for part in parts {
                let mut program = program.on(part);
                let rows = program.select(0, span)?;
                let values = cast(&program.evaluate(1, &rows)?, &DataType::Float64)?;
                for value in values.as_primitive::<Float64Type>().iter().flatten() {
                    min = min.min(value);
                    max = max.max(value);
                }
            }
            Ok((min, max))
        })?;
        let (min, max) = ends.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), (low, high)| (min.min(low), max.max(high)));
        all.push(Some(if min <= max { Bins::new(min, max, count) } else { Bins::new(0.0, 0.0, 1) }));
    }
    Ok(all)
}
