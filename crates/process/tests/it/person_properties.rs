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
        expect![[r#"
            person ann v1 at 0 {"b":1,"c":2,"a":3,"d":6}
            id ann -> ann v0
            row e ann: ann full 0 {"b":1,"c":2,"a":1} {"$set":{"a":1,"b":1},"$set_once":{"b":2,"c":2}}
            row e ann: ann full 0 {"b":1,"c":2,"a":3,"d":6} {"$set":{"a":3},"$set_once":{"a":4,"c":5,"d":6}}
            row e ann: ann full 0 {"b":1,"c":2,"a":3,"d":6} {}
        "#]],
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
        expect![[r#"
            person ann v0 at 0 {"c":2,"d":2,"a":1,"b":2}
            person bob v0 at 1 {"b":2}
            person cid v0 at 2 {"b":2}
            id ann -> ann v0
            id bob -> bob v0
            id cid -> cid v0
            row e ann: ann full 0 {"c":2,"d":2,"a":1,"b":2} {"$set":{"a":1,"b":2},"$set_once":{"c":2,"d":2}}
            row e bob: bob full 1 {"b":2} {"$set":{"b":2},"$unset":["q"],"x":1}
            row e cid: cid full 2 {"b":2} {"$set":{"b":2}}
        "#]],
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
        expect![[r#"
            person ann v1 at 0 {"a":1,"b":false,"c":""}
            id ann -> ann v0
            row $set ann: ann full 0 {"a":null,"b":false,"c":""} {"$set":{"a":null,"b":false,"c":""}}
            row $set ann: ann full 0 {"a":null,"b":false,"c":""} {"$set_once":{"a":null}}
            row $set ann: ann full 0 {"a":1,"b":false,"c":""} {"$set_once":{"a":1,"b":1,"c":1}}
        "#]],
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
        expect![[r#"
            person ann v4 at 0 {"n":1}
            id ann -> ann v0
            row $set ann: ann full 0 {"a":1,"b":2,"c":3,"d":4} {"$set":{"a":1,"b":2,"c":3,"d":4}}
            row e ann: ann full 0 {"b":2,"c":3,"d":4} {"$unset":["a","x",5]}
            row e ann: ann full 0 {"c":3,"d":4} {"$unset":{"b":1}}
            row e ann: ann full 0 {"d":4} {"$unset":["c"]}
            row e ann: ann full 0 {"d":4} {"$unset":"d"}
            row e ann: ann full 0 {"d":5,"n":1} {"$set":{"d":5,"n":1},"$unset":["d","n"]}
        "#]],
    );
}

#[test]
fn what_does_not_differ_is_not_written() {
    check(
        &[
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set":{"s":"é","n":1,"o":{"a":1,"b":2}}}}"#,
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set":{"s":"\u00e9","n":1.0,"o":{ "b":2, "a":1 }}}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {"s":"é","n":1,"o":{"a":1,"b":2}}
            id ann -> ann v0
            row $set ann: ann full 0 {"s":"é","n":1,"o":{"a":1,"b":2}} {"$set":{"s":"é","n":1,"o":{"a":1,"b":2}}}
            row $set ann: ann full 0 {"s":"é","n":1,"o":{"a":1,"b":2}} {"$set":{"s":"\u00e9","n":1.0,"o":{ "b":2, "a":1 }}}
        "#]],
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
        expect![[r#"
            person ann v6 identified at 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"C","$current_url":"/3","$initial_utm_source":"x","plan":"pro","$geoip_latitude":1,"$geoip_city_name":"y","utm_source":"y"}
            id ann -> ann v0
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"A","$current_url":"/1"} {"$browser":"A","$current_url":"/1"}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"B","$current_url":"/2"} {"$browser":"B","$current_url":"/2"}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"B","$current_url":"/3","plan":"pro"} {"$browser":"B","$current_url":"/3","$set":{"plan":"pro"}}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"B","$current_url":"/3","$geoip_city_name":"x","plan":"pro","$geoip_latitude":1} {"$geoip_latitude":1,"$set":{"$geoip_latitude":1,"$geoip_city_name":"x"}}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"B","$current_url":"/3","$geoip_city_name":"x","plan":"pro","$geoip_latitude":2} {"$set":{"$geoip_latitude":2}}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"B","$current_url":"/3","$geoip_city_name":"y","plan":"pro","$geoip_latitude":1} {"$set":{"$geoip_city_name":"y"}}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"B","$current_url":"/3","$initial_utm_source":"x","plan":"pro","$geoip_latitude":1,"$geoip_city_name":"y","utm_source":"x"} {"utm_source":"x"}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"B","$current_url":"/3","$initial_utm_source":"x","plan":"pro","$geoip_latitude":1,"$geoip_city_name":"y","utm_source":"y"} {"utm_source":"y"}
            row $identify ann: ann full 0 {"$initial_browser":"A","$initial_current_url":"/1","$browser":"C","$current_url":"/3","$initial_utm_source":"x","plan":"pro","$geoip_latitude":1,"$geoip_city_name":"y","utm_source":"y"} {"$browser":"C"}
        "#]],
    );
}

