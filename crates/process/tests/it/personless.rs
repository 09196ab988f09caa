//! Personless events, and persons that come later (ingestion semantics, section 6).

use crate::world::check;
use expect_test::expect;

#[test]
fn personless_events_make_no_person() {
    check(
        &[
            r#"{"event":"e","distinct_id":"anon","properties":{"$process_person_profile":false,"$set":{"a":1},"$set_once":{"a":1},"$unset":["a"],"$browser":"A","$groups":{"org":"x"},"$group_0":"x"},"$set":{"b":1}}"#,
            r#"{"event":"e","distinct_id":"anon","properties":{"$process_person_profile":false}}"#,
        ],
        expect![[r#"
            id anon -> anon v0 personless
            row e anon: anon propertyless never {} {"$browser":"A","$groups":{"org":"x"},"$process_person_profile":false}
            row e anon: anon propertyless never {} {"$process_person_profile":false}
        "#]],
    );
}

#[test]
fn the_switch_is_true_false_or_a_mistake() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","properties":{"$process_person_profile":true}}"#,
            r#"{"event":"e","distinct_id":"bob","properties":{"$process_person_profile":"false"}}"#,
            r#"{"event":"e","distinct_id":"cid","properties":{"$process_person_profile":null}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {}
            person bob v0 at 1 {}
            person cid v0 at 2 {}
            id ann -> ann v0
            id bob -> bob v0
            id cid -> cid v0
            row e ann: ann full 0 {} {}
            row e bob: bob full 1 {} {}
            row e cid: cid full 2 {} {}
            warning invalid_process_person_profile {"message":"only true and false are valid","$process_person_profile":"false"}
            warning invalid_process_person_profile {"message":"only true and false are valid","$process_person_profile":null}
        "#]],
    );
}

#[test]
fn a_person_that_exists_is_used_without_its_properties() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","at":0,"properties":{"$set":{"a":1}}}"#,
            r#"{"event":"e","distinct_id":"ann","at":60,"properties":{"$process_person_profile":false,"$set":{"a":2}}}"#,
            r#"{"event":"e","distinct_id":"ann","at":61,"properties":{"$process_person_profile":false}}"#,
            r#"{"event":"e","distinct_id":"ann","at":-9,"properties":{"$process_person_profile":false}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {"a":1}
            id ann -> ann v0
            row e ann: ann full 0 {"a":1} {"$set":{"a":1}}
            row e ann: ann propertyless 0 {} {"$process_person_profile":false}
            row e ann: ann force_upgrade 0 {} {"$process_person_profile":false}
            row e ann: ann propertyless 0 {} {"$process_person_profile":false}
        "#]],
    );
}

#[test]
fn events_about_persons_and_groups_are_refused() {
    check(
        &[
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$process_person_profile":false,"$anon_distinct_id":"anon"}}"#,
            r#"{"event":"$create_alias","distinct_id":"ann","properties":{"$process_person_profile":false,"alias":"x"}}"#,
            r#"{"event":"$merge_dangerously","distinct_id":"ann","properties":{"$process_person_profile":false,"alias":"x"}}"#,
            r#"{"event":"$groupidentify","distinct_id":"ann","properties":{"$process_person_profile":false,"$group_type":"org","$group_key":"x"}}"#,
        ],
        expect![[r#"
            warning invalid_event_when_process_person_profile_is_false {}
            warning invalid_event_when_process_person_profile_is_false {}
            warning invalid_event_when_process_person_profile_is_false {}
            warning invalid_event_when_process_person_profile_is_false {}
        "#]],
    );
}

#[test]
fn the_same_id_with_a_person_later_keeps_its_uuid() {
    check(
        &[r#"{"event":"e","distinct_id":"ann","properties":{"$process_person_profile":false}}"#, r#"{"event":"e","distinct_id":"ann"}"#],
        expect![[r#"
            person ann v0 at 1 {}
            id ann -> ann v1
            override ann -> ann
            row e ann: ann propertyless never {} {"$process_person_profile":false}
            row e ann: ann full 1 {} {}
        "#]],
    );
}

#[test]
fn identified_later_as_a_person_that_exists() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann"}"#,
            r#"{"event":"e","distinct_id":"anon","properties":{"$process_person_profile":false}}"#,
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon"}}"#,
            r#"{"event":"e","distinct_id":"anon"}"#,
        ],
        expect![[r#"
            person ann v1 identified at 0 {}
            id ann -> ann v0
            id anon -> ann v1
            override anon -> ann
            row e ann: ann full 0 {} {}
            row e anon: anon propertyless never {} {"$process_person_profile":false}
            row $identify ann: ann full 0 {} {"$anon_distinct_id":"anon"}
            row e anon: ann full 0 {} {}
        "#]],
    );
}

#[test]
fn identified_later_as_somebody_new() {
    check(
        &[
            r#"{"event":"e","distinct_id":"anon","properties":{"$process_person_profile":false}}"#,
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon"}}"#,
        ],
        expect![[r#"
            person anon v0 identified at 1 {}
            id ann -> anon v0
            id anon -> anon v1
            override anon -> anon
            row e anon: anon propertyless never {} {"$process_person_profile":false}
            row $identify ann: anon full 1 {} {"$anon_distinct_id":"anon"}
        "#]],
    );
}

#[test]
fn both_were_used_personless() {
    check(
        &[
            r#"{"event":"e","distinct_id":"anon","properties":{"$process_person_profile":false}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$process_person_profile":false}}"#,
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon"}}"#,
        ],
        expect![[r#"
            person ann v0 identified at 2 {}
            id ann -> ann v1
            id anon -> ann v1
            override anon -> ann
            override ann -> ann
            row e anon: anon propertyless never {} {"$process_person_profile":false}
            row e ann: ann propertyless never {} {"$process_person_profile":false}
            row $identify ann: ann full 2 {} {"$anon_distinct_id":"anon"}
        "#]],
    );
}
