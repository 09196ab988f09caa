//! An event's properties while they are worked on: parsed once, borrowed, with the keys that steer processing at hand.
//!
//! In: the properties as sent. Out: what the row keeps, each key once.
//!
//! # Invariants
//! - A key stands in a draft at most once; of a repeated key the last value counts, as every JSON reader has it.
//! - The order is the sender's; what processing adds comes last.

use crate::json::{Malformed, Value, members};
use crate::keys::{KEYS, KeyId, Keys, Name};
use aqueduct_event::PropertyValue;
use std::borrow::Cow;

/// One property.
#[derive(Debug)]
pub(crate) struct Property<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) hash: u64,
    /// The value as JSON text; empty for what processing added as plain text.
    pub(crate) raw: &'a str,
    pub(crate) value: Value<'a>,
    is_removed: bool,
}

const ABSENT: u16 = u16::MAX;

/// The properties of one event.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    properties: Vec<Property<'a>>,
    known: [u16; KEYS],
    /// One bit per hash seen, so that most keys are known to be new without a search.
    seen: [u64; 4],
}

/// The memory of a [`Draft`], kept from one event to the next.
#[derive(Debug, Default)]
pub(crate) struct DraftBuffer(Vec<Property<'static>>);

impl<'a> Draft<'a> {
    /// An empty draft that uses the buffer's memory.
    pub(crate) fn new(buffer: DraftBuffer) -> Self {
        Self { properties: buffer.0, known: [ABSENT; KEYS], seen: [0; 4] }
    }

    /// Gives the memory back.
    pub(crate) fn into_buffer(mut self) -> DraftBuffer {
        self.properties.clear();
        // Collecting an emptied vector in place keeps its allocation and changes only the lifetime of what it no longer holds.
        DraftBuffer(self.properties.into_iter().map_while(|_| None).collect())
    }

    /// Adds the members of a JSON object; none when `text` is empty.
    pub(crate) fn parse(&mut self, keys: &Keys, text: &'a str) -> Result<(), Malformed> {
        for member in members(text) {
            let member = member?;
            let hash = keys.hash(&member.key);
            let value = member.value()?;
            self.put(keys, Property { key: member.key, hash, raw: member.raw, value, is_removed: false });
        }
        Ok(())
    }

    fn put(&mut self, keys: &Keys, property: Property<'a>) {
        let known = keys.find(property.hash, &property.key);
        let at = match known {
            Some(id) => Some(usize::from(self.known[id.index()])).filter(|at| *at != usize::from(ABSENT)),
            None => self.repeated(property.hash, &property.key),
        };
        match (at, known) {
            (Some(at), _) => self.properties[at] = property,
            (None, Some(id)) => self.push_known(id, property),
            (None, None) => self.properties.push(property),
        }
    }

    fn push_known(&mut self, id: KeyId, property: Property<'a>) {
        // A place beyond 65,534 is not remembered: the key is stored like any other but steers nothing. An event of 1 MB can just about get there.
        self.known[id.index()] = u16::try_from(self.properties.len()).unwrap_or(ABSENT);
        self.properties.push(property);
    }

    fn repeated(&mut self, hash: u64, key: &str) -> Option<usize> {
        let (word, bit) = ((hash >> 6) as usize % 4, 1 << (hash % 64));
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        if is_new { None } else { self.properties.iter().position(|property| property.hash == hash && property.key == key) }
    }

    fn place(&self, id: KeyId) -> Option<usize> {
        let at = usize::from(self.known[id.index()]);
        (at != usize::from(ABSENT) && !self.properties[at].is_removed).then_some(at)
    }

    /// A property by its key, if the event has it.
    pub(crate) fn get(&self, id: impl Into<KeyId>) -> Option<&Property<'a>> {
        self.place(id.into()).map(|at| &self.properties[at])
    }

    /// Whether the event says `true` there.
    pub(crate) fn is_true(&self, name: Name) -> bool {
        self.get(name).is_some_and(|property| property.value == Value::Bool(true))
    }

    /// The text of a property that is text.
    pub(crate) fn text(&self, name: Name) -> Option<&str> {
        match &self.get(name)?.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Takes a property out, if it is there.
    pub(crate) fn remove(&mut self, id: impl Into<KeyId>) {
        if let Some(at) = self.place(id.into()) {
            self.properties[at].is_removed = true;
        }
    }

    /// Puts a property there, whether it was or not. `raw` is the value as JSON where something reads it as such.
    pub(crate) fn set(&mut self, keys: &Keys, key: &'static str, value: Value<'a>, raw: &'a str) {
        let hash = keys.hash(key);
        self.put(keys, Property { key: Cow::Borrowed(key), hash, raw, value, is_removed: false });
    }

    /// Replaces the value of a property that is there.
    pub(crate) fn replace(&mut self, name: Name, value: Value<'a>) {
        if let Some(at) = self.place(name.into()) {
            self.properties[at].value = value;
        }
    }

    /// The properties that are there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Property<'a>> {
        self.properties.iter().filter(|property| !property.is_removed)
    }

    /// The same, as the store takes them.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (&str, PropertyValue<'_>)> {
        self.iter().map(|property| (property.key.as_ref(), property.value.as_property()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_repeated_key_counts() {
        let keys = Keys::new();
        let mut draft = Draft::new(DraftBuffer::default());
        draft.parse(&keys, r#"{"a":1,"$ip":"x","a":2,"\u0061":3,"$ip":"y"}"#).expect("valid");
        let stored: Vec<_> = draft.stored().collect();
        assert_eq!(stored, [("a", PropertyValue::Int(3)), ("$ip", PropertyValue::Str("y"))]);
    }

    #[test]
    fn what_is_removed_is_gone_until_it_is_set_again() {
        let keys = Keys::new();
        let mut draft = Draft::new(DraftBuffer::default());
        draft.parse(&keys, r#"{"$ip":"x","b":true}"#).expect("valid");
        draft.remove(Name::Ip);
        assert!(draft.get(Name::Ip).is_none());
        assert_eq!(draft.stored().count(), 1);
        draft.set(&keys, "$ip", Value::Str(Cow::Borrowed("z")), "");
        assert_eq!(draft.text(Name::Ip), Some("z"));
    }

    #[test]
    fn the_memory_is_used_again() {
        let keys = Keys::new();
        let mut draft = Draft::new(DraftBuffer::default());
        draft.parse(&keys, r#"{"a":1,"b":2}"#).expect("valid");
        let capacity = draft.properties.capacity();
        let buffer = draft.into_buffer();
        assert_eq!((buffer.0.len(), buffer.0.capacity()), (0, capacity));
    }
}
