//! For each cause of refusal or disappearance one call answers the cause. The table of the handbook (`operations/trace.md`) has the same rows.

use crate::world::{World, event};
use aqueduct_trace::{HintKind, Trace};
use http::StatusCode;
use serde_json::{Value, json};
use std::io::Write;
use uuid::Uuid;

const V1: &str = "/i/v1/analytics/events";
const V1_HEADERS: [(&str, &str); 6] = [
    ("authorization", "Bearer phc_of_project_one"),
    ("content-type", "application/json"),
    ("posthog-sdk-info", "posthog-rs/0.21.0"),
    ("posthog-attempt", "1"),
    ("posthog-request-id", "00000000-0000-4000-8000-000000000001"),
    ("posthog-request-timestamp", "2023-11-14T22:13:20Z"),
];
const OWN: &str = r#","token":"phc_of_project_one""#;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x5000_0000_0000_4000_8000_0000_0000_0000 + number)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// Asks, and compares `verdict:reason`.
#[track_caller]
fn check(world: &World, asked: &str, expected: &str) -> Trace {
    let trace = world.trace(asked);
    let told = if trace.reason.is_empty() { trace.verdict.clone() } else { format!("{}:{}", trace.verdict, trace.reason) };
    assert_eq!(told, expected, "{asked}: {trace:#?}");
    assert!(!trace.words.is_empty() && !trace.remedy.is_empty(), "{trace:?}");
    for event in &trace.events {
        assert!(event.received.as_ref().is_some_and(|received| received.at.starts_with("2023-11-14T22:1")), "{event:?}");
    }
    trace
}

fn v1_event(uuid: &str, more: Value) -> Value {
    let mut event = json!({"event": "e", "uuid": uuid, "distinct_id": "v1-sender", "timestamp": "2023-11-14T22:13:20Z", "options": {}});
    for (key, value) in more.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event
}

fn v1_body(events: &[Value]) -> String {
    json!({"created_at": "2023-11-14T22:13:20Z", "batch": events}).to_string()
}

