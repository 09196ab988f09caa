//! Identify, alias and merge: each state of the two ids (ingestion semantics, section 7).

use crate::world::{World, check};
use expect_test::expect;

#[test]
fn neither_has_a_person() {
    check(
        &[r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon","$set":{"plan":"pro"},"$set_once":{"first":1}}}"#],
        expect![[""]],
    );
}

#[test]
fn one_has_a_person() {
    check(
        &[
            r#"{"event":"e","distinct_id":"anon","properties":{"$set":{"a":1}}}"#,
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon","$set":{"plan":"pro"}}}"#,
            r#"{"event":"e","distinct_id":"bob"}"#,
            r#"{"event":"$create_alias","distinct_id":"bob","properties":{"alias":"robert"}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn both_have_one_person() {
    check(
        &[
            r#"{"event":"$create_alias","distinct_id":"ann","properties":{"alias":"annie"}}"#,
            r#"{"event":"$identify","distinct_id":"annie","properties":{"$anon_distinct_id":"ann"}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn two_persons_become_the_targets() {
    check(
        &[
            r#"{"event":"e","distinct_id":"anon","at":5,"properties":{"$set":{"a":"other","b":"other","n":1}}}"#,
            r#"{"event":"e","distinct_id":"anon","at":6,"properties":{"$set":{"n":2}}}"#,
            r#"{"event":"e","distinct_id":"anon","at":6,"properties":{"$set":{"n":3}}}"#,
            r#"{"event":"e","distinct_id":"ann","at":7,"properties":{"$set":{"a":"target","c":"target"}}}"#,
            r#"{"event":"$identify","distinct_id":"ann","at":8,"properties":{"$anon_distinct_id":"anon","$set":{"c":"event"},"$set_once":{"b":"event","d":"event"},"$unset":["n"]}}"#,
            r#"{"event":"e","distinct_id":"anon","at":9}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn who_was_identified_is_not_merged_away() {
    check(
        &[
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"a1"}}"#,
            r#"{"event":"$identify","distinct_id":"bob","properties":{"$anon_distinct_id":"b1"}}"#,
            r#"{"event":"e","distinct_id":"cid"}"#,
            r#"{"event":"$identify","distinct_id":"bob","properties":{"$anon_distinct_id":"ann","$set":{"x":1}}}"#,
            r#"{"event":"$create_alias","distinct_id":"cid","properties":{"alias":"ann"}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn merge_dangerously_merges_anybody() {
    check(
        &[
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"a1"}}"#,
            r#"{"event":"$identify","distinct_id":"bob","properties":{"$anon_distinct_id":"b1"}}"#,
            r#"{"event":"$merge_dangerously","distinct_id":"bob","properties":{"alias":"ann"}}"#,
            r#"{"event":"e","distinct_id":"a1"}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn chains_of_merges() {
    check(
        &[
            r#"{"event":"e","distinct_id":"a"}"#,
            r#"{"event":"e","distinct_id":"b"}"#,
            r#"{"event":"e","distinct_id":"c"}"#,
            r#"{"event":"$merge_dangerously","distinct_id":"b","properties":{"alias":"a"}}"#,
            r#"{"event":"$merge_dangerously","distinct_id":"c","properties":{"alias":"b"}}"#,
            r#"{"event":"e","distinct_id":"a"}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn illegal_ids_are_not_merged_and_the_event_goes_on() {
    check(
        &[
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anonymous","$set":{"x":1}}}"#,
            r#"{"event":"$identify","distinct_id":"undefined","properties":{"$anon_distinct_id":"anon"}}"#,
            r#"{"event":"$create_alias","distinct_id":"ann","properties":{"alias":"'Guest'"}}"#,
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":null}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn the_same_or_no_other_id() {
    check(
        &[
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"ann"}}"#,
            r#"{"event":"$identify","distinct_id":"bob","properties":{"$set":{"x":1}}}"#,
            r#"{"event":"$create_alias","distinct_id":"cid","properties":{}}"#,
            r#"{"event":"$create_alias","distinct_id":"cid","properties":{"alias":""}}"#,
            r#"{"event":"e","distinct_id":"dan","properties":{"$anon_distinct_id":"x","alias":"y"}}"#,
            r#"{"event":"$create_alias","distinct_id":"eve","properties":{"alias":17}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn all_ids_of_a_large_person_move() {
    let mut world = World::new("plain");
    let mut lines: Vec<String> = (0..300).map(|n| format!(r#"{{"event":"$create_alias","distinct_id":"big","properties":{{"alias":"b{n}"}}}}"#)).collect();
    lines.push(r#"{"event":"e","distinct_id":"ann"}"#.to_owned());
    // Half of the ids are in the store when the merge comes, half in the same commit.
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    world.send(&lines[..150]).expect("processed");
    let mut rest = lines[150..].to_vec();
    rest.push(r#"{"event":"$merge_dangerously","distinct_id":"ann","properties":{"alias":"b7"}}"#);
    world.send(&rest).expect("processed");
    let kept = world.store.kept();
    let ann = kept.distinct_ids.values().find(|id| &*id.distinct_id == "ann").expect("known").person;
    assert_eq!(kept.distinct_ids.len(), 302);
    assert!(kept.distinct_ids.values().all(|id| id.person == ann && (id.version == 1 || &*id.distinct_id == "ann")));
    assert_eq!(kept.persons.values().filter(|person| !person.is_deleted).count(), 1);
    assert_eq!(kept.overrides.len(), 1);
}
