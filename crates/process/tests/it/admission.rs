//! Which events are taken, and what is said of the others (ingestion semantics, sections 2, 11 and 17).

use crate::world::{World, check, check_in};
use expect_test::expect;

#[test]
fn events_that_are_no_events() {
    check(
        &[
            r#"{"event":"$$client_ingestion_warning","distinct_id":"ann","properties":{"$$client_ingestion_warning_message":"odd"}}"#,
            r#"{"event":"$$heatmap","distinct_id":"ann","properties":{"$heatmap_data":{}}}"#,
        ],
        expect![[r#"
            warning client_ingestion_warning {"message":"odd"}
        "#]],
    );
}

#[test]
fn payloads_of_a_wrong_form() {
    check(
        &[
            r#"{"event":"$$heatmap","distinct_id":"ann","properties":{"$session_id":"s","$heatmap_data":{"/a":[],"/b":5," ":[]}}}"#,
            r#"{"event":"$ai_generation","distinct_id":"ann","properties":{"$ai_input_tokens":"12","$ai_output_tokens":"many","$ai_reasoning_tokens":{"total":7},"$ai_cache_read_input_tokens":null,"$ai_cache_creation_input_tokens":true}}"#,
            r#"{"event":"other","distinct_id":"ann","properties":{"$ai_output_tokens":"many"}}"#,
        ],
        expect![[r#"
            person ann v0 at 1 {}
            id ann -> ann v0
            row $ai_generation ann: ann full 1 {} {"$ai_cache_creation_input_tokens":null,"$ai_cache_read_input_tokens":null,"$ai_input_tokens":"12","$ai_output_tokens":null,"$ai_reasoning_tokens":7}
            row other ann: ann full 1 {} {"$ai_output_tokens":"many"}
            warning rejecting_heatmap_data_with_invalid_items {"session_id":"s","heatmapUrl":"/b"}
            warning rejecting_heatmap_data_with_invalid_url {"session_id":"s","heatmapUrl":" "}
            warning invalid_ai_token_property {"valueType":"string","value":"many","property":"$ai_output_tokens"}
            warning invalid_ai_token_property {"valueType":"boolean","value":"true","property":"$ai_cache_creation_input_tokens"}
        "#]],
    );
}

#[test]
fn old_events_where_a_project_wants_none() {
    check_in(
        "careful",
        &[r#"{"event":"e","distinct_id":"ann","at":-86400}"#, r#"{"event":"e","distinct_id":"ann","at":-86399}"#],
        expect![[r#"
            person ann v0 at -86399 {}
            id ann -> ann v0
            row e ann: ann full -86399 {} {}
            warning event_dropped_too_old {"ageInSeconds":172800}
        "#]],
    );
}

#[test]
fn ids_made_long_before_or_after_the_event() {
    check(
        &[
            r#"{"event":"near","distinct_id":"ann","uuid":"018bcfe5-6800-7000-8000-000000000000"}"#,
            r#"{"event":"far","distinct_id":"ann","uuid":"018be000-0000-7000-8000-000000000001"}"#,
            r#"{"event":"no time","distinct_id":"ann","uuid":"f0000000-0000-4000-8000-000000000002"}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {}
            id ann -> ann v0
            row near ann: ann full 0 {} {}
            row far ann: ann full 0 {} {}
            row no time ann: ann full 0 {} {}
            warning event_uuid_timestamp_divergent {"eventTimestamp":"2023-11-14T22:13:21.000000Z","uuidTimestamp":"2023-11-18T01:16:18.304000Z"}
        "#]],
    );
}

#[test]
fn a_token_of_nobody() {
    let mut world = World::new("nobody's");
    world.send(&[r#"{"event":"e","distinct_id":"ann"}"#]).expect("processed");
    let kept = world.store.kept();
    assert_eq!((kept.rows.len(), kept.persons.len(), kept.position.0), (0, 0, 1));
}

#[test]
fn projects_are_apart() {
    let mut world = World::new("plain");
    world
        .send(&[r#"{"event":"$identify","distinct_id":"ann","properties":{"$anon_distinct_id":"anon","$groups":{"org":"x"}}}"#])
        .expect("processed");
    world.token = "careful";
    world.send(&[r#"{"event":"e","distinct_id":"anon","properties":{"$groups":{"team":"x"}}}"#]).expect("processed");
    let kept = world.store.kept();
    let persons: Vec<_> = kept.persons.values().map(|person| (person.project.0, person.is_identified)).collect();
    assert_eq!(persons, [(1, true), (2, false)]);
    let types: Vec<_> = kept.group_types.values().map(|types| types.join(",")).collect();
    assert_eq!(types, ["org", "team"]);
}
