//! FunnelsQuery: who goes through steps, how far, how fast.
//!
//! In: the query's JSON and a project. Out: PostHog's result items.
//! The way: [`plan`] says what each row is asked, [`read`] finds the rows that matter, [`operator`] brings an actor's events together, [`engine`]
//! finds the best attempt in them, a study ([`steps`], [`trend`], [`convert_time`], [`actors`]) counts, [`render`] writes the items. What goes with
//! success is told by [`correlation`].
//!
//! Source of the rules: query reference, section 8.

mod actors;
mod attribution;
mod convert_time;
mod correlation;
mod engine;
mod hits;
mod lean;
mod operator;
mod options;
mod plan;
mod query;
mod read;
mod render;
mod rows;
mod steps;
mod trend;
mod validate;

use super::buckets::Buckets;
use super::{InsightContext, InsightResult};
use crate::dates::QueryRange;
use crate::error::QueryError;
use convert_time::{ConversionTimes, TimeBins};
use operator::Operator;
use plan::Plan;
pub(super) use query::FunnelsQuery;
use query::{FunnelsFilter, Viz};
use serde_json::{Value, json};
use steps::StepCounts;
use trend::Trend;

pub(super) use actors::{FunnelActor, FunnelActorId, FunnelActorsRequest, FunnelGoal, actors, found as found_actors, run as run_actors};
pub(super) use correlation::{found as found_correlated, run as run_correlation};
pub(super) use options::options;
pub(super) use plan::actor as actor_of;

/// A funnel, understood.
struct Funnel<'q> {
    query: &'q FunnelsQuery,
    filter: FunnelsFilter,
    plan: Plan,
    current: QueryRange,
}

impl<'q> Funnel<'q> {
    fn new(query: &'q FunnelsQuery, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let filter = query.funnels_filter.clone().unwrap_or_default();
        validate::check(query, &filter)?;
        let plan = Plan::new(query, &filter, context)?;
        let interval = query.interval.unwrap_or_default();
        let request = query.date_range.clone().unwrap_or_default();
        let current = QueryRange::new(&request, interval, &context.calendar_of(query.series.iter().map(|step| &step.series), &request)?);
        Ok(Self { query, filter, plan, current })
    }

    /// The period before, when one is asked for.
    fn previous(&self) -> Option<QueryRange> {
        let compare = self.query.compare_filter.as_ref().filter(|compare| compare.compare == Some(true))?;
        if self.filter.viz() == Viz::Flow {
            return None;
        }
        Some(self.current.compared(compare.compare_to.as_deref()))
    }

    /// The steps between which conversion is measured, from 0.
    fn measured(&self) -> (usize, usize) {
        let last = self.query.series.len() - 1;
        let step = |step: Option<i64>| step.and_then(|step| usize::try_from(step).ok());
        (step(self.filter.from_step).unwrap_or(0), step(self.filter.to_step).unwrap_or(last))
    }

    fn operator<'p>(&'p self, range: &QueryRange, context: &InsightContext<'_>) -> Result<Operator<'p>, QueryError> {
        let micros = |at: &jiff::Zoned| at.timestamp().as_microsecond();
        let skips_sandwiched = self.filter.viz() != Viz::Trends;
        Operator::new(&self.plan, (micros(&range.from), micros(&range.to)), skips_sandwiched, context)
    }
}

/// Answers a FunnelsQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &FunnelsQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let funnel = Funnel::new(query, context)?;
    let mut answer = match funnel.filter.viz() {
        Viz::Steps | Viz::Flow => step_items(&funnel, context)?,
        Viz::Trends => trend_items(&funnel, context)?,
        Viz::TimeToConvert => time_items(&funnel, context)?,
    };
    answer.range = Some(funnel.current);
    Ok(answer)
}

