//! The funnel operator: one pass over a project's rows, shards side by side, no hash table of persons.
//!
//! ```text
//! part ─ read ─▶ hits ─ people ─▶ a person's rows ─ rows ─▶ in order ─ attribution ─▶ (value, events) ─▶ study
//!                                           └─ groups and other keys: collected, sorted by key, then the same
//! ```
//! What is done with an actor's events is a [`Study`]: counting steps, filling buckets, naming actors.

use super::attribution::{Attributor, Question};
use super::engine::Pick;
use super::hits::{Hits, Keys, NO_KEY};
use super::plan::{Breakdown, First, Plan};
use super::query::Order;
use super::read::Reader;
use super::rows::{Buffer, Events, Place, Row, keep_firsts, sort};
use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::{Actor, ActorId};
use crate::insights::labels::{Labels, NULL_LABEL};
use crate::scan::parallel;
use crate::scan::{Held, Merged, Owned, Piece, walk_merged, walk_shard};
use aqueduct_store::{Part, PersonRuns};
use std::ops::Range;
use std::sync::Arc;

/// Actors between two looks at whether anybody still waits for the answer.
const ACTORS_PER_CHECK: u32 = 1_024;
/// Pieces of work that keyed actors are cut into.
const KEYED_PIECES: usize = 16;

/// One actor, one breakdown value, the events that count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) actor: ActorId<'a>,
    /// Code of the breakdown value, 0 without a breakdown.
    pub(super) label: u32,
    pub(super) pick: Pick,
    pub(super) events: Events<'a>,
    /// Where [`Events::places`] lie.
    pub(super) parts: &'a [Arc<dyn Part>],
}

/// What is made of actors' events.
pub(super) trait Study: Send + Sized {
    /// Whether [`Events::places`] are wanted.
    const WANTS_PLACES: bool = false;

    /// Takes one case.
    ///
    /// # Errors
    /// What the study cannot do.
    fn see(&mut self, plan: &Plan, case: Case<'_>) -> Result<(), QueryError>;

    /// Adds what another study saw. Its label `i` is label `labels[i]` here.
    fn absorb(&mut self, other: Self, labels: &[u32]);
}

/// A plan over a range of time.
#[derive(Debug)]
pub(super) struct Operator<'p> {
    plan: &'p Plan,
    reader: Reader<'p>,
    /// Steps that count only at a person's first event of them, as bits.
    firsts: u32,
    skips_sandwiched: bool,
}

/// What a shard leaves to be done with the others.
struct Half<S> {
    study: S,
    labels: Labels,
    keys: Keys,
    /// Rows among which are those of persons whom merges involve.
    kept: Vec<Hits>,
    /// Which of these rows are theirs.
    left_out: Vec<Owned>,
    keyed: Vec<Row>,
    parts: Vec<Arc<dyn Part>>,
    /// What these rows take of the query's memory.
    memory: Held,
}

impl<'p> Operator<'p> {
    /// `range`: times that count, µs, both included. `skips_sandwiched`: events between two like them are left out, as PostHog does in funnels
    /// without an order (but not in their trends); it tells in conversion times.
    ///
    /// # Errors
    /// [`QueryError`] when an expression of the plan does not resolve.
    pub(super) fn new(plan: &'p Plan, range: (i64, i64), skips_sandwiched: bool, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let firsts = plan.conditions.iter().filter(|condition| condition.first != First::No);
        let firsts = firsts.fold(0, |steps, condition| steps | condition.mask.steps());
        let skips_sandwiched = skips_sandwiched && plan.order == Order::Unordered;
        Ok(Self { plan, reader: Reader::new(plan, range, context)?, firsts, skips_sandwiched })
    }

