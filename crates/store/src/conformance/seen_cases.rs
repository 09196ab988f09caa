//! The cases about events that arrive again.

use super::cases::{Backend, WORKS, World, settle};
use super::rows::commit_of;
use crate::seen::Seen;
use aqueduct_event::{ProjectId, UnixMicros};
use uuid::Uuid;

const NOON: i64 = 1_700_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

pub(super) fn run(make: &dyn Fn() -> Box<dyn World>) {
    arrivals_are_known_in_every_state(&mut *make());
    what_was_not_durable_is_not_known(&mut *make());
    the_window_is_exact(&mut *make());
    the_rule_stays(&mut *make());
    many_flushes(&mut *make());
}

/// The arrival of event `number` of a project.
fn seen(store: &dyn Backend, project: u32, number: u128, received_at: i64) -> Seen {
    let key = store.seen_rule().key(ProjectId(project), Uuid::from_u128(number), "$pageview", "ann");
    Seen { key, received_at: UnixMicros(received_at) }
}

fn commit(store: &dyn Backend, seen: Vec<Seen>, upto: u64) {
    let mut commit = commit_of(&[], upto);
    commit.seen = seen;
    store.commit(commit).expect(WORKS);
}

fn of_all(store: &dyn Backend, project: u32, numbers: std::ops::Range<u128>, received_at: i64) -> Vec<Seen> {
    numbers.map(|number| seen(store, project, number, received_at)).collect()
}

#[track_caller]
fn check(store: &dyn Backend, again: &[Seen], expected: Option<i64>) {
    let found = store.seen(again).expect(WORKS);
    assert_eq!(found.len(), again.len());
    assert!(found.iter().all(|found| *found == expected.map(UnixMicros)), "{expected:?} {found:?}");
}

fn arrivals_are_known_in_every_state(world: &mut dyn World) {
    let check_all = |store: &dyn Backend| {
        check(store, &of_all(store, 1, 0..1000, NOON + HOUR), Some(NOON));
        check(store, &of_all(store, 1, 1000..3000, NOON + HOUR), None);
        check(store, &of_all(store, 2, 0..1000, NOON + HOUR), None);
        check(store, &[], None);
    };
    check(world.store(), &of_all(world.store(), 1, 0..1000, NOON), None);
    commit(world.store(), of_all(world.store(), 1, 0..1000, NOON), 1);
    check_all(world.store());
    world.store().flush().expect(WORKS);
    check_all(world.store());
    settle(world.store());
    world.crash();
    check_all(world.store());
}

fn what_was_not_durable_is_not_known(world: &mut dyn World) {
    commit(world.store(), of_all(world.store(), 1, 0..10, NOON), 1);
    world.store().flush().expect(WORKS);
    commit(world.store(), of_all(world.store(), 1, 10..20, NOON), 2);
    world.crash();
    check(world.store(), &of_all(world.store(), 1, 0..10, NOON), Some(NOON));
    check(world.store(), &of_all(world.store(), 1, 10..20, NOON), None);
    // Replay brings them again, and then they are known.
    commit(world.store(), of_all(world.store(), 1, 10..20, NOON), 2);
    check(world.store(), &of_all(world.store(), 1, 0..20, NOON), Some(NOON));
}

fn the_window_is_exact(world: &mut dyn World) {
    let window = world.store().seen_rule().window();
    commit(world.store(), of_all(world.store(), 1, 0..1, NOON), 1);
    for round in 0..3 {
        for (at, expected) in [(window, Some(NOON)), (window + 1, None), (-window, Some(NOON)), (-window - 1, None)] {
            check(world.store(), &of_all(world.store(), 1, 0..1, NOON + at), expected);
        }
        match round {
            0 => world.store().flush().expect(WORKS),
            _ => world.crash(),
        }
    }
    // Stored again after the window: the later arrival counts from now on.
    let later = NOON + window + HOUR;
    commit(world.store(), of_all(world.store(), 1, 0..1, later), 2);
    for _ in 0..2 {
        check(world.store(), &of_all(world.store(), 1, 0..1, later + window), Some(later));
        world.store().flush().expect(WORKS);
        settle(world.store());
    }
}

fn the_rule_stays(world: &mut dyn World) {
    let key = |store: &dyn Backend| store.seen_rule().key(ProjectId(1), Uuid::from_u128(1), "a", "b");
    let before = key(world.store());
    world.crash();
    assert_eq!(key(world.store()), before, "a store keeps its secret");
}

/// Three windows of flushes, each an eighth of a window after the one before: runs are merged and given up on the way.
fn many_flushes(world: &mut dyn World) {
    let window = world.store().seen_rule().window();
    for round in 0..24_u64 {
        let at = |round: u64| NOON + i64::try_from(round).unwrap_or_default() * window / 8;
        let numbers = |round: u64| u128::from(round) * 100..u128::from(round) * 100 + 100;
        // Requests come all the time in between, not only then.
        let mut arrivals = of_all(world.store(), 1, numbers(round), at(round));
        arrivals.extend((0..21).map(|hour| seen(world.store(), 9, u128::from(round * 21 + hour), at(round) - (21 - hour as i64) * HOUR)));
        commit(world.store(), arrivals, round + 1);
        world.store().flush().expect(WORKS);
        settle(world.store());
        for earlier in 0..=round {
            let expected = (round - earlier <= 8).then(|| at(earlier));
            check(world.store(), &of_all(world.store(), 1, numbers(earlier), at(round)), expected);
        }
        if round % 5 == 4 {
            world.crash();
        }
    }
}
