//! The cases about rows that leave their person: erased, or given to others.

use super::cases::{Backend, WORKS, World, seen, settle};
use super::rows::{Event, Row, commit_of};
use crate::commit::{Commit, PersonOverride, Withdrawal, WithdrawnTo};
use aqueduct_event::verdict::DropReason;
use aqueduct_event::{Minute, PersonId, ProjectId, UnixMicros, Verdict};
use std::sync::Arc;
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);
const ANN: PersonId = Uuid::from_u128(0xa << 64);
const BOB: PersonId = Uuid::from_u128(0xb << 64);
/// Merged into Ann.
const OLD: PersonId = Uuid::from_u128(0xc << 64);

pub(super) fn run(make: &dyn Fn() -> Box<dyn World>) {
    for flush_before in [false, true] {
        for flush_between in [false, true] {
            erased_rows_are_gone_at_once_and_stay_gone(&mut *make(), flush_before, flush_between);
            given_rows_are_the_others(&mut *make(), flush_before, flush_between);
        }
    }
    for (flush_before, flush_between) in [(false, false), (false, true), (true, false), (true, true)] {
        who_is_merged_into_an_erased_person_keeps_its_rows(&mut *make(), flush_before, flush_between);
    }
    erased_events_change_their_verdict(&mut *make());
}

fn event(number: u32, person: PersonId, distinct_id: &str) -> Event {
    Event {
        person,
        uuid: Uuid::from_u128(u128::from(number)),
        timestamp: UnixMicros(1_700_000_000_000_000 + i64::from(number % 7) * 1_000_000),
        distinct_id: distinct_id.to_owned(),
        properties: vec![("n".to_owned(), number.to_string()), (format!("only {}", number % 5), "true".to_owned())],
        ..Event::default()
    }
}

/// Sixty events of Ann (some under the id that was merged into her) and Bob, and some of another project with the same ids.
fn first() -> Vec<Event> {
    let all = (0..60_u32).map(|number| match number % 4 {
        0 => event(number, ANN, "ann"),
        1 => event(number, OLD, "old"),
        2 => event(number, BOB, "bob"),
        _ => Event { project: ProjectId(2), ..event(number, ANN, "ann") },
    });
    all.collect()
}

fn later() -> Vec<Event> {
    (100..110).map(|number| event(number, if number % 2 == 0 { ANN } else { BOB }, "later")).collect()
}

fn withdraw(upto: u64, to: WithdrawnTo) -> Commit {
    let withdrawals = vec![Withdrawal { project: PROJECT, person: ANN, at: UnixMicros(1_700_000_100_000_000), to }];
    Commit { withdrawals, ..commit_of(&[], upto) }
}

/// Commits the first events, the withdrawal, and the later ones, with flushes in between as asked.
fn play(store: &dyn Backend, to: &WithdrawnTo, flush_before: bool, flush_between: bool) {
    let overrides = vec![PersonOverride { project: PROJECT, from: OLD, to: ANN }];
    let (half, rest) = (first()[..30].to_vec(), first()[30..].to_vec());
    store.commit(commit_of(&half, 1)).expect(WORKS);
    if flush_before {
        store.flush().expect(WORKS);
    }
    store.commit(Commit { overrides, ..commit_of(&rest, 2) }).expect(WORKS);
    store.commit(withdraw(3, to.clone())).expect(WORKS);
    if flush_between {
        store.flush().expect(WORKS);
    }
    store.commit(commit_of(&later(), 4)).expect(WORKS);
}

/// Ann's events are erased, and then Bob, who is as old as these, is merged into her.
fn who_is_merged_into_an_erased_person_keeps_its_rows(world: &mut dyn World, flush_before: bool, flush_between: bool) {
    play(world.store(), &WithdrawnTo::Nowhere, flush_before, flush_between);
    let overrides = vec![PersonOverride { project: PROJECT, from: BOB, to: ANN }];
    world.store().commit(Commit { overrides, ..commit_of(&[], 5) }).expect(WORKS);
    let mut rows = expected(|event| (event.person == BOB).then_some(BOB));
    for row in rows.iter_mut().filter(|row| row.person == BOB) {
        row.person = ANN;
    }
    rows.sort();
    in_every_state(world, &rows);
}