    /// Shows every actor to a study; answers it with the texts of its labels.
    ///
    /// # Errors
    /// What reading, evaluating and the study answer, and that the query was stopped.
    pub(super) fn run<S: Study>(
        &self,
        context: &InsightContext<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(S, Vec<Vec<String>>), QueryError> {
        let merged = Merged::of(context.view().as_ref());
        let halves = context.over_shards(self.reader.span(), |parts| self.shard(parts, &merged, context, make()))?;
        let (mut labels, mut keys) = (self.labels(), Keys::default());
        let mut study = make();
        let (mut kept, mut left_out, mut keyed, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut held, mut of_names) = (Vec::new(), context.held());
        for half in halves {
            held.push(half.memory);
            let to: Vec<u32> =
                (0..half.labels.len()).map(|code| labels.intern(&half.labels.texts(u32::try_from(code).unwrap_or(u32::MAX)))).collect();
            let to_key: Vec<u32> = half.keys.names.iter().map(|name| keys.code(name)).collect();
            of_names.is(labels.bytes() + keys.bytes())?;
            study.absorb(half.study, &to);
            left_out.extend(half.left_out.into_iter().map(|owned| owned.after(kept.len())));
            kept.extend(half.kept.into_iter().map(|hits| self.translated(hits, &to, &to_key)));
            let first_part = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            keyed.extend(half.keyed.into_iter().map(|row| Row {
                key: to_key[row.key as usize],
                label: if self.has_codes() { to[row.label as usize] } else { row.label },
                place: Place { part: row.place.part + first_part, row: row.place.row },
                ..row
            }));
            parts.extend(half.parts);
        }
        if !kept.is_empty() {
            let first_part = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            parts.extend(kept.iter().map(|hits| Arc::clone(hits.part())));
            let ground = Ground { labels: &labels, hits: &kept, parts: &parts, first_part };
            let mut walk = Walk::new(self, context, ground, &mut study, &mut keyed);
            walk_merged(left_out, &merged, |person, pieces| walk.person(ActorId::Person(person), pieces))?;
        }
        let ground = Ground { labels: &labels, hits: &[], parts: &parts, first_part: 0 };
        self.keyed(context, ground, &keys, keyed, &mut study, &make)?;
        let texts = (0..labels.len()).map(|code| labels.texts(u32::try_from(code).unwrap_or(u32::MAX)));
        let empty_if_null = |text: String| if text == NULL_LABEL { String::new() } else { text };
        Ok((study, texts.map(|texts| texts.into_iter().map(empty_if_null).collect()).collect()))
    }

    /// Cohorts have their codes beforehand; of values the empty one is first.
    fn labels(&self) -> Labels {
        let mut labels = Labels::default();
        match &self.plan.breakdown {
            Breakdown::None => {
                labels.intern(&[]);
            }
            Breakdown::Values { exprs } => {
                labels.intern(&vec![NULL_LABEL.to_owned(); exprs.len()]);
            }
            Breakdown::Cohorts(cohorts) => {
                for cohort in cohorts {
                    labels.intern(&[cohort.id.to_string()]);
                }
            }
        }
        labels
    }

    /// Whether rows carry codes of values, not sets of cohorts.
    fn has_codes(&self) -> bool {
        matches!(self.plan.breakdown, Breakdown::Values { .. })
    }

    fn translated(&self, mut hits: Hits, labels: &[u32], keys: &[u32]) -> Hits {
        if self.has_codes() {
            hits.relabel(labels);
        }
        hits.rekey(keys);
        hits
    }

    /// Whether a person's events are no more than its pieces one after the other, when they are in order like that.
    fn joins<S: Study>(&self) -> bool {
        matches!(self.plan.actor, Actor::Person) && !S::WANTS_PLACES && self.firsts == 0
    }

    fn shard<S: Study>(
        &self,
        parts: &[&Arc<dyn Part>],
        merged: &Merged,
        context: &InsightContext<'_>,
        mut study: S,
    ) -> Result<Half<S>, QueryError> {
        let (mut labels, mut keys) = (self.labels(), Keys::default());
        let mut hits: Vec<Hits> = Vec::new();
        let (mut memory, mut bytes) = (context.held(), 0);
        for part in parts {
            context.check()?;
            if let Some(read) = self.reader.read(part, self.joins::<S>(), &mut labels, &mut keys)? {
                bytes += read.bytes();
                memory.is(bytes + labels.bytes() + keys.bytes())?;
                hits.push(read);
            }
        }
        let mut keyed = Vec::new();
        let parts: Vec<Arc<dyn Part>> = hits.iter().map(|hits| Arc::clone(hits.part())).collect();
        let runs: Vec<Arc<PersonRuns>> = hits.iter().map(Hits::runs).collect();
        let ground = Ground { labels: &labels, hits: &hits, parts: &parts, first_part: 0 };
        let mut walk = Walk::new(self, context, ground, &mut study, &mut keyed);
        let left_out = walk_shard(&runs, merged, |person, pieces| walk.person(ActorId::Person(person), pieces))?;
        let kept = if left_out.is_empty() { Vec::new() } else { hits };
        // Places of keyed rows are the only ones that outlive the walk.
        let parts = if keyed.is_empty() { Vec::new() } else { parts };
        Ok(Half { study, labels, keys, kept, left_out, keyed, parts, memory })
    }

    /// Actors that are not persons: their rows, collected from everywhere, side by side.
    fn keyed<S: Study>(
        &self,
        context: &InsightContext<'_>,
        ground: Ground<'_>,
        keys: &Keys,
        mut rows: Vec<Row>,
        study: &mut S,
        make: &(impl Fn() -> S + Sync),
    ) -> Result<(), QueryError> {
        if rows.is_empty() {
            return Ok(());
        }
        sort(&mut rows, Row::by_key, ground.parts)?;
        let pieces = cut(&rows, KEYED_PIECES);
        let studies = parallel::over(context.query.scan.threads(), &pieces, |piece| {
            let mut part_study = make();
            let mut unused = Vec::new();
            let mut walk = Walk::new(self, context, ground, &mut part_study, &mut unused);
            for actor in rows[piece.clone()].chunk_by(|left, right| left.key == right.key) {
                walk.key(ActorId::Key(&keys.names[actor[0].key as usize]), actor)?;
            }
            Ok(part_study)
        })?;
        let same: Vec<u32> = (0..u32::try_from(ground.labels.len()).unwrap_or(u32::MAX)).collect();
        for other in studies {
            study.absorb(other, &same);
        }
        Ok(())
    }
}

/// Cuts sorted rows into about `count` pieces without dividing an actor.
fn cut(rows: &[Row], count: usize) -> Vec<Range<usize>> {
    let size = rows.len().div_ceil(count).max(1);
    let mut pieces = Vec::with_capacity(count);
    let mut start = 0;
    while start < rows.len() {
        let mut end = (start + size).min(rows.len());
        while end < rows.len() && rows[end].key == rows[end - 1].key {
            end += 1;
        }
        pieces.push(start..end);
        start = end;
    }
    pieces
}

/// What a walk goes over.
#[derive(Clone, Copy)]
struct Ground<'w> {
    labels: &'w Labels,
    hits: &'w [Hits],
    parts: &'w [Arc<dyn Part>],
    /// Place of the part of `hits[0]` among `parts`.
    first_part: u32,
}

