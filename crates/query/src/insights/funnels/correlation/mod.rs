//! FunnelCorrelationQuery: which events, or which properties, go with success in a funnel.
//!
//! In: a FunnelsActorsQuery and what to look for. Out: for each event or value how many of the funnel's actors had it, by success, with the odds
//! ratio of success with it against success without it.
//! The way: the funnel's own operator names its actors and when each went through, [`between`] walks what each did in that time, [`properties`]
//! reads what each is, [`table`] counts and ranks.
//!
//! Source of the rules: query reference, section 15; PostHog's answers where it is silent.

mod between;
mod properties;
mod table;

use super::actors::{FunnelActor, FunnelActorId, FunnelActorsRequest, FunnelsActorsQuery, actors};
use super::plan::actor;
use super::query::FunnelsQuery;
use crate::actions;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{and, array, compare, not};
use crate::insights::actor_source::FoundActors;
use crate::insights::actors::{Actor, ActorId};
use crate::insights::conditions::Target;
use crate::insights::model::Series;
use crate::insights::{InsightContext, InsightResult};
use aqueduct_event::PersonId;
use between::{Between, Told};
use hashbrown::HashMap;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use table::Table;

/// What autocaptured events are called; they are told apart by their elements.
const AUTOCAPTURE: &str = "$autocapture";

/// `FunnelCorrelationQuery`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CorrelationQuery {
    source: FunnelsActorsQuery,
    #[serde(default, rename = "funnelCorrelationType")]
    kind: Kind,
    /// Properties of actors to look at; `$all`: all that they have.
    #[serde(default, rename = "funnelCorrelationNames")]
    names: Option<Vec<String>>,
    #[serde(default, rename = "funnelCorrelationExcludeNames")]
    exclude_names: Option<Vec<String>>,
    #[serde(default, rename = "funnelCorrelationExcludeEventNames")]
    exclude_events: Option<Vec<String>>,
    /// Events whose properties are looked at.
    #[serde(default, rename = "funnelCorrelationEventNames")]
    event_names: Option<Vec<String>>,
    #[serde(default, rename = "funnelCorrelationEventExcludePropertyNames")]
    exclude_event_properties: Option<Vec<String>>,
}

/// What may go with success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Having done something on the way.
    #[default]
    Events,
    /// A property of the actor.
    Properties,
    /// Having done something with a property on the way.
    EventWithProperties,
}

/// `FunnelCorrelationActorsQuery`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CorrelationActorsQuery {
    source: CorrelationQuery,
    /// Those who converted, or those who did not; both when it says nothing.
    #[serde(default, rename = "funnelCorrelationPersonConverted")]
    converted: Option<bool>,
    /// What they did on the way.
    #[serde(default, rename = "funnelCorrelationPersonEntity")]
    entity: Option<Series>,
    /// What they are.
    #[serde(default, rename = "funnelCorrelationPropertyValues")]
    property_values: Option<Vec<Value>>,
}

/// Whose time in the funnel it was, and what came of it. Times in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Passage {
    converted: bool,
    /// After this moment, that of the first step.
    after: i64,
    /// Before this one: that of the last step; else when the time for it was over.
    before: i64,
}

/// The actors of a funnel.
#[derive(Debug, Default)]
struct Passages {
    persons: HashMap<PersonId, Passage>,
    keys: HashMap<String, Passage>,
}

impl Passages {
    /// # Errors
    /// As for the actors of the funnel.
    fn of(query: &FunnelsQuery, request: &FunnelActorsRequest, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let window = query.funnels_filter.clone().unwrap_or_default().window_micros();
        let last = query.series.len().saturating_sub(1);
        let mut all = Self::default();
        for FunnelActor { id, steps, times, .. } in actors(query, request, context)? {
            let converted = steps >> last & 1 == 1;
            let after = times.first().copied().unwrap_or(i64::MIN);
            let end = if converted { times.last().copied() } else { None };
            let passage = Passage { converted, after, before: end.unwrap_or(after.saturating_add(window)) };
            match id {
                FunnelActorId::Person(person) => drop(all.persons.insert(person, passage)),
                FunnelActorId::Key(key) => drop(all.keys.insert(key, passage)),
            }
        }
        Ok(all)
    }

    fn get(&self, actor: ActorId<'_>) -> Option<Passage> {
        match actor {
            ActorId::Person(person) => self.persons.get(&person).copied(),
            ActorId::Key(key) => self.keys.get(key).copied(),
        }
    }

    /// In no order.
    fn iter(&self) -> impl Iterator<Item = (ActorId<'_>, Passage)> {
        let persons = self.persons.iter().map(|(person, passage)| (ActorId::Person(*person), *passage));
        persons.chain(self.keys.iter().map(|(key, passage)| (ActorId::Key(key.as_str()), *passage)))
    }
}

impl CorrelationQuery {
    fn funnel(&self) -> &FunnelsQuery {
        self.source.funnel()
    }

    fn actor(&self) -> Result<Actor, QueryError> {
        let query = self.funnel();
        actor(query, &query.funnels_filter.clone().unwrap_or_default())
    }

    fn passages(&self, context: &InsightContext<'_>) -> Result<Passages, QueryError> {
        Passages::of(self.funnel(), &self.source.request_of_entered(context)?, context)
    }

