//! Groups: types by first come, columns on events, properties by `$groupidentify` (ingestion semantics, section 10).

use crate::world::check;
use expect_test::expect;

#[test]
fn types_get_indexes_in_order_of_appearance_and_a_sixth_is_ignored() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","properties":{"$groups":{"org":"acme","team":5}}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$groups":{"c":"1","team":"x","d":"2","e":"3","f":"4","none":null}}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$groups":{"f":"4","e":"5"}}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$groups":"nonsense"}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {}
            id ann -> ann v0
            group types of 1: org, team, c, d, e
            row e ann: ann full 0 {} {"$group_0":"acme","$group_1":"5","$groups":{"org":"acme","team":5}}
            row e ann: ann full 0 {} {"$group_1":"x","$group_2":"1","$group_3":"2","$group_4":"3","$groups":{"c":"1","team":"x","d":"2","e":"3","f":"4","none":null}}
            row e ann: ann full 0 {} {"$group_4":"5","$groups":{"f":"4","e":"5"}}
            row e ann: ann full 0 {} {"$groups":"nonsense"}
        "#]],
    );
}

#[test]
fn groupidentify_merges_properties_and_leaves_the_person_alone() {
    check(
        &[
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":"acme","$group_set":{"a":1,"b":1},"$set":{"p":1},"$browser":"A"}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":"acme","$group_set":{"b":2,"c":3},"$groups":{"org":"acme"}}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":"empty"}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":17,"$group_set":{"n":1}}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_set":{"n":1}}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_key":"acme","$group_set":{"n":1}}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$group_type":"org","$group_key":"acme","$group_set":[1]}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {}
            id ann -> ann v0
            group types of 1: org
            group 0 17 at 3 {"n":1}
            group 0 acme at 0 {"a":1,"b":2,"c":3}
            group 0 empty at 2 {}
            row $groupidentify ann: ann full 0 {} {"$browser":"A","$group_key":"acme","$group_set":{"a":1,"b":1},"$group_type":"org"}
            row $groupidentify ann: ann full 0 {} {"$group_0":"acme","$group_key":"acme","$group_set":{"b":2,"c":3},"$group_type":"org","$groups":{"org":"acme"}}
            row $groupidentify ann: ann full 0 {} {"$group_key":"empty","$group_type":"org"}
            row $groupidentify ann: ann full 0 {} {"$group_key":17,"$group_set":{"n":1},"$group_type":"org"}
            row $groupidentify ann: ann full 0 {} {"$group_set":{"n":1},"$group_type":"org"}
            row $groupidentify ann: ann full 0 {} {"$group_key":"acme","$group_set":{"n":1}}
            row $groupidentify ann: ann full 0 {} {"$group_key":"acme","$group_set":[1],"$group_type":"org"}
        "#]],
    );
}

#[test]
fn a_key_that_is_too_long_drops_the_event() {
    let long = "k".repeat(401);
    let fits = "k".repeat(400);
    let line = |key: &str| {
        format!(r#"{{"event":"$groupidentify","distinct_id":"ann","properties":{{"$group_type":"org","$group_key":"{key}"}}}}"#)
    };
    let mut world = crate::world::World::new("plain");
    world.send(&[&line(&long), &line(&fits)]).expect("processed");
    assert_eq!(world.store.kept().rows.len(), 1);
    assert_eq!(world.notes.warnings.lock().expect("unpoisoned")[0].kind.as_str(), "group_key_too_long");
}