/// A walk over actors, one after the other.
struct Walk<'w, S> {
    operator: &'w Operator<'w>,
    context: &'w InsightContext<'w>,
    attributor: Attributor<'w>,
    ground: Ground<'w>,
    study: &'w mut S,
    keyed: &'w mut Vec<Row>,
    scratch: Scratch,
    until_check: u32,
}

/// Memory that is used again for each actor.
#[derive(Debug, Default)]
struct Scratch {
    rows: Vec<Row>,
    events: Buffer,
    thinned: Buffer,
    own: Buffer,
    questions: Vec<Question>,
}

impl<'w, S: Study> Walk<'w, S> {
    fn new(
        operator: &'w Operator<'w>,
        context: &'w InsightContext<'w>,
        ground: Ground<'w>,
        study: &'w mut S,
        keyed: &'w mut Vec<Row>,
    ) -> Self {
        let texts = (0..ground.labels.len()).map(|code| ground.labels.texts(u32::try_from(code).unwrap_or(u32::MAX)));
        let has_value = texts.map(|texts| texts.iter().any(|text| text != NULL_LABEL)).collect();
        let attributor = Attributor::new(operator.plan, has_value, 0);
        Self { operator, context, attributor, ground, study, keyed, scratch: Scratch::default(), until_check: ACTORS_PER_CHECK }
    }

