//! Who stands behind a number of a funnel.
//!
//! The same operator answers it that counts, so the actors of a step are as many as its count says.
//!
//! [`actors`] is for other queries that start from a funnel's people; [`run`] answers a FunnelsActorsQuery that is asked by itself.

use super::Funnel;
use super::engine::{OrderedTrend, UnorderedTrend};
use super::operator::{Case, Study};
use super::plan::{Plan, actor};
use super::query::{FunnelsQuery, Order, Step, Viz};
use super::rows::id_of;
use super::steps::Attempts;
use crate::dates::{QueryRange, parse_moment};
use crate::error::QueryError;
use crate::insights::actor_source::FoundActors;
use crate::insights::actors::ActorId;
use crate::insights::buckets::Buckets;
use crate::insights::{InsightContext, InsightResult};
use aqueduct_event::PersonId;
use jiff::Zoned;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt;
use uuid::Uuid;

/// Which actors are asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FunnelGoal {
    /// `funnelStep`: those who reached step `n` (from 1), or for `-n` those who did what must come before step `n` and not step `n` itself
    /// (`-2`: the first step but not the second).
    Step(i64),
    /// `funnelCustomSteps`: those whose furthest step is one of these, bit `i` for step `i` from 0.
    Furthest(u32),
    /// `funnelTrendsEntrancePeriodStart` and `funnelTrendsDropOff`: those who entered in the bucket that begins here, and converted or did not.
    Entered {
        /// A moment in the bucket.
        period: Zoned,
        dropped_off: bool,
    },
}

/// `FunnelsActorsQuery`, as far as it is about the funnel.
#[derive(Clone, Debug)]
pub(crate) struct FunnelActorsRequest {
    pub(crate) goal: FunnelGoal,
    /// `funnelStepBreakdown`: the breakdown value that the actors must have, as results show it (a list, or what it holds when that is one).
    pub(crate) breakdown: Option<Value>,
    /// `compare: previous`: of the period before.
    pub(crate) is_previous: bool,
    /// Whether [`FunnelActor::events`] are wanted.
    pub(crate) with_events: bool,
}

/// `FunnelsActorsQuery` as it comes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FunnelsActorsQuery {
    source: FunnelsQuery,
    #[serde(default, rename = "funnelStep")]
    step: Option<i64>,
    #[serde(default, rename = "funnelCustomSteps")]
    custom_steps: Option<Vec<i64>>,
    #[serde(default, rename = "funnelStepBreakdown")]
    breakdown: Option<Value>,
    #[serde(default, rename = "funnelTrendsDropOff")]
    dropped_off: Option<bool>,
    #[serde(default, rename = "funnelTrendsEntrancePeriodStart")]
    period: Option<String>,
    #[serde(default, rename = "includeRecordings")]
    with_events: Option<bool>,
    #[serde(default)]
    compare: Option<String>,
}

impl FunnelsActorsQuery {
    /// The funnel.
    pub(super) fn funnel(&self) -> &FunnelsQuery {
        &self.source
    }

    /// Asks the funnel of these property filters too.
    pub(super) fn narrow(&mut self, filters: &[Value]) {
        let all = std::iter::once(self.source.properties.take()).filter(|own| !own.is_null());
        let groups = all.map(|own| if own.is_array() { json!({"type": "AND", "values": own}) } else { own });
        let more = json!({"type": "AND", "values": filters});
        self.source.properties = json!({"type": "AND", "values": groups.chain([more]).collect::<Vec<_>>()});
    }

    /// The times that the funnel is about, µs, both ends included.
    ///
    /// # Errors
    /// As for the funnel.
    pub(super) fn range(&self, context: &InsightContext<'_>) -> Result<(i64, i64), QueryError> {
        let range = range_of(&Funnel::new(&self.source, context)?, self.is_previous());
        Ok((range.from.timestamp().as_microsecond(), range.to.timestamp().as_microsecond()))
    }

    fn is_previous(&self) -> bool {
        self.compare.as_deref() == Some("previous")
    }

