//! From a part to the rows of it that matter.
//!
//! A row's event is looked up once, in a table over the part's dictionary of names, so a funnel of twenty steps reads a row as fast as one of three.
//! Property filters see only the rows whose name made them candidates.

use super::engine::{Mask, STEPS_MAX};
use super::hits::{Candidate, Hits, Keys, NO_KEY, Packed};
use super::lean::Lean;
use super::plan::{Breakdown, Condition, First, Names, Plan};
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use crate::insights::InsightContext;
use crate::insights::actors::Actor;
use crate::insights::breakdowns::BreakdownCohort;
use crate::insights::labels::Labels;
use crate::scan::{RowProgram, RowProgramOnPart, RowValues, runs_among};
use aqueduct_store::{EventColumn, Part};
use arrow::array::{AsArray, UInt32Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use std::sync::Arc;

/// Rows are read lean when a person has so many in a part: for fewer, going from person to person costs more than writing down what matters.
const LEAN_ROWS_PER_PERSON: usize = 8;
/// Values of a breakdown are numbered beforehand when there are no more.
const LEAN_VALUES_MAX: usize = 1_024;

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

/// The names and times of a part's rows.
struct PartNames {
    keys: ScalarBuffer<i32>,
    /// For each name the conditions that it fulfils.
    bits: Vec<u64>,
    times: ScalarBuffer<i64>,
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

    /// What of a part matters; `None` when nothing does. `lean`: rows may be read where they lie.
    ///
    /// # Errors
    /// [`QueryError`] when the part cannot be read or an expression fails.
    pub(super) fn read(&self, part: &Arc<dyn Part>, lean: bool, labels: &mut Labels, keys: &mut Keys) -> Result<Option<Hits>, QueryError> {
        let Some(names) = self.names(part)? else { return Ok(None) };
        // Where nothing else is asked, the name says everything.
        let by_name_alone = self.filter.is_none() && self.filters.iter().all(Option::is_none) && self.looks_back == 0;
        if by_name_alone
            && lean
            && let Some(lean) = self.lean(part, &names, labels)?
        {
            return Ok(Some(Hits::Lean(lean)));
        }
        let value = |bits| if by_name_alone { self.mask_of(bits).0 } else { bits };
        let Named { rows, times, values } = self.by_name(&names, value);
        if rows.is_empty() {
            return Ok(None);
        }
        let mut hits = Packed {
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
        Ok(if hits.rows.is_empty() { None } else { Some(Hits::Packed(hits)) })
    }

    /// The part as it lies, where that pays.
    fn lean(&self, part: &Arc<dyn Part>, names: &PartNames, labels: &mut Labels) -> Result<Option<Lean>, QueryError> {
        let runs = part.person_runs()?;
        if part.rows() < runs.persons.len() * LEAN_ROWS_PER_PERSON {
            return Ok(None);
        }
        let of_rows = match (&self.plan.breakdown, self.breakdown.len()) {
            (Breakdown::None, _) => None,
            (Breakdown::Values { .. }, 1) => {
                let Some((keys, values)) = self.program.on(part).by_key(self.breakdown.start, LEAN_VALUES_MAX)? else { return Ok(None) };
                let count = values.len();
                Some(RowValues::ByKey { keys, of_key: labels.codes(&[values], &[None], count)? })
            }
            _ => return Ok(None),
        };
        let of_key = names.bits.iter().map(|bits| self.mask_of(*bits)).collect();
        let masks = RowValues::ByKey { keys: names.keys.clone(), of_key };
        Ok(Some(Lean::new(part, (runs, names.times.clone()), masks, of_rows, (self.range, self.plan.rules.is_strict))))
    }

    /// What the names of a part say; `None` when they say that nothing matters.
    fn names(&self, part: &Arc<dyn Part>) -> Result<Option<PartNames>, QueryError> {
        let names = part.column(EventColumn::Event)?;
        let names = names.as_dictionary::<Int32Type>();
        let of_name = |name: Option<&str>| {
            bits_where(&self.plan.conditions, |condition| match &condition.names {
                Names::All => true,
                Names::Only(names) => names.iter().any(|known| Some(known.as_str()) == name),
            })
        };
        let bits: Vec<u64> = names.values().as_string::<i32>().iter().map(of_name).collect();
        if !self.plan.rules.is_strict && bits.iter().all(|bits| *bits == 0) {
            return Ok(None);
        }
        let times = part.column(EventColumn::Timestamp)?.as_primitive::<TimestampMicrosecondType>().values().clone();
        Ok(Some(PartNames { keys: names.keys().values().clone(), bits, times }))
    }

    /// The rows that their names and times let pass, with what `value` makes of the conditions that the name fulfils.
    fn by_name(&self, names: &PartNames, value: impl Fn(u64) -> u64) -> Named {
        let all = self.plan.rules.is_strict;
        let table: Vec<ByName> = names
            .bits
            .iter()
            .map(|bits| ByName { is_live: *bits != 0 || all, is_past: *bits & self.looks_back != 0, value: value(*bits) })
            .collect();
        let (from, to) = self.range;
        Named::choose(&names.keys, &names.times, |key, time| {
            let by_name = usize::try_from(key).ok().and_then(|key| table.get(key)).copied().unwrap_or_default();
            let is_live = by_name.is_live & (time >= from);
            ((is_live | by_name.is_past) & (time <= to), by_name.value)
        })
    }

    /// Turns conditions into masks, after the property filters.
    fn apply_filters(&self, hits: &mut Packed, mut bits: Vec<u64>, program: &mut RowProgramOnPart<'_>) -> Result<(), QueryError> {
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

    fn find_keys(&self, hits: &mut Packed, key: usize, program: &mut RowProgramOnPart<'_>, keys: &mut Keys) -> Result<(), QueryError> {
        let texts = program.evaluate(key, &UInt32Array::from(hits.rows.clone()))?;
        let texts = cast(&texts, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        let code = |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or(NO_KEY, |text| keys.code(text));
        hits.keys = texts.iter().map(code).collect();
        let kept: Vec<bool> = (0..hits.rows.len()).map(|at| hits.keys[at] != NO_KEY || hits.is_candidate(at)).collect();
        hits.keep(&kept);
        Ok(())
    }

    fn find_labels(&self, hits: &mut Packed, program: &mut RowProgramOnPart<'_>, labels: &mut Labels) -> Result<(), QueryError> {
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

fn bits_where(conditions: &[Condition], test: impl Fn(&Condition) -> bool) -> u64 {
    conditions.iter().enumerate().fold(0, |bits, (at, condition)| bits | u64::from(test(condition)) << at)
}

const _: () = assert!(STEPS_MAX <= 32, "steps and cohorts are bits of 32");
