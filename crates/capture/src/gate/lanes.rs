//! Who goes next when not all can: deficit round robin over lanes, one for each project, with side lanes for what may wait.
//!
//! Each lane is first in, first out. A turn lets a lane send its *quantum* of bytes, so a lane with a hundred times the demand gets no more than any other;
//! a lane without demand takes nothing (work-conserving).
//!
//! # Invariants
//! - Only lanes in which somebody waits exist: memory is bounded by who waits.
//! - Imports go when nobody else waits.

use std::collections::{HashMap, VecDeque};

/// Bytes of a lane's turn: about a request of a hundred events, so that few bytes of each other lane go before somebody new.
const QUANTUM_BYTES: u64 = 64 * 1024;
/// Of an overflow lane: a quarter of a project's.
const OVERFLOW_QUANTUM_BYTES: u64 = QUANTUM_BYTES / 4;

/// What kind of work a lane holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// As it happens.
    #[default]
    Live,
    /// Of one distinct id that sends more than its rate.
    Overflow,
    /// `historical_migration`: refused first.
    Import,
}

/// A lane's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    /// Hash of the project's token; 0 for senders of whom no project is known.
    pub(super) project: u64,
    pub(super) class: Class,
}

impl Lane {
    fn quantum(self) -> u64 {
        if self.class == Class::Overflow { OVERFLOW_QUANTUM_BYTES } else { QUANTUM_BYTES }
    }
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<(u64, T)>,
    bytes: u64,
    deficit: u64,
}

/// All lanes. `T` is who waits.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    queues: HashMap<Lane, Queue<T>>,
    live: VecDeque<Lane>,
    imports: VecDeque<Lane>,
    /// Sum of the quanta of all lanes that are not imports.
    quanta: u64,
    count: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), live: VecDeque::new(), imports: VecDeque::new(), quanta: 0, count: 0 }
    }
}

