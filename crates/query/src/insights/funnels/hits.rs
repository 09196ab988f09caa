//! The rows of one part that matter to a funnel, as bits.
//!
//! A row's event is looked up once, in a table over the part's dictionary of names, so a funnel of twenty steps reads a row as fast as one of three.
//! Property filters see only the rows whose name made them candidates. What is left is packed: times, masks, codes.

use super::engine::{Mask, STEPS_MAX};
use super::plan::{Breakdown, Condition, First, Names, Plan};
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use crate::insights::InsightContext;
use crate::insights::actors::Actor;
use crate::insights::breakdowns::BreakdownCohort;
use crate::insights::labels::Labels;
use crate::scan::{RowProgram, RowProgramOnPart, runs_among};
use aqueduct_store::{EventColumn, Part, PersonRuns};
use arrow::array::{AsArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use hashbrown::HashMap;
use std::sync::Arc;

/// No key: the row belongs to no actor.
pub(super) const NO_KEY: u32 = u32::MAX;

/// What a row is to the search for a person's first events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Candidate {
    /// Steps whose first event it may be.
    pub(super) steps: u32,
    /// It is an event of the funnel too, not only of the past.
    pub(super) is_live: bool,
}

/// Rows that matter, in the order of the part. The vectors are of one length, but those that the plan does not need, which are empty.
#[derive(Debug)]
pub(super) struct Hits {
    pub(super) part: Arc<dyn Part>,
    pub(super) rows: Vec<u32>,
    pub(super) times: Vec<i64>,
    pub(super) masks: Vec<Mask>,
    pub(super) candidates: Vec<Candidate>,
    /// Codes of breakdown values; for cohorts the set of those that the row's person is in.
    pub(super) labels: Vec<u32>,
    /// Codes of actors.
    pub(super) keys: Vec<u32>,
    /// Where persons begin among them; persons without any are left out.
    pub(super) runs: Arc<PersonRuns>,
}

/// Texts of actors, numbered in order of appearance.
#[derive(Debug, Default)]
pub(super) struct Keys {
    codes: HashMap<String, u32>,
    pub(super) names: Vec<String>,
    /// What the texts take, in the map and in the list.
    text_bytes: usize,
}

impl Keys {
    pub(super) fn code(&mut self, key: &str) -> u32 {
        if let Some(code) = self.codes.get(key) {
            return *code;
        }
        let code = u32::try_from(self.names.len()).unwrap_or(NO_KEY);
        self.codes.insert(key.to_owned(), code);
        self.names.push(key.to_owned());
        self.text_bytes += 2 * (key.len() + size_of::<String>());
        code
    }

    /// Memory of them, about.
    pub(super) fn bytes(&self) -> usize {
        self.text_bytes
    }
}

/// Rows whose names and times are right.
#[derive(Default)]
struct Named {
    rows: Vec<u32>,
    times: Vec<i64>,
    /// For each what its name comes to.
    values: Vec<u64>,
}

/// Rows that are chosen before they are written down.
const NAMED_AT_ONCE: usize = 1024;

impl Named {
    /// The rows that `choose` gives a value. They are written in any case and kept by a sum: a branch would be mispredicted for every other row.
    fn choose(keys: &[i32], times: &[i64], choose: impl Fn(i32, i64) -> (bool, u64)) -> Self {
        let mut named = Self::default();
        let (mut rows, mut kept_times, mut values) = ([0_u32; NAMED_AT_ONCE], [0_i64; NAMED_AT_ONCE], [0_u64; NAMED_AT_ONCE]);
        let mut row = 0_u32;
        for (keys, times) in keys.chunks(NAMED_AT_ONCE).zip(times.chunks(NAMED_AT_ONCE)) {
            let mut kept = 0;
            for (key, time) in keys.iter().zip(times) {
                let (is_chosen, value) = choose(*key, *time);
                (rows[kept], kept_times[kept], values[kept]) = (row, *time, value);
                kept += usize::from(is_chosen);
                row += 1;
            }
            named.rows.extend_from_slice(&rows[..kept]);
            named.times.extend_from_slice(&kept_times[..kept]);
            named.values.extend_from_slice(&values[..kept]);
        }
        named
    }
}

