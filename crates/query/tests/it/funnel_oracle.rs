//! Funnels the slow way: over plain lists, with everything copied, step by step as the rules say it. Nothing here is shared with the engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uuid::Uuid;

/// One event, as the rules see it.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// The person, merges applied.
    pub(crate) person: String,
    /// Whose funnel it belongs to.
    pub(crate) actor: Option<String>,
    /// µs.
    pub(crate) time: i64,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Breakdown value.
    pub(crate) value: String,
    /// What filters look at.
    pub(crate) flag: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    No,
    OfName,
    Matching,
}

#[derive(Clone, Debug)]
pub(crate) struct StepSpec {
    /// All events without a name.
    pub(crate) name: Option<&'static str>,
    pub(crate) needs_flag: bool,
    pub(crate) optional: bool,
    pub(crate) first: First,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ordered,
    Strict,
    Unordered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribution {
    None,
    First,
    Last,
    All,
    Step(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) steps: Vec<StepSpec>,
    /// Name, from, to.
    pub(crate) exclusions: Vec<(&'static str, usize, usize)>,
    pub(crate) order: Order,
    /// µs.
    pub(crate) window: i64,
    pub(crate) attribution: Attribution,
    /// Times that count, both included, µs.
    pub(crate) range: (i64, i64),
    pub(crate) all_need_flag: bool,
}

/// An event of an actor: what it is to the funnel. Steps count from 1, exclusions are negative.
#[derive(Clone, Debug)]
struct Seen {
    time: i64,
    id: Uuid,
    value: String,
    steps: Vec<i32>,
}

/// What an actor came to under one breakdown value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Steps reached, from 1.
    pub(crate) steps: BTreeSet<usize>,
    /// Times of the steps that are not optional.
    pub(crate) times: Vec<i64>,
    /// Number of steps reached, optional ones left out.
    pub(crate) reached: usize,
}

impl Spec {
    fn matches(&self, step: &StepSpec, fact: &Fact) -> bool {
        step.name.is_none_or(|name| name == fact.name) && (!step.needs_flag || fact.flag)
    }

