//! Paths around a funnel: only what its actors did before a step, after it, or between it and the one before.
//!
//! Paths are always those of persons. When a funnel's actors are groups, sessions or what else an expression says, the rows of these actors
//! count, whoever's they are.

use super::nodes::NO_NODE;
use super::session::Step;
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::insights::InsightContext;
use crate::insights::actors::{Actor, ActorId};
use crate::insights::funnels::{self, FunnelActor, FunnelActorId, FunnelActorsRequest, FunnelGoal, FunnelsQuery};
use aqueduct_event::PersonId;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use rustc_hash::FxHashMap;
use serde::Deserialize;

/// `funnelPathsFilter`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunnelPathsFilter {
    funnel_path_type: Side,
    funnel_source: FunnelsQuery,
    /// From 1; `-n` for those who did not reach step `n`: then the step before it counts.
    #[serde(default)]
    funnel_step: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Side {
    #[serde(rename = "funnel_path_before_step")]
    Before,
    #[serde(rename = "funnel_path_between_steps")]
    Between,
    #[serde(rename = "funnel_path_after_step")]
    After,
}

/// Earliest and latest time that counts, µs.
type Span = (i64, i64);

/// When the steps of each actor of a funnel count.
#[derive(Debug)]
pub(super) struct Around {
    spans: Spans,
    /// The funnel's conversion window, µs.
    pub(super) window: i64,
}

#[derive(Debug)]
enum Spans {
    Persons(FxHashMap<PersonId, Span>),
    /// By the text of what tells actors apart.
    Keys {
        key: Expr,
        spans: FxHashMap<String, Span>,
    },
}

impl Around {
    /// # Errors
    /// [`QueryError`] as for the funnel; [`QueryError::Request`] when there is no such step.
    pub(super) fn new(filter: &FunnelPathsFilter, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let bad = |detail: &str| QueryError::Request { detail: detail.to_owned(), attr: Some("funnelPathsFilter") };
        let source = &filter.funnel_source;
        let step = filter.funnel_step.ok_or_else(|| bad("paths around a funnel need a funnelStep"))?;
        let of_source = source.funnels_filter.clone().unwrap_or_default();
        let window = of_source.window_micros();
        let request = FunnelActorsRequest { goal: FunnelGoal::Step(step), breakdown: None, is_previous: false, with_events: false };
        let actors = funnels::actors(source, &request, context)?;
        // The place of the step among those that were done.
        let place = usize::try_from(if step > 0 { step - 1 } else { step.abs() - 2 }).unwrap_or(0);
        if filter.funnel_path_type == Side::Between && place == 0 {
            return Err(bad("there is no step before the first, so there are no paths between them"));
        }
        let span = |actor: &FunnelActor| {
            let at = actor.times.get(place).copied()?;
            Some(match filter.funnel_path_type {
                Side::Before => (i64::MIN, at),
                Side::Between => (actor.times[place - 1], at),
                // Who dropped off is followed from when it was too late.
                Side::After if step < 0 => (at.saturating_add(window), i64::MAX),
                Side::After => (at, i64::MAX),
            })
        };
        let (mut of_persons, mut of_keys) = (FxHashMap::default(), FxHashMap::default());
        for actor in actors {
            let Some(span) = span(&actor) else { continue };
            match actor.id {
                FunnelActorId::Person(person) => of_persons.insert(person, span),
                FunnelActorId::Key(key) => of_keys.insert(key, span),
            };
        }
        let spans = match funnels::actor_of(source, &of_source)? {
            Actor::Person => Spans::Persons(of_persons),
            Actor::Key { expr, .. } => Spans::Keys { key: expr, spans: of_keys },
        };
        Ok(Self { spans, window })
    }

    /// What tells the funnel's actors apart, when they are not persons.
    pub(super) fn key(&self) -> Option<&Expr> {
        match &self.spans {
            Spans::Persons(_) => None,
            Spans::Keys { key, .. } => Some(key),
        }
    }

    /// Leaves out the steps of a person that do not count; all, when it is none of the funnel's.
    pub(super) fn keep(&self, actor: ActorId<'_>, steps: &mut Vec<Step>) {
        let (Spans::Persons(spans), ActorId::Person(person)) = (&self.spans, actor) else { return };
        match spans.get(&person) {
            Some(span) => steps.retain(|step| is_within(*span, step.time)),
            None => steps.clear(),
        }
    }

    /// Makes the rows no steps whose actors do not count at their time. `keys`: for each row what [`Around::key`] says.
    ///
    /// # Errors
    /// What reading keys as text answers.
    pub(super) fn mask(&self, keys: &ArrayRef, times: &[i64], nodes: &mut [u32]) -> Result<(), QueryError> {
        let Spans::Keys { spans, .. } = &self.spans else { return Ok(()) };
        let keys = cast(keys, &DataType::Utf8)?;
        let keys = keys.as_string::<i32>();
        for (row, (node, time)) in nodes.iter_mut().zip(times).enumerate() {
            let span = if keys.is_valid(row) { spans.get(keys.value(row)) } else { None };
            if !span.is_some_and(|span| is_within(*span, *time)) {
                *node = NO_NODE;
            }
        }
        Ok(())
    }
}

fn is_within((from, to): Span, time: i64) -> bool {
    from <= time && time <= to
}
