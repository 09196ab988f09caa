//! The cases about event rows, and the list of all cases.

use super::rows::{Event, Row, commit_of, logical_rows};
use super::{account_cases, seen_cases, state_cases, withdrawal_cases};
use crate::Accounts;
use crate::commit::PersonOverride;
use crate::read::Snapshot;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, UnixMicros};
use std::sync::Arc;
use uuid::Uuid;

/// A store under test.
pub trait Backend: Accounts {
    /// The store as it is now.
    fn snapshot(&self) -> Arc<dyn Snapshot>;
}

impl Backend for crate::EmbeddedStore {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Self::snapshot(self)
    }
}

/// A store with what is around it.
pub trait World {
    /// The store.
    fn store(&self) -> &dyn Backend;

    /// Ends the store without a flush, as a crash does, and opens it again.
    fn crash(&mut self);
}

pub(super) const WORKS: &str = "INVARIANT: the suite runs on a store that works";

/// Does background work until there is none.
pub(super) fn settle(store: &dyn Backend) {
    while store.work().expect(WORKS) {}
}

/// Checks in memory, after a flush, and after a crash.
pub(super) fn in_every_state(world: &mut dyn World, check: impl Fn(&dyn Backend)) {
    check(world.store());
    world.store().flush().expect(WORKS);
    check(world.store());
    settle(world.store());
    world.crash();
    check(world.store());
}

/// Runs every case, each in a world of its own.
///
/// # Panics
/// When the backend does not conform.
pub fn run(make: &dyn Fn() -> Box<dyn World>) {
    a_commit_is_visible_at_once(&mut *make());
    rows_are_the_same_in_every_physical_state(&mut *make());
    many_small_commits_make_few_parts(&mut *make());
    what_was_not_flushed_is_replayed(&mut *make());
    merged_persons_are_one(&mut *make());
    a_person_that_lives_again_has_its_rows(&mut *make());
    state_cases::run(make);
    account_cases::run(make);
    seen_cases::run(make);
    withdrawal_cases::run(make);
}

fn events(count: u32, seed: u32) -> Vec<Event> {
    let values = ["1", "1.0", "-0.0", "\"a\\u0000b\"", "null", "{\"b\": [1, 2.50]}", "true", "1e+300", "9007199254740993", "\"\""];
    (0..count)
        .map(|number| {
            let mixed = number.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) >> 7;
            let mut properties = vec![
                ("n".to_owned(), number.to_string()),
                ("$current_url".to_owned(), format!("\"https://example.com/p/{}\"", mixed % 50)),
                ("any".to_owned(), values[(mixed % 10) as usize].to_owned()),
            ];
            if mixed % 3 == 0 {
                properties.push((format!("rare.{}", mixed % 40), format!("\"{}\"", mixed % 4)));
            }
            Event {
                project: ProjectId(1 + mixed % 3),
                person: Uuid::from_u128(u128::from(mixed % 57).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
                timestamp: UnixMicros(1_700_000_000_000_000 - i64::from(mixed % 1000) * 1_000_000),
                uuid: Uuid::from_u128((u128::from(seed) << 64) | u128::from(number)),
                event: ["$pageview", "$autocapture", "paid"][(mixed % 3) as usize].to_owned(),
                distinct_id: format!("user-{}", mixed % 57),
                person_properties: format!("{{\"plan\":\"{}\"}}", mixed % 5).into(),
                elements_chain: if mixed % 4 == 0 { "a.b:nth-child(\"1\")".to_owned() } else { String::new() },
                properties,
            }
        })
        .collect()
}

/// The rows of a project that readers see.
pub(super) fn seen(store: &dyn Backend, project: u32) -> Vec<Row> {
    logical_rows(&*store.snapshot().project(ProjectId(project)).expect(WORKS))
}

fn expected(events: &[Event], project: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = events.iter().filter(|event| event.project.0 == project).map(Event::expected).collect();
    rows.sort();
    rows
}

#[track_caller]
fn check(store: &dyn Backend, events: &[Event]) {
    for project in 1..=4 {
        assert_eq!(seen(store, project), expected(events, project), "rows of project {project}");
    }
}

fn a_commit_is_visible_at_once(world: &mut dyn World) {
    let store = world.store();
    let before = store.snapshot();
    let events = events(300, 1);
    let generation = |project| store.snapshot().project(ProjectId(project)).expect(WORKS).generation();
    let generations = [generation(1), generation(9)];
    store.commit(commit_of(&events, 1)).expect(WORKS);
    check(store, &events);
    assert_ne!(generation(1), generations[0], "the generation of a project changes with its rows");
    assert_eq!(generation(9), generations[1], "that of another project does not");
    let view = before.project(ProjectId(1)).expect(WORKS);
    assert!(logical_rows(&*view).is_empty(), "a snapshot does not change");
}

