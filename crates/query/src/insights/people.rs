//! A person's rows, wherever they lie: the parts of a shard are walked side by side, person by person.
//!
//! Within a part a person's rows are contiguous and parts are sorted by person, so this is a merge of sorted lists and needs no hash table.
//! Persons of the override map are left out of the walk of shards and come afterwards, each under the id it has now.

use crate::error::QueryError;
use aqueduct_event::PersonId;
use aqueduct_store::{PersonRuns, ProjectView};
use hashbrown::HashMap;
use rustc_hash::FxHashSet;
use std::ops::Range;
use std::sync::Arc;

/// Rows `rows` of part number `part`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) part: usize,
    pub(crate) rows: Range<usize>,
}

/// Which persons have rows under more than one id.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    present: HashMap<PersonId, PersonId>,
    involved: FxHashSet<PersonId>,
}

impl Merged {
    /// The merges of a project.
    pub(crate) fn of(view: &dyn ProjectView) -> Self {
        let present: HashMap<_, _> = view.overrides().iter().map(|(from, to)| (*from, *to)).collect();
        let involved = present.iter().flat_map(|(from, to)| [*from, *to]).collect();
        Self { present, involved }
    }

    fn is_involved(&self, person: PersonId) -> bool {
        !self.involved.is_empty() && self.involved.contains(&person)
    }

    /// Whether any of these persons is involved in a merge.
    pub(crate) fn touches(&self, runs: &PersonRuns) -> bool {
        !self.involved.is_empty() && runs.persons.iter().any(|person| self.involved.contains(person))
    }

    fn present(&self, person: PersonId) -> PersonId {
        self.present.get(&person).copied().unwrap_or(person)
    }
}

/// Walks the persons of one shard in order of id, all pieces of a person at once. Persons that merges involve are skipped.
///
/// # Errors
/// What `each` answers.
pub(crate) fn walk_shard(
    runs: &[Arc<PersonRuns>],
    merged: &Merged,
    mut each: impl FnMut(PersonId, &[Piece]) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut at = vec![0_usize; runs.len()];
    let mut pieces = Vec::with_capacity(runs.len());
    loop {
        let heads = runs.iter().zip(&at).filter_map(|(runs, at)| runs.persons.get(*at));
        let Some(person) = heads.min().copied() else { return Ok(()) };
        pieces.clear();
        for (part, runs) in runs.iter().enumerate() {
            if runs.persons.get(at[part]) == Some(&person) {
                pieces.push(Piece { part, rows: rows_of(runs, at[part]) });
                at[part] += 1;
            }
        }
        if !merged.is_involved(person) {
            each(person, &pieces)?;
        }
    }
}

/// Walks the persons that merges involve, over the parts of all shards: all pieces of a person under all its ids.
///
/// # Errors
/// What `each` answers.
pub(crate) fn walk_merged(
    runs: &[Arc<PersonRuns>],
    merged: &Merged,
    mut each: impl FnMut(PersonId, &[Piece]) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut pieces: HashMap<PersonId, Vec<Piece>> = HashMap::new();
    for person in &merged.involved {
        for (part, runs) in runs.iter().enumerate() {
            if let Ok(at) = runs.persons.binary_search(person) {
                pieces.entry(merged.present(*person)).or_default().push(Piece { part, rows: rows_of(runs, at) });
            }
        }
    }
    // In order of id, so that the same state gives the same answer to the last bit.
    let mut persons: Vec<_> = pieces.into_iter().collect();
    persons.sort_unstable_by_key(|(person, _)| *person);
    persons.iter().try_for_each(|(person, pieces)| each(*person, pieces))
}

fn rows_of(runs: &PersonRuns, at: usize) -> Range<usize> {
    runs.starts[at] as usize..runs.starts[at + 1] as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn runs(persons: &[(u128, u32)]) -> Arc<PersonRuns> {
        let mut starts = vec![0];
        for (_, rows) in persons {
            starts.push(starts[starts.len() - 1] + rows);
        }
        Arc::new(PersonRuns { persons: persons.iter().map(|(id, _)| Uuid::from_u128(*id)).collect(), starts })
    }

    fn show(person: PersonId, pieces: &[Piece]) -> String {
        let pieces: Vec<_> = pieces.iter().map(|piece| format!("{}:{:?}", piece.part, piece.rows)).collect();
        format!("{} {}", person.as_u128(), pieces.join(" "))
    }

    #[test]
    fn pieces_of_a_person_come_together() {
        let parts = [runs(&[(1, 2), (3, 1)]), runs(&[(2, 1), (3, 4)])];
        let mut seen = Vec::new();
        walk_shard(&parts, &Merged::default(), |person, pieces| {
            seen.push(show(person, pieces));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, ["1 0:0..2", "2 1:0..1", "3 0:2..3 1:1..5"]);
    }

    #[test]
    fn merged_persons_come_last_and_once() {
        let parts = [runs(&[(1, 2), (3, 1)]), runs(&[(2, 1), (3, 4)])];
        let (one, three) = (Uuid::from_u128(1), Uuid::from_u128(3));
        let merged = Merged { present: [(one, three)].into_iter().collect(), involved: [one, three].into_iter().collect() };
        let mut seen = Vec::new();
        let mut note = |person: PersonId, pieces: &[Piece]| {
            let mut pieces = pieces.to_vec();
            pieces.sort_by_key(|piece| (piece.part, piece.rows.start));
            seen.push(show(person, &pieces));
            Ok(())
        };
        walk_shard(&parts, &merged, &mut note).unwrap();
        walk_merged(&parts, &merged, &mut note).unwrap();
        assert_eq!(seen, ["2 1:0..1", "3 0:0..2 0:2..3 1:1..5"]);
    }
}
