//! Cohorts: who is in a set of persons that somebody gave a name.
//!
//! In: a cohort by number or name, as a property filter, a breakdown or `IN COHORT` asks for it. Out: its members, sorted, and a test of ids.
//!
//! ```text
//! Cohort ─ criteria ─▶ tree ─ evaluate ─▶ sorted ids ─ contains ─▶ a condition on rows
//!   │                   ├─ properties of persons: HogQL over `persons`
//!   │                   ├─ behaviour: the operators of insights
//!   │                   └─ another cohort
//!   └─ static ─ settle ─▶ the members that were put in, under the ids that they have now
//! ```
//!
//! # Invariants
//! - Members are found once per query, over the rows that the query sees: no answer depends on when anything was computed.
//! - A cohort that leads to itself is refused, with the way that it takes.
//! - Members count against the memory of the query.
//!
//! Source of the rules: query reference, sections 5 and 22; what each kind of behaviour means was read in PostHog's builder of cohort queries.

mod behaviour;
mod contains;
mod criteria;
mod evaluate;
mod persons;
mod settle;
mod table;

pub(crate) use contains::contains;
pub use criteria::cohort_references;
pub(crate) use table::{Listed, asked, table};

use crate::error::QueryError;
use crate::resolve::QueryContext;
use aqueduct_catalog::Cohort;
use aqueduct_event::PersonId;
use criteria::Criteria;
use datafusion::execution::memory_pool::MemoryReservation;
use parking_lot::Mutex;
use persons::Persons;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Cohorts inside each other; finding members is a recursion.
const DEPTH_MAX: usize = 32;

/// The members of the cohorts that a query has met.
#[derive(Debug, Default)]
pub(crate) struct CohortSets {
    found: Mutex<FxHashMap<i64, Arc<Members>>>,
    /// Cohorts whose members are being found, outermost first.
    open: Mutex<Vec<Arc<Cohort>>>,
}

/// Who is in a cohort.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) persons: Persons,
    /// Given back with the members.
    _memory: MemoryReservation,
}

/// The living cohort of a number.
///
/// # Errors
/// [`QueryError::Resolve`] when there is none, or it was deleted.
pub(crate) fn find(id: i64, context: &QueryContext) -> Result<Arc<Cohort>, QueryError> {
    let found = all(context).into_iter().find(|cohort| cohort.id == id);
    match found {
        None => Err(QueryError::resolve(format!("Could not find cohort with ID {id}"))),
        Some(cohort) if cohort.is_deleted => {
            Err(QueryError::resolve(format!("Cohort with ID {id} ('{}') was deleted", cohort.document.name)))
        }
        Some(cohort) => Ok(cohort),
    }
}

/// The living cohort of a name.
///
/// # Errors
/// [`QueryError::Resolve`] when there is none, or more than one.
pub(crate) fn named(name: &str, context: &QueryContext) -> Result<Arc<Cohort>, QueryError> {
    let mut found = all(context).into_iter().filter(|cohort| !cohort.is_deleted && cohort.document.name == name);
    match (found.next(), found.next()) {
        (None, _) => Err(QueryError::resolve(format!("Could not find a cohort with the name '{name}'"))),
        (Some(cohort), None) => Ok(cohort),
        (Some(_), Some(_)) => Err(QueryError::resolve(format!("Found multiple cohorts with the name '{name}', use the number"))),
    }
}

/// The living cohorts of the project.
fn living(context: &QueryContext) -> Vec<Arc<Cohort>> {
    all(context).into_iter().filter(|cohort| !cohort.is_deleted).collect()
}

fn all(context: &QueryContext) -> Vec<Arc<Cohort>> {
    context.definitions.cohorts(context.project.id)
}

/// Who is in the cohort, as the query sees the project.
///
/// # Errors
/// [`QueryError::Resolve`] when the cohort leads to itself; [`QueryError::Request`] when a criterion cannot be understood;
/// what finding them answers.
pub(crate) fn members(cohort: &Arc<Cohort>, context: &QueryContext) -> Result<Arc<Members>, QueryError> {
    let sets = &context.cohorts;
    if let Some(members) = sets.found.lock().get(&cohort.id) {
        return Ok(Arc::clone(members));
    }
    let _open = Open::new(cohort, sets)?;
    let memory = context.executor.reservation("cohort");
    let persons = match (cohort.document.is_static, context.is_check) {
        (true, true) => Persons::default(),
        (true, false) => settle::settled(&context.definitions.cohort_members(cohort.id), context)?,
        (false, true) => Criteria::of(cohort, &context.project).map(|_| Persons::default())?,
        (false, false) => evaluate::persons(&Criteria::of(cohort, &context.project)?, context, &memory)?,
    };
    memory.try_resize(persons.bytes())?;
    let members = Arc::new(Members { persons, _memory: memory });
    sets.found.lock().insert(cohort.id, Arc::clone(&members));
    Ok(members)
}

/// Ids as members of something that has no name; they count against the query's memory.
///
/// # Errors
/// [`QueryError::Memory`] when the query may not hold so many.
pub(crate) fn listed(ids: Vec<PersonId>, context: &QueryContext) -> Result<Arc<Members>, QueryError> {
    let memory = context.executor.reservation("ids of a subquery");
    let persons = Persons::from(ids);
    memory.try_resize(persons.bytes())?;
    Ok(Arc::new(Members { persons, _memory: memory }))
}

/// A cohort's place among those whose members are being found.
struct Open<'s>(&'s CohortSets);

impl<'s> Open<'s> {
    fn new(cohort: &Arc<Cohort>, sets: &'s CohortSets) -> Result<Self, QueryError> {
        let mut open = sets.open.lock();
        if open.iter().any(|outer| outer.id == cohort.id) {
            let way: Vec<String> =
                open.iter().chain([cohort]).map(|cohort| format!("{} ('{}')", cohort.id, cohort.document.name)).collect();
            return Err(QueryError::resolve(format!("Cohort refers to itself: {}", way.join(" → "))));
        }
        if open.len() == DEPTH_MAX {
            return Err(QueryError::resolve(format!("Cohorts are at most {DEPTH_MAX} deep inside each other")));
        }
        open.push(Arc::clone(cohort));
        Ok(Self(sets))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.lock().pop();
    }
}
