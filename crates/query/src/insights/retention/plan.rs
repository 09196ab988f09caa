//! The query made definite: its periods, its columns, the conditions of beginning and of coming back.

use super::cohort::{Columns, Rules};
use super::model::{Aggregation, Entity, Period, RetentionFilter, RetentionQuery, RetentionType, WindowMode};
use super::operator::{Layout, Operator};
use crate::dates::{Interval, QueryRange};
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{and, call, compare, or};
use crate::insights::InsightContext;
use crate::insights::actors::Actor;
use crate::insights::breakdowns::{BreakdownCohort, breakdown_cohorts, breakdown_expr};
use crate::insights::buckets::Buckets;
use crate::insights::labels::SharedLabels;
use crate::insights::model::BreakdownFilter;
use jiff::{SignedDuration, Zoned};
use serde_json::Value;

const TOTAL_INTERVALS_DEFAULT: i64 = 8;
/// Cells of the answer for one breakdown value; more is refused.
const CELLS_MAX: usize = 4_000_000;
const BREAKDOWN_LIMIT_DEFAULT: usize = 25;

/// A query, ready to be run.
#[derive(Debug)]
pub(super) struct Plan<'q> {
    query: &'q RetentionQuery,
    pub(super) filter: RetentionFilter,
    pub(super) period: Period,
    /// From the beginning of the first period to the end of the last.
    pub(super) range: QueryRange,
    /// Beginnings of the periods in which actors may begin.
    pub(super) starts: Vec<Zoned>,
    pub(super) columns: Columns,
    breakdown: Breakdown,
    pub(super) breakdown_limit: usize,
}

/// By what results are broken down.
#[derive(Clone, Debug)]
enum Breakdown {
    None,
    Property(Expr),
    Cohorts(Vec<BreakdownCohort>),
}

/// A part of the answer that is computed on its own.
#[derive(Clone, Debug)]
pub(super) enum Slice {
    All,
    ByProperty(Expr),
    /// Members of a cohort.
    Cohort(BreakdownCohort),
}

/// What a row must be.
struct Conditions {
    begins: Expr,
    returns: Expr,
    /// Of the target's event, whatever the target's own filters say.
    named: Expr,
    /// Target and returning are the same.
    is_same_entity: bool,
}

impl<'q> Plan<'q> {
    pub(super) fn new(query: &'q RetentionQuery, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let filter = query.retention_filter.clone().unwrap_or_default();
        let is_aggregated = aggregates(&filter);
        if filter.time_window_mode == Some(WindowMode::Rolling) && filter.cumulative == Some(true) {
            return Err(bad("cumulative retention is not supported for 24 hour windows"));
        }
        if is_aggregated && (filter.time_window_mode == Some(WindowMode::Rolling) || filter.cumulative == Some(true)) {
            return Err(bad("sum and avg are not supported for 24 hour windows, nor for cumulative retention"));
        }
        let total = filter.total_intervals.unwrap_or(TOTAL_INTERVALS_DEFAULT);
        let Some(total) = u32::try_from(total).ok().filter(|total| (1..=100_000).contains(total)) else {
            return Err(bad(format!("totalIntervals is between 1 and 100000, found {total}")));
        };
        let period = filter.period.unwrap_or_default();
        let (range, starts) = periods(query, period.interval(), total, context);
        let brackets = filter.retention_custom_brackets.as_deref().filter(|brackets| !brackets.is_empty());
        let columns = match brackets {
            Some(brackets) => Columns::brackets(brackets)?,
            None => Columns::Periods(total),
        };
        if starts.len().saturating_mul(columns.len()) > CELLS_MAX {
            return Err(bad(format!("{} intervals by {} are more than {CELLS_MAX} cells", starts.len(), columns.len())));
        }
        let (breakdown, breakdown_limit) = breakdown(query.breakdown_filter.as_ref(), context)?;
        Ok(Self { query, filter, period, range, starts, columns, breakdown, breakdown_limit })
    }

    /// The parts of the answer.
    pub(super) fn slices(&self) -> Vec<Slice> {
        match &self.breakdown {
            Breakdown::None => vec![Slice::All],
            Breakdown::Property(expr) => vec![Slice::ByProperty(expr.clone())],
            Breakdown::Cohorts(cohorts) => cohorts.iter().cloned().map(Slice::Cohort).collect(),
        }
    }

