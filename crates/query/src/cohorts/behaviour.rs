//! What persons did, or stopped doing: the behavioural criteria, each as a question to an insight's operator.
//!
//! | `value` | members |
//! |---|---|
//! | `performed_event` | did it in the last `time_value` `time_interval`s, or between explicit times |
//! | `performed_event_first_time` | did it for the first time ever then |
//! | `performed_event_multiple` | did it exactly, at least, at most … `operator_value` times then |
//! | `performed_event_sequence` | did it then, and `seq_event` within `seq_time_value` `seq_time_interval`s after |
//! | `performed_event_regularly` | did it so often in `min_periods` of the last `total_periods` periods |
//! | `stopped_performing_event` | did it then, but not in the last `seq_time_value` `seq_time_interval`s |
//! | `restarted_performing_event` | did it lately, long ago too, and not between |

use super::persons::Persons;
use crate::dates::{RangeRequest, parse_moment};
use crate::engine::moment_now;
use crate::error::QueryError;
use crate::insights::{self, ActorSource, FoundActors, HowOften, Performed, When};
use crate::resolve::QueryContext;
use serde::Deserialize;
use serde_json::{Value, json};

/// A behavioural criterion, as PostHog writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Behaviour {
    value: Kind,
    /// Name of the event, or number of the action.
    key: Value,
    #[serde(default)]
    event_type: EntityKind,
    /// Property filters on the event.
    #[serde(default)]
    event_filters: Value,
    #[serde(default)]
    operator: Option<Comparison>,
    #[serde(default)]
    operator_value: Value,
    #[serde(default)]
    time_value: Value,
    #[serde(default)]
    time_interval: Option<Unit>,
    /// Dates as insights take them, instead of the time back.
    #[serde(default)]
    explicit_datetime: Option<String>,
    #[serde(default)]
    explicit_datetime_to: Option<String>,
    #[serde(default)]
    seq_event: Value,
    #[serde(default)]
    seq_event_type: EntityKind,
    #[serde(default)]
    seq_time_value: Value,
    #[serde(default)]
    seq_time_interval: Option<Unit>,
    #[serde(default)]
    min_periods: Value,
    #[serde(default)]
    total_periods: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    PerformedEvent,
    PerformedEventFirstTime,
    PerformedEventMultiple,
    PerformedEventSequence,
    PerformedEventRegularly,
    StoppedPerformingEvent,
    RestartedPerformingEvent,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EntityKind {
    #[default]
    Events,
    Actions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Comparison {
    #[serde(alias = "eq")]
    Exact,
    Gte,
    Gt,
    Lte,
    Lt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// As relative dates write it.
    fn letter(self) -> char {
        match self {
            Unit::Minute => 'M',
            Unit::Hour => 'h',
            Unit::Day => 'd',
            Unit::Week => 'w',
            Unit::Month => 'm',
            Unit::Year => 'y',
        }
    }

    /// A month has 30 days here, as in PostHog's cohorts.
    fn seconds(self) -> i64 {
        match self {
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
            Unit::Week => 7 * 86_400,
            Unit::Month => 30 * 86_400,
            Unit::Year => 365 * 86_400,
        }
    }

    /// As insights call an interval; a year is twelve months there.
    fn interval(self) -> (&'static str, i64) {
        match self {
            Unit::Minute => ("minute", 1),
            Unit::Hour => ("hour", 1),
            Unit::Day => ("day", 1),
            Unit::Week => ("week", 1),
            Unit::Month => ("month", 1),
            Unit::Year => ("month", 12),
        }
    }
}

impl Behaviour {
    /// Reads a criterion. The error says what is wrong, for people.
    pub(super) fn read(criterion: &Value) -> Result<Self, String> {
        let behaviour: Self =
            serde_json::from_value(criterion.clone()).map_err(|error| format!("a behavioral criterion cannot be read: {error}"))?;
        behaviour.check().map(|()| behaviour)
    }

    /// Whether everything that the kind needs is there.
    fn check(&self) -> Result<(), String> {
        let key =
            |key: &Value| if key.is_string() || key.is_i64() { Ok(()) } else { Err(format!("key is an event or an action, found {key}")) };
        key(&self.key)?;
        if self.kind_needs_time() {
            self.back()?;
        }
        match self.value {
            Kind::PerformedEvent | Kind::PerformedEventFirstTime => Ok(()),
            Kind::PerformedEventMultiple => positive(&self.operator_value, "operator_value").map(drop),
            Kind::PerformedEventSequence => key(&self.seq_event).and_then(|()| self.sequence_seconds().map(drop)),
            Kind::StoppedPerformingEvent | Kind::RestartedPerformingEvent => self.recently().map(drop),
            Kind::PerformedEventRegularly => {
                positive(&self.operator_value, "operator_value")?;
                let (min, total) = (positive(&self.min_periods, "min_periods")?, positive(&self.total_periods, "total_periods")?);
                if min > total { Err(format!("min_periods ({min}) cannot be greater than total_periods ({total})")) } else { Ok(()) }
            }
        }
    }

    fn kind_needs_time(&self) -> bool {
        self.explicit_datetime.is_none() || matches!(self.value, Kind::PerformedEventRegularly | Kind::RestartedPerformingEvent)
    }

    /// How long back.
    fn back(&self) -> Result<(i64, Unit), String> {
        let unit = self.time_interval.ok_or("time_interval is missing")?;
        Ok((positive(&self.time_value, "time_value")?, unit))
    }

    /// How long back is lately.
    fn recently(&self) -> Result<String, String> {
        let unit = self.seq_time_interval.ok_or("seq_time_interval is missing")?;
        Ok(format!("-{}{}", positive(&self.seq_time_value, "seq_time_value")?, unit.letter()))
    }

    fn sequence_seconds(&self) -> Result<i64, String> {
        let unit = self.seq_time_interval.ok_or("seq_time_interval is missing")?;
        let count = positive(&self.seq_time_value, "seq_time_value")?;
        count.checked_mul(unit.seconds()).ok_or_else(|| format!("seq_time_value is too large, found {count}"))
    }

    /// The whole range, as insights take it.
    fn range(&self) -> Result<RangeRequest, String> {
        if let Some(from) = &self.explicit_datetime {
            return Ok(range(Some(from.clone()), self.explicit_datetime_to.clone()));
        }
        let (count, unit) = self.back()?;
        Ok(range(Some(format!("-{count}{}", unit.letter())), None))
    }

    /// Those who behaved so.
    ///
    /// # Errors
    /// [`QueryError`] when an action or a filter cannot be understood, and what the operators answer.
    pub(super) fn persons(&self, context: &QueryContext) -> Result<Persons, QueryError> {
        let bad = |detail: String| QueryError::Request { detail, attr: Some("filters") };
        let did = |range: RangeRequest, how_often: HowOften| self.performers(When::Days(range), how_often, context);
        match self.value {
            Kind::PerformedEvent => did(self.range().map_err(bad)?, HowOften::Ever),
            Kind::PerformedEventFirstTime => did(self.range().map_err(bad)?, HowOften::FirstTime),
            Kind::PerformedEventMultiple => self.multiple(context),
            Kind::PerformedEventSequence => self.sequence(context),
            Kind::PerformedEventRegularly => self.regularly(context),
            Kind::StoppedPerformingEvent => {
                let lately = range(Some(self.recently().map_err(bad)?), None);
                Ok(did(self.range().map_err(bad)?, HowOften::Ever)?.except(&did(lately, HowOften::Ever)?))
            }
            Kind::RestartedPerformingEvent => {
                let (count, unit) = self.back().map_err(bad)?;
                let lately = self.recently().map_err(bad)?;
                let between = range(Some(format!("-{count}{}", unit.letter())), Some(lately.clone()));
                let lately = || range(Some(lately.clone()), None);
                let again = did(lately(), HowOften::Ever)?.except(&did(lately(), HowOften::FirstTime)?);
                Ok(again.except(&did(between, HowOften::Ever)?))
            }
        }
    }

    fn performers(&self, when: When, how_often: HowOften, context: &QueryContext) -> Result<Persons, QueryError> {
        let asked = Performed { series: entity(&self.key, self.event_type, &self.event_filters), when, how_often };
        Ok(context.executor.hold(|| insights::performers(&asked, context))?.into())
    }

    /// Here times are what they are, not whole days.
    fn multiple(&self, context: &QueryContext) -> Result<Persons, QueryError> {
        let bad = |detail: String| QueryError::Request { detail, attr: Some("filters") };
        let count = positive(&self.operator_value, "operator_value").map_err(bad)?;
        let asked = self.range().map_err(bad)?;
        let now = moment_now(context);
        let at = |text: &str| parse_moment(text, &now, false).at;
        let from = asked.date_from.as_deref().map_or_else(|| now.clone(), at);
        let when = When::Between { after: from, before: asked.date_to.as_deref().map(at) };
        let holds: fn(&i64, &i64) -> bool = match self.operator.unwrap_or(Comparison::Exact) {
            Comparison::Exact => i64::eq,
            Comparison::Gte => i64::ge,
            Comparison::Gt => i64::gt,
            Comparison::Lte => i64::le,
            Comparison::Lt => i64::lt,
        };
        self.performers(when, HowOften::Times { count, holds }, context)
    }

    fn sequence(&self, context: &QueryContext) -> Result<Persons, QueryError> {
        let bad = |detail: String| QueryError::Request { detail, attr: Some("filters") };
        let asked = self.range().map_err(bad)?;
        let funnel = json!({
            "kind": "FunnelsQuery",
            "series": [entity(&self.key, self.event_type, &self.event_filters), entity(&self.seq_event, self.seq_event_type, &Value::Null)],
            "dateRange": {"date_from": asked.date_from, "date_to": asked.date_to},
            "funnelsFilter": {"funnelWindowInterval": self.sequence_seconds().map_err(bad)?, "funnelWindowIntervalUnit": "second"},
        });
        actors("FunnelsActorsQuery", &json!({"source": funnel, "funnelStep": 2}), context)
    }

    fn regularly(&self, context: &QueryContext) -> Result<Persons, QueryError> {
        let bad = |detail: String| QueryError::Request { detail, attr: Some("filters") };
        let (count, unit) = self.back().map_err(bad)?;
        let (min, total) =
            (positive(&self.min_periods, "min_periods").map_err(bad)?, positive(&self.total_periods, "total_periods").map_err(bad)?);
        let (interval, times) = unit.interval();
        let count = count.saturating_mul(times);
        let letter = if unit == Unit::Year { Unit::Month.letter() } else { unit.letter() };
        let operator = match self.operator {
            Some(Comparison::Gte | Comparison::Gt) => "gte",
            Some(Comparison::Lte | Comparison::Lt) => "lte",
            Some(Comparison::Exact) | None => "exact",
        };
        let times = positive(&self.operator_value, "operator_value").map_err(bad)?;
        let times = match self.operator {
            Some(Comparison::Gt) => times.saturating_add(1),
            Some(Comparison::Lt) => times - 1,
            _ => times,
        };
        let stickiness = json!({
            "kind": "StickinessQuery",
            "series": [entity(&self.key, self.event_type, &self.event_filters)],
            // The day that is not over yet belongs to no period.
            "dateRange": {"date_from": format!("-{}{letter}", count.saturating_mul(total)), "date_to": "-1d"},
            "interval": interval,
            "intervalCount": count,
            "stickinessFilter": {"stickinessCriteria": {"operator": operator, "value": times}},
        });
        actors("StickinessActorsQuery", &json!({"source": stickiness, "day": min, "operator": "gte"}), context)
    }
}

/// An event or action as insights name it.
fn entity(key: &Value, kind: EntityKind, filters: &Value) -> Value {
    let text = || key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    match kind {
        EntityKind::Events => json!({"kind": "EventsNode", "event": text(), "properties": filters}),
        EntityKind::Actions => json!({"kind": "ActionsNode", "id": key, "properties": filters}),
    }
}

fn range(date_from: Option<String>, date_to: Option<String>) -> RangeRequest {
    RangeRequest { date_from, date_to, explicit_date: None }
}

/// The persons whom an insight finds.
fn actors(kind: &str, request: &Value, context: &QueryContext) -> Result<Persons, QueryError> {
    match context.executor.hold(|| insights::actors(kind, request, context))? {
        ActorSource::Rows { found: FoundActors::Persons(rows), .. } => Ok(rows.into_iter().map(|(person, _)| person).collect()),
        _ => Err(QueryError::Internal("the actors of a cohort are persons".to_owned())),
    }
}

/// A number above zero, which clients send as a number or as text.
fn positive(value: &Value, name: &str) -> Result<i64, String> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    match number {
        Some(number) if number > 0 && number <= 1_000_000_000 => Ok(number),
        _ => Err(format!("{name} is a number above 0, found {value}")),
    }
}
