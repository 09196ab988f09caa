//! Paths around a funnel: only what its persons did before a step, after it, or between it and the one before.

use super::session::Step;
use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::ActorId;
use crate::insights::funnels::{self, FunnelActorId, FunnelActorsRequest, FunnelGoal, FunnelsQuery};
use aqueduct_event::PersonId;
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

/// When the steps of each person of a funnel count.
#[derive(Debug)]
pub(super) struct Around {
    /// Earliest and latest time, µs.
    spans: FxHashMap<PersonId, (i64, i64)>,
    /// The funnel's conversion window, µs.
    pub(super) window: i64,
}

impl Around {
    /// # Errors
    /// [`QueryError`] as for the funnel; [`QueryError::Request`] when there is no such step.
    pub(super) fn new(filter: &FunnelPathsFilter, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let bad = |detail: &str| QueryError::Request { detail: detail.to_owned(), attr: Some("funnelPathsFilter") };
        let source = &filter.funnel_source;
        let step = filter.funnel_step.ok_or_else(|| bad("paths around a funnel need a funnelStep"))?;
        let window = source.funnels_filter.clone().unwrap_or_default().window_micros();
        let request = FunnelActorsRequest { goal: FunnelGoal::Step(step), breakdown: None, is_previous: false, with_events: false };
        let actors = funnels::actors(source, &request, context)?;
        // The place of the step among those that were done.
        let place = usize::try_from(if step > 0 { step - 1 } else { step.abs() - 2 }).unwrap_or(0);
        if filter.funnel_path_type == Side::Between && place == 0 {
            return Err(bad("there is no step before the first, so there are no paths between them"));
        }
        let mut spans = FxHashMap::default();
        for actor in actors {
            let FunnelActorId::Person(person) = actor.id else {
                return Err(QueryError::unsupported("paths around a funnel of groups or expressions are not supported here"));
            };
            let Some(at) = actor.times.get(place).copied() else { continue };
            let span = match filter.funnel_path_type {
                Side::Before => (i64::MIN, at),
                Side::Between => (actor.times[place - 1], at),
                // Who dropped off is followed from when it was too late.
                Side::After if step < 0 => (at.saturating_add(window), i64::MAX),
                Side::After => (at, i64::MAX),
            };
            spans.insert(person, span);
        }
        Ok(Self { spans, window })
    }

    /// Leaves out the steps of a person that do not count; all, when it is none of the funnel's.
    pub(super) fn keep(&self, actor: ActorId<'_>, steps: &mut Vec<Step>) {
        let span = match actor {
            ActorId::Person(person) => self.spans.get(&person),
            ActorId::Key(_) => None,
        };
        match span {
            Some((from, to)) => steps.retain(|step| step.time >= *from && step.time <= *to),
            None => steps.clear(),
        }
    }
}
