//! Steps in order, with anything between them (ordered) or nothing (strict).
//!
//! A *level* says how far an attempt has come: level `i` is entered by step `i - 1`, level 0 by being there. Each level remembers the newest attempt
//! that reached it by the time of its first step, so one pass over the events keeps all attempts that can still grow.

use super::{Attempt, Mask, Pick, Rules, STEPS_MAX, Sequence, Visit, bits_down, bits_up};

const NO_NODE: u32 = u32::MAX;

/// An attempt that reached a level.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Time of its first step, µs.
    entered: i64,
    /// Steps that it has.
    steps: u32,
    /// Its last visit. It becomes a node when another follows: most attempts never go on.
    last: Option<Visit>,
    /// The visits before it, in [`Ordered::nodes`].
    before: u32,
}

impl Level {
    /// Nothing yet, but that an attempt may begin now.
    fn begin(time: i64) -> Self {
        Self { entered: time, steps: 0, last: None, before: NO_NODE }
    }
}

/// A visit and the one before it: attempts share their beginnings.
#[derive(Clone, Copy, Debug)]
struct Node {
    before: u32,
    visit: Visit,
}

/// Finds the best attempt. Keeps its memory from actor to actor.
#[derive(Debug)]
pub(in crate::insights::funnels) struct Ordered {
    levels: [Level; STEPS_MAX + 1],
    /// Bit `i`: level `i` is reached.
    reached: u64,
    /// Bit `i`: an excluded event followed.
    excluded: u64,
    nodes: Vec<Node>,
    /// The furthest level so far, its attempt, and whether an excluded event followed.
    best: (usize, Level, bool),
    visits: Vec<Visit>,
}

impl Default for Ordered {
    fn default() -> Self {
        Self {
            levels: [Level::begin(0); STEPS_MAX + 1],
            reached: 0,
            excluded: 0,
            nodes: Vec::new(),
            best: (0, Level::begin(0), false),
            visits: Vec::new(),
        }
    }
}

