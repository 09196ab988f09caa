//! Definitions of one project.

use super::{EVENT_DEFINITIONS_MAX, EVENT_PROPERTIES_MAX, EventSeen, NAME_CHARS_MAX, PROPERTY_DEFINITIONS_MAX, PropertySeen};
use crate::{EventDefinition, PropertyDefinition, PropertyParent, PropertyType, metrics};
use aqueduct_event::UnixMicros;
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Properties that share parent and group type have one map: events, persons, five group types, sessions.
const SLOTS: usize = 8;

/// What is known of one project, and which of it is not on disk yet.
#[derive(Debug, Default)]
pub(crate) struct ProjectDefinitions {
    events: HashMap<Arc<str>, Event, RandomState>,
    properties: [HashMap<Arc<str>, Property, RandomState>; SLOTS],
    links: usize,
    pub(super) due: Due,
}

/// What has to be written.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) events: HashSet<Arc<str>>,
    pub(super) properties: HashSet<(usize, Arc<str>)>,
    pub(super) links: Vec<(Arc<str>, Arc<str>)>,
}

impl Due {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.properties.is_empty() && self.links.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: Uuid,
    pub(super) created_at: UnixMicros,
    pub(super) last_seen_at: UnixMicros,
    properties: HashSet<Arc<str>, RandomState>,
}

#[derive(Debug)]
pub(super) struct Property {
    pub(super) id: Uuid,
    pub(super) property_type: Option<PropertyType>,
}

impl ProjectDefinitions {
    pub(super) fn knows_event(&self, seen: &EventSeen<'_>) -> bool {
        self.events.get(seen.name).is_some_and(|event| event.last_seen_at >= hour(seen.at))
    }

    pub(super) fn knows_property(&self, seen: &PropertySeen<'_>) -> bool {
        let Some(slot) = slot(seen.parent, seen.group_type_index) else { return true };
        let Some(property) = self.properties[slot].get(seen.key) else { return false };
        let typed = property.property_type.is_some() || seen.property_type.is_none();
        typed && seen.event.is_none_or(|event| self.events.get(event).is_some_and(|event| event.properties.contains(seen.key)))
    }

    pub(super) fn learn_event(&mut self, seen: &EventSeen<'_>, now: UnixMicros) {
        let last_seen_at = hour(seen.at);
        if let Some((name, _)) = self.events.get_key_value(seen.name) {
            let name = Arc::clone(name);
            let Some(event) = self.events.get_mut(&name) else { return };
            if event.last_seen_at < last_seen_at {
                event.last_seen_at = last_seen_at;
                self.due.events.insert(name);
            }
            return;
        }
        if too_long(seen.name) || refused(self.events.len(), EVENT_DEFINITIONS_MAX) {
            return;
        }
        let name: Arc<str> = seen.name.into();
        self.put_event(Arc::clone(&name), Uuid::now_v7(), now, last_seen_at);
        self.due.events.insert(name);
    }

    pub(super) fn learn_property(&mut self, seen: &PropertySeen<'_>) {
        let Some(slot) = slot(seen.parent, seen.group_type_index) else { return };
        let key = match self.properties[slot].get_key_value(seen.key) {
            Some((key, _)) => Arc::clone(key),
            None if too_long(seen.key) || refused(self.properties.iter().map(HashMap::len).sum(), PROPERTY_DEFINITIONS_MAX) => return,
            None => {
                let key: Arc<str> = seen.key.into();
                self.put_property(slot, Arc::clone(&key), Uuid::now_v7(), None);
                self.due.properties.insert((slot, Arc::clone(&key)));
                key
            }
        };
        if let Some(property) = self.properties[slot].get_mut(&key)
            && property.property_type.is_none()
            && seen.property_type.is_some()
        {
            property.property_type = seen.property_type;
            self.due.properties.insert((slot, Arc::clone(&key)));
        }
        if let Some(event) = seen.event {
            self.learn_link(event, key);
        }
    }

    fn learn_link(&mut self, event: &str, key: Arc<str>) {
        let known = self.events.get(event).is_none_or(|event| event.properties.contains(&key));
        if known || refused(self.links, EVENT_PROPERTIES_MAX) {
            return;
        }
        if let Some((name, _)) = self.events.get_key_value(event) {
            let name = Arc::clone(name);
            self.put_link(&name, Arc::clone(&key));
            self.due.links.push((name, key));
        }
    }

    pub(super) fn put_event(&mut self, name: Arc<str>, id: Uuid, created_at: UnixMicros, last_seen_at: UnixMicros) {
        self.events.insert(name, Event { id, created_at, last_seen_at, properties: HashSet::default() });
    }

    pub(super) fn put_property(&mut self, slot: usize, key: Arc<str>, id: Uuid, property_type: Option<PropertyType>) {
        self.properties[slot].insert(key, Property { id, property_type });
    }

