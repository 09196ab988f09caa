//! A seeded stream of believable events: visitors of a product come in sessions, look at pages, click, sign up, buy.
//!
//! In: a seed, a number of persons, a span of time. Out: events in the order of time, the same for the same seed.
//!
//! The shape: activity of persons and popularity of pages fall off like a zipf law; a session has nine events on average, seconds to minutes apart;
//! 40 event names, `$pageview` is 45 % of events; 4.9 % of page views have "pricing" in their URL; properties are about 680 bytes in 24 to 29 keys.

mod catalog;
mod json;
mod traits;

pub(crate) use catalog::EVENT_NAMES;
pub(crate) use json::{write_http, write_ndjson};

use catalog::{FIRST_EVENT, Names};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use uuid::Uuid;

/// Exponent of the persons' activity: the most active of 400,000 has about 0.2 % of the events.
const ACTIVITY_EXPONENT: f64 = 0.6;
const SESSION_EVENTS_MEAN: f64 = 9.0;
const SESSION_EVENTS_MAX: u32 = 120;
const GAP_SECONDS_MEAN: f64 = 40.0;

/// What a stream is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Same seed, same events.
    pub(crate) seed: u64,
    /// Which of several streams that run side by side; each has its own sessions, all share the persons.
    pub(crate) stream: u64,
    /// Events that the stream is laid out for: its sessions are spread so that they fill the span.
    pub(crate) events: u64,
    /// Persons of the whole population.
    pub(crate) persons: u64,
    /// Begin, milliseconds since 1970.
    pub(crate) start_millis: i64,
    /// Length in milliseconds.
    pub(crate) span_millis: i64,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) uuid: Uuid,
    pub(crate) name: &'static str,
    /// Number of the person, 1 is the most active.
    pub(crate) person: u64,
    pub(crate) time_millis: i64,
    /// Rank of the page, 1 is the most popular.
    pub(crate) page: u32,
    pub(crate) session: Uuid,
    /// Number of the event in its session.
    pub(crate) step: u32,
    /// Cents, on purchases.
    pub(crate) amount_cents: Option<u32>,
}

/// A stream of events without an end.
#[derive(Debug)]
pub(crate) struct Generator {
    plan: Plan,
    rng: ChaCha8Rng,
    names: Names,
    next_start_millis: f64,
    /// Open sessions, the one with the next event on top.
    open: BinaryHeap<Reverse<Session>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Session {
    next_millis: i64,
    id: Uuid,
    person: u64,
    step: u32,
    events: u32,
}

impl Generator {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(plan.stream);
        Self { plan, rng, names: Names::new(), next_start_millis: plan.start_millis as f64, open: BinaryHeap::new() }
    }

    /// Mean time between the beginnings of two sessions.
    fn session_gap_millis(&self) -> f64 {
        self.plan.span_millis as f64 * SESSION_EVENTS_MEAN / self.plan.events.max(1) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.rng.random::<f64>()).ln()
    }

    fn begin_session(&mut self) {
        let start = self.next_start_millis;
        let gap = self.session_gap_millis();
        self.next_start_millis += self.exponential(gap);
        let longer = self.exponential(SESSION_EVENTS_MEAN - 0.5) as u32;
        let session = Session {
            next_millis: start as i64,
            id: time_uuid(start as i64, &mut self.rng),
            person: zipf(&mut self.rng, self.plan.persons, ACTIVITY_EXPONENT),
            step: 0,
            events: (1 + longer).min(SESSION_EVENTS_MAX),
        };
        self.open.push(Reverse(session));
    }
}

impl Iterator for Generator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.open.peek().is_none_or(|Reverse(session)| session.next_millis as f64 >= self.next_start_millis) {
            self.begin_session();
        }
        let Reverse(mut session) = self.open.pop()?;
        let name = if session.step == 0 { FIRST_EVENT } else { EVENT_NAMES[self.names.draw(self.rng.random())] };
        let event = Event {
            uuid: time_uuid(session.next_millis, &mut self.rng),
            name,
            person: session.person,
            time_millis: session.next_millis,
            page: zipf(&mut self.rng, u64::from(catalog::PAGES), 1.0) as u32,
            session: session.id,
            step: session.step,
            amount_cents: (name == catalog::PURCHASE).then(|| self.rng.random_range(500..50_000)),
        };
        session.step += 1;
        if session.step < session.events {
            session.next_millis += 1 + self.exponential(GAP_SECONDS_MEAN * 1000.0) as i64;
            self.open.push(Reverse(session));
        }
        Some(event)
    }
}

/// A number from 1 to `count`, `n` as often as `n` to the power of `-exponent`, by the inverse of the continuous law.
fn zipf(rng: &mut ChaCha8Rng, count: u64, exponent: f64) -> u64 {
    let (draw, end) = (rng.random::<f64>(), count as f64 + 1.0);
    let value = if (exponent - 1.0).abs() < 1e-9 {
        end.powf(draw)
    } else {
        let power = 1.0 - exponent;
        (draw * (end.powf(power) - 1.0) + 1.0).powf(1.0 / power)
    };
    (value as u64).clamp(1, count)
}

/// A version 7 id, as SDKs make them.
fn time_uuid(millis: i64, rng: &mut ChaCha8Rng) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &rng.random()).into_uuid()
}

#[cfg(test)]
mod tests;
