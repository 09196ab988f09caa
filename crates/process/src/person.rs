//! What an event asks of its person, and what that changes (ingestion semantics, section 8).
//!
//! In: an event's draft; the person's stored properties. Out: the changes, whether they are worth a write, and what the event's row says of the person.
//!
//! # Invariants
//! - `$set` wins over `$set_once`, both over what is stored, but for `$set_once` on a stored value that is not null.
//! - Changes that are noise alone (an address, the size of a window) are not written; if anything else is, they are written with it.
//! - The row's view is the person after the update, overlaid by the event's own `$set`, written or not.

use crate::draft::Draft;
use crate::json::{self, Value, elements, members};
use crate::keys::{AUTO, KeyId, Keys, Name};
use crate::properties::{Change, Properties};
use std::borrow::Cow;
use std::sync::Arc;

/// One property asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) hash: u64,
    pub(crate) raw: &'a str,
}

impl Item<'_> {
    fn change(&self) -> Change<'_> {
        Change { key: &self.key, hash: self.hash, value: Some(self.raw) }
    }
}

/// What an event asks of its person.
#[derive(Debug, Default)]
pub(crate) struct Wishes<'a> {
    pub(crate) set: Vec<Item<'a>>,
    pub(crate) once: Vec<Item<'a>>,
    pub(crate) unset: Vec<Cow<'a, str>>,
    /// Write whatever differs: the event is about the person.
    pub(crate) writes_always: bool,
    /// The event never changes properties of a person that exists.
    pub(crate) writes_never: bool,
}

impl<'a> Wishes<'a> {
    /// For an event of this name.
    pub(crate) fn new(event: &str) -> Self {
        Self {
            writes_always: matches!(event, "$identify" | "$create_alias" | "$merge_dangerously" | "$set"),
            writes_never: matches!(event, "$exception" | "$$heatmap"),
            ..Self::default()
        }
    }

    /// Adds the members of a `$set` object; later ones win. Answers whether `text` is an object.
    pub(crate) fn add_set(&mut self, keys: &Keys, text: &'a str) -> bool {
        add(&mut self.set, keys, text)
    }

    /// Adds the members of a `$set_once` object; later ones win. Answers whether `text` is an object.
    pub(crate) fn add_once(&mut self, keys: &Keys, text: &'a str) -> bool {
        add(&mut self.once, keys, text)
    }

    /// Adds the keys of an `$unset`: an array of keys, or an object whose keys they are.
    pub(crate) fn add_unset(&mut self, text: &'a str) {
        if json::is_object(text) {
            self.unset.extend(members(text).map_while(Result::ok).map(|member| member.key));
        } else if text.starts_with('[') {
            let keys = elements(text).filter_map(|element| match json::classify(element) {
                Ok(Value::Str(key)) => Some(key),
                _ => None,
            });
            self.unset.extend(keys);
        }
    }

    /// Adds what is copied from the event's own properties, unless the event asked for something else there.
    pub(crate) fn add_automatic(&mut self, keys: &Keys, draft: &Draft<'a>) {
        let is_server = draft.is_true(Name::IsServer);
        let (set, once) = (self.set.len(), self.once.len());
        self.set.reserve(AUTO_USUAL);
        self.once.reserve(AUTO_USUAL);
        for (index, auto) in AUTO.iter().enumerate() {
            let Some(property) = draft.get(KeyId::auto(index)) else { continue };
            // A server's own operating system is not its user's.
            if auto.key == "$os_name" || (is_server && matches!(auto.key, "$os" | "$os_version")) {
                continue;
            }
            let hashes = keys.auto(index);
            if !has(&self.set[..set], hashes.key, auto.key) {
                self.set.push(Item { key: Cow::Borrowed(auto.key), hash: hashes.key, raw: property.raw });
            }
            // Browsers send each absent campaign parameter as null; kept as a first value it would block the real one.
            if property.raw != "null" && !has(&self.once[..once], hashes.initial, auto.initial) {
                self.once.push(Item { key: Cow::Borrowed(auto.initial), hash: hashes.initial, raw: property.raw });
            }
        }
    }
}

