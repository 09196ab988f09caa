//! Whether several projects send at present. A backlog that one project makes delays nobody else; as soon as a second one sends, the backlog is kept short.

use super::lanes::Lane;
use std::time::{Duration, Instant};

/// After so long without a second project the first one is alone again.
const MEMORY: Duration = Duration::from_secs(2);

/// Who was let in last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rivals {
    last: Option<u64>,
    changed: Option<Instant>,
}

impl Rivals {
    /// A request of a lane was let in.
    pub(super) fn note(&mut self, lane: Lane, now: Instant) {
        if self.last.is_some_and(|last| last != lane.project) {
            self.changed = Some(now);
        }
        self.last = Some(lane.project);
    }

    /// Whether more than one project was let in lately.
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
        assert!(rivals.are_there(start + Duration::from_millis(2000)));
        rivals.note(lane(1), start + Duration::from_millis(2100));
        assert!(!rivals.are_there(start + Duration::from_millis(2200)));
    }
}
