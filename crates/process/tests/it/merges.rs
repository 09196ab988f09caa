//! Identify, alias and merge: each state of the two ids (ingestion semantics, section 7).

use crate::world::{World, check};
use expect_test::expect;

#[test]
fn neither_has_a_person() {
    check(
        &[
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon","$set":{"plan":"pro"},"$set_once":{"first":1}}}"#,
        ],
        expect![[r#"
            person ann v0 identified at 0 {"first":1,"plan":"pro"}
            id ann -> ann v0
            id anon -> ann v0
            row $identify ann: ann full 0 {"first":1,"plan":"pro"} {"$anon_distinct_id":"anon","$set":{"plan":"pro"},"$set_once":{"first":1}}
        "#]],
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
        expect![[r#"
            person anon v1 identified at 0 {"a":1,"plan":"pro"}
            person bob v1 identified at 2 {}
            id ann -> anon v0
            id anon -> anon v0
            id bob -> bob v0
            id robert -> bob v0
            row e anon: anon full 0 {"a":1} {"$set":{"a":1}}
            row $identify ann: anon full 0 {"a":1,"plan":"pro"} {"$anon_distinct_id":"anon","$set":{"plan":"pro"}}
            row e bob: bob full 2 {} {}
            row $create_alias bob: bob full 2 {} {"alias":"robert"}
        "#]],
    );
}

#[test]
fn both_have_one_person() {
    check(
        &[
            r#"{"event":"$create_alias","distinct_id":"ann","properties":{"alias":"annie"}}"#,
            r#"{"event":"$identify","distinct_id":"annie","properties":{"$anon_distinct_id":"ann"}}"#,
        ],
        expect![[r#"
            person ann v0 identified at 0 {}
            id ann -> ann v0
            id annie -> ann v0
            row $create_alias ann: ann full 0 {} {"alias":"annie"}
            row $identify annie: ann full 0 {} {"$anon_distinct_id":"ann"}
        "#]],
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
        expect![[r#"
            person ann v3 identified at 5 {"a":"target","b":"other","d":"event","c":"event"}
            person anon v102 deleted at 5 {"a":"other","b":"other","n":3}
            id ann -> ann v0
            id anon -> ann v1
            override anon -> ann
            row e anon: anon full 5 {"a":"other","b":"other","n":1} {"$set":{"a":"other","b":"other","n":1}}
            row e anon: anon full 5 {"a":"other","b":"other","n":2} {"$set":{"n":2}}
            row e anon: anon full 5 {"a":"other","b":"other","n":3} {"$set":{"n":3}}
            row e ann: ann full 7 {"a":"target","c":"target"} {"$set":{"a":"target","c":"target"}}
            row $identify ann: ann full 5 {"a":"target","b":"other","d":"event","c":"event"} {"$anon_distinct_id":"anon","$set":{"c":"event"},"$set_once":{"b":"event","d":"event"},"$unset":["n"]}
            row e anon: ann full 5 {"a":"target","b":"other","d":"event","c":"event"} {}
        "#]],
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
        expect![[r#"
            person ann v0 identified at 0 {}
            person bob v1 identified at 1 {"x":1}
            person cid v1 identified at 2 {}
            id a1 -> ann v0
            id ann -> ann v0
            id b1 -> bob v0
            id bob -> bob v0
            id cid -> cid v0
            row $identify ann: ann full 0 {} {"$anon_distinct_id":"a1"}
            row $identify bob: bob full 1 {} {"$anon_distinct_id":"b1"}
            row e cid: cid full 2 {} {}
            row $identify bob: bob full 1 {"x":1} {"$anon_distinct_id":"ann","$set":{"x":1}}
            row $create_alias cid: cid full 2 {} {"alias":"ann"}
            warning cannot_merge_already_identified {"targetPersonDistinctId":"bob","sourcePersonDistinctId":"ann"}
            warning cannot_merge_already_identified {"targetPersonDistinctId":"cid","sourcePersonDistinctId":"ann"}
        "#]],
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
        expect![[r#"
            person ann v100 identified deleted at 0 {}
            person bob v1 identified at 0 {}
            id a1 -> bob v1
            id ann -> bob v1
            id b1 -> bob v0
            id bob -> bob v0
            override ann -> bob
            row $identify ann: ann full 0 {} {"$anon_distinct_id":"a1"}
            row $identify bob: bob full 1 {} {"$anon_distinct_id":"b1"}
            row $merge_dangerously bob: bob full 0 {} {"alias":"ann"}
            row e a1: bob full 0 {} {}
        "#]],
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
        expect![[r#"
            person a v100 deleted at 0 {}
            person b v101 identified deleted at 0 {}
            person c v2 identified at 0 {}
            id a -> c v2
            id b -> c v1
            id c -> c v0
            override a -> b
            override b -> c
            row e a: a full 0 {} {}
            row e b: b full 1 {} {}
            row e c: c full 2 {} {}
            row $merge_dangerously b: b full 0 {} {"alias":"a"}
            row $merge_dangerously c: c full 0 {} {"alias":"b"}
            row e a: c full 0 {} {}
        "#]],
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
        expect![[r#"
            person ann v0 at 0 {"x":1}
            person undefined v0 at 1 {}
            id ann -> ann v0
            id undefined -> undefined v0
            row $identify ann: ann full 0 {"x":1} {"$anon_distinct_id":"anonymous","$set":{"x":1}}
            row $identify undefined: undefined full 1 {} {"$anon_distinct_id":"anon"}
            row $create_alias ann: ann full 0 {"x":1} {"alias":"'Guest'"}
            row $identify ann: ann full 0 {"x":1} {"$anon_distinct_id":null}
            warning cannot_merge_with_illegal_distinct_id {"otherDistinctId":"ann","illegalDistinctId":"anonymous"}
            warning cannot_merge_with_illegal_distinct_id {"otherDistinctId":"anon","illegalDistinctId":"undefined"}
            warning cannot_merge_with_illegal_distinct_id {"otherDistinctId":"ann","illegalDistinctId":"'Guest'"}
            warning cannot_merge_with_illegal_distinct_id {"otherDistinctId":"ann","illegalDistinctId":"null"}
        "#]],
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
        expect![[r#"
            person ann v0 at 0 {}
            person bob v0 identified at 1 {"x":1}
            person cid v0 at 2 {}
            person dan v0 at 4 {}
            person eve v0 identified at 5 {}
            id 17 -> eve v0
            id ann -> ann v0
            id bob -> bob v0
            id cid -> cid v0
            id dan -> dan v0
            id eve -> eve v0
            row $identify ann: ann full 0 {} {"$anon_distinct_id":"ann"}
            row $identify bob: bob full 1 {"x":1} {"$set":{"x":1}}
            row $create_alias cid: cid full 2 {} {}
            row $create_alias cid: cid full 2 {} {"alias":""}
            row e dan: dan full 4 {} {"$anon_distinct_id":"x","alias":"y"}
            row $create_alias eve: eve full 5 {} {"alias":17}
        "#]],
    );
}

#[test]
fn all_ids_of_a_large_person_move() {
    let mut world = World::new("plain");
    let mut lines: Vec<String> =
        (0..300).map(|n| format!(r#"{{"event":"$create_alias","distinct_id":"big","properties":{{"alias":"b{n}"}}}}"#)).collect();
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
