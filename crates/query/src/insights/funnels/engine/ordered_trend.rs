//! Steps in order, by bucket of entry: each bucket in which the actor did the first step is an attempt of its own.
//!
//! Unlike in a step funnel, events at one moment are taken in their order.

use super::{Pick, Rules, STEPS_MAX, Sequence, bits_down};

/// What excluded events did to the furthest level of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exclusion {
    No,
    /// One followed it.
    Open,
    /// The next step followed one.
    Closed,
}

/// The attempt that was entered in one bucket. Level `i` is step `i`.
#[derive(Clone, Debug)]
struct Entry {
    bucket: u32,
    /// For each level the time of its first step, µs.
    entered: [i64; STEPS_MAX],
    /// Bit `i`: level `i` is reached.
    reached: u32,
    excluded: u32,
    /// Furthest step, when it was done, what excluded events did to it.
    best: (usize, i64, Exclusion),
}

impl Entry {
    fn new(bucket: u32, time: i64) -> Self {
        let mut entered = [0; STEPS_MAX];
        entered[0] = time;
        Self { bucket, entered, reached: 1, excluded: 0, best: (0, time, Exclusion::No) }
    }

    /// Whether `step` can be entered from the level before it.
    fn is_open(&self, rules: &Rules, step: usize, time: i64) -> bool {
        let before = step - 1;
        self.reached >> before & 1 == 1
            && time - self.entered[before] <= rules.window_micros
            && !(self.reached >> step & 1 == 1 && self.entered[step] == self.entered[before])
    }

    fn exclude(&mut self, rules: &Rules, step: usize, time: i64) {
        let before = step - 1;
        if self.is_open(rules, step, time) && self.excluded >> before & 1 == 0 {
            self.excluded |= 1 << before;
            if self.best.0 == before && time - self.best.1 <= rules.window_micros {
                self.best.2 = Exclusion::Open;
            }
        }
    }

    /// Whether the goal was reached.
    fn enter(&mut self, rules: &Rules, step: usize, time: i64, goal: usize) -> bool {
        if !self.is_open(rules, step, time) {
            return false;
        }
        let is_excluded = self.excluded >> (step - 1) & 1 == 1;
        if !is_excluded {
            self.entered[step] = self.entered[step - 1];
            self.reached |= 1 << step;
            self.excluded &= !(1 << step);
        }
        if self.reached >> goal & 1 == 1 {
            return true;
        }
        if step > self.best.0 || (step == self.best.0 && self.best.2 == Exclusion::Open) {
            self.best = (step, time, if is_excluded { Exclusion::Closed } else { Exclusion::No });
        }
        false
    }
}

/// Finds for each bucket of entry whether the actor converted. Keeps its memory from actor to actor.
#[derive(Debug, Default)]
pub(in crate::insights::funnels) struct OrderedTrend {
    /// Attempts that can still grow, in order of buckets.
    open: Vec<Entry>,
    /// Attempts that cannot: bucket, furthest step, what excluded events did.
    closed: Vec<(u32, usize, Exclusion)>,
    /// Buckets, in order of conversion.
    converted: Vec<u32>,
    /// The newest of them; no later bucket can have been entered yet.
    newest_converted: Option<u32>,
}

impl OrderedTrend {
    /// Calls `each` with every bucket in which the actor entered and reached step `from`, and whether it reached step `to`. Steps count from 0.
    /// `bucket_of`: place in the sequence → bucket.
    pub(in crate::insights::funnels) fn run(
        &mut self,
        rules: &Rules,
        events: Sequence<'_>,
        pick: Pick,
        (from, to): (usize, usize),
        bucket_of: impl Fn(usize) -> u32,
        each: impl FnMut(u32, bool),
    ) {
        self.open.clear();
        self.closed.clear();
        self.converted.clear();
        self.newest_converted = None;
        for at in 0..events.len() {
            let (time, mask) = (events.times[at], events.masks[at]);
            for step in bits_down(mask.exclusions()).filter(|step| *step > 0) {
                self.open.iter_mut().for_each(|entry| entry.exclude(rules, step, time));
            }
            for step in bits_down(mask.steps()) {
                if matches!(pick, Pick::AtStep { step: picked, label } if picked == step && label != events.label(at)) {
                    continue;
                }
                if step == 0 {
                    self.begin(rules, bucket_of(at), time, to);
                } else {
                    self.advance(rules, step, time, to);
                }
            }
            if rules.is_strict {
                for entry in &mut self.open {
                    entry.reached &= mask.steps();
                    entry.excluded &= entry.reached;
                }
            }
        }
        self.finish(from, each);
    }

    fn begin(&mut self, rules: &Rules, bucket: u32, time: i64, goal: usize) {
        if self.newest_converted == Some(bucket) {
            return;
        }
        if goal == 0 {
            self.converted.push(bucket);
            self.newest_converted = Some(bucket);
            return;
        }
        self.close(rules, bucket, time);
        match self.open.last_mut().filter(|entry| entry.bucket == bucket) {
            Some(entry) if entry.best.0 == 0 && entry.best.2 != Exclusion::No => *entry = Entry::new(bucket, time),
            Some(entry) => {
                entry.entered[0] = time;
                entry.reached |= 1;
                entry.excluded &= !1;
            }
            None => self.open.push(Entry::new(bucket, time)),
        }
    }

    /// Attempts of earlier buckets whose window has passed cannot grow any more.
    fn close(&mut self, rules: &Rules, bucket: u32, time: i64) {
        let is_over = |entry: &Entry| entry.bucket != bucket && time - entry.entered[0] > rules.window_micros;
        let over = self.open.iter().take_while(|entry| is_over(entry)).count();
        self.closed.extend(self.open.drain(..over).map(|entry| (entry.bucket, entry.best.0, entry.best.2)));
    }

    fn advance(&mut self, rules: &Rules, step: usize, time: i64, goal: usize) {
        let (converted, newest) = (&mut self.converted, &mut self.newest_converted);
        self.open.retain_mut(|entry| {
            let is_done = entry.enter(rules, step, time, goal);
            if is_done {
                converted.push(entry.bucket);
                *newest = (*newest).max(Some(entry.bucket));
            }
            !is_done
        });
    }

    fn finish(&mut self, from: usize, mut each: impl FnMut(u32, bool)) {
        self.closed.extend(self.open.drain(..).map(|entry| (entry.bucket, entry.best.0, entry.best.2)));
        for bucket in &self.converted {
            each(*bucket, true);
        }
        // An actor that went on after an excluded event counts nowhere but where it converted.
        if self.closed.iter().any(|(_, _, exclusion)| *exclusion == Exclusion::Closed) {
            return;
        }
        for (bucket, step, exclusion) in &self.closed {
            if *step >= from && *exclusion == Exclusion::No {
                each(*bucket, false);
            }
        }
    }
}
