//! Commands: persons deleted and split, properties of groups removed, in their place between the events.

use crate::world::{World, tell};
use aqueduct_event::{Command, CommandedChange, JournalPosition, ProjectId, UnixMicros, next_person_id_of, person_id_of};
use aqueduct_journal::Entry;
use aqueduct_store::{Store, Withdrawal, WithdrawnTo};
use expect_test::expect;
use std::sync::Arc;

const PROJECT: ProjectId = ProjectId(1);
const AT: UnixMicros = UnixMicros(1_700_000_500_000_000);

fn command(change: CommandedChange<'_>) -> Vec<u8> {
    Command { project: PROJECT, at: AT, change }.encode()
}

fn delete(erases_events: bool, keeps_persons: bool) -> Vec<u8> {
    let persons = vec![person_id_of(PROJECT, "ann")];
    command(CommandedChange::Delete { persons, erases_events, keeps_persons })
}

impl World {
    fn entry_of(&self, payload: Vec<u8>) -> Entry {
        Entry { position: self.store.kept().position, payload: payload.into() }
    }

    /// Applies a command and answers what leaves its person.
    fn order(&mut self, payload: Vec<u8>) -> Vec<Withdrawal> {
        let entry = self.entry_of(payload);
        let commit = self.processor.apply(&[entry]).expect("processed");
        let withdrawals = commit.withdrawals.clone();
        self.store.commit(commit).expect("the model takes commits");
        withdrawals
    }
}

const IDENTIFIED: [&str; 2] = [
    r#"{"event":"seen","distinct_id":"visitor","$set":{"a":1}}"#,
    r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"visitor"},"$set":{"b":2}}"#,
];

fn identified() -> World {
    let mut world = World::new("plain");
    world.send(&IDENTIFIED).expect("processed");
    world
}

