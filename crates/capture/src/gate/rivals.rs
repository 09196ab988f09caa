//! Whether several send at present, projects or lanes of one. What stands in the journal of one that is alone delays nobody else; as soon as a second one sends,
//! little may stand there.

use super::lanes::Lane;
use std::time::{Duration, Instant};

/// After so long without a second one the first is alone again.
const MEMORY: Duration = Duration::from_secs(60);

/// Whose turn was last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rivals {
    last: Option<Lane>,
    changed: Option<Instant>,
}

impl Rivals {
    /// A request of a lane is there.
    pub(super) fn note(&mut self, lane: Lane, now: Instant) {
        if self.last.is_some_and(|last| last != lane) {
            self.changed = Some(now);
        }
        self.last = Some(lane);
    }

    /// Whether there was more than one lately.
    pub(super) fn are_there(&self, now: Instant) -> bool {
        self.changed.is_some_and(|changed| now.saturating_duration_since(changed) < MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::lanes::Class;

    #[test]
    fn one_project_is_alone_until_a_second_sends_and_after_it_stopped() {
        let lane = |project| Lane { project, class: Class::Live };
        let start = Instant::now();
        let mut rivals = Rivals::default();
        for millis in 0..100 {
            rivals.note(lane(1), start + Duration::from_millis(millis));
        }
        assert!(!rivals.are_there(start + Duration::from_millis(100)));
        rivals.note(lane(2), start + Duration::from_millis(100));
        rivals.note(lane(1), start + Duration::from_millis(101));
        assert!(rivals.are_there(start + Duration::from_secs(60)));
        rivals.note(lane(1), start + Duration::from_secs(61));
        assert!(!rivals.are_there(start + Duration::from_secs(62)));
        rivals.note(Lane { project: 1, class: Class::Import }, start + Duration::from_secs(63));
        assert!(rivals.are_there(start + Duration::from_secs(63)), "an import beside live events");
    }
}
