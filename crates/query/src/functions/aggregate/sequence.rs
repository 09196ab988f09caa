//! Aggregates over the events of a group in order of their times: `windowFunnel`, `sequenceMatch`, `sequenceCount`, `retention`.
//!
//! In: rows of a time and conditions. A number as time counts seconds.

use super::collect::CollectCall;
use super::finish::Rows;
use crate::functions::datum::Datum;

/// Steps that a pattern may try before it is given up.
const STEPS_MAX: usize = 1_000_000;

fn seconds(time: &Datum<'_>) -> Option<f64> {
    match time {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a time as seconds")]
        Datum::Time(micros) => Some(*micros as f64 / 1e6),
        Datum::Date(days) => Some(f64::from(*days) * 86_400.0),
        other => other.as_float(),
    }
}

/// `windowFunnel(window[, mode, …])(time, step, step, …)`: how many steps were done in order within the window, at best.
pub(super) fn window_funnel<'a>(rows: Rows<'_, 'a>, call: &CollectCall) -> Datum<'a> {
    let window = call.param(0).unwrap_or(0.0);
    let mode = |name: &str| call.texts().any(|mode| mode == name);
    let (ordered, increasing, deduplicated) = (mode("strict_order"), mode("strict_increase"), mode("strict_deduplication"));
    // one entry for each step that an event does; step 0 is an event that does none
    let mut entries: Vec<(f64, usize)> = Vec::new();
    for row in rows {
        let Some(time) = seconds(&row[0]) else { continue };
        let done = row[1..].iter().enumerate().filter(|(_, condition)| condition.is_true()).map(|(step, _)| (time, step + 1));
        let before = entries.len();
        entries.extend(done);
        if ordered && entries.len() == before {
            entries.push((time, 0));
        }
    }
    entries.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let steps = rows.first().map_or(0, |row| row.len() - 1);
    // for each step reached: when its chain began, and when it was done
    let mut reached: Vec<Option<(f64, f64)>> = vec![None; steps];
    let depth = |reached: &[Option<(f64, f64)>]| reached.iter().rposition(Option::is_some).map_or(0, |step| step + 1);
    let mut last = 0;
    for (time, step) in entries {
        match step {
            0 if reached.first().is_some_and(Option::is_some) => break,
            0 => continue,
            1 => reached[0] = Some((time, time)),
            _ if deduplicated && reached[step - 1].is_some() => return last.into(),
            _ if ordered && reached[0].is_some() && reached[step - 2].is_none() => {
                return reached.iter().take_while(|step| step.is_some()).count().into();
            }
            _ => {
                if let Some((start, before)) = reached[step - 2]
                    && time <= start + window
                    && !(increasing && before >= time)
                {
                    reached[step - 1] = Some((start, time));
                    if step == steps {
                        break;
                    }
                }
            }
        }
        last = step;
    }
    depth(&reached).into()
}

/// `retention(first, second, …)`: for each condition whether it held for some row, if the first one did.
pub(super) fn retention<'a>(rows: Rows<'_, 'a>, _: &CollectCall) -> Datum<'a> {
    let held = |place: usize| rows.iter().any(|row| row[place].is_true());
    let conditions = rows.first().map_or(0, Vec::len);
    Datum::List((0..conditions).map(|place| Datum::Int(i64::from(held(0) && held(place)))).collect())
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// `(?1)`: an event for which that condition holds.
    Event(usize),
    /// `.`: any event.
    AnyEvent,
    /// `.*`: any number of events.
    Events,
    /// `(?t<=60)`: so many seconds between the events around it.
    Gap(Relation, f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Relation {
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Relation::Less => left < right,
            Relation::LessOrEqual => left <= right,
            Relation::Greater => left > right,
            Relation::GreaterOrEqual => left >= right,
            Relation::Equal => left.total_cmp(&right).is_eq(),
            Relation::NotEqual => left.total_cmp(&right).is_ne(),
        }
    }
}

