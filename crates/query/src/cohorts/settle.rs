//! Members of a static cohort under the ids that they have now.
//!
//! A member that was merged into another person is that person: while rows still carry the old id, the overrides know it; afterwards one of
//! its distinct ids does. A member that was deleted is in no cohort any more.

use super::persons::Persons;
use crate::error::QueryError;
use crate::resolve::QueryContext;
use aqueduct_catalog::CohortMember;
use aqueduct_event::PersonId;
use arrow::array::{Array, AsArray};

/// The living persons that the members are.
///
/// # Errors
/// [`QueryError::Read`].
pub(super) fn settled(members: &[CohortMember], context: &QueryContext) -> Result<Persons, QueryError> {
    if members.is_empty() {
        return Ok(Persons::default());
    }
    let living = context.scan.persons()?;
    let overrides = context.scan.overrides();
    let is_alive = |person: &PersonId| living.ids.binary_search(person).is_ok();
    let mut ids = Vec::with_capacity(members.len());
    let mut lost = Vec::new();
    for member in members {
        match overrides.get(&member.person).copied().or_else(|| is_alive(&member.person).then_some(member.person)) {
            Some(person) => ids.push(person),
            None => lost.push(&*member.distinct_id),
        }
    }
    if !lost.is_empty() {
        let known = context.scan.view().distinct_ids()?;
        let texts = known.distinct_id.as_string::<i32>();
        ids.extend(lost.into_iter().filter_map(|distinct_id| {
            let (mut low, mut high) = (0, texts.len());
            while low < high {
                let middle = usize::midpoint(low, high);
                if texts.value(middle) < distinct_id { low = middle + 1 } else { high = middle }
            }
            (low < texts.len() && texts.value(low) == distinct_id).then(|| known.person[low])
        }));
    }
    Ok(ids.into())
}
