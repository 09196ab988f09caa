//! The people behind the numbers of insights: from an actors request to the insight that knows them.

use super::actors::{Absorb, Actor, ActorId};
use super::{InsightContext, funnels, lifecycle, paths, retention, stickiness, trends};
use crate::error::QueryError;
use crate::hogql::ast::{Expr, Query};
use crate::json::read_query;
use crate::resolve::QueryContext;
use aqueduct_event::PersonId;
use serde::Deserialize;
use serde_json::Value;

/// Where an insight's actors come from.
#[derive(Debug)]
pub(crate) enum ActorSource {
    /// A query with the columns `actor_id` and `event_count`; of groups of a type, or of persons.
    Query { query: Query, group: Option<u8> },
    Rows {
        found: FoundActors,
        /// Of retention: the intervals in which each was there, in the order of `found`.
        appearances: Option<Appearances>,
    },
}

/// In which intervals after its beginning each actor was there.
#[derive(Debug)]
pub(crate) struct Appearances {
    /// What an interval is called: `day`, `week`, ….
    pub(crate) period: &'static str,
    /// How many intervals there are.
    pub(crate) intervals: usize,
    pub(crate) lists: Vec<Vec<i64>>,
}

impl From<FoundActors> for ActorSource {
    fn from(found: FoundActors) -> Self {
        ActorSource::Rows { found, appearances: None }
    }
}

/// Actors with the number of their events, as an operator found them.
#[derive(Debug)]
pub(crate) enum FoundActors {
    Persons(Vec<(PersonId, i64)>),
    Groups { index: u8, rows: Vec<(String, i64)> },
}

impl FoundActors {
    /// None yet, of persons or of the groups of a type.
    ///
    /// # Errors
    /// [`QueryError::Unsupported`] for actors that are neither: no table knows them.
    pub(crate) fn of(actor: &Actor, group: Option<u8>) -> Result<Self, QueryError> {
        match (actor, group) {
            (Actor::Person, _) => Ok(Self::Persons(Vec::new())),
            (Actor::Key { .. }, Some(index)) => Ok(Self::Groups { index, rows: Vec::new() }),
            (Actor::Key { .. }, None) => Err(QueryError::unsupported("actors of an expression are not supported here")),
        }
    }

    /// None, of the same kind.
    pub(crate) fn none(&self) -> Self {
        match self {
            Self::Persons(_) => Self::Persons(Vec::new()),
            Self::Groups { index, .. } => Self::Groups { index: *index, rows: Vec::new() },
        }
    }

    /// Adds one with the number of its events.
    pub(crate) fn push(&mut self, actor: ActorId<'_>, events: i64) {
        match (self, actor) {
            (Self::Persons(rows), ActorId::Person(person)) => rows.push((person, events)),
            (Self::Groups { rows, .. }, ActorId::Key(key)) => rows.push((key.to_owned(), events)),
            // Made by `of` for the same actor.
            (Self::Persons(_), ActorId::Key(_)) | (Self::Groups { .. }, ActorId::Person(_)) => {}
        }
    }

    /// Counts one more event of an actor, which is added with its first. What is counted of an actor is counted in one go.
    pub(crate) fn count(&mut self, actor: ActorId<'_>) {
        match (&mut *self, actor) {
            (Self::Persons(rows), ActorId::Person(person)) if rows.last().is_some_and(|(last, _)| *last == person) => {
                rows.last_mut().into_iter().for_each(|(_, events)| *events += 1);
            }
            (Self::Groups { rows, .. }, ActorId::Key(key)) if rows.last().is_some_and(|(last, _)| last == key) => {
                rows.last_mut().into_iter().for_each(|(_, events)| *events += 1);
            }
            _ => self.push(actor, 1),
        }
    }
}

impl Absorb for FoundActors {
    fn absorb(&mut self, other: Self) {
        match (self, other) {
            (Self::Persons(rows), Self::Persons(more)) => rows.extend(more),
            (Self::Groups { rows, .. }, Self::Groups { rows: more, .. }) => rows.extend(more),
            (Self::Persons(_), Self::Groups { .. }) | (Self::Groups { .. }, Self::Persons(_)) => {}
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Persons(rows) => rows.capacity() * size_of::<(PersonId, i64)>(),
            Self::Groups { rows, .. } => rows.iter().map(|(key, _)| size_of::<(String, i64)>() + key.len()).sum(),
        }
    }
}