    /// What it asks for; of all who entered when it does not say.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub(super) fn request_of_entered(&self, context: &InsightContext<'_>) -> Result<FunnelActorsRequest, QueryError> {
        Self { step: self.step.or(Some(1)), ..self.clone() }.request(context)
    }

    /// What it asks for.
    ///
    /// # Errors
    /// [`QueryError::Request`] when it names neither a step nor a period.
    pub(crate) fn request(&self, context: &InsightContext<'_>) -> Result<FunnelActorsRequest, QueryError> {
        let custom = self.custom_steps.as_ref().filter(|steps| !steps.is_empty());
        let goal = match (self.step, &self.period, custom) {
            (_, Some(period), _) => FunnelGoal::Entered {
                period: parse_moment(period, &context.calendar.now, false).at,
                dropped_off: self.dropped_off.unwrap_or(false),
            },
            (_, None, Some(steps)) => FunnelGoal::Furthest(furthest_bits(&self.source.series, steps)?),
            (Some(step), None, None) => FunnelGoal::Step(step),
            (None, None, None) => return Err(bad("funnelStep", "funnelStep or funnelTrendsEntrancePeriodStart is missing".to_owned())),
        };
        Ok(FunnelActorsRequest {
            goal,
            breakdown: self.breakdown.clone().filter(|value| !value.is_null()),
            is_previous: self.is_previous(),
            with_events: self.with_events == Some(true),
        })
    }
}

/// Answers a FunnelsActorsQuery: one row per actor, with the ids of its events when recordings are to be found by them.
///
/// # Errors
/// As [`actors`].
pub(crate) fn run(query: &FunnelsActorsQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let request = query.request(context)?;
    let row = |actor: FunnelActor| {
        let mut row = vec![json!(actor.id.to_string())];
        if request.with_events {
            row.push(json!(actor.events.iter().map(Uuid::to_string).collect::<Vec<_>>()));
        }
        Value::Array(row)
    };
    let rows = actors(&query.source, &request, context)?.into_iter().map(row).collect();
    let columns = if request.with_events { json!(["actor_id", "matching_events"]) } else { json!(["actor_id"]) };
    let more = Map::from_iter([("columns".to_owned(), columns)]);
    Ok(InsightResult { results: Value::Array(rows), more, ..InsightResult::default() })
}

/// The same actors for an ActorsQuery, which shows persons and groups.
///
/// # Errors
/// As [`actors`]; [`QueryError::Unsupported`] for actors that an expression makes.
pub(crate) fn found(query: &FunnelsActorsQuery, context: &InsightContext<'_>) -> Result<FoundActors, QueryError> {
    let filter = query.source.funnels_filter.clone().unwrap_or_default();
    let mut found = FoundActors::of(&actor(&query.source, &filter)?, query.source.aggregation_group_type_index)?;
    for actor in actors(&query.source, &query.request(context)?, context)? {
        let id = match &actor.id {
            FunnelActorId::Person(person) => ActorId::Person(*person),
            FunnelActorId::Key(key) => ActorId::Key(key),
        };
        found.push(id, i64::from(actor.steps.count_ones()));
    }
    Ok(found)
}

/// Who an actor is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FunnelActorId {
    Person(PersonId),
    /// A group, a session, or what else an expression says.
    Key(String),
}

impl From<ActorId<'_>> for FunnelActorId {
    fn from(actor: ActorId<'_>) -> Self {
        match actor {
            ActorId::Person(person) => FunnelActorId::Person(person),
            ActorId::Key(key) => FunnelActorId::Key(key.to_owned()),
        }
    }
}

impl fmt::Display for FunnelActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FunnelActorId::Person(person) => write!(f, "{person}"),
            FunnelActorId::Key(key) => f.write_str(key),
        }
    }
}

/// One actor of a funnel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FunnelActor {
    pub(crate) id: FunnelActorId,
    /// Bit `i`: step `i` was reached. Of a trend: all ones for who converted, else zero.
    pub(crate) steps: u32,
    /// Times of the events of the steps that are not optional, in order, µs. Empty for trends.
    pub(crate) times: Vec<i64>,
    /// Ids of the events of the steps that are not optional, in order. Empty unless asked for, and for trends.
    pub(crate) events: Vec<Uuid>,
}

/// The period that is asked for.
fn range_of(funnel: &Funnel<'_>, is_previous: bool) -> QueryRange {
    if is_previous { funnel.previous().unwrap_or_else(|| funnel.current.compared(None)) } else { funnel.current.clone() }
}

