//! Steps in any order, by bucket of entry: the oldest event of a window is its entry.

use super::unordered::{Window, may_count};
use super::{Pick, Rules, STEPS_MAX, Sequence, Visit};

/// How far attempts came that began in one bucket.
#[derive(Clone, Copy, Debug)]
struct Entry {
    bucket: u32,
    done: usize,
}

/// Finds for each bucket of entry whether the actor converted. Keeps its memory from actor to actor.
#[derive(Debug, Default)]
pub(in crate::insights::funnels) struct UnorderedTrend {
    window: Window,
    entries: Vec<Entry>,
}

impl UnorderedTrend {
    /// Calls `each` with every bucket in which the actor did at least `from` steps, and whether it did `to` of them. `bucket_of`: place in the
    /// sequence → bucket.
    pub(in crate::insights::funnels) fn run(
        &mut self,
        rules: &Rules,
        events: Sequence<'_>,
        pick: Pick,
        (from, to): (usize, usize),
        bucket_of: impl Fn(usize) -> u32,
        mut each: impl FnMut(u32, bool),
    ) {
        self.window.clear();
        self.entries.clear();
        for at in 0..events.len() {
            let (time, mask) = (events.times[at], events.masks[at]);
            self.leave(rules.steps, &bucket_of, |oldest| oldest.time < time - rules.window_micros);
            if mask.steps() == 0 {
                self.window.clear();
            } else if may_count(pick, self.window.done, events.label(at)) {
                self.window.push(mask.steps(), Visit { at, time });
            }
        }
        self.leave(STEPS_MAX + 1, &bucket_of, |_| true);
        for entry in self.entries.iter().filter(|entry| entry.done >= from) {
            each(entry.bucket, entry.done >= to);
        }
    }

    /// Lets the oldest events go while the funnel is complete or `is_over` says so.
    fn leave(&mut self, complete: usize, bucket_of: &impl Fn(usize) -> u32, is_over: impl Fn(Visit) -> bool) {
        while let Some(oldest) = self.window.oldest() {
            if self.window.done < complete && !is_over(oldest) {
                break;
            }
            let (bucket, done) = (bucket_of(oldest.at), self.window.done);
            // Events come in order of time, so a bucket that is known is the newest one, or an entry was noted after it.
            match self.entries.iter_mut().rev().find(|entry| entry.bucket == bucket) {
                Some(entry) => entry.done = entry.done.max(done),
                None => self.entries.push(Entry { bucket, done }),
            }
            self.window.pop();
        }
    }
}