fn rows_are_the_same_in_every_physical_state(world: &mut dyn World) {
    let mut all = Vec::new();
    for round in 0..12 {
        // Later rounds bring events that happened before those of earlier ones: late events.
        let fresh = events(40 + round * 13, round);
        all.extend(fresh.iter().cloned());
        world.store().commit(commit_of(&fresh, u64::from(round) + 1)).expect(WORKS);
        if round % 3 == 2 {
            check(world.store(), &all);
            let generation = world.store().snapshot().project(ProjectId(1)).expect(WORKS).generation();
            world.store().flush().expect(WORKS);
            check(world.store(), &all);
            let after = world.store().snapshot().project(ProjectId(1)).expect(WORKS).generation();
            assert_eq!(generation, after, "a flush changes no answer");
        }
    }
    let old = world.store().snapshot();
    settle(world.store());
    check(world.store(), &all);
    assert_eq!(logical_rows(&*old.project(ProjectId(2)).expect(WORKS)), expected(&all, 2), "a snapshot outlives compaction");
    drop(old);
    world.crash();
    check(world.store(), &all);
    settle(world.store());
    check(world.store(), &all);
}

/// Parts of a shard that a query has to merge at most.
const PARTS_MAX: usize = 20;

fn many_small_commits_make_few_parts(world: &mut dyn World) {
    let mut all = Vec::new();
    for round in 0..60 {
        let fresh = events(1 + round * 2, round);
        world.store().commit(commit_of(&fresh, u64::from(round) + 1)).expect(WORKS);
        all.extend(fresh);
        let view = world.store().snapshot().project(ProjectId(1)).expect(WORKS);
        assert!(view.shards().iter().all(|parts| parts.len() <= PARTS_MAX), "a query does not pay for small commits");
    }
    check(world.store(), &all);
}

fn what_was_not_flushed_is_replayed(world: &mut dyn World) {
    let (first, second) = (events(100, 1), events(150, 2));
    let partition = PartitionId(0);
    assert_eq!(world.store().durable(partition), JournalPosition(0));
    world.store().commit(commit_of(&first, 5)).expect(WORKS);
    world.store().flush().expect(WORKS);
    assert_eq!(world.store().durable(partition), JournalPosition(5));
    world.store().commit(commit_of(&second, 9)).expect(WORKS);
    assert_eq!(world.store().durable(partition), JournalPosition(5), "visible is not durable");
    world.crash();
    assert_eq!(world.store().durable(partition), JournalPosition(5));
    check(world.store(), &first);
    world.store().commit(commit_of(&second, 9)).expect(WORKS);
    let both: Vec<Event> = first.into_iter().chain(second).collect();
    check(world.store(), &both);
    world.store().flush().expect(WORKS);
    world.crash();
    assert_eq!(world.store().durable(partition), JournalPosition(9));
    check(world.store(), &both);
}

fn merge(from: u128, to: u128) -> PersonOverride {
    PersonOverride { project: ProjectId(1), from: Uuid::from_u128(from), to: Uuid::from_u128(to) }
}

fn of_person(person: u128, number: u128) -> Event {
    Event { person: Uuid::from_u128(person), uuid: Uuid::from_u128(number), timestamp: UnixMicros(number as i64), ..Event::default() }
}

fn merged_persons_are_one(world: &mut dyn World) {
    let persons: [u128; 3] = [0xA << 100, 0xB << 90, 0xC << 80];
    let check = |store: &dyn Backend, count: usize| {
        let rows = seen(store, 1);
        assert_eq!(rows.len(), count);
        assert!(rows.iter().all(|row| row.person.as_u128() == persons[2]), "every row belongs to the last person");
    };
    let events: Vec<Event> = persons.iter().enumerate().map(|(number, person)| of_person(*person, number as u128)).collect();
    world.store().commit(commit_of(&events, 1)).expect(WORKS);
    world.store().flush().expect(WORKS);
    let mut commit = commit_of(&[], 2);
    commit.overrides = vec![merge(persons[0], persons[1])];
    world.store().commit(commit).expect(WORKS);
    let rows = seen(world.store(), 1);
    assert_eq!(rows.iter().filter(|row| row.person.as_u128() == persons[1]).count(), 2);
    let mut commit = commit_of(&[of_person(persons[0], 10)], 3);
    commit.overrides = vec![merge(persons[1], persons[2])];
    world.store().commit(commit).expect(WORKS);
    check(world.store(), 4);
    world.store().flush().expect(WORKS);
    check(world.store(), 4);
    world.crash();
    check(world.store(), 4);
    for number in 20..40 {
        world.store().commit(commit_of(&[of_person(persons[2], number)], number as u64)).expect(WORKS);
        world.store().flush().expect(WORKS);
        settle(world.store());
    }
    check(world.store(), 24);
    world.crash();
    check(world.store(), 24);
}

fn a_person_that_lives_again_has_its_rows(world: &mut dyn World) {
    let mut commit = commit_of(&[of_person(1, 1)], 1);
    commit.overrides = vec![merge(1, 2)];
    world.store().commit(commit).expect(WORKS);
    let mut commit = commit_of(&[of_person(1, 2)], 2);
    commit.persons = vec![state_cases::person(1, "{}", false)];
    world.store().commit(commit).expect(WORKS);
    let newest = |world: &dyn World| seen(world.store(), 1).iter().find(|row| row.timestamp == 2).map(|row| row.person.as_u128());
    assert_eq!(newest(world), Some(1));
    world.store().flush().expect(WORKS);
    settle(world.store());
    assert_eq!(newest(world), Some(1));
}