/// The actors that a request means, in order of id. An actor with several breakdown values is named once.
///
/// # Errors
/// [`QueryError`] as for the funnel itself; [`QueryError::Request`] when there is no such step or period.
pub(crate) fn actors(
    query: &FunnelsQuery,
    request: &FunnelActorsRequest,
    context: &InsightContext<'_>,
) -> Result<Vec<FunnelActor>, QueryError> {
    let funnel = Funnel::new(query, context)?;
    let range = range_of(&funnel, request.is_previous);
    let operator = funnel.operator(&range, context)?;
    let steps =
        |reached| move || StepActors { reached, with_events: request.with_events, attempts: Attempts::default(), found: Vec::new() };
    let (found, texts) = match &request.goal {
        FunnelGoal::Step(step) => {
            let (study, texts) = operator.run(context, steps(Reached::step(&query.series, *step)?))?;
            (study.found, texts)
        }
        FunnelGoal::Furthest(furthest) => {
            let (study, texts) = operator.run(context, steps(Reached::Furthest(*furthest)))?;
            (study.found, texts)
        }
        FunnelGoal::Entered { period, dropped_off } => {
            if funnel.filter.viz() != Viz::Trends {
                return Err(bad("funnelTrendsEntrancePeriodStart", "only trends of funnels have entrance periods".to_owned()));
            }
            let (buckets, bucket) = bucket_of(period, &range)?;
            let (from, to) = funnel.measured();
            let make = || TrendActors::new(&buckets, bucket, (from, to), !dropped_off);
            let (study, texts) = operator.run(context, make)?;
            (study.found, texts)
        }
    };
    let wanted = |label: u32| request.breakdown.as_ref().is_none_or(|value| funnel.plan.is_shown_as(label, &texts, value));
    let mut actors: Vec<FunnelActor> = found.into_iter().filter(|(label, _)| wanted(*label)).map(|(_, actor)| actor).collect();
    actors.sort();
    actors.dedup_by(|next, kept| next.id == kept.id);
    Ok(actors)
}

impl Plan {
    /// Whether `value` means this label: a list, or what it holds when that is one; numbers count as their texts.
    fn is_shown_as(&self, label: u32, texts: &[Vec<String>], value: &Value) -> bool {
        fn flat(value: &Value) -> Vec<String> {
            match value {
                Value::Array(list) => list.iter().flat_map(flat).collect(),
                Value::String(text) => vec![text.clone()],
                other => vec![other.to_string()],
            }
        }
        self.shown(Some(label), texts).is_some_and(|shown| flat(&shown.value) == flat(value))
    }
}

/// How far an actor must have come.
#[derive(Clone, Copy, Debug)]
enum Reached {
    /// Steps that must be reached, and steps that must not.
    Without(u32, u32),
    /// The furthest step must be one of these.
    Furthest(u32),
}

impl Reached {
    fn step(series: &[Step], step: i64) -> Result<Self, QueryError> {
        let count = i64::try_from(series.len()).unwrap_or(i64::MAX);
        let at = usize::try_from(step.unsigned_abs()).unwrap_or(0);
        match step {
            0 => Err(bad("funnelStep", "Funnel steps are 1-indexed, so step 0 doesn't exist".to_owned())),
            -1 => Err(bad("funnelStep", "The first valid drop-off argument for funnelStep is -2.".to_owned())),
            _ if step.abs() > count => Err(bad("funnelStep", format!("funnelStep is between {} and {count}, found {step}", -count))),
            1.. => Ok(Self::Without(1 << (at - 1), 0)),
            _ => {
                // The last step before it that cannot be left out.
                let before = (0..at - 1).rev().find(|before| !series[*before].is_optional()).unwrap_or(0);
                Ok(Self::Without(1 << before, 1 << (at - 1)))
            }
        }
    }

    fn is_met(self, steps: u32) -> bool {
        match self {
            Self::Without(needed, refused) => steps & needed == needed && steps & refused == 0,
            Self::Furthest(furthest) => steps.checked_ilog2().is_some_and(|step| furthest & (1 << step) != 0),
        }
    }
}

