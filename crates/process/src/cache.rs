//! A bounded map in two generations: what was used lately stays, the rest goes all at once.
//!
//! In: keys with values and their size. Out: values, until they were not asked for over two turns.
//! Cheap on purpose: a hit is one hash look-up, nothing is linked or counted per access.
//!
//! # Invariants
//! - Nothing is dropped but in [`Cache::turn`]; between two turns everything that was put in is found.

use hashbrown::HashTable;

/// Where a value lies; good until the next [`Cache::insert`], [`Cache::turn`] or [`Cache::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// The map. Keys are compared by the caller's closure, so that a borrowed key can be looked up without making an owned one.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    young: HashTable<(u64, V)>,
    old: HashTable<(u64, V)>,
    young_bytes: usize,
    bytes_max: usize,
}

/// What a cache keeps: it knows its size.
pub(crate) trait Weighed {
    /// Bytes on the heap, about.
    fn bytes(&self) -> usize;
}

impl<V: Weighed> Cache<V> {
    /// A cache of about `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { young: HashTable::new(), old: HashTable::new(), young_bytes: 0, bytes_max }
    }

    /// Where the value under `hash` lies that `is` it.
    pub(crate) fn find(&mut self, hash: u64, is: impl Fn(&V) -> bool) -> Option<Place> {
        let matches = |entry: &(u64, V)| entry.0 == hash && is(&entry.1);
        if let Some(at) = self.young.find_bucket_index(hash, matches) {
            return Some(Place(at));
        }
        let (entry, _) = self.old.find_entry(hash, matches).ok()?.remove();
        Some(self.insert(hash, entry.1))
    }

    /// Puts in a value that is not there.
    pub(crate) fn insert(&mut self, hash: u64, value: V) -> Place {
        self.young_bytes += value.bytes() + size_of::<(u64, V)>();
        Place(self.young.insert_unique(hash, (hash, value), |entry| entry.0).bucket_index())
    }

    /// The value at a place.
    pub(crate) fn at(&mut self, place: Place) -> &mut V {
        &mut self.young.get_bucket_mut(place.0).expect("INVARIANT: a place is used before anything is inserted or dropped").1
    }

    /// Accounts for a value that was replaced by one of this size.
    pub(crate) fn grown(&mut self, bytes: usize) {
        self.young_bytes += bytes;
    }

    /// Lets the older half go if the younger is full.
    pub(crate) fn turn(&mut self) {
        if self.young_bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for (u64, &'static str) {
        fn bytes(&self) -> usize {
            100
        }
    }

    fn get(cache: &mut Cache<(u64, &'static str)>, key: u64) -> Option<&'static str> {
        // One bucket for all: the comparison has to tell them apart.
        let place = cache.find(7, |value| value.0 == key)?;
        Some(cache.at(place).1)
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = Cache::new(400);
        cache.insert(7, (1, "one"));
        cache.insert(7, (2, "two"));
        cache.turn();
        assert_eq!((get(&mut cache, 1), get(&mut cache, 3)), (Some("one"), None));
        cache.insert(7, (3, "three"));
        cache.turn();
        assert_eq!((get(&mut cache, 1), get(&mut cache, 2), get(&mut cache, 3)), (Some("one"), None, Some("three")));
        cache.clear();
        assert_eq!(get(&mut cache, 1), None);
    }
}
