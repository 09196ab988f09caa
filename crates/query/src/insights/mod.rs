//! Insights: questions about people's behaviour, answered by operators of our own over person-ordered rows.
//!
//! In: a query's JSON and a project at one moment. Out: PostHog's result items.
//!
//! # Invariants
//! - Filters, breakdowns and math are HogQL expressions, resolved like any user's: nothing here reads a property on its own.
//! - An answer never depends on how rows are spread over parts, nor on merges being squashed or not.
//!
//! Read next: `model.rs` (what is asked), `../scan/people.rs` (a person's rows together), `actors.rs` (anybody's rows together), `trends/`.

mod actor_source;
mod actors;
mod breakdowns;
mod buckets;
mod conditions;
mod days;
mod funnels;
mod labels;
mod lifecycle;
mod model;
mod options;
mod paths;
mod performed;
mod retention;
mod statistic;
mod stickiness;
mod trends;
mod web;

pub(crate) use actor_source::{ActorSource, Appearances, EventSource, FoundActors, InsightActors, actors, events};
pub(crate) use performed::{HowOften, Performed, When, performers};

use crate::dates::{Calendar, QueryRange, RangeRequest};
use crate::error::QueryError;
use crate::hogql::ast::{Expr, Query};
use crate::hogql::build::or;
use crate::json::read_query;
use crate::resolve::{QueryContext, compile_rows};
use crate::scan::{EVER, Held, RowProgram, side_by_side};
use aqueduct_catalog::{PropertyParent, PropertyType};
use aqueduct_store::{Part, ProjectView};
use arrow::array::RecordBatch;
use jiff::Timestamp;
use jiff::civil::Weekday;
use model::Series;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What an insight answers.
#[derive(Debug, Default)]
pub(crate) struct InsightResult {
    /// PostHog's `results`: a list of items, for some kinds an object.
    pub(crate) results: Value,
    /// Whether a limit cut them.
    pub(crate) has_more: bool,
    /// Other fields of the response.
    pub(crate) more: Map<String, Value>,
    /// The dates that the query came to mean.
    pub(crate) range: Option<QueryRange>,
}

/// A project at one moment, as insights see it.
pub(crate) struct InsightContext<'a> {
    query: &'a QueryContext,
    calendar: Calendar,
}

/// Whether this kind of query is an insight.
pub(crate) fn knows(kind: &str) -> bool {
    matches!(
        kind,
        "TrendsQuery"
            | "CalendarHeatmapQuery"
            | "FunnelsQuery"
            | "FunnelsActorsQuery"
            | "FunnelCorrelationQuery"
            | "InsightActorsQueryOptions"
            | "StickinessQuery"
            | "RetentionQuery"
            | "LifecycleQuery"
            | "PathsQuery"
            | "WebOverviewQuery"
            | "WebStatsTableQuery"
            | "WebGoalsQuery"
            | "WebExternalClicksTableQuery"
            | "WebVitalsPathBreakdownQuery"
            | "WebPageURLSearchQuery"
    )
}

/// Answers an insight query.
///
/// # Errors
/// [`QueryError`] as named there.
pub(crate) fn run(kind: &str, query: &Value, context: &QueryContext) -> Result<InsightResult, QueryError> {
    let context = InsightContext::new(context);
    match kind {
        "TrendsQuery" => trends::run(&read_query(query)?, &context),
        "CalendarHeatmapQuery" => trends::calendar_heatmap(&read_query(query)?, &context),
        "FunnelsQuery" => funnels::run(&read_query(query)?, &context),
        "FunnelsActorsQuery" => funnels::run_actors(&read_query(query)?, &context),
        "FunnelCorrelationQuery" => funnels::run_correlation(&read_query(query)?, &context),
        "InsightActorsQueryOptions" => options::run(query, &context),
        "StickinessQuery" => stickiness::run(&read_query(query)?, &context),
        "RetentionQuery" => retention::run(&read_query(query)?, &context),
        "LifecycleQuery" => lifecycle::run(&read_query(query)?, &context),
        "PathsQuery" => paths::run(&read_query(query)?, &context),
        "WebOverviewQuery" => web::overview(&read_query(query)?, &context),
        "WebStatsTableQuery" => web::stats_table(&read_query(query)?, &context),
        "WebGoalsQuery" => web::goals(&read_query(query)?, &context),
        "WebExternalClicksTableQuery" => web::external_clicks(&read_query(query)?, &context),
        "WebVitalsPathBreakdownQuery" => web::vitals_by_path(&read_query(query)?, &context),
        "WebPageURLSearchQuery" => web::page_urls(&read_query(query)?, &context),
        other => Err(QueryError::unsupported(format!("queries of kind '{other}' are not supported here"))),
    }
}