fn step_items(funnel: &Funnel<'_>, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let of_period = |range: &QueryRange| {
        let (counts, texts) = funnel.operator(range, context)?.run(context, StepCounts::default)?;
        let result = counts.finish(&texts, funnel.plan.shape.limit, funnel.plan.shape.has_other);
        let (has_more, median) = (result.has_more, result.total_median_seconds);
        Ok::<_, QueryError>((render::steps(funnel.query, &funnel.plan, result, &texts), has_more, median))
    };
    let (current, has_more, median) = of_period(&funnel.current)?;
    let Some(previous) = funnel.previous() else {
        let mut answer = InsightResult { results: Value::Array(current), has_more, ..InsightResult::default() };
        answer.more.insert("total_median_conversion_time".to_owned(), json!(median));
        return Ok(answer);
    };
    let (previous, previous_has_more, _) = of_period(&previous)?;
    let items = if funnel.query.breakdown_filter.is_some() && [&current, &previous].iter().any(|items| items.iter().any(Value::is_array)) {
        let missing = |of: &[Value], among: &[Value]| -> Vec<Value> {
            let is_in = |value: &Value| among.iter().any(|other| other[0]["breakdown_value"] == value[0]["breakdown_value"]);
            of.iter().filter(|value| !is_in(value)).map(render::zeroed).collect()
        };
        // Each value is shown in both periods, in one order.
        let mut now = current.clone();
        now.extend(missing(&previous, &current));
        let place = |value: &Value| now.iter().position(|other| other[0]["breakdown_value"] == value[0]["breakdown_value"]);
        let mut before = previous.clone();
        before.extend(missing(&current, &previous));
        before.sort_by_key(place);
        (now.clone(), before)
    } else {
        (current, previous)
    };
    Ok(InsightResult { results: Value::Array(compared(items)), has_more: has_more || previous_has_more, ..InsightResult::default() })
}

/// Items of both periods, marked, the present ones first.
fn compared((mut current, mut previous): (Vec<Value>, Vec<Value>)) -> Vec<Value> {
    render::mark(&mut current, "current");
    render::mark(&mut previous, "previous");
    current.append(&mut previous);
    current
}

fn trend_items(funnel: &Funnel<'_>, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let (from, to) = funnel.measured();
    let of_period = |range: &QueryRange| {
        let buckets = Buckets::new(&range.buckets(), &range.from, &range.to);
        let (trend, texts) = funnel.operator(range, context)?.run(context, || Trend::new(&buckets, from, to))?;
        Ok::<_, QueryError>(render::trends(&funnel.plan, &trend.finish(), &texts, range))
    };
    let (current, has_more) = of_period(&funnel.current)?;
    let (items, has_more) = match funnel.previous() {
        None => (current, has_more),
        Some(previous) => {
            let (previous, previous_has_more) = of_period(&previous)?;
            (compared((current, previous)), has_more || previous_has_more)
        }
    };
    Ok(InsightResult { results: Value::Array(items), has_more, ..InsightResult::default() })
}

fn time_items(funnel: &Funnel<'_>, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let (from, to) = funnel.measured();
    if to == 0 {
        let detail = "time to convert needs a funnel of at least two steps".to_owned();
        return Err(QueryError::Request { detail, attr: Some("series") });
    }
    let of_period = |range: &QueryRange| -> Result<Vec<f64>, QueryError> {
        Ok(funnel.operator(range, context)?.run(context, || ConversionTimes::new(from, to))?.0.seconds)
    };
    let mut current = of_period(&funnel.current)?;
    let Some(previous) = funnel.previous() else {
        let bins = TimeBins::over(&current, funnel.filter.bin_count);
        return Ok(InsightResult { results: convert_time::item(&mut current, bins), ..InsightResult::default() });
    };
    let mut previous = of_period(&previous)?;
    // Both periods have the same bins, so that they can be laid over each other.
    let bins = TimeBins::over(&[current.as_slice(), &previous].concat(), funnel.filter.bin_count);
    let item = |seconds: &mut Vec<f64>| vec![convert_time::item(seconds, bins)];
    let items = compared((item(&mut current), item(&mut previous)));
    Ok(InsightResult { results: Value::Array(items), ..InsightResult::default() })
}
