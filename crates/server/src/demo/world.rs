//! Everybody together, day by day.

use super::people::{Company, Person};
use super::visit::{self, DemoEvent, Scene};
use aqueduct_event::{Clock, SystemClock};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HOUR_MICROS: i64 = 3_600 * 1_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;
/// How busy each hour of a day is (UTC): mornings and afternoons of Europe and America.
const HOURS: [f64; 24] =
    [1.0, 0.8, 0.7, 0.7, 0.8, 1.2, 2.0, 3.2, 4.2, 4.8, 4.6, 4.2, 4.4, 5.0, 5.4, 5.2, 4.8, 4.2, 3.6, 3.2, 2.6, 2.0, 1.6, 1.2];

/// The product's people and their chance.
#[derive(Debug)]
pub(super) struct World {
    rng: ChaCha8Rng,
    people: Vec<Person>,
    companies: Vec<Company>,
    users: usize,
    /// New visitors of a usual day.
    visitors: u32,
}

impl World {
    pub(super) fn new(seed: u64, visitors: u32) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), people: Vec::new(), companies: Vec::new(), users: 0, visitors }
    }

    /// All events of the day that is `days` days ago, in order of time.
    pub(super) fn day(&mut self, days: u32) -> Vec<DemoEvent> {
        let begin = midnight() - i64::from(days) * DAY_MICROS;
        // It grows: some percent each week.
        let growth = 1.0 / (1.0 + f64::from(days) * 0.012);
        self.play_day(begin, growth, i64::MAX)
    }

    /// Events of today until now.
    pub(super) fn today(&mut self) -> Vec<DemoEvent> {
        self.play_day(midnight(), 1.0, SystemClock.now().0)
    }

    /// One visit now, of somebody new or somebody known.
    pub(super) fn visit_now(&mut self) -> Vec<DemoEvent> {
        let now = SystemClock.now().0;
        if self.people.is_empty() || self.rng.random_bool(0.4) {
            self.people.push(Person::new(&mut self.rng));
            return self.visit(self.people.len() - 1, now);
        }
        let known = self.rng.random_range(0..self.people.len());
        self.visit(known, now)
    }

    pub(super) fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    fn play_day(&mut self, begin: i64, growth: f64, until: i64) -> Vec<DemoEvent> {
        // 1970 began on a Thursday.
        let weekend = matches!((begin.div_euclid(DAY_MICROS) + 4).rem_euclid(7), 0 | 6);
        let usual = f64::from(self.visitors) * growth * if weekend { 0.45 } else { 1.0 };
        let fresh = (usual * self.rng.random_range(0.85..1.15)) as usize;
        let mut coming: Vec<usize> = Vec::new();
        for at in 0..self.people.len() {
            self.people[at].age += 1;
            if self.people[at].comes(&mut self.rng, weekend) {
                coming.push(at);
            }
        }
        for _ in 0..fresh {
            self.people.push(Person::new(&mut self.rng));
            coming.push(self.people.len() - 1);
        }
        let mut events = Vec::new();
        for at in coming {
            let start = begin + self.time_of_day();
            if start < until {
                events.extend(self.visit(at, start));
            }
        }
        events.retain(|event| event.at < until);
        events.sort_by_key(|event| event.at);
        events
    }

    fn visit(&mut self, at: usize, start: i64) -> Vec<DemoEvent> {
        let mut scene = Scene { rng: &mut self.rng, companies: &mut self.companies, users: &mut self.users };
        visit::play(&mut scene, &mut self.people[at], start)
    }

    fn time_of_day(&mut self) -> i64 {
        let hours: Vec<(i64, f64)> = (0..).zip(HOURS).collect();
        let hour = super::product::weighted(&mut self.rng, &hours, |hour| hour.1).0;
        hour * HOUR_MICROS + self.rng.random_range(0..HOUR_MICROS)
    }
}

fn midnight() -> i64 {
    SystemClock.now().0.div_euclid(DAY_MICROS) * DAY_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn weeks(seed: u64) -> (World, Vec<DemoEvent>) {
        let mut world = World::new(seed, 40);
        let events = (1..=20).rev().flat_map(|day| world.day(day)).collect();
        (world, events)
    }

    #[test]
    fn some_weeks_are_believable() {
        let (world, events) = weeks(1);
        let count = |name: &str| events.iter().filter(|event| event.event == name).count();
        assert!(events.is_sorted_by_key(|event| event.at), "days follow each other");
        assert!(count("$pageview") > count("signed up") * 10);
        assert!(count("signed up") > 20 && count("plan upgraded") > 1);
        assert_eq!(count("signed up"), world.users);
        let ids: HashSet<_> = events.iter().map(|event| event.uuid).collect();
        assert_eq!(ids.len(), events.len());
        let returning = events.iter().filter(|event| event.event == "card moved").map(|event| (&event.distinct_id, event.at / DAY_MICROS));
        assert!(returning.collect::<HashSet<_>>().len() > world.users * 2, "users come back on other days");
    }

    #[test]
    fn the_same_seed_makes_the_same_weeks() {
        let names =
            |events: &[DemoEvent]| events.iter().map(|event| (event.uuid, event.event, event.distinct_id.clone())).collect::<Vec<_>>();
        assert_eq!(names(&weeks(7).1), names(&weeks(7).1));
        assert_ne!(names(&weeks(7).1), names(&weeks(8).1));
    }
}