    /// The step's one event of a person, when it has only one.
    fn first_of<'f>(&self, step: &StepSpec, person: &str, facts: &'f [Fact]) -> Option<&'f Fact> {
        let counts = |fact: &&Fact| {
            let is_it = match step.first {
                First::Matching => self.matches(step, fact),
                _ => step.name.is_none_or(|name| name == fact.name),
            };
            fact.person == person && fact.time <= self.range.1 && is_it
        };
        let earliest = facts.iter().filter(counts).map(|fact| fact.time).min()?;
        let at_once = facts.iter().filter(counts).filter(|fact| fact.time == earliest);
        // Which of several steps the event is says who comes first; then ids do.
        at_once.filter(|fact| self.is_in(fact) && self.matches(step, fact)).min_by_key(|fact| (self.plain_rank(fact), fact.id))
    }

    fn plain_rank(&self, fact: &Fact) -> usize {
        self.steps.iter().position(|step| self.matches(step, fact)).unwrap_or(usize::MAX)
    }

    fn is_in(&self, fact: &Fact) -> bool {
        (self.range.0..=self.range.1).contains(&fact.time) && (!self.all_need_flag || fact.flag)
    }

    fn seen(&self, fact: &Fact, facts: &[Fact]) -> Seen {
        let mut steps = Vec::new();
        for (at, step) in (1..).zip(&self.steps) {
            let is_first = step.first == First::No || self.first_of(step, &fact.person, facts).is_some_and(|first| first.id == fact.id);
            if self.matches(step, fact) && is_first {
                steps.push(at);
            }
        }
        for step in 2..=self.steps.len() {
            let hits = |(name, from, to): &(&str, usize, usize)| *name == fact.name && (from + 2..=to + 1).contains(&step);
            if self.exclusions.iter().any(hits) {
                steps.push(-signed(step));
            }
        }
        Seen { time: fact.time, id: fact.id, value: fact.value.clone(), steps }
    }

    /// Each actor's events in order.
    fn journeys(&self, facts: &[Fact]) -> BTreeMap<String, Vec<Seen>> {
        let mut journeys: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for fact in facts.iter().filter(|fact| self.is_in(fact)) {
            let Some(actor) = &fact.actor else { continue };
            let seen = self.seen(fact, facts);
            if self.order == Order::Strict || !seen.steps.is_empty() {
                journeys.entry(actor.clone()).or_default().push(seen);
            }
        }
        for journey in journeys.values_mut() {
            let rank = |seen: &Seen| match seen.steps.first() {
                None => i32::MAX,
                Some(step) if *step > 0 => *step,
                Some(exclusion) => 1_000 - exclusion,
            };
            journey.sort_by_key(|seen| (seen.time, rank(seen), seen.id));
        }
        journeys
    }

    /// The values that an actor is asked about.
    fn values(&self, journey: &[Seen]) -> Vec<String> {
        let all = |of: &mut dyn Iterator<Item = &Seen>| of.map(|seen| seen.value.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        match self.attribution {
            Attribution::None => vec![String::new()],
            Attribution::First => {
                vec![journey.iter().find(|seen| !seen.value.is_empty()).map_or_else(String::new, |seen| seen.value.clone())]
            }
            Attribution::Last => {
                let latest = journey.iter().filter(|seen| !seen.value.is_empty()).map(|seen| seen.time).max();
                let last = journey.iter().find(|seen| Some(seen.time) == latest && !seen.value.is_empty());
                vec![last.map_or_else(String::new, |seen| seen.value.clone())]
            }
            Attribution::All => all(&mut journey.iter()),
            Attribution::Step(_) if self.order == Order::Unordered => all(&mut journey.iter()),
            Attribution::Step(step) => {
                let step = signed(step + 1);
                all(&mut journey.iter().filter(|seen| seen.steps.contains(&step)))
            }
        }
    }

    fn counted(&self, journey: &[Seen], value: &str) -> Vec<Seen> {
        journey.iter().filter(|seen| self.attribution != Attribution::All || seen.value == value).cloned().collect()
    }

    fn is_optional(&self, step: usize) -> bool {
        self.steps[step - 1].optional
    }

    /// Actor, value and what it came to, for everybody who did the first step and was not excluded.
    pub(crate) fn outcomes(&self, facts: &[Fact]) -> Vec<(String, String, Outcome)> {
        let mut outcomes = Vec::new();
        for (actor, journey) in self.journeys(facts) {
            let journey = if self.order == Order::Unordered { thinned(&journey) } else { journey };
            for value in self.values(&journey) {
                let events = self.counted(&journey, &value);
                let outcome = match self.order {
                    Order::Unordered => self.unordered(&events, &value),
                    Order::Ordered | Order::Strict => self.ordered(&events, &value),
                };
                outcomes.extend(outcome.map(|outcome| (actor.clone(), value.clone(), outcome)));
            }
        }
        outcomes
    }

    fn ordered(&self, events: &[Seen], value: &str) -> Option<Outcome> {
        let mut machine = Machine { spec: self, value, slots: vec![None; self.steps.len() + 1], best: None };
        for moment in events.chunk_by(|left, right| left.time == right.time) {
            machine.slots[0] = Some(Slot { entry: moment[0].time, excluded: false, visits: vec![], steps: BTreeSet::new() });
            if moment.iter().all(|seen| seen.steps == moment[0].steps) {
                moment.iter().for_each(|seen| machine.see(seen, false));
            } else {
                let mut alone: Vec<Seen> = Vec::new();
                for seen in moment {
                    alone.extend(seen.steps.iter().filter(|step| **step > 0).map(|step| Seen { steps: vec![*step], ..seen.clone() }));
                }
                alone.sort_by_key(|seen| seen.steps[0]);
                alone.iter().for_each(|seen| machine.see(seen, true));
            }
            if machine.slots[self.steps.len()].is_some() {
                break;
            }
        }
        let (level, slot) = machine.best?;
        if slot.excluded {
            return None;
        }
        let skippable = (1..=level).filter(|step| self.is_optional(*step)).count();
        Some(Outcome { steps: slot.steps, times: slot.visits.iter().map(|(time, _)| *time).collect(), reached: level - skippable })
    }

    fn unordered(&self, events: &[Seen], value: &str) -> Option<Outcome> {
        let mut queues: Vec<VecDeque<Seen>> = vec![VecDeque::new(); self.steps.len()];
        let mut best: Vec<i64> = Vec::new();
        for seen in events {
            while let Some(oldest) = oldest(&queues) {
                let done = queues.iter().filter(|queue| !queue.is_empty()).count();
                if done < self.steps.len() && queues[oldest][0].time + self.window >= seen.time {
                    break;
                }
                note(&queues, &mut best);
                queues[oldest].pop_front();
            }
            self.queue(&mut queues, seen, value);
            if best.len() == self.steps.len() {
                break;
            }
        }
        note(&queues, &mut best);
        if best.is_empty() {
            return None;
        }
        Some(Outcome { steps: (1..=best.len()).collect(), reached: best.len(), times: best })
    }

    fn queue(&self, queues: &mut [VecDeque<Seen>], seen: &Seen, value: &str) {
        let steps: Vec<usize> = seen.steps.iter().filter_map(|step| usize::try_from(*step).ok()).collect();
        if steps.is_empty() {
            queues.iter_mut().for_each(VecDeque::clear);
            return;
        }
        let done = queues.iter().filter(|queue| !queue.is_empty()).count();
        if self.attribution == Attribution::Step(done) && seen.value != value {
            return;
        }
        let longest = steps.iter().min_by_key(|step| queues[**step - 1].back().map_or(i64::MIN, |seen| seen.time)).expect("a step");
        queues[*longest - 1].push_back(seen.clone());
    }

    /// Value, bucket of entry, whether the actor converted. `from` and `to` count steps from 1.
    pub(crate) fn entries(&self, facts: &[Fact], from: usize, to: usize, bucket: &dyn Fn(i64) -> i64) -> Vec<(String, i64, bool)> {
        let mut entries = Vec::new();
        for journey in self.journeys(facts).into_values() {
            for value in self.values(&journey) {
                let events = self.counted(&journey, &value);
                let found = match self.order {
                    Order::Unordered => self.unordered_entries(&events, &value, from, to, bucket),
                    Order::Ordered | Order::Strict => self.ordered_entries(&events, &value, from, to, bucket),
                };
                entries.extend(found.into_iter().map(|(bucket, converted)| (value.clone(), bucket, converted)));
            }
        }
        entries
    }

    fn ordered_entries(&self, events: &[Seen], value: &str, from: usize, to: usize, bucket: &dyn Fn(i64) -> i64) -> Vec<(i64, bool)> {
        let mut open: BTreeMap<i64, Try> = BTreeMap::new();
        let mut converted: BTreeSet<i64> = BTreeSet::new();
        for seen in events {
            for step in seen.steps.iter().rev() {
                let at = place(*step);
                let wrong_value = self.attribution == Attribution::Step(at - 1) && seen.value != value;
                if at == 1 {
                    let bucket = bucket(seen.time);
                    if wrong_value || converted.contains(&bucket) {
                        continue;
                    }
                    let spoiled = open.get(&bucket).is_none_or(|entry| entry.best.0 == 1 && entry.best.2 != Spoiled::No);
                    if spoiled {
                        let fresh = Try { slots: vec![None; self.steps.len() + 1], best: (1, seen.time, Spoiled::No) };
                        open.insert(bucket, fresh);
                    }
                    open.get_mut(&bucket).expect("an entry").slots[1] = Some((seen.time, false));
                } else {
                    for (bucket, entry) in &mut open {
                        if !converted.contains(bucket) && entry.step(self.window, seen.time, at, *step < 0, wrong_value, to) {
                            converted.insert(*bucket);
                        }
                    }
                    open.retain(|bucket, _| !converted.contains(bucket));
                }
            }
            if self.order == Order::Strict {
                for entry in open.values_mut() {
                    for at in 1..entry.slots.len() {
                        if !seen.steps.contains(&signed(at)) {
                            entry.slots[at] = None;
                        }
                    }
                }
            }
        }
        let mut entries: Vec<(i64, bool)> = converted.into_iter().map(|bucket| (bucket, true)).collect();
        if open.values().all(|entry| entry.best.2 != Spoiled::Wholly) {
            let dropped = open.iter().filter(|(_, entry)| entry.best.0 >= from && entry.best.2 == Spoiled::No);
            entries.extend(dropped.map(|(bucket, _)| (*bucket, false)));
        }
        entries
    }

    fn unordered_entries(&self, events: &[Seen], value: &str, from: usize, to: usize, bucket: &dyn Fn(i64) -> i64) -> Vec<(i64, bool)> {
        let mut queues: Vec<VecDeque<Seen>> = vec![VecDeque::new(); self.steps.len()];
        let mut best: BTreeMap<i64, usize> = BTreeMap::new();
        // The queue of a moment is in order of arrival, so the oldest is the one that came first.
        let mut arrivals: VecDeque<Uuid> = VecDeque::new();
        let mut leave = |queues: &mut Vec<VecDeque<Seen>>, arrivals: &mut VecDeque<Uuid>, now: Option<i64>| {
            while let Some(first) = arrivals.front().copied() {
                let step = queues.iter().position(|queue| queue.front().is_some_and(|seen| seen.id == first)).expect("it is there");
                let done = queues.iter().filter(|queue| !queue.is_empty()).count();
                let oldest = queues[step][0].time;
                if now.is_some_and(|now| done < self.steps.len() && oldest + self.window >= now) {
                    break;
                }
                let entry = best.entry(bucket(oldest)).or_default();
                *entry = (*entry).max(done);
                queues[step].pop_front();
                arrivals.pop_front();
            }
        };
        for seen in events {
            leave(&mut queues, &mut arrivals, Some(seen.time));
            let before: usize = queues.iter().map(VecDeque::len).sum();
            self.queue(&mut queues, seen, value);
            let after: usize = queues.iter().map(VecDeque::len).sum();
            if after > before {
                arrivals.push_back(seen.id);
            } else if after == 0 {
                arrivals.clear();
            }
        }
        leave(&mut queues, &mut arrivals, None);
        best.into_iter().filter(|(_, done)| *done >= from).map(|(bucket, done)| (bucket, done >= to)).collect()
    }
}