fn persons_and_ids(world: &World) -> String {
    tell(&world.store.kept()).lines().filter(|line| line.starts_with("person ") || line.starts_with("id ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_deleted_person_comes_again_as_a_new_one() {
    let mut world = identified();
    let person = world.store.kept().distinct_ids.values().next().expect("an id").person;
    let persons = vec![person];
    let withdrawn = world.order(command(CommandedChange::Delete { persons, erases_events: true, keeps_persons: false }));
    assert_eq!(withdrawn, [Withdrawal { project: PROJECT, person, at: AT, to: WithdrawnTo::Nowhere }]);
    assert!(world.store.kept().persons[&(PROJECT, person)].is_deleted);
    assert!(world.store.kept().distinct_ids.values().all(|id| id.is_personless), "{}", persons_and_ids(&world));
    world.send(&[r#"{"event":"seen","distinct_id":"ann","$set":{"c":3}}"#]).expect("processed");
    let kept = world.store.kept();
    let again = &kept.distinct_ids[&(PROJECT, "ann".to_owned())];
    let born = &kept.persons[&(PROJECT, again.person)];
    assert!(!born.is_deleted && !born.properties.contains("\"b\""), "{born:?}");
    assert!(kept.distinct_ids[&(PROJECT, "visitor".to_owned())].is_personless);
}

/// Two persons that were one: ann, and visitor merged into her. She is deleted, her events stay.
fn deleted_after_a_merge() -> World {
    let mut world = World::new("plain");
    let lines = [
        r#"{"event":"seen","distinct_id":"visitor"}"#,
        r#"{"event":"seen","distinct_id":"ann"}"#,
        r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"visitor"}}"#,
    ];
    world.send(&lines).expect("processed");
    world.order(delete(false, false));
    world
}

#[test]
fn rows_that_a_deleted_person_got_by_a_merge_stay_with_it() {
    let (ann, visitor) = (person_id_of(PROJECT, "ann"), person_id_of(PROJECT, "visitor"));
    for personless in [r#""$process_person_profile":false"#, ""] {
        let mut world = deleted_after_a_merge();
        let line = |name: &str| format!(r#"{{"event":"again","distinct_id":"{name}","properties":{{{personless}}}}}"#);
        world.send(&[&*line("visitor"), &*line("ann")]).expect("processed");
        let kept = world.store.kept();
        let person_of = |name: &str| kept.distinct_ids[&(PROJECT, name.to_owned())].person;
        // Whether its rows carry ann's id by now or still its own depends on compactions, so nobody may have that again.
        assert!(![ann, visitor].contains(&person_of("visitor")), "{personless}");
        assert_eq!(person_of("visitor"), next_person_id_of(PROJECT, "visitor", 1));
        assert_eq!(person_of("ann"), ann, "ann was made of her own id");
        assert!(kept.overrides.iter().any(|(_, from, to)| (*from, *to) == (visitor, ann)), "{:?}", kept.overrides);
    }
}

#[test]
fn an_id_that_was_spent_is_not_had_again_by_a_split() {
    let mut world = deleted_after_a_merge();
    let lines = [
        r#"{"event":"again","distinct_id":"visitor"}"#,
        r#"{"event":"seen","distinct_id":"bob"}"#,
        r#"{"event":"$identify","distinct_id":"bob","properties":{"$anon_distinct_id":"visitor"}}"#,
    ];
    world.send(&lines).expect("processed");
    let second = next_person_id_of(PROJECT, "visitor", 1);
    let person = person_id_of(PROJECT, "bob");
    let withdrawn = world.order(command(CommandedChange::Split { person, keeps: "" }));
    assert_eq!(withdrawn[0].to, WithdrawnTo::Persons(vec![(Arc::from("visitor"), second)]));
}

#[test]
fn deleting_is_of_persons_events_or_both() {
    for (erases_events, keeps_persons) in [(false, false), (true, true), (true, false)] {
        let mut world = World::new("plain");
        world.send(&[r#"{"event":"seen","distinct_id":"ann"}"#]).expect("processed");
        let withdrawn = world.order(delete(erases_events, keeps_persons));
        assert_eq!(withdrawn.len(), usize::from(erases_events));
        assert_eq!(world.store.kept().persons[&(PROJECT, person_id_of(PROJECT, "ann"))].is_deleted, !keeps_persons);
    }
}

#[test]
fn a_command_has_a_commit_of_its_own() {
    let mut world = World::new("plain");
    let lines = [r#"{"event":"one","distinct_id":"ann"}"#, r#"{"event":"two","distinct_id":"ann"}"#];
    let mut entries = vec![world.entry(0, &lines[..1]), world.entry_of(delete(true, false)), world.entry(2, &lines[1..])];
    entries[1].position = JournalPosition(1);
    for (upto, rows, withdrawn) in [(1, 1, 0), (2, 0, 1), (3, 1, 0)] {
        let commit = world.processor.apply(&entries).expect("processed");
        assert_eq!((commit.upto, commit.events.len(), commit.withdrawals.len()), (JournalPosition(upto), rows, withdrawn));
        world.store.commit(commit).expect("taken");
        entries.remove(0);
    }
    assert!(!world.store.kept().persons[&(PROJECT, person_id_of(PROJECT, "ann"))].is_deleted, "the second event made her anew");
}

#[test]
fn a_split_gives_each_id_a_person() {
    let mut world = identified();
    let person = world.store.kept().distinct_ids.values().next().expect("an id").person;
    let other = if person == person_id_of(PROJECT, "ann") { "visitor" } else { "ann" };
    let withdrawn = world.order(command(CommandedChange::Split { person, keeps: "" }));
    let own = person_id_of(PROJECT, other);
    assert_eq!(withdrawn[0].to, WithdrawnTo::Persons(vec![(Arc::from(other), own)]));
    expect![[r#"
        person ann v0 at 500 {}
        person visitor v2 identified at 0 {}
        id ann -> ann v1
        id visitor -> visitor v0"#]]
    .assert_eq(&persons_and_ids(&world));
    // Nothing is left to split.
    assert_eq!(world.order(command(CommandedChange::Split { person, keeps: "" })), []);
    // The ids are persons of their own from now on.
    world.send(&[r#"{"event":"seen","distinct_id":"ann","$set":{"mine":1}}"#]).expect("processed");
    assert!(persons_and_ids(&world).contains("person ann v1 at 500 {\"mine\":1}"), "{}", persons_and_ids(&world));
}

#[test]
fn a_split_can_name_the_id_that_stays() {
    let mut world = identified();
    let person = person_id_of(PROJECT, "visitor");
    assert_eq!(world.order(command(CommandedChange::Split { person, keeps: "nobody" })), []);
    let withdrawn = world.order(command(CommandedChange::Split { person, keeps: "ann" }));
    // The person was made of the id that goes, so that one needs another id.
    let WithdrawnTo::Persons(given) = &withdrawn[0].to else { panic!("{withdrawn:?}") };
    assert!(given.len() == 1 && *given[0].0 == *"visitor" && given[0].1 != person);
    let kept = world.store.kept();
    assert_eq!(kept.distinct_ids[&(PROJECT, "ann".to_owned())].person, person);
    assert!(kept.persons[&(PROJECT, person)].properties.contains("\"a\":1"), "properties stay with the person");
}

#[test]
fn a_property_of_a_group_goes() {
    let mut world = World::new("plain");
    let identify = r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"company","$group_key":"acme","$group_set":{"a":1,"b":2}}}"#;
    world.send(&[identify]).expect("processed");
    let unset = |key| command(CommandedChange::UnsetGroupProperty { type_index: 0, key, property: "a" });
    world.order(unset("acme"));
    world.order(unset("nobody"));
    let kept = world.store.kept();
    let groups: Vec<_> = kept.groups.values().map(|group| (&*group.key, &*group.properties)).collect();
    assert_eq!(groups, [("acme", r#"{"b":2}"#)]);
}

#[test]
fn again_after_a_crash() {
    let run = |crashes: bool| {
        let mut world = identified();
        world.store.flush().expect("flushes");
        let person = person_id_of(PROJECT, "visitor");
        let split = world.entry_of(command(CommandedChange::Split { person, keeps: "ann" }));
        for _ in 0..=u8::from(crashes) {
            world.store.crash();
            world.processor.forget();
            let commit = world.processor.apply(std::slice::from_ref(&split)).expect("processed");
            world.store.commit(commit).expect("taken");
        }
        tell(&world.store.kept())
    };
    assert_eq!(run(true), run(false));
}