    pub(super) fn is_broken_down(&self) -> bool {
        !matches!(self.breakdown, Breakdown::None)
    }

    /// What is added up beside counting.
    pub(super) fn aggregation(&self) -> Option<Aggregation> {
        self.filter.aggregation_type.filter(|_| aggregates(&self.filter))
    }

    /// The conditions of beginning and of coming back, for the rows of a part of the answer, and those of beginning without the target's filters.
    fn conditions(&self, slice: &Slice, context: &InsightContext<'_>) -> Result<Conditions, QueryError> {
        let (target, returning) =
            (self.filter.target_entity.clone().unwrap_or_default(), self.filter.returning_entity.clone().unwrap_or_default());
        let mut common = Vec::new();
        common.extend(context.filters(&[&self.query.properties], self.query.filter_test_accounts)?);
        if let Slice::Cohort(cohort) = slice {
            common.push(cohort.is_member());
        }
        let with = |more: Vec<Expr>| and(more.into_iter().chain(common.iter().cloned()).collect());
        let entity = |entity: &Entity| {
            let parts = [Some(entity.target()?.condition(context)?), context.filters(&[&entity.properties], None)?];
            Ok::<_, QueryError>(with(parts.into_iter().flatten().collect()))
        };
        Ok(Conditions {
            begins: entity(&target)?,
            returns: entity(&returning)?,
            named: with(vec![target.target()?.condition(context)?]),
            is_same_entity: target.is_same(&returning),
        })
    }

    /// What the events fulfil that put actors into the row of period `start`: those of beginning, and those of coming back in its columns.
    ///
    /// # Errors
    /// [`QueryError::Request`] when there is no such period.
    pub(super) fn events(&self, start: u32, slice: &Slice, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
        let Conditions { begins, returns, .. } = self.conditions(slice, context)?;
        let Some(from) = self.starts.get(start as usize) else { return Err(bad(format!("there is no interval {start}"))) };
        let after = |periods: i64| {
            let span = self.period.interval().span().checked_mul(periods);
            span.and_then(|span| from.checked_add(span)).unwrap_or_else(|_| self.range.to.clone())
        };
        let (next, end) = (after(1), after(i64::from(self.columns.periods())));
        let within = |from: &Zoned, to: &Zoned, condition: Expr| {
            let at = |moment: &Zoned| call("fromUnixTimestamp64Micro", vec![Expr::lit(moment.timestamp().as_microsecond())]);
            let bound = |op, moment| compare(op, Expr::field(["timestamp"]), at(moment));
            and(vec![bound(CompareOp::GtEq, from), bound(CompareOp::Lt, to), condition])
        };
        Ok(or(vec![within(from, &next, begins), within(&next, &end, returns)]))
    }

    /// The operator of a part of the answer.
    ///
    /// # Errors
    /// [`QueryError`] when a filter or an entity cannot be understood.
    pub(super) fn operator(&self, slice: &Slice, context: &InsightContext<'_>) -> Result<Operator, QueryError> {
        let Conditions { begins, returns, named, is_same_entity } = self.conditions(slice, context)?;
        let mut exprs = vec![begins, returns];
        let mut layout = Layout::default();
        if self.filter.retention_type == Some(RetentionType::FirstEver) {
            layout.named = Some(exprs.len());
            exprs.push(named);
        }
        if let Slice::ByProperty(expr) = slice {
            layout.breakdown = Some(exprs.len());
            exprs.push(expr.clone());
        }
        if self.aggregation().is_some() {
            layout.value = Some(exprs.len());
            exprs.push(self.value()?);
        }
        let rules = Rules {
            kind: self.filter.retention_type.unwrap_or_default(),
            mode: self.filter.time_window_mode.unwrap_or_default(),
            columns: self.columns.clone(),
            rows: u32::try_from(self.starts.len()).unwrap_or(u32::MAX),
            minimum_occurrences: usize::try_from(self.filter.minimum_occurrences.unwrap_or(1)).unwrap_or(1).max(1),
            is_cumulative: self.filter.cumulative == Some(true),
            is_aggregated: self.aggregation().is_some(),
            is_broken_down: layout.breakdown.is_some(),
            is_same_entity,
            period: self.period,
            from: self.range.from.clone(),
        };
        let until = before(&self.range.to);
        Ok(Operator {
            actor: Actor::of_group(self.query.aggregation_group_type_index.filter(|index| *index < 5)),
            program: context.compile(&exprs)?,
            layout,
            buckets: Buckets::new(&self.starts, &self.range.from, &until),
            labels: SharedLabels::default(),
            rules,
        })
    }

