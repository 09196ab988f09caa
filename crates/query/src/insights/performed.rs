//! Who did something: in a range, for the first time ever, or so many times. For cohorts.
//!
//! In: a series and a range. Out: persons, merges applied, in no order. One pass over the rows that can matter.

use super::InsightContext;
use super::actors::{Absorb, Actor, ActorId, ActorRows, Kept, PartRows, pick};
use super::model::Series;
use crate::dates::{Interval, QueryRange, RangeRequest};
use crate::error::QueryError;
use crate::hogql::build::and;
use crate::json::read_query;
use crate::resolve::QueryContext;
use crate::scan::RowProgram;
use aqueduct_event::PersonId;
use aqueduct_store::Part;
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
    let series: Series = read_query(&asked.series)?;
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
    // What comes first is known from all that was before.
    let span = (if is_first { i64::MIN } else { from }, to);
    let found = context.over_actors(
        &Actor::Person,
        span,
        Performers::default,
        |part| Rows::of(part, &program, is_first, span),
        |found, (): &mut (), actor, rows| {
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

/// What is kept of the rows of the event.
struct Rows {
    times: Vec<i64>,
    /// Whether they pass the filters; only where the first event is asked for, else all do.
    passes: Option<Vec<bool>>,
}

impl Rows {
    fn of(part: &Arc<dyn Part>, program: &RowProgram, is_first: bool, span: (i64, i64)) -> Result<Kept<Self>, QueryError> {
        let mut program = program.on(part);
        let rows = program.select(usize::from(is_first), span)?;
        let times = program.times(&rows)?;
        let passes = if is_first { Some(program.flags(0, &rows)?) } else { None };
        let bytes = times.len() * (size_of::<i64>() + size_of::<u32>() + 1);
        Ok(Kept { rows: Some(rows), of: Self { times, passes }, bytes })
    }

    fn passes(&self, row: usize) -> bool {
        self.passes.as_ref().is_none_or(|passes| passes[row])
    }
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        Self { times: pick(&self.times, rows), passes: self.passes.as_deref().map(|passes| pick(passes, rows)) }
    }
}

impl HowOften {
    fn is_met(self, rows: ActorRows<'_, Rows>, from: i64, to: i64) -> bool {
        let in_range = |time: i64| (from..=to).contains(&time);
        let mut counted = rows.iter().filter(|(rows, row)| rows.passes(*row) && in_range(rows.times[*row]));
        match self {
            HowOften::Ever => counted.next().is_some(),
            HowOften::Times { count, holds } => {
                let times = i64::try_from(counted.count()).unwrap_or(i64::MAX);
                times > 0 && holds(&times, &count)
            }
            HowOften::FirstTime => {
                let events = || rows.iter();
                let Some(first) = events().map(|(rows, row)| rows.times[row]).min().filter(|first| in_range(*first)) else { return false };
                // Of events at the same moment any may be the first.
                events().any(|(rows, row)| rows.times[row] == first && rows.passes(row))
            }
        }
    }
}
