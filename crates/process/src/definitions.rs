//! Which events and properties exist (ingestion semantics, section 19): told to the [`Observer`] when they are new, not again with every event.
//!
//! In: processed events. Out: [`Observed`], what was not reported before.
//!
//! # Invariants
//! - An event that looks like one before it (same project, name, keys, kinds of values, hour) costs one sum over its keys and one look-up.
//! - Memory is bounded: a full memo is emptied, and what it held is reported once more. Reports may repeat, they are never missed.
//! - Memos hold hashes of 64 bits under a secret seed; that two of 10^5 entries meet has a chance of about 1 in 10^9.

mod kind;

pub use kind::{PropertyKind, property_kind};

use crate::draft::Draft;
use crate::json::{Value, classify, members};
use crate::keys::{KeyId, Keys, Name};
use crate::outside::Observer;
use crate::person::Wishes;
use aqueduct_event::{ProjectId, UnixMicros};
use hashbrown::{HashMap, HashSet};

/// What a property belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PropertyOwner {
    /// An event.
    Event,
    /// A person.
    Person,
    /// A group of the type with this index.
    Group(u8),
}

/// What was seen for the first time, or for the first time in a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The event's name.
    pub event: Box<str>,
    /// The hour in which it was seen, as its beginning; `None` when that was reported before.
    pub seen_at: Option<UnixMicros>,
    /// Properties.
    pub properties: Vec<ObservedProperty>,
    /// Keys of properties that were seen on events of this name.
    pub event_properties: Vec<Box<str>>,
}

/// A property that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedProperty {
    /// What it belongs to.
    pub owner: PropertyOwner,
    /// Its key.
    pub key: Box<str>,
    /// What its value is; `None` when that cannot be said (null, arrays, objects) and a later value may tell.
    pub kind: Option<PropertyKind>,
}

/// Characters of a property's key; longer ones get no definition.
const KEY_CHARS_MAX: usize = 200;
/// Entries of each memo.
const MEMO_ENTRIES_MAX: usize = 1 << 16;
/// An event that nobody is told of.
const HIDDEN_EVENT: &str = "$$plugin_metrics";
const HOUR_MICROS: i64 = 3_600_000_000;

/// What was reported already.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    /// Sums of whole events.
    shapes: HashSet<u64>,
    /// Events of an hour, and properties of an event.
    links: HashSet<u64>,
    /// Properties, with whether their kind is known.
    properties: HashMap<u64, bool>,
}

/// An event, as its definitions are read from it.
#[derive(Debug)]
pub(crate) struct Sighting<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) project: ProjectId,
    pub(crate) event: &'a str,
    pub(crate) received_at: UnixMicros,
    pub(crate) draft: &'a Draft<'a>,
    /// `None` for personless events.
    pub(crate) wishes: Option<&'a Wishes<'a>>,
    /// The type of the group that a `$groupidentify` is about.
    pub(crate) group_type: Option<u8>,
}