/// A body of the event with this number, the status of its answer, and what its trace says.
type Refusal = (u128, String, u16, &'static str);

fn refusals() -> Vec<Refusal> {
    let sized = |number, bytes| event(id(number), "e", "ann", &format!(r#"{OWN},"properties":{{"a":"{}"}}"#, "x".repeat(bytes)));
    let two = format!("[{},{}]", event(id(8), "e", "ann", OWN), event(id(9), "e", "ann", r#","token":"phc_other""#));
    let odd_mode = event(id(10), "e", "ann", &format!(r#"{OWN},"properties":{{"$cookieless_mode":"yes"}}"#));
    vec![
        (1, format!("{},,", event(id(1), "e", "ann", OWN)), 400, "refused:unparsable"),
        (2, event(id(2), "e", "ann", ""), 401, "refused:missing_token"),
        (3, format!(r#"{{"uuid":"{}","event":"e"{OWN}}}"#, id(3)), 400, "refused:missing_distinct_id"),
        (4, event(id(4), "", "ann", OWN), 400, "refused:missing_event_name"),
        (5, sized(5, 30_000), 413, "refused:event_too_large"),
        (6, sized(6, 200_000), 413, "refused:body_too_large"),
        (7, event(id(7), "e", "ann", r#","token":"phx_somebodys_secret""#), 401, "refused:invalid_token"),
        (8, two, 401, "refused:inconsistent_tokens"),
        (10, odd_mode, 400, "refused:invalid_cookieless_mode"),
        (11, format!(r#"{{"uuid":"{}","distinct_id":"ann"{OWN}}}"#, id(11)), 400, "refused:missing_event_name"),
        (12, event(id(12), "e", "ann", &format!(r#"{OWN},"properties":[]"#)), 400, "refused:unparsable"),
    ]
}

#[tokio::test]
async fn requests_of_protocol_v0_that_are_refused() {
    let mut world = World::new();
    for (number, body, status, expected) in refusals() {
        assert_eq!(world.send("/e", &[], body).await.as_u16(), status, "{expected}");
        let trace = check(&world, &id(number).to_string(), expected);
        let received = trace.events[0].received.as_ref().expect("a request");
        assert_eq!((received.status, &*received.path, &*received.client_address), (status, "/e", "203.0.113.0/24"), "{trace:?}");
        assert!(received.agent.starts_with("posthog-python"), "{trace:?}");
    }
    let not_ai = format!("[{}]", event(id(20), "e", "ann", OWN));
    assert_eq!(world.send("/i/v0/ai/batch", &[], not_ai).await, StatusCode::BAD_REQUEST);
    check(&world, &id(20).to_string(), "refused:not_ai");
    // The same after a round of writing, and for the other event of a refused request.
    world.recorder.work().expect("written");
    check(&world, &id(3).to_string(), "refused:missing_distinct_id");
    check(&world, &id(9).to_string(), "refused:inconsistent_tokens");
    let secret = check(&world, &id(7).to_string(), "refused:invalid_token");
    assert!(!format!("{secret:?}").contains("secret"), "{secret:?}");
}

#[tokio::test]
async fn bodies_that_cannot_be_unpacked() {
    let mut world = World::new();
    let mut body = gzip(&event(id(1), "e", "ann", OWN));
    body.truncate(body.len() - 6);
    assert_eq!(world.send("/e", &[], body).await, StatusCode::BAD_REQUEST);
    check(&world, &id(1).to_string(), "refused:undecodable");
    // Where nothing can be read the hints lead to it.
    let garbage = [&[0x1f, 0x8b, 8][..], &[255; 50]].concat();
    assert_eq!(world.send("/e", &[], garbage).await, StatusCode::BAD_REQUEST);
    let trace = check(&world, &id(2).to_string(), "never_received");
    let hint = trace.hints.iter().find(|hint| hint.kind == HintKind::RemarksWithoutProject).expect("a hint");
    assert_eq!((&*hint.reason, hint.count), ("undecodable", 1));
    assert!(hint.example.contains("/e") && hint.example.contains("posthog-python"), "{hint:?}");
}

#[tokio::test]
async fn events_of_protocol_v1_that_are_left_out() {
    let mut world = World::new();
    let long = "n".repeat(201);
    let faults = [
        (1, json!({"event": long}), "refused:event_name_too_long"),
        (2, json!({"event": ""}), "refused:missing_event_name"),
        (3, json!({"distinct_id": "undefined"}), "refused:nobodys_distinct_id"),
        (4, json!({"distinct_id": long}), "refused:distinct_id_too_long"),
        (5, json!({"timestamp": "yesterday"}), "refused:invalid_timestamp"),
        (6, json!({"properties": [1]}), "refused:malformed_properties"),
        (7, json!({"options": {"cookieless_mode": "perhaps"}}), "refused:invalid_options"),
        (8, json!({"event": "$performance_event"}), "dropped:performance_event"),
    ];
    let mut events: Vec<Value> = faults.iter().map(|(number, more, _)| v1_event(&id(*number).to_string(), more.clone())).collect();
    events.push(v1_event(&id(99).to_string(), json!({})));
    assert_eq!(world.send(V1, &V1_HEADERS, v1_body(&events)).await, StatusCode::OK);
    world.process();
    for (number, _, expected) in &faults {
        let trace = check(&world, &id(*number).to_string(), expected);
        assert!(trace.events[0].stages[0].words.contains("accepted"), "the others of its request were taken: {trace:?}");
    }
    let trace = check(&world, &id(99).to_string(), "visible");
    let received = trace.events[0].received.as_ref().expect("a request");
    assert_eq!((received.events, received.left_out, &*received.sdk), (1, 8, "posthog-rs/0.21.0"));
}

#[tokio::test]
async fn batches_of_protocol_v1_that_are_refused() {
    let mut world = World::new();
    let twice = v1_event(&id(1).to_string(), json!({"distinct_id": "sender-of-twins"}));
    let whole = [
        (vec![v1_event("no-uuid", json!({"distinct_id": "sender-of-no-uuid"}))], "sender-of-no-uuid", "refused:invalid_uuid"),
        (vec![v1_event("", json!({"distinct_id": "sender-of-none"}))], "sender-of-none", "refused:missing_uuid"),
        (vec![twice.clone(), twice], "sender-of-twins", "refused:repeated_uuid"),
    ];
    for (events, sender, expected) in whole {
        assert_eq!(world.send(V1, &V1_HEADERS, v1_body(&events)).await, StatusCode::BAD_REQUEST);
        check(&world, sender, expected);
    }
    check(&world, &id(1).to_string(), "refused:repeated_uuid");
    assert_eq!(world.send(V1, &V1_HEADERS[..2], v1_body(&[])).await, StatusCode::BAD_REQUEST);
    let trace = check(&world, &id(21).to_string(), "never_received");
    assert!(trace.hints.iter().any(|hint| hint.reason == "missing_headers"), "{trace:?}");
}

#[tokio::test]
async fn events_that_processing_keeps_out() {
    let mut world = World::new();
    let long_key = format!(r#","properties":{{"$group_type":"company","$group_key":"{}"}}"#, "k".repeat(401));
    let dropped = [
        event(id(1), "e", "ann", r#","timestamp":"2023-11-01T00:00:00Z""#),
        event(id(2), "e", "$posthog_cookieless", r#","properties":{"$cookieless_mode":true}"#),
        event(id(3), "$identify", "ann", r#","properties":{"$process_person_profile":false}"#),
        event(id(4), "$groupidentify", "ann", &long_key),
        event(id(5), "$$client_ingestion_warning", "ann", r#","properties":{"$$client_ingestion_warning_message":"late"}"#),
        event(id(6), "$$heatmap", "ann", r#","properties":{"$heatmap_data":{}}"#),
    ];
    assert_eq!(world.batch(&dropped).await, StatusCode::OK);
    let unknown = event(id(7), "e", "ann", r#","token":"phc_nobodys_token_at_all""#);
    assert_eq!(world.send("/e", &[], unknown).await, StatusCode::OK);
    assert_eq!(world.send("/e", &[], event(id(8), "$performance_event", "ann", OWN)).await, StatusCode::OK);
    world.append_raw(id(9), r#"{"a":"#).await;
    world.process();
    let expected = [
        (1, "dropped:too_old"),
        (2, "dropped:cookieless"),
        (3, "dropped:personless_not_allowed"),
        (4, "dropped:group_key_too_long"),
        (5, "dropped:client_warning"),
        (6, "dropped:heatmap"),
        (7, "dropped:unknown_token"),
        (8, "dropped:performance_event"),
        (9, "dead_lettered:malformed_properties"),
    ];
    for _ in 0..2 {
        for (number, expected) in expected {
            let trace = check(&world, &id(number).to_string(), expected);
            assert_eq!(trace.events.len(), 1, "{trace:?}");
            assert_eq!(trace.events[0].dead_letter.is_some(), number == 9);
        }
        assert_eq!(world.trace(&id(1).to_string()).events[0].warnings[0].kind, "event_dropped_too_old");
        // The same from the manifest.
        world.flush();
    }
    let trace = world.trace(&id(77).to_string());
    assert!(trace.hints.iter().any(|hint| hint.kind == HintKind::UnknownToken && hint.words.contains("phc_nobo…_all")), "{trace:?}");
}

#[tokio::test]
async fn events_that_are_stored_otherwise_than_meant() {
    let mut world = World::new();
    let events = [
        event(id(1), "e", "ann", r#","timestamp":"2099-01-01T00:00:00Z""#),
        event(id(2), "e", "ann", r#","timestamp":"some day""#),
        event(id(4), "$identify", "dora", r#","properties":{"$anon_distinct_id":"undefined"}"#),
        event(id(5), "$identify", "carl", r#","properties":{"$anon_distinct_id":"anonymous-1"}"#),
        event(id(10), "e", "emil", ""),
        event(id(6), "$identify", "emil", r#","properties":{"$anon_distinct_id":"carl"}"#),
        event(id(7), "e", "fred", ""),
        event(id(7), "e", "fred", ""),
        event(id(9), "$identify", "emil", r#","properties":{"$anon_distinct_id":"emil"}"#),
    ];
    assert_eq!(world.batch(&events).await, StatusCode::OK);
    let later = event(id(8), "e", "gina", r#","timestamp":"2023-11-14T23:00:00Z""#);
    let skewed = format!(r#"{{"api_key":"phc_of_project_one","sent_at":"2023-11-14T23:13:22Z","batch":[{later}]}}"#);
    assert_eq!(world.send("/batch", &[], skewed).await, StatusCode::OK);
    world.process();
    world.recorder.work().expect("written");
    let moved = |number| {
        let trace = check(&world, &id(number).to_string(), "visible");
        let moved = trace.events[0].time_moved.clone().expect("another time");
        (moved.reason, moved.said, trace.events[0].warnings.iter().any(|warning| warning.kind == "ignored_invalid_timestamp"))
    };
    assert_eq!(moved(1), ("timestamp_in_future".to_owned(), "2099-01-01T00:00:00Z".to_owned(), true));
    assert_eq!(moved(2), ("timestamp_unreadable".to_owned(), "some day".to_owned(), true));
    assert_eq!(moved(8), ("clock_corrected".to_owned(), "2023-11-14T23:00:00.000000Z".to_owned(), false));
    check(&world, &id(4).to_string(), "visible:cannot_merge_with_illegal_distinct_id");
    check(&world, &id(5).to_string(), "visible");
    check(&world, &id(6).to_string(), "visible:cannot_merge_already_identified");
    check(&world, &id(9).to_string(), "visible");
    let twice = check(&world, &id(7).to_string(), "visible");
    let mut verdicts: Vec<&str> = twice.events.iter().map(|event| &*event.verdict).collect();
    verdicts.sort_unstable();
    assert_eq!(verdicts, ["duplicate", "visible"]);
}

#[tokio::test]
async fn a_time_out_of_range_is_moved_and_then_too_old() {
    let mut world = World::new();
    assert_eq!(world.batch(&[event(id(1), "e", "bob", r#","offset":90000000000000"#)]).await, StatusCode::OK);
    world.process();
    let trace = check(&world, &id(1).to_string(), "dropped:too_old");
    assert_eq!(trace.events[0].time_moved.as_ref().map(|moved| &*moved.reason), Some("timestamp_out_of_range"), "{trace:?}");
}

#[tokio::test]
async fn a_disk_that_is_full_and_what_comes_after() {
    let mut world = World::new();
    world.set_full(true);
    assert_eq!(world.batch(&[event(id(1), "e", "ann", "")]).await, StatusCode::SERVICE_UNAVAILABLE);
    let trace = check(&world, &id(1).to_string(), "refused:overloaded");
    assert_eq!(trace.events[0].received.as_ref().map(|received| received.status), Some(503));
    assert!(trace.events[0].detail.contains("journal is full"), "{trace:?}");
    // The SDK sends it again: the same call says that it is there, and that it was refused once.
    world.set_full(false);
    assert_eq!(world.batch(&[event(id(1), "e", "ann", "")]).await, StatusCode::OK);
    let waiting = check(&world, &id(1).to_string(), "in_flight");
    let place = waiting.events[0].journal.as_ref().expect("a place");
    assert_eq!((place.position, place.processed_upto, place.end), (0, 0, 1));
    world.process();
    let trace = check(&world, &id(1).to_string(), "visible");
    assert_eq!(trace.events.iter().map(|event| &*event.verdict).collect::<Vec<_>>(), ["visible", "refused"]);
}

#[tokio::test]
async fn what_never_came() {
    let mut world = World::new();
    let trace = check(&world, &id(1).to_string(), "never_received");
    assert!(trace.hints.iter().any(|hint| hint.kind == HintKind::LastReceived && hint.last_at.is_none()), "{trace:?}");
    assert_eq!(world.batch(&[event(id(2), "e", "ann", "")]).await, StatusCode::OK);
    let trace = check(&world, "somebody", "never_received");
    let hint = trace.hints.iter().find(|hint| hint.kind == HintKind::LastReceived).expect("a hint");
    assert_eq!(hint.last_at.as_deref(), Some("2023-11-14T22:13:21.000000Z"));
    // Another project's event is none of ours.
    let other = event(id(3), "e", "ann", r#","token":"phc_of_project_two""#);
    assert_eq!(world.send("/e", &[], other).await, StatusCode::OK);
    check(&world, &id(3).to_string(), "never_received");
    world.process();
    check(&world, &id(3).to_string(), "never_received");
}
