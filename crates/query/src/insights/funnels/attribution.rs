//! Which breakdown values an actor counts for, and with which of its events.

use super::engine::{Pick, Sequence};
use super::plan::{Attribution, Breakdown, Plan};
use super::query::Order;

/// One value that an actor is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Code of the value.
    pub(super) label: u32,
    pub(super) pick: Pick,
    /// Only the events with this value count.
    pub(super) own_events_only: bool,
}

/// Says which values an actor is asked about. Knows which codes stand for no value.
#[derive(Debug)]
pub(super) struct Attributor<'p> {
    plan: &'p Plan,
    /// By code: whether any text of the value is not empty.
    has_value: Vec<bool>,
    /// Code of the empty value.
    empty: u32,
}

impl<'p> Attributor<'p> {
    pub(super) fn new(plan: &'p Plan, has_value: Vec<bool>, empty: u32) -> Self {
        Self { plan, has_value, empty }
    }

    /// Whether an actor is asked about one value at most, with all its events.
    pub(super) fn asks_once(&self) -> bool {
        match &self.plan.breakdown {
            Breakdown::None => true,
            Breakdown::Cohorts(_) => false,
            Breakdown::Values { .. } => matches!(self.plan.attribution, Attribution::First | Attribution::Last),
        }
    }

    /// That value, if [`Attributor::asks_once`].
    pub(super) fn once(&self, events: Sequence<'_>) -> Option<u32> {
        match (&self.plan.breakdown, self.plan.attribution) {
            (Breakdown::None, _) => Some(0),
            (_, Attribution::Last) => self.last(events),
            _ => self.first(events),
        }
    }

    /// The values to ask about, without repetition, in order of code.
    pub(super) fn ask(&self, events: Sequence<'_>, questions: &mut Vec<Question>) {
        questions.clear();
        let any = |label| Question { label, pick: Pick::Any, own_events_only: false };
        match (&self.plan.breakdown, self.plan.attribution) {
            (Breakdown::None, _) | (Breakdown::Values { .. }, Attribution::First | Attribution::Last) => {
                questions.extend(self.once(events).map(any));
            }
            (Breakdown::Cohorts(cohorts), _) => {
                let member_of = events.labels.iter().fold(0, |all, set| all | set);
                let ids = (0..u32::try_from(cohorts.len()).unwrap_or(u32::MAX)).filter(|cohort| member_of >> cohort & 1 == 1);
                questions.extend(ids.map(any));
            }
            (Breakdown::Values { .. }, Attribution::All) => {
                let labels = distinct(events.labels.iter().copied());
                questions.extend(labels.into_iter().map(|label| Question { label, pick: Pick::Any, own_events_only: true }));
            }
            (Breakdown::Values { .. }, Attribution::Step(step)) => {
                for label in self.at_step(events, step) {
                    questions.push(Question { label, pick: Pick::AtStep { step, label }, own_events_only: false });
                }
            }
        }
    }

    fn is_value(&self, label: u32) -> bool {
        // A single group property is asked of the first event alone, value or not.
        !self.plan.shape.is_list || self.has_value.get(label as usize).copied().unwrap_or(false)
    }

    fn first(&self, events: Sequence<'_>) -> Option<u32> {
        events.labels.iter().copied().find(|label| self.is_value(*label)).or_else(|| events.labels.first().copied())
    }

    fn last(&self, events: Sequence<'_>) -> Option<u32> {
        let Some(last) = (0..events.labels.len()).rev().find(|at| self.is_value(events.labels[*at])) else {
            return events.labels.first().copied();
        };
        // Of several at that moment the first.
        let at_once = (0..=last).filter(|at| events.times[*at] == events.times[last]);
        at_once.map(|at| events.labels[at]).find(|label| self.is_value(*label))
    }

    fn at_step(&self, events: Sequence<'_>, step: usize) -> Vec<u32> {
        if self.plan.order == Order::Unordered {
            return distinct(events.labels.iter().copied());
        }
        let is_step = |at: usize| events.masks[at].steps() >> step & 1 == 1;
        let of_step = (0..events.len()).filter(|at| is_step(*at)).map(|at| events.labels[at]);
        // A single property that an event of another step does not bring counts as an empty one.
        let lacks = !self.plan.shape.is_list && !(0..events.len()).all(is_step);
        distinct(of_step.chain(lacks.then_some(self.empty)))
    }
}

fn distinct(labels: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut labels: Vec<u32> = labels.collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}
