//! The query made definite: which rows are steps, and what their nodes are called.

use super::funnel::Around;
use super::model::{PathsFilter, PathsQuery, said};
use super::nodes::Nodes;
use super::operator::{Operator, PAGE, SCREEN};
use super::session::{Cut, Ends};
use crate::cleaning::{CleaningRules, replaced};
use crate::dates::{Interval, QueryRange};
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::{and, call, eq, not, or};
use crate::insights::InsightContext;
use crate::insights::conditions::row_expr;

const PAGEVIEW: &str = "$pageview";
const SCREEN_VIEW: &str = "$screen";
const STEP_LIMIT_DEFAULT: usize = 5;
/// Half an hour.
const PAUSE_MICROS: i64 = 30 * 60 * 1_000_000;

/// The operator of a query, and the range that it is about.
///
/// # Errors
/// [`QueryError`] when a filter, an expression or a pattern cannot be understood.
pub(super) fn operator(query: &PathsQuery, context: &InsightContext<'_>) -> Result<(Operator, QueryRange), QueryError> {
    let around = query.funnel_paths_filter.as_ref().map(|filter| Around::new(filter, context)).transpose()?;
    let filter = query.paths_filter.clone().unwrap_or_default();
    let range = QueryRange::new(&query.date_range.clone().unwrap_or_default(), Interval::Day, &context.calendar);
    let from = Interval::Day.floor(&range.from, range.week_start());
    let mut conditions = vec![kinds(&filter)];
    conditions.extend(context.filters(&[&query.properties], query.filter_test_accounts)?);
    let rules = rules(&filter, context)?;
    let cleaned = |item: Expr| rules.clean(item);
    let event = || Expr::field(["event"]);
    // The sign that ends the address of a page does not count. Without rules of cleaning that is left to the nodes, which see each address once.
    let url = text(Expr::field(["properties", "$current_url"]));
    let page = if rules.is_empty() { url } else { cleaned(replaced(call("ifNull", vec![url, Expr::lit("")]), "(.)/$", "\\1")) };
    let other = match said(filter.hogql.as_ref()).filter(|_| filter.includes("hogql")) {
        Some(expr) => text(row_expr(expr)?),
        None => event(),
    };
    let mut exprs = vec![
        and(conditions),
        if filter.includes(PAGEVIEW) { eq(event(), Expr::lit(PAGEVIEW)) } else { Expr::lit(false) },
        if filter.includes(SCREEN_VIEW) { eq(event(), Expr::lit(SCREEN_VIEW)) } else { Expr::lit(false) },
        page,
        cleaned(call("ifNull", vec![text(Expr::field(["properties", "$screen_name"])), Expr::lit("")])),
        cleaned(call("ifNull", vec![other, Expr::lit("")])),
    ];
    exprs.extend(around.as_ref().and_then(Around::key).map(|key| text(key.clone())));
    let groupings = filter.path_groupings.as_deref().unwrap_or_default();
    let nodes = Nodes::new(groupings, filter.exclude_events.as_deref().unwrap_or_default())?;
    let ends = ends(&filter, &nodes);
    let limit = filter.step_limit.filter(|limit| *limit > 0).unwrap_or(STEP_LIMIT_DEFAULT);
    let operator = Operator {
        program: context.compile(&exprs)?,
        only: only(&filter),
        span: (from.timestamp().as_microsecond(), range.to.timestamp().as_microsecond()),
        nodes,
        trims_pages: rules.is_empty(),
        // Around a funnel, what lies within its window is one session.
        cut: Cut { pause: around.as_ref().map_or(PAUSE_MICROS, |around| around.window), limit, ends },
        around,
    };
    Ok((operator, range))
}

/// The item of all events, when only one kind of them counts.
fn only(filter: &PathsFilter) -> Option<usize> {
    match filter.kinds() {
        [kind] if kind == PAGEVIEW => Some(PAGE),
        [kind] if kind == SCREEN_VIEW => Some(SCREEN),
        _ => None,
    }
}

/// Which events count.
fn kinds(filter: &PathsFilter) -> Expr {
    let has = |kind: &str| filter.kinds().iter().any(|each| each == kind);
    let event = || Expr::field(["event"]);
    let mut any = Vec::new();
    any.extend([PAGEVIEW, SCREEN_VIEW].into_iter().filter(|kind| has(kind)).map(|kind| eq(event(), Expr::lit(kind))));
    if has("custom_event") {
        any.push(not(call("startsWith", vec![event(), Expr::lit("$")])));
    }
    // An expression alone is asked of every event.
    if any.is_empty() { Expr::lit(true) } else { or(any) }
}

fn ends(filter: &PathsFilter, nodes: &Nodes) -> Ends {
    // A page is known without the sign that ends its address.
    let page = |point: &str| match point.strip_suffix('/') {
        Some(page) if !page.is_empty() => nodes.intern(page),
        _ => nodes.intern(point),
    };
    match (said(filter.start_point.as_ref()), said(filter.end_point.as_ref())) {
        (None, None) => Ends::Free,
        (Some(start), None) => Ends::From(page(start)),
        (None, Some(end)) => Ends::To(page(end)),
        (Some(start), Some(end)) => Ends::Between(page(start), page(end)),
    }
}

/// Rules of the project, then those of the query.
fn rules(filter: &PathsFilter, context: &InsightContext<'_>) -> Result<CleaningRules, QueryError> {
    let local = CleaningRules::new(filter.local_path_cleaning_filters.clone().unwrap_or_default())?;
    if filter.path_replacements != Some(true) {
        return Ok(local);
    }
    Ok(of_project(context)?.then(local))
}

fn of_project(context: &InsightContext<'_>) -> Result<CleaningRules, QueryError> {
    CleaningRules::of_project(&context.query.project.path_cleaning_filters)
}

/// A path as the project's rules clean it.
///
/// # Errors
/// [`QueryError::Request`] when a rule's pattern cannot be read.
pub(in crate::insights) fn cleaned_by_project(path: Expr, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
    Ok(of_project(context)?.clean(path))
}

fn text(expr: Expr) -> Expr {
    call("toString", vec![expr])
}
