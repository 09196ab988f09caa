//! Steps in any order: how many different ones lie within one window.
//!
//! Events wait in a queue in order of time; the oldest leaves when the window has passed it or the funnel is complete. What was done is noted when
//! an event leaves, and at the end.

use super::{Attempt, Pick, Rules, STEPS_MAX, Sequence, Visit, bits_up};

/// Events in the window.
#[derive(Debug, Default)]
pub(super) struct Window {
    queue: Vec<(Visit, usize)>,
    /// Events before this place have left.
    head: usize,
    /// Waiting events per step.
    waiting: [u32; STEPS_MAX],
    /// Time of the newest event per step.
    newest: [i64; STEPS_MAX],
    /// Steps with a waiting event.
    pub(super) done: usize,
}

impl Window {
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        (self.head, self.done, self.waiting) = (0, 0, [0; STEPS_MAX]);
    }

    pub(super) fn oldest(&self) -> Option<Visit> {
        self.queue.get(self.head).map(|(visit, _)| *visit)
    }

    pub(super) fn pop(&mut self) {
        if let Some((_, step)) = self.queue.get(self.head) {
            self.head += 1;
            self.waiting[*step] -= 1;
            if self.waiting[*step] == 0 {
                self.done -= 1;
            }
        }
    }

    /// An event that is several steps becomes the one that has waited longest for an event.
    pub(super) fn push(&mut self, steps: u32, visit: Visit) {
        let since = |step: &usize| if self.waiting[*step] == 0 { i64::MIN } else { self.newest[*step] };
        let Some(step) = bits_up(steps).min_by_key(since) else { return };
        if self.waiting[step] == 0 {
            self.done += 1;
        }
        self.waiting[step] += 1;
        self.newest[step] = visit.time;
        self.queue.push((visit, step));
    }

    /// The oldest waiting event of each step, in order of time.
    fn firsts(&self, visits: &mut Vec<Visit>) {
        visits.clear();
        let mut seen = 0_u32;
        for (visit, step) in &self.queue[self.head..] {
            if seen >> step & 1 == 0 {
                seen |= 1 << step;
                visits.push(*visit);
                if visits.len() == self.done {
                    return;
                }
            }
        }
    }
}

/// Whether the event may count: with attribution to a step, whatever becomes that step must have the value.
pub(super) fn may_count(pick: Pick, done: usize, label: u32) -> bool {
    !matches!(pick, Pick::AtStep { step, label: picked } if step == done && picked != label)
}

/// Finds the best attempt. Keeps its memory from actor to actor.
#[derive(Debug, Default)]
pub(in crate::insights::funnels) struct Unordered {
    window: Window,
    visits: Vec<Visit>,
}

impl Unordered {
    /// The best attempt, `None` when no step was done.
    pub(in crate::insights::funnels) fn best(&mut self, rules: &Rules, events: Sequence<'_>, pick: Pick) -> Option<Attempt<'_>> {
        self.window.clear();
        self.visits.clear();
        for at in 0..events.len() {
            self.see(rules, events, at, pick);
            if self.visits.len() == rules.steps {
                break;
            }
        }
        self.note();
        let last = self.visits.len().checked_sub(1)?;
        Some(Attempt { steps: u32::MAX >> (STEPS_MAX - 1 - last), last, visits: &self.visits })
    }

    fn see(&mut self, rules: &Rules, events: Sequence<'_>, at: usize, pick: Pick) {
        let (time, mask) = (events.times[at], events.masks[at]);
        while let Some(oldest) = self.window.oldest() {
            if self.window.done < rules.steps && time - oldest.time <= rules.window_micros {
                break;
            }
            self.note();
            self.window.pop();
        }
        if mask.steps() == 0 {
            // An excluded event: what was done before it does not count, unless the window had passed.
            self.window.clear();
        } else if may_count(pick, self.window.done, events.label(at)) {
            self.window.push(mask.steps(), Visit { at, time });
        }
    }

    fn note(&mut self) {
        if self.window.done > self.visits.len() {
            self.window.firsts(&mut self.visits);
        }
    }
}