fn furthest_bits(series: &[Step], steps: &[i64]) -> Result<u32, QueryError> {
    let bit = |step: &i64| match usize::try_from(*step) {
        Ok(at) if (1..=series.len()).contains(&at) => Ok(1 << (at - 1)),
        _ => Err(bad("funnelCustomSteps", format!("funnelCustomSteps are between 1 and {}, found {step}", series.len()))),
    };
    steps.iter().map(bit).try_fold(0, |bits, bit| Ok(bits | bit?))
}

fn bucket_of(period: &Zoned, range: &QueryRange) -> Result<(Buckets, u32), QueryError> {
    let starts = range.buckets();
    let bucket = starts.partition_point(|start| start <= period).checked_sub(1).and_then(|bucket| u32::try_from(bucket).ok());
    match bucket.filter(|_| *period <= range.to) {
        Some(bucket) => Ok((Buckets::new(&starts, &range.from, &range.to), bucket)),
        None => Err(bad("funnelTrendsEntrancePeriodStart", format!("{period} is not within the dates of the funnel"))),
    }
}

fn bad(attr: &'static str, detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some(attr) }
}

/// Names who came so far.
struct StepActors {
    reached: Reached,
    with_events: bool,
    attempts: Attempts,
    /// With the label.
    found: Vec<(u32, FunnelActor)>,
}

impl Study for StepActors {
    const WANTS_PLACES: bool = true;

    fn see(&mut self, plan: &Plan, case: Case<'_>) -> Result<(), QueryError> {
        let Some(attempt) = self.attempts.best(plan.order, &plan.rules, &case) else { return Ok(()) };
        if !self.reached.is_met(attempt.steps) {
            return Ok(());
        }
        let times = attempt.visits.iter().map(|visit| case.events.sequence.times[visit.at]).collect();
        let mut events = Vec::new();
        if self.with_events {
            for visit in attempt.visits {
                events.push(Uuid::from_bytes(id_of(case.events.places[visit.at], case.parts)?));
            }
        }
        self.found.push((case.label, FunnelActor { id: case.actor.into(), steps: attempt.steps, times, events }));
        Ok(())
    }

    fn absorb(&mut self, other: Self, labels: &[u32]) {
        self.found.extend(relabelled(other.found, labels));
    }
}

/// Names who entered in one bucket.
struct TrendActors<'b> {
    buckets: &'b Buckets,
    bucket: u32,
    /// Steps, from 0.
    measured: (usize, usize),
    converted: bool,
    ordered: OrderedTrend,
    unordered: UnorderedTrend,
    found: Vec<(u32, FunnelActor)>,
}

impl<'b> TrendActors<'b> {
    fn new(buckets: &'b Buckets, bucket: u32, measured: (usize, usize), converted: bool) -> Self {
        let (ordered, unordered) = (OrderedTrend::default(), UnorderedTrend::default());
        Self { buckets, bucket, measured, converted, ordered, unordered, found: Vec::new() }
    }
}

impl Study for TrendActors<'_> {
    fn see(&mut self, plan: &Plan, case: Case<'_>) -> Result<(), QueryError> {
        let sequence = case.events.sequence;
        let bucket_of = |at: usize| self.buckets.of(sequence.times[at]);
        let mut is_one = false;
        let note = |bucket: u32, converted: bool| is_one |= bucket == self.bucket && converted == self.converted;
        let (from, to) = self.measured;
        match plan.order {
            Order::Unordered => self.unordered.run(&plan.rules, sequence, case.pick, (from + 1, to + 1), bucket_of, note),
            Order::Ordered | Order::Strict => self.ordered.run(&plan.rules, sequence, case.pick, (from, to), bucket_of, note),
        }
        if is_one {
            let steps = if self.converted { u32::MAX } else { 0 };
            self.found.push((case.label, FunnelActor { id: case.actor.into(), steps, times: Vec::new(), events: Vec::new() }));
        }
        Ok(())
    }

    fn absorb(&mut self, other: Self, labels: &[u32]) {
        self.found.extend(relabelled(other.found, labels));
    }
}

fn relabelled(found: Vec<(u32, FunnelActor)>, labels: &[u32]) -> impl Iterator<Item = (u32, FunnelActor)> {
    found.into_iter().map(|(label, actor)| (labels.get(label as usize).copied().unwrap_or(label), actor))
}
