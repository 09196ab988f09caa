//! Sets of persons: sorted, each once, so that two are combined in one pass.

use aqueduct_event::PersonId;
use std::cmp::Ordering;

/// Persons in order of id, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Persons(Vec<PersonId>);

impl FromIterator<PersonId> for Persons {
    fn from_iter<I: IntoIterator<Item = PersonId>>(ids: I) -> Self {
        Self::from(ids.into_iter().collect::<Vec<_>>())
    }
}

impl From<Vec<PersonId>> for Persons {
    fn from(mut ids: Vec<PersonId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }
}

impl Persons {
    /// The ids in order.
    pub(crate) fn ids(&self) -> &[PersonId] {
        &self.0
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<PersonId>()
    }

    /// Those of either.
    pub(super) fn union(&self, other: &Self) -> Self {
        self.merge(other, |_| true)
    }

    /// Those of both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.merge(other, |place| place == Ordering::Equal)
    }

    /// Those that the other has not.
    pub(super) fn except(&self, other: &Self) -> Self {
        self.merge(other, |place| place == Ordering::Less)
    }

    /// Walks both side by side; `keeps` is told where an id is: here alone (less), in both, in the other alone (greater).
    fn merge(&self, other: &Self, keeps: impl Fn(Ordering) -> bool) -> Self {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut kept = Vec::new();
        loop {
            let place = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.cmp(right),
            };
            let id = if place.is_le() { left.next() } else { right.next() };
            if place.is_eq() {
                right.next();
            }
            kept.extend(id.filter(|_| keeps(place)));
        }
        Self(kept)
    }
}

/// Looks ids up that come mostly in order, as rows of a part do.
#[derive(Debug)]
pub(super) struct Finder<'p> {
    ids: &'p [PersonId],
    /// Ids before this place are less than the one that was looked up last, or equal.
    at: usize,
    last: Option<(PersonId, bool)>,
}

impl<'p> Finder<'p> {
    pub(super) fn new(persons: &'p Persons) -> Self {
        Self { ids: &persons.0, at: 0, last: None }
    }

    /// Whether the id is one of them.
    #[inline]
    pub(super) fn has(&mut self, id: PersonId) -> bool {
        match self.last {
            Some((last, found)) if last == id => found,
            Some((last, _)) if last > id => {
                self.at = 0;
                self.find(id)
            }
            _ => self.find(id),
        }
    }

    /// Steps ahead in strides that double, then looks between the last two.
    fn find(&mut self, id: PersonId) -> bool {
        let mut stride = 1;
        while self.ids.get(self.at + stride).is_some_and(|ahead| *ahead < id) {
            self.at += stride;
            stride *= 2;
        }
        let end = self.ids.len().min(self.at + stride + 1);
        let place = self.ids[self.at..end].binary_search(&id);
        let found = place.is_ok();
        self.at += place.unwrap_or_else(|place| place);
        self.last = Some((id, found));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use uuid::Uuid;

    fn of(numbers: &BTreeSet<u8>) -> Persons {
        numbers.iter().map(|number| Uuid::from_u128(u128::from(*number))).collect()
    }

    proptest! {
        #[test]
        fn combine_as_sets_do(a in prop::collection::btree_set(0_u8..40, 0..30), b in prop::collection::btree_set(0_u8..40, 0..30)) {
            let (left, right) = (of(&a), of(&b));
            prop_assert_eq!(left.union(&right), of(&a.union(&b).copied().collect()));
            prop_assert_eq!(left.intersection(&right), of(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(left.except(&right), of(&a.difference(&b).copied().collect()));
        }

        #[test]
        fn are_found_in_any_order(known in prop::collection::btree_set(0_u8..60, 0..50), asked in prop::collection::vec(0_u8..64, 0..200)) {
            let persons = of(&known);
            let mut finder = Finder::new(&persons);
            for number in asked {
                prop_assert_eq!(finder.has(Uuid::from_u128(u128::from(number))), known.contains(&number), "{}", number);
            }
        }
    }
}
