//! What actors did on their way through a funnel: one walk over the rows of the events that may tell something.

use super::properties::pairs;
use super::table::{Counts, DIVIDER, ELEMENTS_DIVIDER, ELEMENTS_KEY, Table, Thing};
use super::{Passage, Passages};
use crate::error::QueryError;
use crate::functions::datum::read;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use crate::insights::InsightContext;
use crate::insights::actor_source::FoundActors;
use crate::insights::actors::{Absorb, Actor, ActorRows, Kept, PartRows, pick};
use crate::insights::labels::{NULL_LABEL, SharedLabels};
use crate::scan::RowProgram;
use aqueduct_store::Part;
use arrow::array::{ArrayRef, StringArray};
use std::sync::Arc;

/// What of an event is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its name.
    Name,
    /// Its name with each of its properties.
    Properties,
    /// Its name with its elements.
    Elements,
}

/// The events of actors between two moments of theirs.
#[derive(Debug)]
pub(super) struct Between {
    actor: Actor,
    told: Told,
    /// Whether a row counts; what it is called; its properties, when they are told.
    program: RowProgram,
    /// µs, both ends included.
    span: (i64, i64),
    /// Names, keys and values, as three texts; without properties the name alone.
    labels: SharedLabels,
}

/// From which code to which.
type Place = (u32, u32);

/// What is kept of rows: the time of each, and which of the codes it tells.
struct Rows {
    times: Vec<i64>,
    told: Vec<Place>,
    codes: Arc<[u32]>,
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        Self { times: pick(&self.times, rows), told: pick(&self.told, rows), codes: Arc::clone(&self.codes) }
    }
}

impl Rows {
    fn codes_of(&self, row: usize) -> &[u32] {
        let (from, to) = self.told[row];
        &self.codes[from as usize..to as usize]
    }
}

/// Actors by code.
#[derive(Debug, Default)]
struct Tally(Vec<Counts>);

impl Absorb for Tally {
    fn absorb(&mut self, other: Self) {
        self.0.resize(self.0.len().max(other.0.len()), Counts::default());
        for (sum, counts) in self.0.iter_mut().zip(other.0) {
            sum.absorb(counts);
        }
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Counts>()
    }
}

impl Between {
    /// # Errors
    /// [`QueryError`] when the condition does not resolve.
    pub(super) fn new(
        actor: Actor,
        condition: Expr,
        told: Told,
        span: (i64, i64),
        context: &InsightContext<'_>,
    ) -> Result<Self, QueryError> {
        let text = |expr: Expr| call("ifNull", vec![call("toString", vec![expr]), Expr::lit("")]);
        let event = Expr::field(["event"]);
        let exprs = match told {
            Told::Name => vec![condition, event],
            Told::Properties => {
                let properties = call("toString", vec![Expr::field(["properties"])]);
                vec![condition, event, call("JSONExtractKeysAndValues", vec![properties, Expr::lit("String")])]
            }
            Told::Elements => {
                let kind = text(Expr::field(["properties", "$event_type"]));
                let elements = text(Expr::field(["elements_chain"]));
                let key = Expr::lit([DIVIDER, ELEMENTS_KEY, DIVIDER].concat());
                vec![condition, call("concat", vec![event, key, kind, Expr::lit(ELEMENTS_DIVIDER), elements])]
            }
        };
        Ok(Self { actor, told, program: context.compile(&exprs)?, span, labels: SharedLabels::default() })
    }

    /// Counts actors by what they did.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn table(&self, passages: &Passages, context: &InsightContext<'_>) -> Result<Table, QueryError> {
        let tally = context.over_actors(
            &self.actor,
            self.span,
            Tally::default,
            |part| self.read(part),
            |tally, codes: &mut Vec<u32>, actor, rows| {
                let Some(passage) = passages.get(actor) else { return Ok(()) };
                codes.clear();
                codes.extend(within(passage, rows).flat_map(|(rows, row)| rows.codes_of(row).iter().copied()));
                codes.sort_unstable();
                codes.dedup();
                for code in codes.iter().map(|code| *code as usize) {
                    if tally.0.len() <= code {
                        tally.0.resize(code + 1, Counts::default());
                    }
                    tally.0[code].add(passage.converted);
                }
                Ok(())
            },
        )?;
        let mut total = Counts::default();
        passages.iter().for_each(|(_, passage)| total.add(passage.converted));
        let rows = (0_u32..).zip(tally.0).filter(|(_, counts)| *counts != Counts::default());
        Ok(Table::new(rows.map(|(code, counts)| (self.thing(code), counts)), total))
    }

    /// The actors that are wanted and did it, with how often.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn actors(
        &self,
        passages: &Passages,
        wanted: impl Fn(Passage) -> bool + Sync,
        none: &FoundActors,
        context: &InsightContext<'_>,
    ) -> Result<FoundActors, QueryError> {
        context.over_actors(
            &self.actor,
            self.span,
            || none.none(),
            |part| self.read(part),
            |found, (): &mut (), actor, rows| {
                if let Some(passage) = passages.get(actor).filter(|passage| wanted(*passage)) {
                    let times = within(passage, rows).count();
                    if times > 0 {
                        found.push(actor, i64::try_from(times).unwrap_or(i64::MAX));
                    }
                }
                Ok(())
            },
        )
    }

    fn thing(&self, code: u32) -> Thing {
        let empty = |text: String| if text == NULL_LABEL { String::new() } else { text };
        let texts: Vec<String> = self.labels.texts(code).into_iter().map(empty).collect();
        let key = (self.told == Told::Properties).then(|| texts.get(1).cloned().unwrap_or_default());
        Thing { name: texts.join(DIVIDER), key }
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Kept<Rows>, QueryError> {
        let mut program = self.program.on(part);
        let rows = program.select(0, self.span)?;
        let times = program.times(&rows)?;
        let names = program.evaluate(1, &rows)?;
        let (told, codes) = if self.told == Told::Properties {
            self.of_properties(&names, &program.evaluate(2, &rows)?)?
        } else {
            let codes = self.labels.codes(&[names], &[None], rows.len())?;
            ((0..u32::try_from(rows.len()).unwrap_or(u32::MAX)).map(|at| (at, at + 1)).collect(), codes)
        };
        let bytes = rows.len() * (size_of::<u32>() + size_of::<i64>() + size_of::<Place>()) + codes.len() * size_of::<u32>();
        Ok(Kept { rows: Some(rows), of: Rows { times, told, codes: codes.into() }, bytes })
    }

    fn of_properties(&self, names: &ArrayRef, properties: &ArrayRef) -> Result<(Vec<Place>, Vec<u32>), QueryError> {
        let (mut told, mut texts) = (Vec::with_capacity(names.len()), [Vec::new(), Vec::new(), Vec::new()]);
        for row in 0..names.len() {
            let event = read(names.as_ref(), row);
            let from = texts[0].len();
            for (key, value) in pairs(properties, row) {
                texts[0].push(event.as_text().unwrap_or_default().to_owned());
                texts[1].push(key);
                texts[2].push(value);
            }
            let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            told.push((place(from), place(texts[0].len())));
        }
        let count = texts[0].len();
        let columns = texts.map(|texts| Arc::new(StringArray::from(texts)) as ArrayRef);
        Ok((told, self.labels.codes(&columns, &[None, None, None], count)?))
    }
}

/// The rows of a passage.
fn within<'a>(passage: Passage, rows: ActorRows<'a, Rows>) -> impl Iterator<Item = (&'a Rows, usize)> {
    rows.iter().filter(move |(rows, row)| passage.after < rows.times[*row] && rows.times[*row] < passage.before)
}