    fn value(&self) -> Result<Expr, QueryError> {
        let key = self.filter.aggregation_property.as_deref().unwrap_or_default();
        match self.filter.aggregation_property_type.as_deref().unwrap_or("event") {
            "event" => Ok(call("toFloat", vec![Expr::field(["properties", key])])),
            "person" => Ok(call("toFloat", vec![Expr::field(["person", "properties", key])])),
            other => Err(QueryError::unsupported(format!("aggregation over properties of type '{other}' is not supported here"))),
        }
    }
}

fn aggregates(filter: &RetentionFilter) -> bool {
    let has_property = filter.aggregation_property.as_deref().is_some_and(|key| !key.is_empty());
    has_property && matches!(filter.aggregation_type, Some(Aggregation::Sum | Aggregation::Avg))
}

/// Whole periods: from the one that holds the first day (or as many before the last as there are intervals) to the end of the one that
/// holds the last day.
fn periods(query: &RetentionQuery, interval: Interval, total: u32, context: &InsightContext<'_>) -> (QueryRange, Vec<Zoned>) {
    let request = query.date_range.clone().unwrap_or_default();
    let mut range = QueryRange::new(&request, interval, &context.calendar);
    let week_start = range.week_start();
    let end = interval.floor(&range.to.checked_add(interval.span()).unwrap_or_else(|_| range.to.clone()), week_start);
    let has_from = request.date_from.is_some_and(|text| !text.is_empty());
    let from = if has_from {
        range.from.clone()
    } else {
        interval.span().checked_mul(i64::from(total)).and_then(|back| end.checked_sub(back)).unwrap_or_else(|_| end.clone())
    };
    range.from = interval.floor(&from, week_start);
    range.to = end;
    let mut starts = Vec::new();
    let mut next = Some(range.from.clone());
    while let Some(start) = next.filter(|start| *start < range.to && starts.len() <= CELLS_MAX) {
        next = interval.next(&start);
        starts.push(start);
    }
    (range, starts)
}

fn breakdown(filter: Option<&BreakdownFilter>, context: &InsightContext<'_>) -> Result<(Breakdown, usize), QueryError> {
    let Some(filter) = filter else { return Ok((Breakdown::None, BREAKDOWN_LIMIT_DEFAULT)) };
    let limit = filter.breakdown_limit.unwrap_or(BREAKDOWN_LIMIT_DEFAULT);
    if let Some(cohorts) = breakdown_cohorts(filter, context.query)? {
        return Ok((Breakdown::Cohorts(cohorts), limit));
    }
    let list = filter.breakdowns.as_deref().unwrap_or_default();
    let (kind, property, group) = match list.first() {
        Some(first) => (first.kind.clone(), first.property.clone(), first.group_type_index),
        None => (filter.breakdown_type.clone(), filter.breakdown.clone(), filter.breakdown_group_type_index),
    };
    if property.is_null() {
        return Ok((Breakdown::None, limit));
    }
    let kind = kind.as_deref().unwrap_or("event");
    // Only one breakdown is offered; of a list it is the first.
    let property = match property {
        Value::Array(mut keys) if !keys.is_empty() => keys.swap_remove(0),
        one => one,
    };
    Ok((Breakdown::Property(breakdown_expr(kind, &property, group)?), limit))
}

/// The last moment before another.
fn before(end: &Zoned) -> Zoned {
    end.checked_sub(SignedDuration::from_micros(1)).unwrap_or_else(|_| end.clone())
}

pub(super) fn bad(detail: impl Into<String>) -> QueryError {
    QueryError::Request { detail: detail.into(), attr: Some("retentionFilter") }
}