/// Properties that are copied from an event of a browser, about.
const AUTO_USUAL: usize = 24;

fn has(items: &[Item<'_>], hash: u64, key: &str) -> bool {
    items.iter().any(|item| item.hash == hash && item.key == key)
}

fn add<'a>(items: &mut Vec<Item<'a>>, keys: &Keys, text: &'a str) -> bool {
    if !json::is_object(text) {
        return false;
    }
    for member in members(text).map_while(Result::ok) {
        let item = Item { hash: keys.hash(&member.key), key: member.key, raw: member.raw };
        match items.iter_mut().find(|earlier| earlier.hash == item.hash && earlier.key == item.key) {
            Some(earlier) => *earlier = item,
            None => items.push(item),
        }
    }
    true
}

/// What an event's wishes change.
#[derive(Debug, Default)]
pub(crate) struct Plan<'w> {
    changes: Vec<Change<'w>>,
    /// How many of `changes` come from `$set` (they stand first).
    set: usize,
    /// Whether the changes are written.
    pub(crate) writes: bool,
}

impl<'w> Plan<'w> {
    /// Compares the wishes with what is stored.
    pub(crate) fn new(keys: &Keys, wishes: &'w Wishes<'_>, stored: &Properties) -> Self {
        let mut plan = Self::default();
        let mut near = 0;
        for item in &wishes.set {
            let found = stored.get_near(&mut near, item.hash, &item.key);
            if found.is_some_and(|value| json::same_value(value, item.raw)) {
                continue;
            }
            plan.writes |= wishes.writes_always || !keys.is_noisy(item.hash, &item.key);
            plan.changes.push(item.change());
        }
        plan.set = plan.changes.len();
        if wishes.writes_never {
            plan.writes = false;
            return plan;
        }
        near = 0;
        for item in &wishes.once {
            let is_open = stored.get_near(&mut near, item.hash, &item.key).is_none_or(|value| value == "null" && item.raw != "null");
            if is_open && !has(&wishes.set, item.hash, &item.key) {
                plan.writes |= wishes.writes_always || !keys.is_noisy_first(&item.key);
                plan.changes.push(item.change());
            }
        }
        for key in &wishes.unset {
            let hash = keys.hash(key);
            if stored.get(hash, key).is_some() {
                plan.writes = true;
                plan.changes.push(Change { key, hash, value: None });
            }
        }
        plan
    }

    /// The properties after the changes.
    pub(crate) fn applied(&self, stored: &Properties) -> Properties {
        stored.with(&self.changes)
    }

    /// The person as the event's row shows it, `now` being its properties after the update.
    pub(crate) fn view(&self, now: &Properties) -> Arc<str> {
        // Each row of an overlaid person holds a text of its own: of one that is huge, a copy per row would be too much.
        if now.text().len() > OVERLAID_BYTES_MAX {
            return Arc::clone(now.text());
        }
        let mut near = 0;
        let overlay: Vec<Change<'_>> = self.changes[..self.set]
            .iter()
            .filter(|change| now.get_near(&mut near, change.hash, change.key).is_none_or(|value| change.value != Some(value)))
            .copied()
            .collect();
        if overlay.is_empty() { Arc::clone(now.text()) } else { now.text_with(&overlay) }
    }
}

/// The properties of a person that these wishes make: first values overlaid by present ones, and the event that made it.
pub(crate) fn first_properties(keys: &Keys, wishes: &Wishes<'_>, creator: &str) -> Properties {
    let mut changes: Vec<Change<'_>> = wishes.once.iter().chain(&wishes.set).map(Item::change).collect();
    changes.push(Change { key: CREATOR, hash: keys.hash(CREATOR), value: Some(creator) });
    Properties::empty().with(&changes)
}

/// JSON bytes of a person up to which rows show it with what the event alone says.
const OVERLAID_BYTES_MAX: usize = 64 * 1024;

const CREATOR: &str = "$creator_event_uuid";