    pub(super) fn put_link(&mut self, event: &str, key: Arc<str>) {
        // The text is shared with the property's definition where there is one.
        let key = self.properties[0].get_key_value(&key).map_or(key, |(shared, _)| Arc::clone(shared));
        if let Some(event) = self.events.get_mut(event)
            && event.properties.insert(key)
        {
            self.links += 1;
        }
    }

    pub(super) fn set_type(&mut self, id: Uuid, property_type: Option<PropertyType>) {
        let mut all = self.properties.iter_mut().flat_map(HashMap::values_mut);
        if let Some(property) = all.find(|property| property.id == id) {
            property.property_type = property_type;
        }
    }

    pub(super) fn has_property(&self, id: Uuid) -> bool {
        self.properties.iter().flat_map(HashMap::values).any(|property| property.id == id)
    }

    pub(super) fn name_of_event(&self, id: Uuid) -> Option<Arc<str>> {
        self.events.iter().find(|(_, event)| event.id == id).map(|(name, _)| Arc::clone(name))
    }

    pub(super) fn remove_event(&mut self, name: &str) {
        if let Some(event) = self.events.remove(name) {
            self.links -= event.properties.len();
        }
        self.due.events.remove(name);
        self.due.links.retain(|(event, _)| &**event != name);
    }

    pub(super) fn remove_property(&mut self, id: Uuid) {
        for (slot, properties) in self.properties.iter_mut().enumerate() {
            let found = properties.iter().find(|(_, property)| property.id == id).map(|(key, _)| Arc::clone(key));
            if let Some(key) = found {
                properties.remove(&key);
                self.due.properties.remove(&(slot, key));
                return;
            }
        }
    }

    pub(super) fn event(&self, name: &str) -> Option<&Event> {
        self.events.get(name)
    }

    pub(super) fn property(&self, slot: usize, key: &str) -> Option<&Property> {
        self.properties.get(slot)?.get(key)
    }

    pub(super) fn property_type(&self, parent: PropertyParent, group_type_index: Option<u8>, key: &str) -> Option<PropertyType> {
        self.property(slot(parent, group_type_index)?, key)?.property_type
    }

    pub(super) fn events(&self) -> Vec<EventDefinition> {
        let definition = |(name, event): (&Arc<str>, &Event)| EventDefinition {
            id: event.id,
            name: name.to_string(),
            created_at: event.created_at,
            last_seen_at: event.last_seen_at,
        };
        let mut events: Vec<_> = self.events.iter().map(definition).collect();
        events.sort_by(|a, b| a.name.cmp(&b.name));
        events
    }

    pub(super) fn properties(&self) -> Vec<PropertyDefinition> {
        let mut all = Vec::new();
        for (slot, properties) in self.properties.iter().enumerate() {
            let (parent, group_type_index) = unslot(slot);
            all.extend(properties.iter().map(|(key, property)| PropertyDefinition {
                id: property.id,
                name: key.to_string(),
                parent,
                group_type_index,
                property_type: property.property_type,
            }));
        }
        all.sort_by(|a, b| (a.parent as u8, a.group_type_index, &a.name).cmp(&(b.parent as u8, b.group_type_index, &b.name)));
        all
    }

    pub(super) fn properties_of(&self, events: &[String]) -> HashSet<String> {
        let found = events.iter().filter_map(|name| self.events.get(name.as_str()));
        found.flat_map(|event| event.properties.iter().map(|key| key.to_string())).collect()
    }
}

/// The map of a kind of property; `None` for a group without a valid type index.
pub(super) fn slot(parent: PropertyParent, group_type_index: Option<u8>) -> Option<usize> {
    match parent {
        PropertyParent::Event => Some(0),
        PropertyParent::Person => Some(1),
        PropertyParent::Group => group_type_index.filter(|index| *index < 5).map(|index| 2 + usize::from(index)),
        PropertyParent::Session => Some(7),
    }
}

/// The kind of property that a map holds.
pub(super) fn unslot(slot: usize) -> (PropertyParent, Option<u8>) {
    match slot {
        0 => (PropertyParent::Event, None),
        1 => (PropertyParent::Person, None),
        2..=6 => (PropertyParent::Group, u8::try_from(slot - 2).ok()),
        _ => (PropertyParent::Session, None),
    }
}

fn hour(at: UnixMicros) -> UnixMicros {
    UnixMicros(at.0.div_euclid(HOUR_MICROS) * HOUR_MICROS)
}

fn too_long(name: &str) -> bool {
    // Bytes first: characters are counted for long names only.
    name.len() > NAME_CHARS_MAX && name.chars().count() > NAME_CHARS_MAX
}

/// Whether there are enough. A sender that invents keys without end must not fill memory and disk.
fn refused(count: usize, limit: usize) -> bool {
    if count < limit {
        return false;
    }
    ::metrics::counter!(metrics::DEFINITIONS_REFUSED).increment(1);
    true
}
