//! The cases about verdicts, fates and dead letters.

use super::cases::{Backend, WORKS, World, in_every_state};
use super::rows::{Event, commit_of};
use crate::account::{DeadLetter, Fate, LetterChange};
use crate::commit::Commit;
use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{JournalPosition, LetterId, Minute, PartitionId, ProjectId, TallyKey, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);
/// 2023-11-14 22:13.
const MINUTE: Minute = Minute(28_333_333);
const ALL: std::ops::RangeInclusive<Minute> = Minute(0)..=Minute(u32::MAX);
const OLD: Verdict = Verdict::Dropped(DropReason::TooOld);
const DEAD: Verdict = Verdict::DeadLettered(DeadReason::Panicked);

pub(super) fn run(make: &dyn Fn() -> Box<dyn World>) {
    counts_are_of_what_was_committed(&mut *make());
    fates_are_found_by_event_and_by_who(&mut *make());
    letters_come_and_go(&mut *make());
    letters_are_looked_after(&mut *make());
    what_is_noted_of_somebody_is_erased(&mut *make());
}

fn tally(commit: &mut Commit, verdict: Verdict, events: i64) {
    commit.verdicts.add(TallyKey { minute: MINUTE, project: PROJECT, verdict }, events);
}

fn fate(number: u32, distinct_id: &str) -> Fate {
    Fate {
        project: PROJECT,
        uuid: Uuid::from_u128(u128::from(number)),
        event: "e".into(),
        distinct_id: distinct_id.into(),
        received_at: MINUTE.start(),
        position: JournalPosition(u64::from(number)),
        index: 0,
        verdict: OLD,
        detail: "".into(),
    }
}

fn letter(position: u64) -> DeadLetter {
    DeadLetter {
        id: LetterId { partition: PartitionId(0), position: JournalPosition(position), index: 0 },
        project: PROJECT,
        received_at: MINUTE.start(),
        events: 1,
        reason: DeadReason::Panicked,
        detail: "".into(),
        uuid: Uuid::from_u128(u128::from(position)),
        event: "e".into(),
        distinct_id: "ann".into(),
        payload: "{}".into(),
        replays: 0,
        is_amended: false,
    }
}

fn dead(position: u64) -> Commit {
    let mut commit = commit_of(&[], position + 1);
    tally(&mut commit, DEAD, 1);
    commit.dead_letters.push(LetterChange::Keep(letter(position)));
    commit
}

fn totals(store: &dyn Backend) -> Vec<(Verdict, i64)> {
    let view = store.account(ALL).expect(WORKS);
    let mut of_rows: BTreeMap<_, i64> = BTreeMap::new();
    for (key, events) in &view.rows {
        *of_rows.entry((key.project, key.verdict)).or_default() += events;
    }
    assert_eq!(of_rows, view.totals, "rows add up to the totals");
    view.totals.into_iter().map(|((_, verdict), events)| (verdict, events)).collect()
}

fn counts_are_of_what_was_committed(world: &mut dyn World) {
    let rows = [0_u128, 1, 2].map(|number| Event { uuid: Uuid::from_u128(number), timestamp: MINUTE.start(), ..Event::default() });
    let mut first = commit_of(&rows, 1);
    tally(&mut first, OLD, 2);
    world.store().commit(first).expect(WORKS);
    world.store().flush().expect(WORKS);
    let second = || {
        let mut second = commit_of(&[], 2);
        tally(&mut second, OLD, 5);
        tally(&mut second, Verdict::Duplicate, 1);
        second
    };
    world.store().commit(second()).expect(WORKS);
    assert_eq!(world.store().account(ALL).expect(WORKS).visible[&PartitionId(0)], JournalPosition(2));
    // What was not flushed is taken back with its position, and counted once when it comes again.
    world.crash();
    let view = world.store().account(ALL).expect(WORKS);
    assert_eq!((view.visible[&PartitionId(0)], view.durable[&PartitionId(0)]), (JournalPosition(1), JournalPosition(1)));
    assert_eq!(totals(world.store()), [(Verdict::Visible, 3), (OLD, 2)]);
    world.store().commit(second()).expect(WORKS);
    in_every_state(world, |store| {
        assert_eq!(totals(store), [(Verdict::Visible, 3), (Verdict::Duplicate, 1), (OLD, 7)]);
        assert!(store.account(Minute(0)..=Minute(MINUTE.0 - 60)).expect(WORKS).rows.is_empty());
    });
}

fn fates_are_found_by_event_and_by_who(world: &mut dyn World) {
    for number in 0..5 {
        let mut commit = commit_of(&[], u64::from(number) + 1);
        commit.fates = vec![fate(number, "ann"), fate(number + 100, "anna")];
        world.store().commit(commit).expect(WORKS);
        if number == 2 {
            world.store().flush().expect(WORKS);
        }
    }
    in_every_state(world, |store| {
        assert_eq!(store.fates_of(PROJECT, Uuid::from_u128(1)).expect(WORKS), [fate(1, "ann")]);
        assert_eq!(store.fates_of(PROJECT, Uuid::from_u128(4)).expect(WORKS), [fate(4, "ann")]);
        assert!(store.fates_of(ProjectId(2), Uuid::from_u128(1)).expect(WORKS).is_empty());
        assert_eq!(store.fates_by(PROJECT, "ann", 10).expect(WORKS), [0, 1, 2, 3, 4].map(|number| fate(number, "ann")));
        assert_eq!(store.fates_by(PROJECT, "ann", 4).expect(WORKS), [1, 2, 3, 4].map(|number| fate(number, "ann")));
        assert!(store.fates_by(PROJECT, "an", 10).expect(WORKS).is_empty());
    });
}