impl<'a> InsightContext<'a> {
    fn new(query: &'a QueryContext) -> Self {
        let now = Timestamp::from_microsecond(query.now.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(query.scan.zone().clone());
        let week_start = if query.project.week_start_day == 1 { Weekday::Monday } else { Weekday::Sunday };
        let earliest_micros = query.scan.view().shards().iter().flatten().map(|part| part.time_range().0).min();
        Self { query, calendar: Calendar { now, week_start, earliest_micros } }
    }

    /// The rows of a query.
    fn select(&self, query: &Query) -> Result<Vec<RecordBatch>, QueryError> {
        self.check()?;
        self.query.select(query)
    }

    /// The calendar for a range over these series: `all` begins with the earliest of their events.
    fn calendar_of<'s>(&self, series: impl IntoIterator<Item = &'s Series>, request: &RangeRequest) -> Result<Calendar, QueryError> {
        if request.date_from.as_deref() != Some("all") {
            return Ok(self.calendar.clone());
        }
        let events = series.into_iter().map(|series| series.target()?.condition(self)).collect::<Result<Vec<_>, _>>()?;
        let program = self.compile(&[or(events)])?;
        let earliest = self.over_shards(EVER, |parts| {
            let mut earliest: Option<i64> = None;
            // Parts that begin later than what was found need no look.
            for part in parts {
                if earliest.is_none_or(|earliest| part.time_range().0 < earliest) {
                    let mut program = program.on(part);
                    let rows = program.select(0, EVER)?;
                    earliest = earliest.into_iter().chain(program.times(&rows)?).min();
                }
            }
            Ok(earliest)
        })?;
        let earliest = earliest.into_iter().flatten().min();
        Ok(Calendar { earliest_micros: earliest.or(self.calendar.earliest_micros), ..self.calendar.clone() })
    }

    fn view(&self) -> &Arc<dyn ProjectView> {
        self.query.scan.view()
    }

    fn compile(&self, exprs: &[Expr]) -> Result<RowProgram, QueryError> {
        Ok(compile_rows(self.query, exprs)?.0)
    }

    /// Runs `work` on the parts of each shard that hold times within `span` (µs, both ends included), shards side by side, until somebody stops
    /// the query.
    fn over_shards<T: Send>(
        &self,
        span: (i64, i64),
        work: impl Fn(&[&Arc<dyn Part>]) -> Result<T, QueryError> + Sync,
    ) -> Result<Vec<T>, QueryError> {
        side_by_side(&self.query.scan, span, |parts| self.check().and_then(|()| work(parts)))
    }

    /// A share of the query's memory, empty yet.
    fn held(&self) -> Held {
        self.query.scan.held()
    }

    /// Whether to go on.
    fn check(&self) -> Result<(), QueryError> {
        if self.query.executor.is_stopped() { Err(QueryError::Cancelled) } else { Ok(()) }
    }

    /// The type of a property as a filter names it.
    fn property_type(&self, kind: &str, group: Option<u8>, key: &str) -> Option<PropertyType> {
        let parent = match kind {
            "event" | "feature" => PropertyParent::Event,
            "person" => PropertyParent::Person,
            "group" => PropertyParent::Group,
            _ => return None,
        };
        self.query.definitions.property_type(self.query.project.id, parent, group, key)
    }
}