fn signed(step: usize) -> i32 {
    i32::try_from(step).expect("a small number")
}

fn place(step: i32) -> usize {
    usize::try_from(step.abs()).expect("a small number")
}

/// Events between two like them do not count without an order.
fn thinned(journey: &[Seen]) -> Vec<Seen> {
    let like = |left: &Seen, right: &Seen| left.steps == right.steps && left.value == right.value && left.time < right.time;
    let is_between =
        |at: usize| at > 0 && at + 1 < journey.len() && like(&journey[at - 1], &journey[at]) && like(&journey[at], &journey[at + 1]);
    let keeps = |at: usize| journey[at].steps.len() > 1 || !is_between(at);
    (0..journey.len()).filter(|at| keeps(*at)).map(|at| journey[at].clone()).collect()
}

fn oldest(queues: &[VecDeque<Seen>]) -> Option<usize> {
    (0..queues.len()).filter(|at| !queues[*at].is_empty()).min_by_key(|at| queues[*at][0].time)
}

fn note(queues: &[VecDeque<Seen>], best: &mut Vec<i64>) {
    let mut fronts: Vec<i64> = queues.iter().filter_map(|queue| queue.front().map(|seen| seen.time)).collect();
    if fronts.len() > best.len() {
        fronts.sort_unstable();
        *best = fronts;
    }
}