fn letters_come_and_go(world: &mut dyn World) {
    for position in 0..3 {
        world.store().commit(dead(position)).expect(WORKS);
        if position == 1 {
            world.store().flush().expect(WORKS);
        }
    }
    // The first is replayed.
    let mut replayed = commit_of(&[], 4);
    tally(&mut replayed, DEAD, -1);
    tally(&mut replayed, OLD, 1);
    replayed.dead_letters.push(LetterChange::Remove { project: PROJECT, id: letter(0).id });
    world.store().commit(replayed).expect(WORKS);
    in_every_state(world, |store| {
        let (count, found) = store.dead_letters(PROJECT, 1, 10).expect(WORKS);
        assert_eq!((count, found), (2, vec![letter(2)]));
        assert_eq!(store.dead_letter(PROJECT, letter(0).id).expect(WORKS), None);
        assert_eq!(store.dead_letter(PROJECT, letter(1).id).expect(WORKS), Some(letter(1)));
        assert_eq!(store.dead_letter(ProjectId(2), letter(1).id).expect(WORKS), None, "another project");
        assert_eq!(totals(store), [(OLD, 1), (DEAD, 2)]);
        assert_eq!(store.account(ALL).expect(WORKS).letter_bytes, 2 * letter(1).bytes() as u64);
    });
}

fn letters_are_looked_after(world: &mut dyn World) {
    world.store().commit(dead(0)).expect(WORKS);
    world.store().commit(dead(1)).expect(WORKS);
    let amended = world.store().amend_dead_letter(PROJECT, letter(0).id, r#"{"mended":1}"#).expect(WORKS).expect("the letter is there");
    assert_eq!((&*amended.payload, amended.is_amended), (r#"{"mended":1}"#, true));
    assert!(world.store().discard_dead_letter(PROJECT, letter(1).id).expect(WORKS));
    assert!(!world.store().discard_dead_letter(PROJECT, letter(1).id).expect(WORKS), "it is gone");
    assert_eq!(world.store().amend_dead_letter(PROJECT, letter(7).id, "{}").expect(WORKS), None);
    // Durable without a flush.
    world.crash();
    in_every_state(world, |store| {
        assert_eq!(store.dead_letters(PROJECT, 0, 10).expect(WORKS), (1, vec![amended.clone()]));
        assert_eq!(totals(store), [(Verdict::Dropped(DropReason::Discarded), 1), (DEAD, 1)]);
        assert_eq!(store.account(ALL).expect(WORKS).letter_bytes, amended.bytes() as u64);
    });
}

fn what_is_noted_of_somebody_is_erased(world: &mut dyn World) {
    for position in 0..4 {
        let mut commit = dead(position);
        let number = u32::try_from(position).expect("small");
        let who = if position == 3 { "bob" } else { "ann" };
        for change in &mut commit.dead_letters {
            if let LetterChange::Keep(letter) = change {
                letter.distinct_id = who.into();
            }
        }
        let of_letter = Fate { verdict: DEAD, detail: "why".into(), ..fate(number, who) };
        commit.fates = vec![of_letter, Fate { detail: "rule".into(), ..fate(number + 100, who) }];
        tally(&mut commit, OLD, 1);
        world.store().commit(commit).expect(WORKS);
        if position == 1 {
            world.store().flush().expect(WORKS);
        }
    }
    let ann = BTreeSet::from(["ann".into(), "ann@example.com".into()]);
    world.store().erase_notes(PROJECT, &ann).expect(WORKS);
    world.store().erase_notes(PROJECT, &ann).expect("again");
    // Durable without a flush.
    world.crash();
    in_every_state(world, |store| {
        let erased = Verdict::Dropped(DropReason::Erased);
        let bob = DeadLetter { distinct_id: "bob".into(), ..letter(3) };
        assert_eq!(store.dead_letters(PROJECT, 0, 10).expect(WORKS), (1, vec![bob.clone()]));
        assert_eq!(store.account(ALL).expect(WORKS).letter_bytes, bob.bytes() as u64);
        let mut found: Vec<_> = totals(store).into_iter().collect();
        found.sort_unstable_by_key(|(verdict, _)| verdict.number());
        let mut expected = vec![(OLD, 4), (erased, 3), (DEAD, 1)];
        expected.sort_unstable_by_key(|(verdict, _)| verdict.number());
        assert_eq!(found, expected);
        assert!(store.fates_by(PROJECT, "ann", 10).expect(WORKS).is_empty());
        assert_eq!(store.fates_by(PROJECT, "bob", 10).expect(WORKS).len(), 2);
        // An audit still finds that each event had its fate.
        for (number, verdict) in [(0, erased), (2, erased), (100, OLD), (102, OLD)] {
            let blank = Fate { verdict, event: "".into(), position: JournalPosition(u64::from(number)), ..fate(number, "") };
            assert_eq!(store.fates_of(PROJECT, blank.uuid).expect(WORKS), [blank]);
        }
    });
}
