//! Events and properties are defined by what occurs; a type once set stays.

use crate::{NOON, open, started};
use aqueduct_catalog::{EventSeen, NewProject, PropertyParent, PropertySeen, PropertyType};
use aqueduct_event::{ProjectId, UnixMicros};

const ONE: ProjectId = ProjectId(1);

fn event(name: &str) -> EventSeen<'_> {
    EventSeen { name, at: NOON }
}

fn property<'a>(key: &'a str, property_type: Option<PropertyType>, event: Option<&'a str>) -> PropertySeen<'a> {
    PropertySeen { parent: PropertyParent::Event, group_type_index: None, key, property_type, event }
}

#[tokio::test]
async fn known_at_once_and_after_a_restart() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let person = PropertySeen { parent: PropertyParent::Person, event: None, ..property("plan", Some(PropertyType::String), None) };
    let group =
        PropertySeen { parent: PropertyParent::Group, group_type_index: Some(2), ..property("plan", Some(PropertyType::Numeric), None) };
    let price = property("price", Some(PropertyType::Numeric), Some("paid"));
    catalog.observe(ONE, &[event("paid")], &[price, property("tags", None, Some("paid")), person, group]);

    for round in 0..2 {
        let catalog = if round == 0 { std::sync::Arc::clone(&catalog) } else { open(directory.path()).await };
        let type_of = |parent, index, key| catalog.property_type(ONE, parent, index, key);
        assert_eq!(type_of(PropertyParent::Event, None, "price"), Some(PropertyType::Numeric));
        assert_eq!(type_of(PropertyParent::Event, None, "tags"), None);
        assert_eq!(type_of(PropertyParent::Person, None, "plan"), Some(PropertyType::String));
        assert_eq!(type_of(PropertyParent::Group, Some(2), "plan"), Some(PropertyType::Numeric));
        assert_eq!(type_of(PropertyParent::Group, Some(1), "plan"), None);
        assert_eq!(catalog.property_type(ProjectId(2), PropertyParent::Event, None, "price"), None);
        let events = catalog.event_definitions(ONE);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].name.as_str(), events[0].last_seen_at.to_rfc3339().as_str()), ("paid", "2026-03-01T12:00:00.000000Z"));
        assert_eq!(catalog.property_definitions(ONE).len(), 4);
        let keys = catalog.properties_of_events(ONE, &["paid".to_owned(), "unknown".to_owned()]);
        assert_eq!(keys, ["price".to_owned(), "tags".to_owned()].into());
        catalog.close().await.expect("closes");
    }
}

#[tokio::test]
async fn a_type_stays_and_an_unknown_one_is_set() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let type_of = |key| catalog.property_type(ONE, PropertyParent::Event, None, key);
    catalog.observe(ONE, &[], &[property("a", Some(PropertyType::Numeric), None), property("b", None, None)]);
    catalog.flush().await.expect("flushes");
    catalog.observe(ONE, &[], &[property("a", Some(PropertyType::String), None), property("b", Some(PropertyType::Boolean), None)]);
    assert_eq!((type_of("a"), type_of("b")), (Some(PropertyType::Numeric), Some(PropertyType::Boolean)));
    let id = catalog.property_definitions(ONE)[0].id;
    catalog.set_property_type(ONE, id, Some(PropertyType::DateTime)).await.expect("sets");
    assert_eq!(type_of("a"), Some(PropertyType::DateTime));
    assert!(catalog.set_property_type(ProjectId(2), id, None).await.is_err(), "another project's");
    catalog.close().await.expect("closes");
    let again = open(directory.path()).await;
    assert_eq!(again.property_type(ONE, PropertyParent::Event, None, "a"), Some(PropertyType::DateTime));
    assert_eq!(again.property_type(ONE, PropertyParent::Event, None, "b"), Some(PropertyType::Boolean));
}

#[tokio::test]
async fn last_seen_moves_forward_by_hours() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    catalog.observe(ONE, &[event("a")], &[]);
    catalog.observe(ONE, &[EventSeen { name: "a", at: UnixMicros(NOON.0 + 3_600_000_000) }], &[]);
    catalog.observe(ONE, &[event("a")], &[]);
    assert_eq!(catalog.event_definitions(ONE)[0].last_seen_at.to_rfc3339(), "2026-03-01T13:00:00.000000Z");
}

#[tokio::test]
async fn names_too_long_are_not_defined() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let (long, fits) = ("x".repeat(201), "ü".repeat(200));
    catalog.observe(ONE, &[event(&long), event(&fits)], &[property(&long, None, None), property(&fits, None, None)]);
    assert_eq!(catalog.event_definitions(ONE).len(), 1);
    assert_eq!(catalog.property_definitions(ONE).len(), 1);
}

#[tokio::test]
async fn what_is_forgotten_takes_its_notes_along() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let other = catalog.create_project(NewProject::default()).await.expect("creates").id;
    catalog.observe(ONE, &[event("paid")], &[property("price", Some(PropertyType::Numeric), Some("paid"))]);
    let (paid, price) = (catalog.event_definitions(ONE)[0].id, catalog.property_definitions(ONE)[0].id);
    for id in [paid, price] {
        let notes = serde_json::Map::from_iter([("description".to_owned(), "money".into())]);
        catalog.note(ONE, id, notes).await.expect("notes");
    }
    assert!(catalog.delete_event_definition(other, paid).await.is_err() && catalog.delete_property_definition(other, price).await.is_err());
    assert_eq!((catalog.notes(paid).len(), catalog.notes(price).len()), (1, 1), "another project's");
    // Neither was written yet: it is not written later either.
    catalog.delete_event_definition(ONE, paid).await.expect("deletes");
    catalog.delete_property_definition(ONE, price).await.expect("deletes");
    assert!(catalog.delete_property_definition(ONE, price).await.is_err());
    for round in 0..2 {
        let catalog = if round == 0 { std::sync::Arc::clone(&catalog) } else { open(directory.path()).await };
        assert!(catalog.notes(paid).is_empty() && catalog.notes(price).is_empty());
        assert!(catalog.event_definitions(ONE).is_empty() && catalog.property_definitions(ONE).is_empty());
        catalog.close().await.expect("closes");
    }
}