    fn pause(&mut self) -> Result<(), QueryError> {
        self.until_check -= 1;
        if self.until_check == 0 {
            self.until_check = ACTORS_PER_CHECK;
            self.context.check()?;
        }
        Ok(())
    }

    fn person(&mut self, person: ActorId<'_>, pieces: &[Piece]) -> Result<(), QueryError> {
        self.pause()?;
        if self.operator.joins::<S>() {
            if let [piece] = pieces
                && let Some(events) = self.ground.hits[piece.part].in_place(piece.rows.clone())
            {
                return self.actor(person, events);
            }
            let mut buffer = std::mem::take(&mut self.scratch.events);
            let answer = buffer.join(self.ground.hits, pieces).then(|| self.actor(person, buffer.events()));
            self.scratch.events = buffer;
            if let Some(answer) = answer {
                return answer;
            }
        }
        let mut rows = std::mem::take(&mut self.scratch.rows);
        self.collect(pieces, &mut rows)?;
        let answer = if matches!(self.operator.plan.actor, Actor::Key { .. }) {
            self.keyed.extend(rows.iter().filter(|row| row.key != NO_KEY));
            Ok(())
        } else {
            let mut buffer = std::mem::take(&mut self.scratch.events);
            buffer.fill(&rows);
            let answer = self.actor(person, buffer.events());
            self.scratch.events = buffer;
            answer
        };
        self.scratch.rows = rows;
        answer
    }

    fn key(&mut self, key: ActorId<'_>, rows: &[Row]) -> Result<(), QueryError> {
        self.pause()?;
        let mut buffer = std::mem::take(&mut self.scratch.events);
        buffer.fill(rows);
        let answer = self.actor(key, buffer.events());
        self.scratch.events = buffer;
        answer
    }

    /// A person's rows, sorted; steps that look back already decided.
    fn collect(&mut self, pieces: &[Piece], rows: &mut Vec<Row>) -> Result<(), QueryError> {
        rows.clear();
        for piece in pieces {
            let part = u32::try_from(piece.part).unwrap_or(u32::MAX) + self.ground.first_part;
            self.ground.hits[piece.part].rows(piece.rows.clone(), part, rows);
        }
        sort(rows, Row::by_time, self.ground.parts)?;
        if self.operator.firsts != 0 {
            keep_firsts(rows, self.operator.firsts);
            // What a row is no longer, it is no longer sorted by.
            rows.sort_by(Row::by_time);
            if !self.operator.plan.rules.is_strict {
                rows.retain(|row| !row.mask.is_empty());
            }
        }
        Ok(())
    }

    fn actor(&mut self, actor: ActorId<'_>, events: Events<'_>) -> Result<(), QueryError> {
        if events.sequence.len() == 0 {
            return Ok(());
        }
        let plan = self.operator.plan;
        if self.attributor.asks_once() && !self.operator.skips_sandwiched {
            let case = |label| Case { actor, label, pick: Pick::Any, events, parts: self.ground.parts };
            return self.attributor.once(events.sequence).map_or(Ok(()), |label| self.study.see(plan, case(label)));
        }
        let mut thinned = std::mem::take(&mut self.scratch.thinned);
        let mut own = std::mem::take(&mut self.scratch.own);
        let mut questions = std::mem::take(&mut self.scratch.questions);
        let events = if self.operator.skips_sandwiched {
            thinned.pick(events, |at| !events.sequence.is_sandwiched(at));
            thinned.events()
        } else {
            events
        };
        self.attributor.ask(events.sequence, &mut questions);
        let mut answer = Ok(());
        for Question { label, pick, own_events_only } in &questions {
            let counted = if *own_events_only {
                own.pick(events, |at| events.sequence.label(at) == *label);
                own.events()
            } else {
                events
            };
            answer = self.study.see(plan, Case { actor, label: *label, pick: *pick, events: counted, parts: self.ground.parts });
            if answer.is_err() {
                break;
            }
        }
        (self.scratch.thinned, self.scratch.own, self.scratch.questions) = (thinned, own, questions);
        answer
    }
}
