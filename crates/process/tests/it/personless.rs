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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
    );
}

#[test]
fn the_same_id_with_a_person_later_keeps_its_uuid() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","properties":{"$process_person_profile":false}}"#,
            r#"{"event":"e","distinct_id":"ann"}"#,
        ],
        expect![[""]],
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
        expect![[""]],
    );
}

#[test]
fn identified_later_as_somebody_new() {
    check(
        &[
            r#"{"event":"e","distinct_id":"anon","properties":{"$process_person_profile":false}}"#,
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon"}}"#,
        ],
        expect![[""]],
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
        expect![[""]],
    );
}