/// What the name of a row says.
#[derive(Clone, Copy, Debug, Default)]
struct ByName {
    /// The row counts, if its time does.
    is_live: bool,
    /// It counts even if it is too early: to know who was first.
    is_past: bool,
    value: u64,
}

/// Reads parts as a plan wants them.
#[derive(Debug)]
pub(super) struct Reader<'p> {
    plan: &'p Plan,
    /// Times that count, µs, both included.
    range: (i64, i64),
    program: RowProgram,
    /// Places in the program.
    filter: Option<usize>,
    /// For each condition.
    filters: Vec<Option<usize>>,
    breakdown: std::ops::Range<usize>,
    key: Option<usize>,
    /// Conditions that look at the past, as bits.
    looks_back: u64,
}

impl<'p> Reader<'p> {
    /// # Errors
    /// [`QueryError`] when an expression does not resolve.
    pub(super) fn new(plan: &'p Plan, range: (i64, i64), context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let mut exprs: Vec<Expr> = Vec::new();
        let mut place = |expr: &Expr| {
            exprs.push(expr.clone());
            exprs.len() - 1
        };
        let filter = plan.filter.as_ref().map(&mut place);
        let filters = plan.conditions.iter().map(|condition| condition.filter.as_ref().map(&mut place)).collect();
        let key = match &plan.actor {
            Actor::Person => None,
            Actor::Key { expr, .. } => Some(place(&call("toString", vec![expr.clone()]))),
        };
        let begin = exprs.len();
        match &plan.breakdown {
            Breakdown::None => {}
            Breakdown::Values { exprs: values } => exprs.extend(values.iter().cloned()),
            Breakdown::Cohorts(cohorts) => exprs.extend(cohorts.iter().map(BreakdownCohort::is_member)),
        }
        let breakdown = begin..exprs.len();
        let looks_back = bits_where(&plan.conditions, |condition| condition.first != First::No);
        Ok(Self { plan, range, program: context.compile(&exprs)?, filter, filters, breakdown, key, looks_back })
    }

    /// The times that can tell. What was first is known from all that was before.
    pub(super) fn span(&self) -> (i64, i64) {
        (if self.looks_back == 0 { self.range.0 } else { i64::MIN }, self.range.1)
    }

    /// What of a part matters; `None` when nothing does.
    ///
    /// # Errors
    /// [`QueryError`] when the part cannot be read or an expression fails.
    pub(super) fn read(&self, part: &Arc<dyn Part>, labels: &mut Labels, keys: &mut Keys) -> Result<Option<Hits>, QueryError> {
        // Where nothing else is asked, the name says everything.
        let by_name_alone = self.filter.is_none() && self.filters.iter().all(Option::is_none) && self.looks_back == 0;
        let named = if by_name_alone { self.by_name(part, |bits| self.mask_of(bits).0)? } else { self.by_name(part, |bits| bits)? };
        let Some(Named { rows, times, values }) = named else { return Ok(None) };
        let mut hits = Hits {
            part: Arc::clone(part),
            rows,
            times,
            masks: Vec::new(),
            candidates: Vec::new(),
            labels: Vec::new(),
            keys: Vec::new(),
            runs: Arc::default(),
        };
        let mut program = self.program.on(part);
        if by_name_alone {
            hits.masks = values.into_iter().map(Mask).collect();
        } else {
            self.apply_filters(&mut hits, values, &mut program)?;
        }
        if let Some(key) = self.key {
            self.find_keys(&mut hits, key, &mut program, keys)?;
        }
        self.find_labels(&mut hits, &mut program, labels)?;
        hits.runs = runs_among(&part.person_runs()?, &hits.rows);
        Ok(if hits.rows.is_empty() { None } else { Some(hits) })
    }