/// Spreads the bits of a hash combined with what distinguishes its use, so that sums of them tell shapes apart whatever the order of keys.
fn mix(hash: u64, tag: u64) -> u64 {
    let mixed = (hash ^ tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

fn kind_tag(raw: &str) -> u64 {
    match raw.as_bytes().first() {
        Some(b'"') => 1,
        Some(b'-' | b'0'..=b'9') => 2,
        Some(b't' | b'f') => 3,
        _ => 4,
    }
}

fn value_tag(value: &Value<'_>) -> u64 {
    match value {
        Value::Str(_) => 1,
        Value::Int(_) | Value::Float(_) => 2,
        Value::Bool(_) => 3,
        Value::Json(raw) => kind_tag(raw),
    }
}

impl Definitions {
    /// Tells `observer` what of an event is new.
    pub(crate) fn observe(&mut self, sighting: &Sighting<'_>, observer: &dyn Observer) {
        if sighting.event == HIDDEN_EVENT || !self.is_new_shape(sighting) {
            return;
        }
        let observed = self.new_of(sighting);
        if observed.seen_at.is_some() || !observed.properties.is_empty() || !observed.event_properties.is_empty() {
            observer.definitions(sighting.project, &observed);
        }
    }

    /// Forgets what was reported, so that all of it is reported again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    fn is_new_shape(&mut self, sighting: &Sighting<'_>) -> bool {
        let own = sighting.draft.iter().map(|property| mix(property.hash, value_tag(&property.value)));
        let mut sum = own.fold(0_u64, u64::wrapping_add);
        for (tag, items) in [(8, sighting.wishes.map(|wishes| &wishes.set)), (16, sighting.wishes.map(|wishes| &wishes.once))] {
            let wished = items.into_iter().flatten().map(|item| mix(item.hash, tag + kind_tag(item.raw)));
            sum = wished.fold(sum, u64::wrapping_add);
        }
        if let Some(set) = sighting.group_set() {
            sum = sum.wrapping_add(mix(sighting.keys.hash(set), 32));
        }
        let shape = mix(sum, sighting.name_hash() ^ u64::from(sighting.project.0)) ^ sighting.hour().0 as u64;
        insert(&mut self.shapes, shape)
    }

    fn new_of(&mut self, sighting: &Sighting<'_>) -> Observed {
        let mut observed = Observed { event: clean(sighting.event), ..Observed::default() };
        let name = mix(sighting.name_hash(), u64::from(sighting.project.0));
        if insert(&mut self.links, mix(name, sighting.hour().0 as u64)) {
            observed.seen_at = Some(sighting.hour());
        }
        if sighting.event == "$groupidentify" {
            let owner = sighting.group_type.map(PropertyOwner::Group);
            for member in owner.and(sighting.group_set()).map(members).into_iter().flatten().map_while(Result::ok) {
                let (Some(owner), Ok(value)) = (owner, member.value()) else { continue };
                self.property(sighting, owner, &member.key, &value, &mut observed);
            }
            return observed;
        }
        for property in sighting.draft.iter().filter(|property| !is_skipped(sighting.keys, property.hash, &property.key)) {
            self.property(sighting, PropertyOwner::Event, &property.key, &property.value, &mut observed);
            let is_flag = property.key.starts_with("$feature/") || property.key.starts_with("$feature_enrollment/");
            if !is_flag && fits(&property.key) && insert(&mut self.links, mix(name, property.hash)) {
                observed.event_properties.push(clean(&property.key));
            }
        }
        let wishes = sighting.wishes.into_iter().flat_map(|wishes| wishes.set.iter().chain(&wishes.once));
        for item in wishes {
            if let Ok(value) = classify(item.raw) {
                self.property(sighting, PropertyOwner::Person, &item.key, &value, &mut observed);
            }
        }
        observed
    }

    fn property(&mut self, sighting: &Sighting<'_>, owner: PropertyOwner, key: &str, value: &Value<'_>, observed: &mut Observed) {
        if !fits(key) {
            return;
        }
        let tag = match owner {
            PropertyOwner::Event => 1,
            PropertyOwner::Person => 2,
            PropertyOwner::Group(index) => 3 + u64::from(index),
        };
        let id = mix(mix(sighting.keys.hash(key), tag), u64::from(sighting.project.0));
        if self.properties.get(&id) == Some(&true) {
            return;
        }
        let kind = property_kind(key, &value.as_property(), sighting.received_at);
        if self.properties.len() >= MEMO_ENTRIES_MAX {
            self.properties.clear();
        }
        if self.properties.insert(id, kind.is_some()).is_none() || kind.is_some() {
            observed.properties.push(ObservedProperty { owner, key: clean(key), kind });
        }
    }
}

impl Sighting<'_> {
    fn name_hash(&self) -> u64 {
        self.keys.hash(self.event)
    }

    fn hour(&self) -> UnixMicros {
        UnixMicros(self.received_at.0.div_euclid(HOUR_MICROS) * HOUR_MICROS)
    }

    /// `$group_set` of a `$groupidentify`.
    fn group_set(&self) -> Option<&str> {
        (self.event == "$groupidentify").then(|| self.draft.get(Name::GroupSet).map(|set| set.raw)).flatten()
    }
}

fn insert(memo: &mut HashSet<u64>, entry: u64) -> bool {
    if memo.len() >= MEMO_ENTRIES_MAX && !memo.contains(&entry) {
        memo.clear();
    }
    memo.insert(entry)
}

fn is_skipped(keys: &Keys, hash: u64, key: &str) -> bool {
    const SKIPPED: [Name; 9] =
        [Name::Set, Name::SetOnce, Name::Unset, Name::Group0, Name::Group1, Name::Group2, Name::Group3, Name::Group4, Name::Groups];
    keys.find(hash, key).is_some_and(|id| SKIPPED.iter().any(|name| KeyId::from(*name) == id))
}

fn fits(key: &str) -> bool {
    key.len() <= KEY_CHARS_MAX || key.chars().count() <= KEY_CHARS_MAX
}

fn clean(text: &str) -> Box<str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
