//! From criteria to persons.
//!
//! "Not" is carried along instead of being worked out: a set stands for its members or for everybody else, and only what is left at the end
//! is subtracted from all persons of the project.

use super::criteria::Criteria;
use super::persons::Persons;
use crate::cohorts;
use crate::engine::request_filters;
use crate::error::QueryError;
use crate::filters::Scope;
use crate::hogql::ast::{Expr, SelectQuery};
use crate::hogql::build::table;
use crate::resolve::QueryContext;
use aqueduct_event::PersonId;
use arrow::array::{Array, AsArray};
use datafusion::execution::memory_pool::MemoryReservation;
use serde_json::Value;
use uuid::Uuid;

/// Persons, or everybody but them.
#[derive(Debug)]
struct Found {
    persons: Persons,
    is_rest: bool,
}

/// The persons who meet the criteria. Sets on the way are taken out of `memory`.
///
/// # Errors
/// [`QueryError`] when a criterion cannot be understood, and what answering it answers.
pub(super) fn persons(criteria: &Criteria, context: &QueryContext, memory: &MemoryReservation) -> Result<Persons, QueryError> {
    let found = find(criteria, context, memory)?;
    if !found.is_rest {
        return Ok(found.persons);
    }
    let everybody = context.scan.persons()?;
    let everybody: Persons = everybody.ids.iter().copied().collect();
    Ok(everybody.except(&found.persons))
}

fn find(criteria: &Criteria, context: &QueryContext, memory: &MemoryReservation) -> Result<Found, QueryError> {
    let found = |persons: Persons| -> Result<Found, QueryError> {
        memory.try_grow(persons.bytes())?;
        Ok(Found { persons, is_rest: false })
    };
    match criteria {
        Criteria::Person(filter) => found(passing(filter, context)?),
        Criteria::Did(behaviour) => found(behaviour.persons(context)?),
        Criteria::Cohort(id) => {
            let cohort = cohorts::find(*id, context)?;
            found(cohorts::members(&cohort, context)?.persons.clone())
        }
        Criteria::Not(inner) => find(inner, context, memory).map(Found::rest),
        Criteria::All(parts) => {
            let parts = parts.iter().map(|part| find(part, context, memory)).collect::<Result<Vec<_>, _>>()?;
            Ok(all(parts))
        }
        // Any is not (none of them).
        Criteria::Any(parts) => {
            let parts = parts.iter().map(|part| find(part, context, memory).map(Found::rest)).collect::<Result<Vec<_>, _>>()?;
            Ok(all(parts).rest())
        }
    }
}

impl Found {
    fn rest(self) -> Self {
        Self { is_rest: !self.is_rest, ..self }
    }
}

/// Those whom all parts mean.
fn all(parts: Vec<Found>) -> Found {
    let (rests, sets): (Vec<Found>, Vec<Found>) = parts.into_iter().partition(|part| part.is_rest);
    let excluded = rests.into_iter().map(|part| part.persons).reduce(|one, other| one.union(&other));
    let included = sets.into_iter().map(|part| part.persons).reduce(|one, other| one.intersection(&other));
    match (included, excluded) {
        (Some(included), Some(excluded)) => Found { persons: included.except(&excluded), is_rest: false },
        (Some(included), None) => Found { persons: included, is_rest: false },
        (None, excluded) => Found { persons: excluded.unwrap_or_default(), is_rest: true },
    }
}

/// The persons who pass a property filter. A filter that is not complete says nothing, as everywhere.
fn passing(filter: &Value, context: &QueryContext) -> Result<Persons, QueryError> {
    let select = SelectQuery {
        select: vec![Expr::field(["persons", "id"])],
        from: Some(table("persons")),
        filter: request_filters(filter, Scope::Person, context)?,
        ..SelectQuery::default()
    };
    let mut ids: Vec<PersonId> = Vec::new();
    for batch in context.select(&select.into())? {
        let column = batch.column(0).as_fixed_size_binary_opt().filter(|column| column.value_length() == 16);
        let column = column.ok_or_else(|| QueryError::Internal("the id of a person is 16 bytes".to_owned()))?;
        let known = (0..column.len()).filter(|row| column.is_valid(*row));
        ids.extend(known.filter_map(|row| column.value(row).try_into().ok().map(Uuid::from_bytes)));
    }
    Ok(ids.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A set of persons 0 to 7 as bits, or everybody but them.
    fn found(bits: u8, is_rest: bool) -> Found {
        let members = (0..8).filter(|person| bits >> person & 1 == 1);
        Found { persons: members.map(Uuid::from_u128).collect(), is_rest }
    }

    fn has(found: &Found, person: u128) -> bool {
        found.persons.ids().contains(&Uuid::from_u128(person)) != found.is_rest
    }

    proptest! {
        /// Every person is in "all" exactly when it is in each part, whatever is a set and whatever is a rest.
        #[test]
        fn all_means_all(parts in prop::collection::vec((any::<u8>(), any::<bool>()), 1..5)) {
            let together = all(parts.iter().map(|(bits, is_rest)| found(*bits, *is_rest)).collect());
            for person in 0..8 {
                let expected = parts.iter().all(|(bits, is_rest)| has(&found(*bits, *is_rest), person));
                prop_assert_eq!(has(&together, person), expected);
            }
        }
    }
}
