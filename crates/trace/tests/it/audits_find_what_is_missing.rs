//! A sound server is found sound; one row too few or too many is found and named.

use crate::world::{NOW, ONE, World, event};
use aqueduct_event::{JournalPosition, PartitionId, PropertyValue, UnixMicros};
use aqueduct_journal::Journal;
use aqueduct_store::{Commit, EventRow, EventRows, PersonMode, Store};
use aqueduct_trace::audit::{Audit, Period};
use http::StatusCode;
use std::sync::Arc;
use uuid::Uuid;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x5000_0000_0000_4000_8000_0000_0000_0000 + number)
}

async fn busy_world() -> World {
    let mut world = World::new();
    for number in 0..40_u128 {
        let too_old = if number % 8 == 0 { r#","timestamp":"2023-11-01T00:00:00Z""# } else { "" };
        let sender = format!("person{}", number % 7);
        let one = |place| event(id(number * 10 + place), "e", &sender, if place == 0 { too_old } else { "" });
        let events: Vec<String> = (0..5).map(one).collect();
        assert_eq!(world.batch(&events).await, StatusCode::OK);
        if number % 10 == 3 {
            assert_eq!(world.batch(&[&events[..], &events[1..2]].concat()).await, StatusCode::OK);
        }
        if number % 10 == 5 {
            world.process();
            world.flush();
        }
    }
    let unknown = event(id(5_000), "e", "ann", r#","token":"phc_nobodys""#);
    assert_eq!(world.send("/e", &[], unknown).await, StatusCode::OK);
    assert_eq!(world.batch(&[event(id(5_001), "twin", "ann", ""), event(id(5_001), "twin", "ann", "")]).await, StatusCode::OK);
    world.append_raw(id(6_000), r#"{"a":"#).await;
    world
}

fn audit(world: &World, events_at_once: usize) -> Audit {
    world.auditor().audit(Period::default(), events_at_once).expect("an audit")
}

#[tokio::test]
async fn a_sound_server_is_found_sound() {
    let mut world = busy_world().await;
    let before = audit(&world, 1_000);
    assert!(before.is_sound() && before.in_flight > 0, "{before}");
    world.process();
    let all = audit(&world, 1_000);
    assert!(all.is_sound(), "{all}");
    let of_one = &all.projects[&1];
    assert_eq!(of_one.events, of_one.visible + of_one.without_row.values().sum::<u64>(), "{all}");
    assert_eq!(of_one.without_row.get("dropped:too_old"), Some(&5));
    assert_eq!(of_one.without_row.get("dead_lettered:malformed_properties"), Some(&1));
    assert_eq!(of_one.without_row.get("duplicate"), Some(&25), "{all}");
    assert_eq!(all.projects[&0].without_row.get("dropped:unknown_token"), Some(&1));
    assert!(all.rows == of_one.visible && all.minutes > 0, "{all}");
    // In little memory the answer is the same.
    assert_eq!(audit(&world, 7), all);
    world.flush();
    assert_eq!(audit(&world, 50), all);
}

#[tokio::test]
async fn a_period_is_a_part_of_it() {
    let mut world = busy_world().await;
    world.process();
    let period = Period { from: NOW, to: UnixMicros(NOW.0 + 20_000_000) };
    let audit = world.auditor().audit(period, 1_000).expect("an audit");
    assert!(audit.is_sound() && audit.records > 10 && audit.records < 25, "{audit}");
}

#[tokio::test]
async fn an_event_that_was_lost_is_named() {
    let mut world = busy_world().await;
    world.process();
    // A record that the store takes for processed, and that it never saw.
    assert_eq!(world.batch(&[event(id(7_000), "lost", "ann", ""), event(id(7_001), "lost", "ann", "")]).await, StatusCode::OK);
    world.store.commit(Commit::new(PartitionId(0), world.journal.end(PartitionId(0)))).expect("taken");
    let audit = audit(&world, 1_000);
    assert!(!audit.is_sound());
    let of_one = &audit.projects[&1];
    assert_eq!((of_one.missing, of_one.extra), (2, 0), "{audit}");
    let mut named: Vec<Uuid> = of_one.missing_examples.iter().map(|example| example.uuid).collect();
    named.sort_unstable();
    assert_eq!(named, [id(7_000), id(7_001)]);
    assert!(audit.to_string().contains("NOT SOUND"), "{audit}");
    assert_eq!(world.trace(&id(7_000).to_string()).verdict, "missing");
}

#[tokio::test]
async fn a_row_that_nobody_sent_is_named() {
    let mut world = busy_world().await;
    world.process();
    let received_at = UnixMicros(NOW.0 + 1_000_000);
    let row = EventRow {
        project: ONE,
        uuid: id(8_000),
        event: "invented",
        distinct_id: "ann",
        person: id(1),
        timestamp: received_at,
        created_at: received_at,
        person_created_at: received_at,
        person_properties: &Arc::from("{}"),
        person_mode: PersonMode::Full,
        elements_chain: "",
    };
    let mut events = EventRows::default();
    events.push(&row, std::iter::empty::<(&str, PropertyValue<'_>)>());
    let upto: JournalPosition = world.journal.end(PartitionId(0));
    world.store.commit(Commit { events, ..Commit::new(PartitionId(0), upto) }).expect("taken");
    let audit = audit(&world, 1_000);
    let of_one = &audit.projects[&1];
    assert_eq!((of_one.missing, of_one.extra, &*of_one.extra_examples[0].event), (0, 1, "invented"), "{audit}");
    assert!(!audit.is_sound());
}
