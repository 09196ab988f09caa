//! Cookieless mode (ingestion semantics, section 16).

use crate::world::{World, check, check_in};
use expect_test::expect;

const VISIT: &str = r#""$cookieless_mode":true,"$raw_user_agent":"UA","$ip":"1.1.1.1","$host":"www.example.com""#;

fn visit(event: &str, more: &str) -> String {
    format!(r#"{{"event":"{event}","distinct_id":"$posthog_cookieless","properties":{{"$process_person_profile":false,{VISIT}{more}}}}}"#)
}

#[test]
fn visitors_get_ids_of_the_day() {
    check_in(
        "cookieless",
        &[&visit("e", ""), &visit("e", r#","$host":"shop.example.com""#), &visit("e", r#","$cookieless_extra":"x""#)],
        expect![[r#"
        id cookieless_yCYtS4sc+JbYuwcfHyQnNQ -> cookieless_yCYtS4sc+JbYuwcfHyQnNQ v0 personless
        id cookieless_z5jpsuuevwvWS4UiOBfGQQ -> cookieless_z5jpsuuevwvWS4UiOBfGQQ v0 personless
        row e cookieless_yCYtS4sc+JbYuwcfHyQnNQ: cookieless_yCYtS4sc+JbYuwcfHyQnNQ propertyless never {} {"$cookieless_mode":true,"$device_id":"cookielessd_yCYtS4sc+JbYuwcfHyQnNQ","$distinct_id":"cookieless_yCYtS4sc+JbYuwcfHyQnNQ","$host":"www.example.com","$process_person_profile":false,"$session_id":"018bcb20-b400-7826-ad4b-8b1cf896d8bb"}
        row e cookieless_yCYtS4sc+JbYuwcfHyQnNQ: cookieless_yCYtS4sc+JbYuwcfHyQnNQ propertyless never {} {"$cookieless_mode":true,"$device_id":"cookielessd_yCYtS4sc+JbYuwcfHyQnNQ","$distinct_id":"cookieless_yCYtS4sc+JbYuwcfHyQnNQ","$host":"shop.example.com","$process_person_profile":false,"$session_id":"018bcb20-b400-7826-ad4b-8b1cf896d8bb"}
        row e cookieless_z5jpsuuevwvWS4UiOBfGQQ: cookieless_z5jpsuuevwvWS4UiOBfGQQ propertyless never {} {"$cookieless_mode":true,"$device_id":"cookielessd_z5jpsuuevwvWS4UiOBfGQQ","$distinct_id":"cookieless_z5jpsuuevwvWS4UiOBfGQQ","$host":"www.example.com","$process_person_profile":false,"$session_id":"018bcb20-b400-7f98-a9b2-eb9ebf0bd64b"}
    "#]],
    );
}

#[test]
fn another_day_another_id() {
    let mut world = World::new("cookieless");
    let next_day = visit("e", "").replacen('{', r#"{"at":86000,"#, 1);
    world.send(&[&visit("e", ""), &next_day]).expect("processed");
    let kept = world.store.kept();
    assert_eq!(kept.rows.len(), 2);
    assert_ne!(kept.rows[0].1.distinct_id, kept.rows[1].1.distinct_id);
}

#[test]
fn what_is_missing_is_named() {
    let line = |properties: &str| format!(r#"{{"event":"e","distinct_id":"x","properties":{{"$cookieless_mode":true,{properties}}}}}"#);
    check_in(
        "cookieless",
        &[
            &line(r#""$ip":"1.1.1.1","$host":"h""#),
            &line(r#""$raw_user_agent":"UA","$host":"h""#),
            &line(r#""$raw_user_agent":"UA","$ip":"1.1.1.1""#),
            &visit("e", "").replacen('{', r#"{"at":-400000,"#, 1),
            &visit("$identify", ""),
            &visit("$create_alias", ""),
        ],
        expect![[r#"
            warning cookieless_missing_user_agent {}
            warning cookieless_missing_ip {}
            warning cookieless_missing_host {}
            warning cookieless_timestamp_out_of_range {}
        "#]],
    );
}

#[test]
fn projects_without_it_take_no_such_events() {
    check(&[&visit("e", "")], expect![[""]]);
}