/// `InsightActorsQuery` and `StickinessActorsQuery`: which number of the insight in `source`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InsightActors {
    source: Value,
    /// A date, a time, or a number, as the insight names its columns.
    #[serde(default)]
    pub(crate) day: Value,
    /// Place of the series.
    #[serde(default)]
    pub(crate) series: Option<usize>,
    /// The breakdown's value, or a list of them.
    #[serde(default)]
    pub(crate) breakdown: Value,
    /// `current` or `previous`.
    #[serde(default)]
    pub(crate) compare: Option<String>,
    /// Of lifecycle: `new`, `returning`, `resurrecting` or `dormant`.
    #[serde(default)]
    pub(crate) status: Option<String>,
    /// Of retention: the interval of beginning, from 0.
    #[serde(default)]
    pub(crate) interval: Option<u32>,
    /// Of stickiness: `exact`, `gte` or `lte` so many intervals.
    #[serde(default)]
    pub(crate) operator: Option<String>,
}

impl InsightActors {
    /// The day as text.
    pub(crate) fn day_text(&self) -> Option<String> {
        match &self.day {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// The actors that a request of this kind asks for.
///
/// # Errors
/// [`QueryError`] as named there.
pub(crate) fn actors(kind: &str, request: &Value, context: &QueryContext) -> Result<ActorSource, QueryError> {
    let context = InsightContext::new(context);
    match kind {
        "InsightActorsQuery" | "StickinessActorsQuery" => {
            let asked: InsightActors = read_query(request)?;
            match asked.source.get("kind").and_then(Value::as_str).unwrap_or_default() {
                "TrendsQuery" => trends::actors(&read_query(&asked.source)?, &asked, &context),
                "StickinessQuery" => stickiness::actors(&read_query(&asked.source)?, &asked, &context).map(ActorSource::from),
                "RetentionQuery" => retention::actors(&read_query(&asked.source)?, &asked, &context),
                "LifecycleQuery" => lifecycle::actors(&read_query(&asked.source)?, &asked, &context).map(ActorSource::from),
                "PathsQuery" => paths::actors(&read_query(&asked.source)?, &context).map(ActorSource::from),
                other => Err(QueryError::unsupported(format!("actors of a query of kind '{other}' are not supported here"))),
            }
        }
        "FunnelsActorsQuery" => funnels::found_actors(&read_query(request)?, &context).map(ActorSource::from),
        "FunnelCorrelationActorsQuery" => funnels::found_correlated(&read_query(request)?, &context).map(ActorSource::from),
        other => Err(QueryError::unsupported(format!("a source of kind '{other}' is not supported here"))),
    }
}

/// The events behind a number of an insight.
#[derive(Debug)]
pub(crate) struct EventSource {
    /// What each of them fulfils.
    pub(crate) conditions: Vec<Expr>,
    /// Who did them, where the conditions alone do not say it.
    pub(crate) actors: Option<FoundActors>,
}

/// The events that an actors request of this kind stands for.
///
/// # Errors
/// [`QueryError::Request`] for an insight whose numbers are not of events; else as for the actors.
pub(crate) fn events(request: &Value, context: &QueryContext) -> Result<EventSource, QueryError> {
    let context = InsightContext::new(context);
    let asked: InsightActors = read_query(request)?;
    match asked.source.get("kind").and_then(Value::as_str).unwrap_or_default() {
        "TrendsQuery" => {
            let conditions = trends::events(&read_query(&asked.source)?, &asked, &context)?;
            Ok(EventSource { conditions, actors: None })
        }
        "RetentionQuery" => {
            let query = read_query(&asked.source)?;
            let conditions = retention::events(&query, &asked, &context)?;
            match retention::actors(&query, &asked, &context)? {
                ActorSource::Rows { found, .. } => Ok(EventSource { conditions, actors: Some(found) }),
                ActorSource::Query { .. } => Ok(EventSource { conditions, actors: None }),
            }
        }
        other => Err(QueryError::Request {
            detail: format!("Cannot convert source query of type {other} to events query"),
            attr: Some("source"),
        }),
    }
}
