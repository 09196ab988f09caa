//! Who did something: in a range, for the first time ever, or so many times. For cohorts.
//!
//! In: a series and a range. Out: persons, merges applied, in no order. One pass over the rows that can matter.

use super::actors::{Absorb, Actor, ActorId, ActorRows, PartRows};
use super::model::Series;
use super::{InsightContext, parsed, times_of, truth};
use crate::dates::{Interval, QueryRange, RangeRequest};
use crate::error::QueryError;
use crate::hogql::build::and;
use crate::resolve::QueryContext;
use crate::scan::RowProgram;
use aqueduct_event::PersonId;
use aqueduct_store::Part;
use arrow::buffer::ScalarBuffer;
use jiff::Zoned;
use serde_json::Value;
use std::sync::Arc;

/// What is asked.
#[derive(Debug)]
pub(crate) struct Performed {
    /// An `EventsNode` or an `ActionsNode`.
    pub(crate) series: Value,
    pub(crate) when: When,
    pub(crate) how_often: HowOften,
}

/// Which times count.
#[derive(Debug)]
pub(crate) enum When {
    /// Those of an insight's range.
    Days(RangeRequest),
    /// Those after one moment and before another; without one, all that follow.
    Between { after: Zoned, before: Option<Zoned> },
}

/// How often a person must have done it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HowOften {
    /// At all.
    Ever,
    /// The first event ever lies in the range, and passes the filters of the series.
    FirstTime,
    /// So many times that `holds(times, count)`; never without doing it once.
    Times { count: i64, holds: fn(&i64, &i64) -> bool },
}

/// The persons who did it.
///
/// # Errors
/// [`QueryError`] when the series or its filters cannot be understood; what reading answers.
pub(crate) fn performers(asked: &Performed, context: &QueryContext) -> Result<Vec<PersonId>, QueryError> {
    let context = InsightContext::new(context);
    let series: Series = parsed(&asked.series)?;
    let event = series.target()?.condition(&context)?;
    let filter = context.filters(&[&series.properties, &series.fixed_properties], None)?;
    let passes = and(std::iter::once(event.clone()).chain(filter).collect());
    let micros = |at: &Zoned| at.timestamp().as_microsecond();
    let (from, to) = match &asked.when {
        When::Days(request) => {
            let range = QueryRange::new(request, Interval::Day, &context.calendar);
            (micros(&range.lower_bound()), micros(&range.to))
        }
        When::Between { after, before } => (micros(after).saturating_add(1), before.as_ref().map_or(i64::MAX, |before| micros(before) - 1)),
    };
    let is_first = matches!(asked.how_often, HowOften::FirstTime);
    let program = context.compile(&if is_first { vec![passes, event] } else { vec![passes] })?;
    let wants = |part: &dyn Part| part.time_range().0 <= to && (is_first || part.time_range().1 >= from);
    let found = context.over_actors(
        &Actor::Person,
        wants,
        Performers::default,
        |part| Rows::of(part, &program),
        |found, actor, rows| {
            let ActorId::Person(person) = actor else { return Ok(()) };
            if asked.how_often.is_met(rows, from, to) {
                found.0.push(person);
            }
            Ok(())
        },
    )?;
    Ok(found.0)
}

#[derive(Debug, Default)]
struct Performers(Vec<PersonId>);

impl Absorb for Performers {
    fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// What is kept of a part's rows.
struct Rows {
    times: ScalarBuffer<i64>,
    passes: Vec<bool>,
    /// Whether it is the event, whatever the filters say; only where the first one is asked for.
    is_event: Option<Vec<bool>>,
}

impl Rows {
    fn of(part: &Arc<dyn Part>, program: &RowProgram) -> Result<Self, QueryError> {
        let results = program.evaluate(part)?;
        Ok(Self { times: times_of(part)?, passes: truth(&results[0])?, is_event: results.get(1).map(truth).transpose()? })
    }

    fn is_event(&self, row: usize) -> bool {
        self.is_event.as_ref().map_or(self.passes[row], |is_event| is_event[row])
    }
}

impl PartRows for Rows {
    fn matters(&self, row: usize) -> bool {
        self.is_event(row)
    }

    fn pick(&self, rows: &[u32]) -> Self {
        let of = |all: &[bool]| rows.iter().map(|row| all[*row as usize]).collect();
        Self {
            times: rows.iter().map(|row| self.times[*row as usize]).collect(),
            passes: of(&self.passes),
            is_event: self.is_event.as_deref().map(of),
        }
    }
}

impl HowOften {
    fn is_met(self, rows: ActorRows<'_, Rows>, from: i64, to: i64) -> bool {
        let in_range = |time: i64| (from..=to).contains(&time);
        let mut counted = rows.iter().filter(|(rows, row)| rows.passes[*row] && in_range(rows.times[*row]));
        match self {
            HowOften::Ever => counted.next().is_some(),
            HowOften::Times { count, holds } => {
                let times = i64::try_from(counted.count()).unwrap_or(i64::MAX);
                times > 0 && holds(&times, &count)
            }
            HowOften::FirstTime => {
                let events = || rows.iter().filter(|(rows, row)| rows.is_event(*row));
                let Some(first) = events().map(|(rows, row)| rows.times[row]).min().filter(|first| in_range(*first)) else { return false };
                // Of events at the same moment any may be the first.
                events().any(|(rows, row)| rows.times[row] == first && rows.passes[row])
            }
        }
    }
}