    /// The rows that their names and times let pass, with what `value` makes of the conditions that the name fulfils.
    fn by_name(&self, part: &Arc<dyn Part>, value: impl Fn(u64) -> u64) -> Result<Option<Named>, QueryError> {
        let names = part.column(EventColumn::Event)?;
        let names = names.as_dictionary::<Int32Type>();
        let of_name = |name: Option<&str>| {
            bits_where(&self.plan.conditions, |condition| match &condition.names {
                Names::All => true,
                Names::Only(names) => names.iter().any(|known| Some(known.as_str()) == name),
            })
        };
        let bits: Vec<u64> = names.values().as_string::<i32>().iter().map(of_name).collect();
        let all = self.plan.rules.is_strict;
        if !all && bits.iter().all(|bits| *bits == 0) {
            return Ok(None);
        }
        let table: Vec<ByName> = bits
            .iter()
            .map(|bits| ByName { is_live: *bits != 0 || all, is_past: *bits & self.looks_back != 0, value: value(*bits) })
            .collect();
        let times = part.column(EventColumn::Timestamp)?;
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        let (from, to) = self.range;
        let named = Named::choose(names.keys().values(), times, |key, time| {
            let by_name = usize::try_from(key).ok().and_then(|key| table.get(key)).copied().unwrap_or_default();
            let is_live = by_name.is_live & (time >= from);
            ((is_live | by_name.is_past) & (time <= to), by_name.value)
        });
        Ok(if named.rows.is_empty() { None } else { Some(named) })
    }

    /// Turns conditions into masks, after the property filters.
    fn apply_filters(&self, hits: &mut Hits, mut bits: Vec<u64>, program: &mut RowProgramOnPart<'_>) -> Result<(), QueryError> {
        let mut is_live: Vec<bool> = hits.times.iter().map(|time| *time >= self.range.0).collect();
        let of_name = |bits: u64| self.steps_of(bits, First::OfName);
        if self.looks_back != 0 {
            hits.candidates = bits.iter().map(|bits| Candidate { steps: of_name(*bits), is_live: false }).collect();
        }
        if let Some(filter) = self.filter {
            let passes = program.flags(filter, &UInt32Array::from(hits.rows.clone()))?;
            for (live, passes) in is_live.iter_mut().zip(passes) {
                *live &= passes;
            }
        }
        for (condition, filter) in self.filters.iter().enumerate().filter_map(|(at, filter)| Some((at, (*filter)?))) {
            let asked: Vec<usize> = (0..bits.len()).filter(|at| bits[*at] >> condition & 1 == 1).collect();
            if asked.is_empty() {
                continue;
            }
            let rows: UInt32Array = asked.iter().map(|at| hits.rows[*at]).collect::<Vec<_>>().into();
            for (at, passes) in asked.into_iter().zip(program.flags(filter, &rows)?) {
                bits[at] &= !(u64::from(!passes) << condition);
            }
        }
        let mask = |(live, bits): (&bool, &u64)| if *live { self.mask_of(*bits) } else { Mask::default() };
        hits.masks = is_live.iter().zip(&bits).map(mask).collect();
        for (candidate, (bits, live)) in hits.candidates.iter_mut().zip(bits.iter().zip(&is_live)) {
            candidate.steps |= self.steps_of(*bits, First::Matching);
            candidate.is_live = *live;
        }
        let all = self.plan.rules.is_strict;
        let keep = |at: usize| (is_live[at] && (all || !hits.masks[at].is_empty())) || hits.is_candidate(at);
        let kept: Vec<bool> = (0..hits.rows.len()).map(keep).collect();
        hits.keep(&kept);
        Ok(())
    }

    fn mask_of(&self, mut bits: u64) -> Mask {
        let mut mask = Mask::default();
        while bits != 0 {
            mask = mask | self.plan.conditions[bits.trailing_zeros() as usize].mask;
            bits &= bits - 1;
        }
        mask
    }