impl Ordered {
    /// The best attempt, `None` when there is none or an excluded event spoiled it.
    pub(in crate::insights::funnels) fn best(&mut self, rules: &Rules, events: Sequence<'_>, pick: Pick) -> Option<Attempt<'_>> {
        self.clear();
        if !rules.are_plain() || pick != Pick::Any || !self.run_plain(rules, events) {
            self.clear();
            self.run(rules, events, pick);
        }
        self.finish(rules)
    }

    fn clear(&mut self) {
        (self.reached, self.excluded, self.best) = (1, 0, (0, Level::begin(0), false));
        self.nodes.clear();
    }

    /// As [`Ordered::run`], for steps in order and nothing else, which is what most funnels are. Answers false when two different events are at one
    /// moment: that takes more than this.
    fn run_plain(&mut self, rules: &Rules, events: Sequence<'_>) -> bool {
        let goal = 1_u64 << rules.steps;
        let mut before = (i64::MIN, Mask::default());
        for (at, event) in events.times.iter().copied().zip(events.masks.iter().copied()).enumerate() {
            let (time, mask) = event;
            if time == before.0 && mask != before.1 {
                return false;
            }
            before = event;
            // Of the steps that the event is, those whose step before was reached; the last first, so that an event is one step of an attempt.
            #[expect(clippy::cast_possible_truncation, reason = "the last level leads to no step")]
            let mut open = mask.steps() & self.reached as u32;
            while let Some(step) = open.checked_ilog2() {
                open &= !(1 << step);
                let level = step as usize + 1;
                let from = if step == 0 { Level::begin(time) } else { self.levels[level - 1] };
                let is_there_already = self.reached >> level & 1 == 1 && self.levels[level].entered == from.entered;
                if time - from.entered > rules.window_micros || is_there_already {
                    continue;
                }
                self.levels[level] = self.follow(&from, from.steps | 1 << step, Visit { at, time });
                self.reached |= 1 << level;
                if level > self.best.0 {
                    self.best = (level, self.levels[level], false);
                }
            }
            if self.reached & goal != 0 {
                let rest = events.times[at..].iter().zip(&events.masks[at..]);
                return rest.take_while(|(moment, _)| **moment == time).all(|(_, other)| *other == mask);
            }
        }
        true
    }

    fn run(&mut self, rules: &Rules, events: Sequence<'_>, pick: Pick) {
        let goal = 1_u64 << rules.steps;
        let mut at = 0;
        while at < events.len() && self.reached & goal == 0 {
            let time = events.times[at];
            self.levels[0] = Level::begin(time);
            let mut end = at + 1;
            while end < events.len() && events.times[end] == time {
                end += 1;
            }
            let masks = &events.masks[at..end];
            if masks.iter().all(|mask| *mask == masks[0]) {
                for at in at..end {
                    self.see(rules, events, at, pick);
                }
            } else {
                self.see_together(rules, events, at..end, pick);
            }
            at = end;
        }
    }

    /// One event.
    fn see(&mut self, rules: &Rules, events: Sequence<'_>, at: usize, pick: Pick) {
        let mask = events.masks[at];
        for step in bits_down(mask.exclusions()) {
            self.exclude(rules, step, events.times[at]);
        }
        // Without optional steps, a step counts only when the one before it was reached.
        #[expect(clippy::cast_possible_truncation, reason = "the last level leads to no step")]
        let open = if rules.optional == 0 { self.reached as u32 } else { u32::MAX };
        for step in bits_down(mask.steps() & open) {
            self.enter(rules, events, (step, at), pick, false);
        }
        if rules.is_strict {
            self.reached &= u64::from(mask.steps()) << 1 | 1;
            self.excluded &= self.reached;
        }
    }

    /// Different events at one moment: whichever order brings the actor furthest is taken, so steps are tried from the first to the last. What
    /// excludes or interrupts is overlooked.
    fn see_together(&mut self, rules: &Rules, events: Sequence<'_>, range: std::ops::Range<usize>, pick: Pick) {
        let union = events.masks[range.clone()].iter().fold(0, |union, mask| union | mask.steps());
        for step in bits_up(union) {
            for at in range.clone().filter(|at| events.masks[*at].steps() >> step & 1 == 1) {
                self.enter(rules, events, (step, at), pick, true);
            }
        }
    }

    /// The level from which `step` can be entered: the one before it, or an earlier one when the steps between are optional.
    fn level_before(&self, rules: &Rules, step: usize, time: i64) -> Option<usize> {
        let mut level = step;
        loop {
            if self.reached >> level & 1 == 1 && time - self.levels[level].entered <= rules.window_micros {
                return Some(level);
            }
            if level == 0 || !rules.is_optional(level - 1) {
                return None;
            }
            level -= 1;
        }
    }

    fn is_there_already(&self, step: usize, before: usize) -> bool {
        self.reached >> (step + 1) & 1 == 1 && self.levels[step + 1].entered == self.levels[before].entered
    }

    fn exclude(&mut self, rules: &Rules, step: usize, time: i64) {
        let Some(before) = self.level_before(rules, step, time) else { return };
        if self.is_there_already(step, before) || self.excluded >> before & 1 == 1 {
            return;
        }
        self.excluded |= 1 << before;
        let (level, attempt, excluded) = &mut self.best;
        if *level == before && time - attempt.entered <= rules.window_micros {
            *excluded = true;
        }
    }

    fn enter(&mut self, rules: &Rules, events: Sequence<'_>, (step, at): (usize, usize), pick: Pick, together: bool) {
        let time = events.times[at];
        let Some(before) = self.level_before(rules, step, time) else { return };
        if self.is_there_already(step, before) {
            return;
        }
        if matches!(pick, Pick::AtStep { step: picked, label } if picked == before && label != events.label(at)) {
            return;
        }
        let from = self.levels[before];
        if together && self.has_visited(&from, at) {
            return;
        }
        let steps = from.steps | 1 << step;
        let next = if rules.is_optional(step) { Level { steps, ..from } } else { self.follow(&from, steps, Visit { at, time }) };
        let is_excluded = self.excluded >> before & 1 == 1;
        let level = step + 1;
        if !is_excluded {
            self.levels[level] = next;
            self.reached |= 1 << level;
            self.excluded &= !(1 << level);
        }
        if level > self.best.0 || (level == self.best.0 && self.best.2) {
            self.best = (level, next, is_excluded);
        }
    }

    /// The attempt with one more visit.
    fn follow(&mut self, from: &Level, steps: u32, visit: Visit) -> Level {
        let before = match from.last {
            None => from.before,
            Some(last) => {
                self.nodes.push(Node { before: from.before, visit: last });
                u32::try_from(self.nodes.len() - 1).unwrap_or(NO_NODE)
            }
        };
        Level { entered: from.entered, steps, last: Some(visit), before }
    }

    /// An event is one step of an attempt, not two.
    fn has_visited(&self, attempt: &Level, at: usize) -> bool {
        attempt.last.is_some_and(|visit| visit.at == at) || self.way_back(attempt.before).any(|visit| visit.at == at)
    }

    fn way_back(&self, mut node: u32) -> impl Iterator<Item = Visit> {
        std::iter::from_fn(move || {
            let this = self.nodes.get(usize::try_from(node).ok()?)?;
            node = this.before;
            Some(this.visit)
        })
    }

    fn finish(&mut self, rules: &Rules) -> Option<Attempt<'_>> {
        let (level, attempt, is_excluded) = self.best;
        if level == 0 || is_excluded {
            return None;
        }
        let skippable = (rules.optional & low_bits(level)).count_ones();
        let last = level - 1 - usize::try_from(skippable).unwrap_or(0);
        let mut visits = std::mem::take(&mut self.visits);
        visits.clear();
        visits.extend(attempt.last);
        visits.extend(self.way_back(attempt.before));
        visits.reverse();
        self.visits = visits;
        Some(Attempt { steps: attempt.steps, last, visits: &self.visits })
    }
}

fn low_bits(count: usize) -> u32 {
    if count >= STEPS_MAX { u32::MAX } else { (1 << count) - 1 }
}
