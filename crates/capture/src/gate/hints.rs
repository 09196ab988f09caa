//! Which lane a request will turn out to belong to, told from where it comes: the token stands inside the body, and a refusal has to be cheap.
//!
//! What the last request of a connection was is what its next one is likely to be; the same for an address, unless several projects send from it.
//! A table of fixed size, one place per hash: a newer sender takes the place of an older one. A wrong hint costs fairness for one request, never an event.

use super::lanes::{Class, Lane};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Places in the table: 512 KiB.
const PLACES: usize = 65_536;
/// The low bits say which sender a place is of; the high bits are those of the lane.
const SENDER_BITS: u32 = 14;
const CLASS_BITS: u32 = 2;
/// More than one project sends from this address.
const MIXED: u64 = 3;

/// What is remembered of senders.
#[derive(Debug)]
pub(super) struct Hints {
    places: Box<[AtomicU64]>,
    /// Seeded, so that nobody can choose addresses that meet in one place.
    hasher: RandomState,
}

impl Default for Hints {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Hints {
    /// The hash by which a project is known here: as many bits as a place keeps, never 0.
    pub(super) fn project(&self, token: &str) -> u64 {
        (self.hasher.hash_one(token) >> (SENDER_BITS + CLASS_BITS)).max(1)
    }

    fn place<T: Hash>(&self, kind: u8, sender: T) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one((kind, sender));
        // INVARIANT: the index is less than the number of places.
        (&self.places[hash as usize % PLACES], hash >> (64 - SENDER_BITS))
    }

    fn find<T: Hash>(&self, kind: u8, sender: T) -> Option<Lane> {
        let (place, tag) = self.place(kind, sender);
        let found = place.load(Ordering::Relaxed);
        (found != 0 && found & ((1 << SENDER_BITS) - 1) == tag).then(|| lane_of(found >> SENDER_BITS)).flatten()
    }

    /// The lane of a request from this address over this connection; that of strangers when nothing is known.
    pub(super) fn lane<A: Hash, C: Hash>(&self, address: A, connection: C) -> Lane {
        self.find(0, connection).or_else(|| self.find(1, address)).unwrap_or_default()
    }

    /// A request turned out to belong to `lane`.
    pub(super) fn learn<A: Hash, C: Hash>(&self, address: A, connection: C, lane: Lane) {
        let (place, tag) = self.place(0, connection);
        place.store(bits_of(lane) << SENDER_BITS | tag, Ordering::Relaxed);
        let (place, tag) = self.place(1, address);
        let found = place.load(Ordering::Relaxed);
        let same_sender = found != 0 && found & ((1 << SENDER_BITS) - 1) == tag;
        let other_project = same_sender && found >> (SENDER_BITS + CLASS_BITS) != lane.project;
        // An address never gets better again, until another takes its place.
        let bits = if other_project { lane.project << CLASS_BITS | MIXED } else { bits_of(lane) };
        if !(same_sender && found >> SENDER_BITS & MIXED == MIXED) {
            place.store(bits << SENDER_BITS | tag, Ordering::Relaxed);
        }
    }
}

fn bits_of(lane: Lane) -> u64 {
    lane.project << CLASS_BITS | lane.class as u64
}

fn lane_of(bits: u64) -> Option<Lane> {
    let class = match bits & MIXED {
        0 => Class::Live,
        1 => Class::Overflow,
        2 => Class::Import,
        _ => return None,
    };
    Some(Lane { project: bits >> CLASS_BITS, class })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_first_then_addresses_of_one_project() {
        let hints = Hints::default();
        let lane = |token: &str, class| Lane { project: hints.project(token), class };
        let (ann, bob) = (lane("ann", Class::Live), lane("bob", Class::Import));
        assert_eq!(hints.lane("10.0.0.1", 1), Lane::default());
        hints.learn("10.0.0.1", 1, ann);
        assert_eq!((hints.lane("10.0.0.1", 1), hints.lane("10.0.0.1", 2), hints.lane("10.0.0.2", 2)), (ann, ann, Lane::default()));
        hints.learn("10.0.0.1", 2, bob);
        assert_eq!((hints.lane("10.0.0.1", 1), hints.lane("10.0.0.1", 2)), (ann, bob));
        assert_eq!(hints.lane("10.0.0.1", 3), Lane::default(), "an address of two projects says nothing");
        hints.learn("10.0.0.1", 1, ann);
        assert_eq!(hints.lane("10.0.0.1", 3), Lane::default(), "and stays so");
        hints.learn("10.0.0.3", 4, lane("ann", Class::Overflow));
        assert_eq!(hints.lane("10.0.0.3", 4), lane("ann", Class::Overflow));
    }
}