#[derive(Clone, Debug)]
struct Slot {
    entry: i64,
    excluded: bool,
    visits: Vec<(i64, Uuid)>,
    steps: BTreeSet<usize>,
}

/// For each level the newest attempt that reached it.
struct Machine<'m> {
    spec: &'m Spec,
    value: &'m str,
    slots: Vec<Option<Slot>>,
    best: Option<(usize, Slot)>,
}

impl Machine<'_> {
    fn is_within(&self, slot: &Slot, time: i64) -> bool {
        time - slot.entry <= self.spec.window
    }

    fn see(&mut self, seen: &Seen, several: bool) {
        for step in seen.steps.iter().rev() {
            self.step(seen, place(*step), *step < 0, several);
        }
        if self.spec.order == Order::Strict && !several {
            for at in 1..self.slots.len() {
                if !seen.steps.contains(&signed(at)) {
                    self.slots[at] = None;
                }
            }
        }
    }

    fn step(&mut self, seen: &Seen, step: usize, excludes: bool, several: bool) {
        let mut before = step - 1;
        let is_open = |at: usize| self.slots[at].as_ref().is_some_and(|slot| self.is_within(slot, seen.time));
        while before > 0 && !is_open(before) && self.spec.is_optional(before) {
            before -= 1;
        }
        if !is_open(before) {
            return;
        }
        let from = self.slots[before].clone().expect("it is there");
        if self.slots[step].as_ref().is_some_and(|slot| slot.entry == from.entry) {
            return;
        }
        if excludes {
            if !from.excluded {
                self.slots[before].as_mut().expect("it is there").excluded = true;
                let window = self.spec.window;
                if let Some((level, best)) = &mut self.best
                    && *level == before
                    && seen.time - best.entry <= window
                {
                    best.excluded = true;
                }
            }
            return;
        }
        if self.spec.attribution == Attribution::Step(before) && seen.value != self.value {
            return;
        }
        if several && from.visits.iter().any(|(_, id)| *id == seen.id) {
            return;
        }
        let mut next = from.clone();
        next.steps.insert(step);
        if !self.spec.is_optional(step) {
            next.visits.push((seen.time, seen.id));
        }
        if !from.excluded {
            self.slots[step] = Some(next.clone());
        }
        let is_better = self.best.as_ref().is_none_or(|(level, best)| step > *level || (step == *level && best.excluded));
        if is_better {
            self.best = Some((step, next));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoiled {
    No,
    Partly,
    Wholly,
}

/// The attempt of one bucket.
struct Try {
    /// Entry and whether something excluded followed.
    slots: Vec<Option<(i64, bool)>>,
    best: (usize, i64, Spoiled),
}

impl Try {
    /// Whether the goal was reached.
    fn step(&mut self, window: i64, time: i64, step: usize, excludes: bool, wrong_value: bool, goal: usize) -> bool {
        let Some((entry, excluded)) = self.slots[step - 1] else { return false };
        if time - entry > window || self.slots[step].is_some_and(|(reached, _)| reached == entry) {
            return false;
        }
        if excludes {
            if !excluded {
                self.slots[step - 1] = Some((entry, true));
                if self.best.0 == step - 1 && time - self.best.1 <= window {
                    self.best.2 = Spoiled::Partly;
                }
            }
            return false;
        }
        if wrong_value {
            return false;
        }
        if !excluded {
            self.slots[step] = Some((entry, false));
        }
        if self.slots[goal].is_some() {
            return true;
        }
        if step > self.best.0 || (step == self.best.0 && self.best.2 == Spoiled::Partly) {
            self.best = (step, time, if excluded { Spoiled::Wholly } else { Spoiled::No });
        }
        false
    }
}

/// Steps in order, nothing else asked, no two events at one moment: the longest chain of events within the window; of these the one that ends first,
/// of these the one that began last, of these the one whose steps came earliest. Tries all chains.
pub(crate) fn longest_chain(steps: &[&[usize]], times: &[i64], count: usize, window: i64) -> Vec<i64> {
    fn grow(chain: &mut Vec<usize>, chains: &mut Vec<Vec<usize>>, steps: &[&[usize]], times: &[i64], count: usize, window: i64) {
        chains.push(chain.clone());
        let next = chain.last().map_or(0, |last| last + 1);
        for at in next..times.len() {
            let is_in_time = chain.first().is_none_or(|first| times[at] - times[*first] <= window);
            if chain.len() < count && is_in_time && steps[at].contains(&chain.len()) {
                chain.push(at);
                grow(chain, chains, steps, times, count, window);
                chain.pop();
            }
        }
    }
    let mut chains = Vec::new();
    grow(&mut Vec::new(), &mut chains, steps, times, count, window);
    let of = |chain: &Vec<usize>| -> Vec<i64> { chain.iter().map(|at| times[*at]).collect() };
    let key = |chain: &Vec<usize>| {
        let times = of(chain);
        let (first, last) = (times.first().copied().unwrap_or(0), times.last().copied().unwrap_or(0));
        (std::cmp::Reverse(times.len()), last, std::cmp::Reverse(first), times)
    };
    chains.iter().min_by_key(|chain| key(chain)).map(of).unwrap_or_default()
}
