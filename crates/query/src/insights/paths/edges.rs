//! How often each edge was gone, counted without one large table: edges are dealt by a hash into slices, so that each slice's own table stays small
//! enough for the processor's cache, and the slices of all shards are put together side by side.

use super::session::Step;
use crate::error::QueryError;
use crate::insights::actors::Absorb;
use crate::scan::parallel;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::BuildHasher;

/// Slices of the edges; a power of two.
const SLICES: usize = 64;
/// Passages of a slice that are kept as they came; more are counted in between.
const PASSAGES_MAX: usize = 64 * 1024;

/// A way from the node at a place (from 1) of a path to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Edge {
    pub(super) place: u32,
    pub(super) source: u32,
    pub(super) target: u32,
}

/// How often an edge was gone, and how long that took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) count: u64,
    pub(super) micros: i128,
}

/// The traffic of all edges.
#[derive(Debug)]
pub(super) struct Edges(Vec<Slice>);

/// The traffic of some edges.
#[derive(Debug, Default)]
struct Slice {
    /// Edges that were gone, each with how long it took, µs.
    passages: Vec<(Edge, i64)>,
    counted: FxHashMap<Edge, Traffic>,
}

impl Default for Edges {
    fn default() -> Self {
        Self((0..SLICES).map(|_| Slice::default()).collect())
    }
}

impl Edges {
    /// Counts the edges of a path.
    pub(super) fn add(&mut self, path: &[Step]) {
        for (place, pair) in (1..).zip(path.windows(2)) {
            let edge = Edge { place, source: pair[0].node, target: pair[1].node };
            // The high bits: the tables inside the slices go by the low ones.
            let at = (FxBuildHasher.hash_one(edge) >> 32) as usize % SLICES;
            let slice = &mut self.0[at];
            slice.passages.push((edge, pair[1].time - pair[0].time));
            if slice.passages.len() >= PASSAGES_MAX {
                slice.count();
            }
        }
    }

    /// The traffic of each edge that is among the `limit` most used ones, or used as often as the last of them; only edges whose number fits. Counted on
    /// up to `threads` threads.
    ///
    /// # Errors
    /// None of its own.
    pub(super) fn most_used(
        self,
        threads: usize,
        limit: usize,
        fits: impl Fn(u64) -> bool + Sync,
    ) -> Result<Vec<(Edge, Traffic)>, QueryError> {
        let slices: Vec<_> = self.0.into_iter().map(parking_lot::Mutex::new).collect();
        let tops = parallel::over(threads, &slices, |slice| {
            let mut slice = slice.lock();
            slice.count();
            Ok(top(slice.counted.drain().filter(|(_, traffic)| fits(traffic.count)).collect(), limit))
        })?;
        Ok(top(tops.into_iter().flatten().collect(), limit))
    }
}

/// The `limit` most used edges and those that are used as often as the last of them.
fn top(mut edges: Vec<(Edge, Traffic)>, limit: usize) -> Vec<(Edge, Traffic)> {
    if let Some(last) = limit.checked_sub(1).filter(|last| *last < edges.len()) {
        let (_, (_, least), _) = edges.select_nth_unstable_by(last, |(_, a), (_, b)| b.count.cmp(&a.count));
        let least = least.count;
        edges.retain(|(_, traffic)| traffic.count >= least);
    }
    edges
}

impl Slice {
    fn count(&mut self) {
        for (edge, micros) in self.passages.drain(..) {
            let traffic = self.counted.entry(edge).or_default();
            traffic.count += 1;
            traffic.micros += i128::from(micros);
        }
    }
}

impl Absorb for Edges {
    fn bytes(&self) -> usize {
        let of =
            |slice: &Slice| slice.passages.capacity() * size_of::<(Edge, i64)>() + slice.counted.capacity() * size_of::<(Edge, Traffic)>();
        self.0.iter().map(of).sum()
    }

    fn absorb(&mut self, other: Self) {
        for (own, mut other) in self.0.iter_mut().zip(other.0) {
            if own.passages.is_empty() {
                std::mem::swap(&mut own.passages, &mut other.passages);
            } else {
                own.passages.append(&mut other.passages);
            }
            if own.counted.is_empty() {
                own.counted = other.counted;
                continue;
            }
            for (edge, traffic) in other.counted {
                let sum = own.counted.entry(edge).or_default();
                sum.count += traffic.count;
                sum.micros += traffic.micros;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(nodes: &[u32]) -> Vec<Step> {
        nodes.iter().zip(0..).map(|(node, time)| Step { time: time * 10, node: *node }).collect()
    }

    #[test]
    fn halves_together_count_like_one() {
        let (mut one, mut left, mut right) = (Edges::default(), Edges::default(), Edges::default());
        for at in 0..200_000_u32 {
            let path = path(&[at % 7, at % 5, at % 3]);
            one.add(&path);
            if at % 2 == 0 { left.add(&path) } else { right.add(&path) }
        }
        left.absorb(right);
        let sorted = |edges: Edges| {
            let mut edges = edges.most_used(2, usize::MAX, |_| true).unwrap();
            edges.sort_by_key(|(edge, _)| (edge.place, edge.source, edge.target));
            edges
        };
        let (one, halves) = (sorted(one), sorted(left));
        assert_eq!(one, halves);
        assert_eq!(one.iter().map(|(_, traffic)| traffic.count).sum::<u64>(), 400_000);
        assert_eq!(one.iter().map(|(_, traffic)| traffic.micros).sum::<i128>(), 4_000_000);
    }

    #[test]
    fn ties_with_the_last_stay() {
        let mut edges = Edges::default();
        for (nodes, times) in [([1, 2], 3), ([1, 3], 2), ([1, 4], 2), ([1, 5], 1)] {
            (0..times).for_each(|_| edges.add(&path(&nodes)));
        }
        let mut targets: Vec<u32> = edges.most_used(2, 2, |_| true).unwrap().iter().map(|(edge, _)| edge.target).collect();
        targets.sort_unstable();
        assert_eq!(targets, [2, 3, 4]);
    }
}
