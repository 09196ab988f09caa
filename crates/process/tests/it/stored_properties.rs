//! What an event's row keeps of its properties (ingestion semantics, section 2).

use crate::world::{World, check, check_in};
use aqueduct_event::{JournalPosition, RawBatch, RawEvent, UnixMicros};
use aqueduct_journal::Entry;
use aqueduct_store::Store;
use expect_test::expect;
use uuid::Uuid;

#[test]
fn properties_are_kept_as_sent() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","properties":{"s":"é\n\"😀","i":-5,"big":12345678901234567890,"f":1.0,"e":1e3,"t":true,"n":null,"a":[1,{"x":null}],"o":{},"token":"t","distinct_id":"d","":"empty key"}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"twice":1,"twice":2,"\u0074wice":3,"bad \ud800":"x\udc00y"}}"#,
            r#"{"event":"e","distinct_id":"ann"}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {}
            id ann -> ann v0
            row e ann: ann full 0 {} {"":"empty key","a":[1,{"x":null}],"big":12345678901234567890,"distinct_id":"d","e":1000.0,"f":1.0,"i":-5,"n":null,"o":{},"s":"é\n\"😀","t":true,"token":"t"}
            row e ann: ann full 0 {} {"bad �":"x�y","twice":3}
            row e ann: ann full 0 {} {}
        "#]],
    );
}

#[test]
fn bloat_goes_and_session_ids_are_tidied() {
    check(
        &[
            r#"{"event":"e","distinct_id":"ann","properties":{"ph_product_tours":1,"$product_tours_activated":1,"$override_feature_flag_payloads":{},"$session_id":"0190D8A0-0000-7000-8000-00000000ABCD"}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$session_id":"My-Session","$heatmap_data":{"/":[]}}}"#,
            r#"{"event":"e","distinct_id":"ann","properties":{"$heatmap_data":5}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {}
            id ann -> ann v0
            row e ann: ann full 0 {} {"$session_id":"0190d8a0-0000-7000-8000-00000000abcd"}
            row e ann: ann full 0 {} {"$session_id":"My-Session"}
            row e ann: ann full 0 {} {}
            warning invalid_heatmap_data {}
        "#]],
    );
}

#[test]
fn addresses_go_where_a_project_wants_none() {
    check_in(
        "careful",
        &[r#"{"event":"e","distinct_id":"ann","properties":{"$ip":"1.2.3.4","a":1}}"#],
        expect![[r#"
        person ann v0 at 0 {}
        id ann -> ann v0
        row e ann: ann full 0 {} {"a":1}
    "#]],
    );
}

/// Properties of one event with these properties, sent from an address at a time.
fn sent_from(properties: &str) -> String {
    let world_token = "plain";
    let mut world = World::new(world_token);
    let event = RawEvent {
        uuid: Uuid::from_u128(1),
        timestamp: UnixMicros(1),
        event: "e",
        distinct_id: "ann",
        cookieless: false,
        properties,
        set: "",
        set_once: "",
        unset: "",
    };
    let batch = RawBatch {
        token: world_token,
        received_at: UnixMicros(5_000_000),
        sent_at: Some(UnixMicros(4_500_000)),
        historical: false,
        client_ip: "9.9.9.9",
        user_agent: "",
        path: "/e",
        events: vec![event],
    };
    let entry = Entry { position: JournalPosition(0), payload: batch.encode().into() };
    let commit = world.processor.apply(&[entry]).expect("processed");
    world.store.commit(commit).expect("taken");
    world.store.kept().rows[0].1.properties.clone()
}

#[test]
fn the_server_adds_address_and_time_of_sending() {
    assert_eq!(sent_from("{}"), r#"{"$ip":"9.9.9.9","$sent_at":"1970-01-01T00:00:04.500000Z"}"#);
    assert_eq!(sent_from(r#"{"$ip":"1.1.1.1"}"#), r#"{"$ip":"1.1.1.1","$sent_at":"1970-01-01T00:00:04.500000Z"}"#);
    assert_eq!(sent_from(r#"{"$ip":null}"#), r#"{"$ip":"9.9.9.9","$sent_at":"1970-01-01T00:00:04.500000Z"}"#);
    assert_eq!(
        sent_from(r#"{"capture_internal":true}"#),
        r#"{"$ip":"127.0.0.1","$sent_at":"1970-01-01T00:00:04.500000Z","capture_internal":true}"#
    );
}
