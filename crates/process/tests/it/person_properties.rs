//! `$set`, `$set_once`, `$unset` and what is copied by itself change persons as PostHog does (ingestion semantics, section 8).

use crate::world::check;
use expect_test::expect;

#[test]
fn set_wins_over_set_once_over_stored() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","properties":{"$set":{"a":1,"b":1},"$set_once":{"b":2,"c":2}}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$set":{"a":3},"$set_once":{"a":4,"c":5,"d":6}}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn the_root_of_the_event_wins_key_by_key() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","properties":{"$set":{"a":1,"b":1},"$set_once":{"c":1}},"$set":{"b":2},"$set_once":{"c":2,"d":2}}"#,
            r#"{"event":"e","distinct_id":"bob","properties":{"x":1},"$set":{"b":2},"$unset":["q"]}"#,
            r#"{"event":"e","distinct_id":"cid","properties":{"$set":"nonsense"},"$set":{"b":2},"$set_once":[1]}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn set_once_fills_a_stored_null_but_no_stored_value() {
    check(
        &[
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set":{"a":null,"b":false,"c":""}}}"#,
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set_once":{"a":null}}}"#,
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set_once":{"a":1,"b":1,"c":1}}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn unset_removes_by_array_or_object() {
    check(
        &[
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set":{"a":1,"b":2,"c":3,"d":4}}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$unset":["a","x",5]}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$unset":{"b":1}}}"#,
            r#"{"event":"e","distinct_id":"ann","$unset":["c"]}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$unset":"d"}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$set":{"d":5,"n":1},"$unset":["d","n"]}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn what_does_not_differ_is_not_written() {
    check(
        &[
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set":{"s":"é","n":1,"o":{"a":1,"b":2}}}}"#,
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set":{"s":"\u00e9","n":1.0,"o":{ "b":2, "a":1 }}}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn noise_alone_is_not_written_but_seen_on_the_row() {
    check(
        &[
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$browser":"A","$current_url":"/1"}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$browser":"B","$current_url":"/2"}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$browser":"B","$current_url":"/3","$set":{"plan":"pro"}}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$geoip_latitude":1,"$set":{"$geoip_latitude":1,"$geoip_city_name":"x"}}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$set":{"$geoip_latitude":2}}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$set":{"$geoip_city_name":"y"}}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"utm_source":"x"}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"utm_source":"y"}}"#,
            r#"{"event":"$identify","distinct_id":"ann","properties":{"$browser":"C"}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn automatic_properties_with_first_values() {
    check(
        &[
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$browser":"A","utm_source":"x","_kx":"k","gclid":null,"other":1}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"utm_source":"y","gclid":"g"}}"#,
            r#"{"event":"$pageview","distinct_id":"bob","properties":{"$browser":"A","$set":{"$browser":"mine"},"$set_once":{"$initial_browser":"first"}}}"#,
            r#"{"event":"$pageview","distinct_id":"cid","properties":{"$os_name":"Linux","$os_version":"6"}}"#,
            r#"{"event":"$pageview","distinct_id":"dan","properties":{"$os":"Linux","$os_version":"6","$app_name":"x","$is_server":true}}"#,
            r#"{"event":"$snapshot","distinct_id":"eve","properties":{"$browser":"A"}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn exceptions_change_no_person_that_exists() {
    check(
        &[
            r#"{"event":"$exception","distinct_id":"ann","properties":{"$set":{"a":1}}}"#,
            r#"{"event":"$exception","distinct_id":"ann","properties":{"$set":{"a":2},"$set_once":{"b":1},"$unset":["a"]}}"#,
        ],
        expect![[""]],
    );
}

#[test]
fn last_seen_is_refreshed_on_request_to_the_hour() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","at":0}"#,
            r#"{"event":"e","distinct_id":"ann","at":8000,"properties":{"$update_person_last_seen_at":true}}"#,
            r#"{"event":"e","distinct_id":"ann","at":8001,"properties":{"$update_person_last_seen_at":true}}"#,
            r#"{"event":"e","distinct_id":"ann","at":1,"properties":{"$update_person_last_seen_at":true}}"#,
        ],
        expect![[""]],
    );
}