    /// Steps of the conditions that look back in this way.
    fn steps_of(&self, bits: u64, first: First) -> u32 {
        let bits = bits & self.looks_back;
        let steps = self.plan.conditions.iter().enumerate().filter(|(at, condition)| bits >> at & 1 == 1 && condition.first == first);
        steps.fold(0, |steps, (_, condition)| steps | condition.mask.steps())
    }

    fn find_keys(&self, hits: &mut Hits, key: usize, program: &mut RowProgramOnPart<'_>, keys: &mut Keys) -> Result<(), QueryError> {
        let texts = program.evaluate(key, &UInt32Array::from(hits.rows.clone()))?;
        let texts = cast(&texts, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        let code = |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or(NO_KEY, |text| keys.code(text));
        hits.keys = texts.iter().map(code).collect();
        let kept: Vec<bool> = (0..hits.rows.len()).map(|at| hits.keys[at] != NO_KEY || hits.is_candidate(at)).collect();
        hits.keep(&kept);
        Ok(())
    }

    fn find_labels(&self, hits: &mut Hits, program: &mut RowProgramOnPart<'_>, labels: &mut Labels) -> Result<(), QueryError> {
        if self.breakdown.is_empty() {
            return Ok(());
        }
        let rows = UInt32Array::from(hits.rows.clone());
        match &self.plan.breakdown {
            Breakdown::None => {}
            Breakdown::Values { .. } => {
                let columns = self.breakdown.clone().map(|expr| program.evaluate(expr, &rows)).collect::<Result<Vec<_>, _>>()?;
                hits.labels = labels.codes(&columns, &vec![None; columns.len()], hits.rows.len())?;
            }
            Breakdown::Cohorts(_) => {
                hits.labels = vec![0; hits.rows.len()];
                for (cohort, expr) in self.breakdown.clone().enumerate() {
                    for (set, is_member) in hits.labels.iter_mut().zip(program.flags(expr, &rows)?) {
                        *set |= u32::from(is_member) << cohort;
                    }
                }
                // Who is in none of them has no funnel.
                for (candidate, set) in hits.candidates.iter_mut().zip(&hits.labels) {
                    candidate.is_live &= *set != 0;
                }
                let kept: Vec<bool> = (0..hits.rows.len()).map(|at| hits.labels[at] != 0 || hits.is_candidate(at)).collect();
                hits.keep(&kept);
            }
        }
        Ok(())
    }
}

impl Hits {
    /// What they take of memory, about.
    pub(super) fn bytes(&self) -> usize {
        let each = size_of::<u32>() + size_of::<i64>() + size_of::<Mask>();
        self.rows.len() * each
            + self.candidates.len() * size_of::<Candidate>()
            + (self.labels.len() + self.keys.len()) * size_of::<u32>()
            + self.runs.persons.len() * size_of::<(u128, u32)>()
    }

    fn is_candidate(&self, at: usize) -> bool {
        self.candidates.get(at).is_some_and(|candidate| candidate.steps != 0)
    }

    fn keep(&mut self, kept: &[bool]) {
        fn pack<T>(values: &mut Vec<T>, kept: &[bool]) {
            let mut kept = kept.iter();
            values.retain(|_| kept.next().copied().unwrap_or(false));
        }
        if kept.iter().all(|kept| *kept) {
            return;
        }
        pack(&mut self.rows, kept);
        pack(&mut self.times, kept);
        pack(&mut self.masks, kept);
        pack(&mut self.candidates, kept);
        pack(&mut self.labels, kept);
        pack(&mut self.keys, kept);
    }

    /// Moves labels to other codes.
    pub(super) fn relabel(&mut self, to: &[u32]) {
        for label in &mut self.labels {
            *label = to.get(*label as usize).copied().unwrap_or(*label);
        }
    }
}

fn bits_where(conditions: &[Condition], test: impl Fn(&Condition) -> bool) -> u64 {
    conditions.iter().enumerate().fold(0, |bits, (at, condition)| bits | u64::from(test(condition)) << at)
}

const _: () = assert!(STEPS_MAX <= 32, "steps and cohorts are bits of 32");