impl<T> Lanes<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether somebody waits who goes before imports.
    pub(super) fn live_waits(&self) -> bool {
        !self.live.is_empty()
    }

    /// Whether somebody waits in a lane.
    pub(super) fn waits(&self, lane: Lane) -> bool {
        self.queues.contains_key(&lane)
    }

    /// Bytes that wait in a lane.
    pub(super) fn bytes(&self, lane: Lane) -> u64 {
        self.queues.get(&lane).map_or(0, |queue| queue.bytes)
    }

    /// The part of everything that a lane gets while those that wait now go on waiting; it counts as one of them.
    pub(super) fn share(&self, lane: Lane) -> f64 {
        let others = self.quanta - if lane.class != Class::Import && self.queues.contains_key(&lane) { lane.quantum() } else { 0 };
        lane.quantum() as f64 / (others + lane.quantum()) as f64
    }

    pub(super) fn push(&mut self, lane: Lane, bytes: u64, who: T) {
        let queue = self.queues.entry(lane).or_insert_with(|| {
            if lane.class == Class::Import {
                self.imports.push_back(lane);
            } else {
                self.live.push_back(lane);
                self.quanta += lane.quantum();
            }
            Queue { waiting: VecDeque::new(), bytes: 0, deficit: 0 }
        });
        queue.waiting.push_back((bytes, who));
        queue.bytes += bytes;
        self.count += 1;
    }

    /// Forgets those at the head of a lane who went away; answers their bytes.
    pub(super) fn purge(&mut self, lane: Lane, gone: impl Fn(&T) -> bool) -> u64 {
        let mut purged = 0;
        while let Some(queue) = self.queues.get_mut(&lane) {
            let Some((bytes, _)) = queue.waiting.front().filter(|(_, who)| gone(who)) else { break };
            purged += bytes;
            queue.bytes -= bytes;
            queue.waiting.pop_front();
            self.count -= 1;
            self.forget_if_empty(lane);
        }
        purged
    }

    /// The next one, if its bytes fit: `live_room` for all, `import_room` for imports.
    pub(super) fn pop(&mut self, live_room: u64, import_room: u64) -> Option<(Lane, u64, T)> {
        let (imports, room) = if self.live.is_empty() { (true, import_room) } else { (false, live_room) };
        loop {
            let turn = if imports { &mut self.imports } else { &mut self.live };
            let lane = *turn.front()?;
            // INVARIANT: a lane in turn has a queue, and a queue has somebody in it.
            let queue = self.queues.get_mut(&lane)?;
            let bytes = queue.waiting.front()?.0;
            if queue.deficit < bytes {
                queue.deficit += lane.quantum();
                turn.rotate_left(1);
                continue;
            }
            if bytes > room {
                return None;
            }
            queue.deficit -= bytes;
            queue.bytes -= bytes;
            let (bytes, who) = queue.waiting.pop_front()?;
            self.count -= 1;
            self.forget_if_empty(lane);
            return Some((lane, bytes, who));
        }
    }

    fn forget_if_empty(&mut self, lane: Lane) {
        if self.queues.get(&lane).is_some_and(|queue| !queue.waiting.is_empty()) {
            return;
        }
        self.queues.remove(&lane);
        let turn = if lane.class == Class::Import {
            &mut self.imports
        } else {
            self.quanta -= lane.quantum();
            &mut self.live
        };
        turn.retain(|other| *other != lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    fn project(project: u64) -> Lane {
        Lane { project, class: Class::Live }
    }

    fn drain(lanes: &mut Lanes<u64>, room: u64) -> Vec<u64> {
        let mut left = room;
        let mut order = Vec::new();
        while let Some((_, bytes, who)) = lanes.pop(left, left) {
            left -= bytes;
            order.push(who);
        }
        order
    }

    #[test]
    fn a_quiet_project_does_not_wait_for_a_noisy_one() {
        let mut lanes = Lanes::default();
        for _ in 0..1000 {
            lanes.push(project(1), 100 * KIB, 1);
        }
        for quiet in 2..6 {
            lanes.push(project(quiet), 100 * KIB, quiet);
        }
        let order = drain(&mut lanes, 1200 * KIB);
        for quiet in 2..6 {
            assert!(order.contains(&quiet), "{quiet} in {order:?}");
        }
        assert_eq!(lanes.len(), 1004 - order.len());
    }

    #[test]
    fn bytes_are_shared_evenly_and_nothing_is_left_idle() {
        let mut lanes = Lanes::default();
        for _ in 0..4000 {
            lanes.push(project(1), 10 * KIB, 1);
            lanes.push(project(2), 40 * KIB, 2);
        }
        let order = drain(&mut lanes, 40_000 * KIB);
        let sum = |who: u64, bytes: u64| order.iter().filter(|found| **found == who).count() as u64 * bytes;
        let (first, second) = (sum(1, 10), sum(2, 40));
        assert!(first.abs_diff(second) <= 2 * QUANTUM_BYTES / KIB, "{first} {second}");
        assert!(first + second > 39_900);
    }

    #[test]
    fn an_overflow_lane_gets_a_quarter_and_imports_what_is_left() {
        let mut lanes = Lanes::default();
        let overflow = Lane { project: 1, class: Class::Overflow };
        let import = Lane { project: 1, class: Class::Import };
        for _ in 0..1000 {
            lanes.push(import, 16 * KIB, 9);
            lanes.push(overflow, 16 * KIB, 4);
            lanes.push(project(1), 16 * KIB, 1);
        }
        assert!((lanes.share(overflow) - 0.2).abs() < 0.01 && (lanes.share(project(7)) - 256.0 / 576.0).abs() < 0.01);
        let order = drain(&mut lanes, 1250 * 16 * KIB);
        let count = |who: u64| order.iter().filter(|found| **found == who).count();
        assert_eq!((count(9), order.len()), (0, 1250));
        assert!((240..=260).contains(&count(4)), "{}", count(4));
        drain(&mut lanes, 750 * 16 * KIB);
        assert_eq!(drain(&mut lanes, u64::MAX), vec![9; 1000]);
        assert!(lanes.is_empty() && lanes.quanta == 0 && lanes.queues.is_empty());
    }

    #[test]
    fn lanes_are_in_order_and_who_left_is_forgotten() {
        let mut lanes = Lanes::default();
        for number in 0..5 {
            lanes.push(project(1), 300 * KIB, number);
        }
        assert_eq!(lanes.bytes(project(1)), 1500 * KIB);
        assert_eq!(lanes.purge(project(1), |who| *who < 2), 600 * KIB);
        assert_eq!(drain(&mut lanes, 700 * KIB), vec![2, 3]);
        assert_eq!(lanes.purge(project(1), |_| true), 300 * KIB);
        assert!(lanes.is_empty() && !lanes.live_waits());
    }
}
