//! The generation of a project changes with everything that an answer may depend on: kept answers are exact because of that.

use crate::world::{TestWorld, small};
use aqueduct_event::{JournalPosition, ProjectId, UnixMicros};
use aqueduct_store::conformance::{Event, commit_of};
use aqueduct_store::{Commit, DistinctIdRecord, GroupRecord, PersonOverride, PersonRecord, Store, Withdrawal, WithdrawnTo};
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(1);
const ANN: Uuid = Uuid::from_u128(1);
const OLD: Uuid = Uuid::from_u128(2);
const AT: UnixMicros = UnixMicros(1_700_000_000_000_000);

/// One commit of each kind, in an order in which each changes something.
fn changes() -> Vec<(&'static str, Commit)> {
    let nothing = || commit_of(&[], 0);
    let person = |is_deleted| PersonRecord {
        project: PROJECT,
        id: ANN,
        created_at: AT,
        properties: "{}".into(),
        is_identified: false,
        version: 0,
        is_deleted,
        last_seen_at: None,
    };
    let id = DistinctIdRecord { project: PROJECT, distinct_id: "ann".into(), person: ANN, version: 0, is_personless: false, spent: 0 };
    let group =
        GroupRecord { project: PROJECT, type_index: 0, key: "acme".into(), properties: "{}".into(), created_at: AT, updated_at: AT };
    let step = |from, to| vec![PersonOverride { project: PROJECT, from, to }];
    let leave = |to| vec![Withdrawal { project: PROJECT, person: ANN, at: AT, to }];
    let rows = |number| commit_of(&[Event { person: ANN, uuid: Uuid::from_u128(number), ..Event::default() }], 0);
    vec![
        ("rows", rows(1)),
        ("a person", Commit { persons: vec![person(false)], ..nothing() }),
        ("a distinct id", Commit { distinct_ids: vec![id], ..nothing() }),
        ("a group", Commit { groups: vec![group], ..nothing() }),
        ("a type of groups", Commit { group_types: vec![(PROJECT, "company".into())], ..nothing() }),
        ("a merge", Commit { overrides: step(OLD, ANN), ..nothing() }),
        ("one that lives again", Commit { overrides: step(OLD, OLD), ..nothing() }),
        ("a split", Commit { withdrawals: leave(WithdrawnTo::Persons(vec![("ann".into(), OLD)])), ..nothing() }),
        ("more rows", rows(2)),
        ("an erasure", Commit { withdrawals: leave(WithdrawnTo::Nowhere), ..nothing() }),
        ("a deletion", Commit { persons: vec![person(true)], ..nothing() }),
    ]
}

#[test]
fn change_with_each_kind_of_change_and_with_nothing_else() {
    for flushes in [false, true] {
        let world = TestWorld::new(small());
        let store = world.embedded();
        let generation = |project| store.snapshot().project(ProjectId(project)).expect("a view").generation();
        let other = generation(2);
        for (at, (what, change)) in changes().into_iter().enumerate() {
            let before = generation(1);
            store.commit(Commit { upto: JournalPosition(at as u64 + 1), ..change }).expect("commits");
            let after = generation(1);
            assert!(after > before, "{what}: {before} before, {after} after");
            if flushes {
                store.flush().expect("flushes");
                assert_eq!(generation(1), after, "{what}: what is written out is the same");
            }
        }
        assert_eq!(generation(2), other, "nothing happened to another project");
    }
}
