//! Where an event lies, whose it is, and what its sender sent lately.

use crate::world::{World, event};
use aqueduct_trace::AskedBy;
use http::StatusCode;
use uuid::Uuid;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x018b_cfe5_6800_7000_8000_0000_0000_0000 + number)
}

#[tokio::test]
async fn from_memory_to_a_segment() {
    let mut world = World::new();
    let lib = r#","properties":{"$lib":"posthog-js","$lib_version":"1.2.3"}"#;
    assert_eq!(world.batch(&[event(id(1), "e", "ann", lib), event(id(2), "e", "bob", "")]).await, StatusCode::OK);
    world.process();
    let trace = world.trace(&id(1).to_string());
    assert_eq!(trace.events[0].stored.as_ref().expect("a place").segment, "");
    let received = trace.events[0].received.as_ref().expect("a request");
    let facts = (&*received.sdk, &*received.path, &*received.client_address, received.events, received.status);
    assert_eq!(facts, ("posthog-js/1.2.3", "/batch", "203.0.113.0/24", 2, 200));
    world.flush();
    let trace = world.trace(&id(1).to_string());
    assert!(trace.events[0].stored.as_ref().expect("a place").segment.ends_with(".parquet"), "{trace:?}");
    assert!(trace.to_string().contains("posthog-js/1.2.3"), "{trace}");
}

#[tokio::test]
async fn persons_that_were_merged_since() {
    let mut world = World::new();
    assert_eq!(world.batch(&[event(id(1), "e", "anonymous-1", "")]).await, StatusCode::OK);
    world.process();
    let before = world.trace(&id(1).to_string()).events[0].person.clone().expect("a person");
    assert_eq!((before.merged_into, before.exists, &*before.mode), (None, true, "full"));
    assert_eq!(world.batch(&[event(id(2), "e", "ann", "")]).await, StatusCode::OK);
    let merge = event(id(3), "$identify", "ann", r#","properties":{"$anon_distinct_id":"anonymous-1"}"#);
    assert_eq!(world.batch(&[merge]).await, StatusCode::OK);
    world.process();
    let trace = world.trace(&id(1).to_string());
    let after = trace.events[0].person.clone().expect("a person");
    let ann = world.trace(&id(2).to_string()).events[0].person.clone().expect("a person");
    assert_eq!((after.id, after.merged_into), (before.id, Some(ann.id)));
    assert!(trace.words.contains("merged into"), "{trace:?}");
    assert_eq!(world.trace(&id(3).to_string()).reason, "");
}

#[tokio::test]
async fn the_newest_of_a_sender_in_all_parts() {
    let mut world = World::new();
    for number in 0..30 {
        let at = format!(r#","timestamp":"2023-11-14T22:12:{number:02}Z""#);
        assert_eq!(world.batch(&[event(id(number), "e", "ann", &at), event(id(100 + number), "e", "bob", "")]).await, StatusCode::OK);
        world.process();
        if number % 10 == 0 {
            world.flush();
        }
    }
    assert_eq!(world.batch(&[event(id(200), "late", "ann", "")]).await, StatusCode::OK);
    let trace = world.trace("ann");
    assert_eq!((trace.asked_by, &*trace.verdict, trace.events.len()), (AskedBy::DistinctId, "visible", 20));
    assert_eq!((&*trace.events[0].event, &*trace.events[0].verdict), ("late", "in_flight"));
    let times: Vec<&str> = trace.events[1..].iter().map(|event| event.timestamp.as_deref().expect("a time")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b) && times[0].starts_with("2023-11-14T22:12:29"), "{times:?}");
}

#[tokio::test]
async fn an_anonymous_sender_whose_id_is_a_uuid() {
    let mut world = World::new();
    let anonymous = id(900).to_string();
    assert_eq!(world.batch(&[event(id(1), "e", &anonymous, "")]).await, StatusCode::OK);
    world.process();
    let trace = world.trace(&anonymous);
    assert_eq!((trace.asked_by, &*trace.verdict, trace.events.len()), (AskedBy::DistinctId, "visible", 1));
}