/// Rows of both projects as they must be.
fn expected(person_of: impl Fn(&Event) -> Option<PersonId>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for event in first() {
        if event.project == ProjectId(2) {
            rows.push(event.expected());
        } else if let Some(person) = person_of(&event) {
            rows.push(Row { person, ..event.expected() });
        }
    }
    rows.extend(later().iter().map(Event::expected));
    rows.sort();
    rows
}

#[track_caller]
fn in_every_state(world: &mut dyn World, expected: &[Row]) {
    let rows = |store: &dyn Backend| {
        let mut rows = [seen(store, 1), seen(store, 2)].concat();
        rows.sort();
        rows
    };
    assert_eq!(rows(world.store()), expected, "at once");
    world.store().flush().expect(WORKS);
    assert_eq!(rows(world.store()), expected, "after a flush");
    settle(world.store());
    assert_eq!(rows(world.store()), expected, "at rest");
    world.crash();
    assert_eq!(rows(world.store()), expected, "after a crash");
    settle(world.store());
    assert_eq!(rows(world.store()), expected, "at rest again");
}

fn erased_rows_are_gone_at_once_and_stay_gone(world: &mut dyn World, flush_before: bool, flush_between: bool) {
    let store = world.store();
    let before = store.snapshot();
    let generation = || store.snapshot().project(PROJECT).expect(WORKS).generation();
    let first = generation();
    play(store, &WithdrawnTo::Nowhere, flush_before, flush_between);
    assert_ne!(generation(), first);
    assert!(before.project(PROJECT).expect(WORKS).shards().iter().all(Vec::is_empty), "a snapshot does not change");
    let expected = expected(|event| (event.person == BOB).then_some(BOB));
    in_every_state(world, &expected);
}

fn given_rows_are_the_others(world: &mut dyn World, flush_before: bool, flush_between: bool) {
    let new = Uuid::from_u128(0xd << 64);
    let to = WithdrawnTo::Persons(vec![(Arc::from("old"), new)]);
    play(world.store(), &to, flush_before, flush_between);
    let person = |event: &Event| match event.distinct_id.as_str() {
        "old" => Some(new),
        "bob" => Some(BOB),
        _ => Some(ANN),
    };
    in_every_state(world, &expected(person));
}

fn erased_events_change_their_verdict(world: &mut dyn World) {
    let store = world.store();
    play(store, &WithdrawnTo::Nowhere, true, false);
    let erased = Verdict::Dropped(DropReason::Erased);
    for state in ["at once", "after a flush"] {
        let account = store.account(Minute(0)..=Minute(u32::MAX)).expect(WORKS);
        let count = |verdict| {
            let rows = account.rows.iter().filter(|(key, _)| key.project == PROJECT && key.verdict == verdict);
            rows.map(|(_, events)| *events).sum::<i64>()
        };
        assert_eq!((count(Verdict::Visible), count(erased)), (25, 30), "{state}");
        let fates = store.fates_of(PROJECT, Uuid::from_u128(0)).expect(WORKS);
        assert_eq!(fates.iter().map(|fate| (fate.verdict, &*fate.distinct_id)).collect::<Vec<_>>(), [(erased, "")], "{state}");
        store.flush().expect(WORKS);
    }
    // Once more changes nothing: the rows are gone.
    store.commit(withdraw(5, WithdrawnTo::Nowhere)).expect(WORKS);
    let account = store.account(Minute(0)..=Minute(u32::MAX)).expect(WORKS);
    let all: i64 = account.rows.iter().filter(|(key, _)| key.project == PROJECT && key.verdict == erased).map(|(_, events)| *events).sum();
    assert_eq!(all, 35, "the later events are erased, the earlier ones are counted once");
}