fn parse(pattern: &str) -> Option<Vec<Part>> {
    const RELATIONS: [(&str, Relation); 7] = [
        ("<=", Relation::LessOrEqual),
        (">=", Relation::GreaterOrEqual),
        ("==", Relation::Equal),
        ("!=", Relation::NotEqual),
        ("<", Relation::Less),
        (">", Relation::Greater),
        ("=", Relation::Equal),
    ];
    let mut parts = Vec::new();
    let mut rest = pattern.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("(?") {
            let (inner, after) = after.split_once(')')?;
            parts.push(match inner.strip_prefix('t') {
                Some(gap) => {
                    let (relation, number) = RELATIONS.iter().find_map(|(sign, relation)| Some((*relation, gap.strip_prefix(sign)?)))?;
                    Part::Gap(relation, number.trim().parse().ok()?)
                }
                None => Part::Event(inner.trim().parse::<usize>().ok()?.checked_sub(1)?),
            });
            rest = after;
        } else if let Some(after) = rest.strip_prefix(".*") {
            parts.push(Part::Events);
            rest = after;
        } else {
            rest = rest.strip_prefix('.')?;
            parts.push(Part::AnyEvent);
        }
        rest = rest.trim_start();
    }
    Some(parts)
}

/// Events of a group in order of time, and how much may still be tried on them.
struct Search<'e, 'a> {
    events: Vec<(f64, &'e [Datum<'a>])>,
    steps: usize,
}

impl<'e, 'a> Search<'e, 'a> {
    fn new(rows: &'e [Vec<Datum<'a>>], conditions_only: bool) -> Self {
        let mut events: Vec<(f64, &[Datum<'a>])> = rows.iter().filter_map(|row| Some((seconds(&row[0])?, &row[1..]))).collect();
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        if conditions_only {
            events.retain(|(_, conditions)| conditions.iter().any(Datum::is_true));
        }
        Search { events, steps: STEPS_MAX }
    }

    /// The event behind a match of `parts` that begins with the event `at`; the fewest events for `.*`.
    fn end(&mut self, parts: &[Part], at: usize) -> Option<usize> {
        self.steps = self.steps.checked_sub(1)?;
        let Some((part, rest)) = parts.split_first() else { return Some(at) };
        match part {
            Part::Event(condition) => {
                let (_, conditions) = self.events.get(at)?;
                if conditions.get(*condition)?.is_true() { self.end(rest, at + 1) } else { None }
            }
            Part::AnyEvent => {
                self.events.get(at)?;
                self.end(rest, at + 1)
            }
            Part::Events => (at..=self.events.len()).find_map(|next| self.end(rest, next)),
            Part::Gap(relation, wanted) => {
                let before = self.events.get(at.checked_sub(1)?)?.0;
                // whatever lies between, the next event of the pattern is so far away
                (at..self.events.len()).find_map(|next| {
                    let gap = self.events[next].0 - before;
                    if relation.holds(gap, *wanted) { self.end(rest, next) } else { None }
                })
            }
        }
    }

    /// Matches that do not overlap, as many as are asked for.
    fn count(&mut self, parts: &[Part], most: usize) -> usize {
        let (mut at, mut found) = (0, 0);
        while at < self.events.len() && found < most {
            match self.end(parts, at) {
                Some(end) => {
                    found += 1;
                    at = end.max(at + 1);
                }
                None => at += 1,
            }
        }
        found
    }
}

fn occurrences(rows: Rows<'_, '_>, call: &CollectCall, most: usize) -> Option<usize> {
    let parts = parse(call.texts().next()?)?;
    // events that no condition knows are passed over, unless the pattern speaks of any event
    let conditions_only = !parts.contains(&Part::AnyEvent);
    Some(Search::new(rows, conditions_only).count(&parts, most))
}

/// `sequenceMatch(pattern)(time, condition, …)`.
pub(super) fn matches<'a>(rows: Rows<'_, 'a>, call: &CollectCall) -> Datum<'a> {
    occurrences(rows, call, 1).map(|found| found > 0).into()
}

/// `sequenceCount(pattern)(time, condition, …)`.
pub(super) fn count<'a>(rows: Rows<'_, 'a>, call: &CollectCall) -> Datum<'a> {
    occurrences(rows, call, usize::MAX).into()
}