#[test]
fn noise_alone_is_not_written_for_the_first_time_either() {
    check(
        &[
            r#"{"event":"$set","distinct_id":"ann","properties":{"$set":{"name":"Ann"}}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$browser":"A","$current_url":"/1"}}"#,
            r#"{"event":"$pageview","distinct_id":"ann","properties":{"$browser":"A","utm_source":"x"}}"#,
        ],
        expect![[r#"
            person ann v1 at 0 {"name":"Ann","$initial_utm_source":"x","$browser":"A","utm_source":"x","$initial_browser":"A"}
            id ann -> ann v0
            row $set ann: ann full 0 {"name":"Ann"} {"$set":{"name":"Ann"}}
            row $pageview ann: ann full 0 {"name":"Ann","$current_url":"/1","$browser":"A"} {"$browser":"A","$current_url":"/1"}
            row $pageview ann: ann full 0 {"name":"Ann","$initial_utm_source":"x","$browser":"A","utm_source":"x","$initial_browser":"A"} {"$browser":"A","utm_source":"x"}
        "#]],
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
        expect![[r#"
            person ann v1 at 0 {"$initial_browser":"A","$initial_utm_source":"x","$initial__kx":"k","$browser":"A","utm_source":"y","gclid":"g","_kx":"k","$initial_gclid":"g"}
            person bob v0 at 2 {"$initial_browser":"first","$browser":"mine"}
            person cid v0 at 3 {"$initial_os":"Linux","$initial_os_version":"6","$os":"Linux","$os_version":"6"}
            person dan v0 at 4 {"$initial_app_name":"x","$app_name":"x"}
            person eve v0 at 5 {}
            id ann -> ann v0
            id bob -> bob v0
            id cid -> cid v0
            id dan -> dan v0
            id eve -> eve v0
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_utm_source":"x","$initial__kx":"k","$browser":"A","utm_source":"x","gclid":null,"_kx":"k"} {"$browser":"A","_kx":"k","gclid":null,"other":1,"utm_source":"x"}
            row $pageview ann: ann full 0 {"$initial_browser":"A","$initial_utm_source":"x","$initial__kx":"k","$browser":"A","utm_source":"y","gclid":"g","_kx":"k","$initial_gclid":"g"} {"gclid":"g","utm_source":"y"}
            row $pageview bob: bob full 2 {"$initial_browser":"first","$browser":"mine"} {"$browser":"A","$set":{"$browser":"mine"},"$set_once":{"$initial_browser":"first"}}
            row $pageview cid: cid full 3 {"$initial_os":"Linux","$initial_os_version":"6","$os":"Linux","$os_version":"6"} {"$os":"Linux","$os_name":"Linux","$os_version":"6"}
            row $pageview dan: dan full 4 {"$initial_app_name":"x","$app_name":"x"} {"$app_name":"x","$is_server":true,"$os":"Linux","$os_version":"6"}
            row $snapshot eve: eve full 5 {} {"$browser":"A"}
        "#]],
    );
}

#[test]
fn exceptions_change_no_person_that_exists() {
    check(
        &[
            r#"{"event":"$exception","distinct_id":"ann","properties":{"$set":{"a":1}}}"#,
            r#"{"event":"$exception","distinct_id":"ann","properties":{"$set":{"a":2},"$set_once":{"b":1},"$unset":["a"]}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {"a":1}
            id ann -> ann v0
            row $exception ann: ann full 0 {"a":1} {"$set":{"a":1}}
            row $exception ann: ann full 0 {"a":2} {"$set":{"a":2},"$set_once":{"b":1},"$unset":["a"]}
        "#]],
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
        expect![[r#"
            person ann v1 at 0 seen 2023-11-15T00:00:00.000000Z {}
            id ann -> ann v0
            row e ann: ann full 0 {} {}
            row e ann: ann full 0 {} {"$update_person_last_seen_at":true}
            row e ann: ann full 0 {} {"$update_person_last_seen_at":true}
            row e ann: ann full 0 {} {"$update_person_last_seen_at":true}
        "#]],
    );
}
