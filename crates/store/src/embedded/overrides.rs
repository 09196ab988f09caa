//! Merged persons of a project: the id that rows carry → the id of the person that they belong to.
//!
//! # Invariants
//! - There is no cycle: the newest statement wins, an older one that contradicts it is forgotten.
//! - `resolved` never leads to an id that is itself overridden.

use aqueduct_event::PersonId;
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The overrides of one project at one moment.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// As stated: one step each.
    steps: FxHashMap<PersonId, PersonId>,
    resolved: OnceLock<Arc<HashMap<PersonId, PersonId>>>,
}

impl Clone for Overrides {
    fn clone(&self) -> Self {
        Self { steps: self.steps.clone(), resolved: OnceLock::new() }
    }
}

impl FromIterator<(PersonId, PersonId)> for Overrides {
    fn from_iter<I: IntoIterator<Item = (PersonId, PersonId)>>(steps: I) -> Self {
        Self { steps: steps.into_iter().collect(), resolved: OnceLock::new() }
    }
}

impl Overrides {
    /// Rows of `from` belong to `to` from now on: to itself, when that is the same. If `from` had been merged before, it was alive again meanwhile, be it within one commit: see [`Self::revive`].
    pub(crate) fn insert(&mut self, from: PersonId, to: PersonId) {
        self.revive(from);
        if from == to {
            return;
        }
        self.resolved = OnceLock::new();
        if self.resolve(to) == from {
            // The newest statement says that `to` is alive: the step that led away from it is over.
            self.steps.remove(&to);
        }
        self.steps.insert(from, to);
    }

    /// `person` is alive again: rows with its id are its own. What had been merged through it stays with whom it went to.
    pub(crate) fn revive(&mut self, person: PersonId) -> bool {
        if !self.steps.contains_key(&person) {
            return false;
        }
        self.forget(&[person]);
        true
    }

    /// Forgets overrides that no row needs. Chains through them are shortened first.
    pub(crate) fn forget(&mut self, gone: &[PersonId]) {
        let resolved = Arc::clone(self.resolved());
        self.steps = resolved.iter().map(|(from, to)| (*from, *to)).collect();
        for from in gone {
            self.steps.remove(from);
        }
        self.resolved = OnceLock::new();
    }

    pub(crate) fn contains(&self, person: &PersonId) -> bool {
        self.steps.contains_key(person)
    }

    /// Present person of an id.
    pub(crate) fn resolve(&self, person: PersonId) -> PersonId {
        let mut at = person;
        while let Some(next) = self.steps.get(&at) {
            at = *next;
        }
        at
    }

    /// All of them with chains followed.
    pub(crate) fn resolved(&self) -> &Arc<HashMap<PersonId, PersonId>> {
        self.resolved.get_or_init(|| Arc::new(self.steps.keys().map(|from| (*from, self.resolve(*from))).collect()))
    }

    pub(crate) fn steps(&self) -> &FxHashMap<PersonId, PersonId> {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(number: u128) -> PersonId {
        Uuid::from_u128(number)
    }

    #[test]
    fn chains_are_followed() {
        let mut overrides = Overrides::default();
        overrides.insert(id(1), id(2));
        overrides.insert(id(2), id(3));
        assert_eq!(overrides.resolved().get(&id(1)), Some(&id(3)));
        assert_eq!(overrides.resolve(id(2)), id(3));
    }

    #[test]
    fn the_newest_statement_breaks_a_cycle() {
        let mut overrides = Overrides::default();
        overrides.insert(id(1), id(2));
        overrides.insert(id(2), id(3));
        overrides.insert(id(3), id(1));
        assert_eq!(overrides.resolve(id(3)), id(1));
        assert_eq!(overrides.resolve(id(1)), id(1));
        assert_eq!(overrides.resolve(id(2)), id(1));
        overrides.insert(id(1), id(1));
        assert!(overrides.resolved().values().all(|to| !overrides.contains(to)));
    }

    #[test]
    fn who_is_merged_again_takes_nobody_along_who_went_with_it_before() {
        let mut merged = Overrides::from_iter([(id(1), id(2)), (id(2), id(3))]);
        merged.insert(id(2), id(4));
        assert_eq!((merged.resolve(id(1)), merged.resolve(id(2))), (id(3), id(4)));
    }

    #[test]
    fn who_is_merged_into_one_that_came_to_life_goes_with_it() {
        let mut merged = Overrides::from_iter([(id(2), id(3))]);
        merged.insert(id(2), id(2));
        merged.insert(id(1), id(2));
        assert_eq!((merged.resolve(id(1)), merged.resolve(id(2))), (id(2), id(2)));
    }

    #[test]
    fn the_living_lose_their_override() {
        let mut overrides = Overrides::default();
        overrides.insert(id(1), id(2));
        overrides.insert(id(2), id(3));
        assert!(overrides.revive(id(2)));
        assert_eq!(overrides.resolve(id(1)), id(3));
        assert_eq!(overrides.resolve(id(2)), id(2));
        assert!(!overrides.revive(id(2)));
    }
}