    /// Names of the events of the steps: they go with success of themselves.
    fn step_names(&self, context: &InsightContext<'_>) -> Result<Vec<String>, QueryError> {
        let mut names = Vec::new();
        for step in &self.funnel().series {
            match step.series.target()? {
                Target::Event(name) => names.extend(name.map(str::to_owned)),
                Target::Action(id) => names.extend(actions::event_names(&*actions::find(id, context.query)?).unwrap_or_default()),
                Target::Group(_) => return Err(refused("series", "groups of events have no correlations")),
                Target::Table => return Err(refused("series", "Data warehouse nodes are not supported here")),
            }
        }
        Ok(names)
    }

    /// The events between the first step and the end; the other conditions are given.
    fn between(&self, more: Vec<Expr>, told: Told, context: &InsightContext<'_>) -> Result<Between, QueryError> {
        let mut conditions = more;
        conditions.extend(not_named(&self.step_names(context)?));
        Between::new(self.actor()?, and(conditions), told, self.source.range(context)?, context)
    }

    fn is_of_elements(&self) -> bool {
        self.event_names.iter().flatten().any(|name| name == AUTOCAPTURE)
    }
}

fn refused(attr: &'static str, detail: &str) -> QueryError {
    QueryError::Request { detail: detail.to_owned(), attr: Some(attr) }
}

fn named(names: &[String]) -> Expr {
    let list = names.iter().map(|name| Expr::lit(name.as_str())).collect();
    compare(CompareOp::In, Expr::field(["event"]), array(list))
}

fn not_named(names: &[String]) -> Option<Expr> {
    (!names.is_empty()).then(|| not(named(names)))
}

/// Answers a FunnelCorrelationQuery.
///
/// # Errors
/// [`QueryError`] as for the funnel; [`QueryError::Request`] when the names to look for are missing.
pub(crate) fn run(query: &CorrelationQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let (events, skewed) = if query.funnel().series.is_empty() {
        (Vec::new(), false)
    } else {
        let table = contingencies(query, context)?;
        let is_of_elements = query.kind == Kind::EventWithProperties && query.is_of_elements();
        let events = table.ranked().iter().map(|odds| odds.shown(is_of_elements)).collect();
        (events, table.is_skewed())
    };
    let columns = json!(["name", "success_count", "failure_count"]);
    let more = Map::from_iter([("columns".to_owned(), columns)]);
    Ok(InsightResult { results: json!({"events": Value::Array(events), "skewed": skewed}), more, ..InsightResult::default() })
}

fn contingencies(query: &CorrelationQuery, context: &InsightContext<'_>) -> Result<Table, QueryError> {
    match query.kind {
        Kind::Events => {
            let passages = query.passages(context)?;
            let excluded = not_named(query.exclude_events.as_deref().unwrap_or_default());
            query.between(excluded.into_iter().collect(), Told::Name, context)?.table(&passages, context)
        }
        Kind::EventWithProperties => {
            let Some(names) = query.event_names.as_ref().filter(|names| !names.is_empty()) else {
                let detail = "Event Property Correlation expects atleast one event name to run correlation on";
                return Err(refused("funnelCorrelationEventNames", detail));
            };
            let passages = query.passages(context)?;
            let told = if query.is_of_elements() { Told::Elements } else { Told::Properties };
            let mut table = query.between(vec![named(names)], told, context)?.table(&passages, context)?;
            let excluded = query.exclude_event_properties.as_deref().unwrap_or_default();
            table.keep_frequent(|key| !excluded.iter().any(|name| name == key));
            Ok(table)
        }
        Kind::Properties => {
            let Some(names) = query.names.as_ref().filter(|names| !names.is_empty()) else {
                let detail = "Property Correlation expects atleast one Property to run correlation on";
                return Err(refused("funnelCorrelationNames", detail));
            };
            let group = query.funnel().aggregation_group_type_index;
            properties::table(&query.passages(context)?, names, query.exclude_names.as_deref().unwrap_or_default(), group, context)
        }
    }
}

/// The actors behind a number of a correlation.
///
/// # Errors
/// As [`run`]; [`QueryError::Request`] when it is not said whom they are to be.
pub(crate) fn found(query: &CorrelationActorsQuery, context: &InsightContext<'_>) -> Result<FoundActors, QueryError> {
    let wanted = |passage: Passage| query.converted.is_none_or(|converted| passage.converted == converted);
    let correlation = &query.source;
    let mut found = FoundActors::of(&correlation.actor()?, correlation.funnel().aggregation_group_type_index)?;
    if correlation.kind == Kind::Properties {
        let Some(values) = query.property_values.as_ref().filter(|values| !values.is_empty()) else {
            let detail = "Property Correlation expects atleast one Property to get persons for";
            return Err(refused("funnelCorrelationPropertyValues", detail));
        };
        // As in PostHog, what the actors are to be is a condition on the funnel's events.
        let mut correlation = correlation.clone();
        correlation.source.narrow(values);
        for (actor, _) in correlation.passages(context)?.iter().filter(|(_, passage)| wanted(*passage)) {
            found.push(actor, 1);
        }
        return Ok(found);
    }
    let Some(entity) = &query.entity else { return Err(refused("funnelCorrelationPersonEntity", "No entity for persons specified")) };
    let passages = correlation.passages(context)?;
    let mut conditions = vec![entity.target()?.condition(context)?];
    conditions.extend(context.filters(&[&entity.properties, &entity.fixed_properties], None)?);
    correlation.between(conditions, Told::Name, context)?.actors(&passages, wanted, &found, context)
}
