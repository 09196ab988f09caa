//! The properties of a person or a group: one JSON text, and an index over it.
//!
//! In: a JSON object; changes. Out: the changed object. The text is the truth and what the store keeps; the index makes looking for a key cheap and lets a
//! change copy what it does not touch.
//!
//! # Invariants
//! - The text is `{"key":value,…}` without spaces outside of values, keys escaped as [`json::write_escaped`] does, each key once.
//! - The text alone decides: what is parsed again from the text behaves the same, so state read back after a crash is the state that was.

use crate::json::{self, Malformed};
use crate::keys::Keys;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// Properties.
#[derive(Clone, Debug)]
pub(crate) struct Properties {
    text: Arc<str>,
    /// The lower half of each key's hash; beside `spans` so that a search reads few cache lines.
    hashes: Vec<u32>,
    spans: Vec<Span>,
}

/// Where a member lies: `"key":value`, from `start` to `end`, the value from `value` on.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    value: u32,
    end: u32,
}

/// A change of one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) key: &'a str,
    pub(crate) hash: u64,
    /// The new value as JSON; `None` removes the key.
    pub(crate) value: Option<&'a str>,
}

impl Properties {
    /// None.
    pub(crate) fn empty() -> Self {
        Self { text: Arc::clone(Self::none()), hashes: Vec::new(), spans: Vec::new() }
    }

    /// The text of no properties; always the same.
    pub(crate) fn none() -> &'static Arc<str> {
        static NONE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("{}"));
        &NONE
    }

    /// Reads a JSON object. Keeps `text` itself when it is in the form of ours, which all text is that was written here.
    pub(crate) fn parse(keys: &Keys, text: Arc<str>) -> Result<Self, Malformed> {
        let mut writer = Writer::new(text.len());
        let mut parsed: Vec<(u64, json::Member<'_>)> = Vec::new();
        for member in json::members(&text) {
            let member = member?;
            let hash = keys.hash(&member.key);
            match parsed.iter_mut().find(|(other, earlier)| *other == hash && earlier.key == member.key) {
                Some((_, earlier)) => *earlier = member,
                None => parsed.push((hash, member)),
            }
        }
        for (hash, member) in &parsed {
            writer.member(&member.key, *hash, member.raw);
        }
        let read = writer.finish();
        Ok(if *read.text == *text { Self { text, ..read } } else { read })
    }

    /// The JSON object.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Bytes that this takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.spans.len() * 16 + 96
    }

    fn find(&self, hash: u64, key: &str) -> Option<usize> {
        self.find_within(0..self.hashes.len(), hash, key)
    }

    fn find_within(&self, range: Range<usize>, hash: u64, key: &str) -> Option<usize> {
        let short = hash as u32;
        let mut from = range.start;
        while let Some(found) = self.hashes[from..range.end].iter().position(|hash| *hash == short) {
            let at = from + found;
            let span = self.spans[at];
            let stored = &self.text[span.start as usize + 1..span.value as usize - 2];
            if stored == key || (stored.contains('\\') && stored == json::escaped(key)) {
                return Some(at);
            }
            from = at + 1;
        }
        None
    }

    /// As [`Self::find`], beginning at `near` and leaving it behind what was found: who asks in the order of the text finds each key at once.
    fn find_near(&self, near: &mut usize, hash: u64, key: &str) -> Option<usize> {
        let middle = (*near).min(self.hashes.len());
        let at = self.find_within(middle..self.hashes.len(), hash, key).or_else(|| self.find_within(0..middle, hash, key))?;
        *near = at + 1;
        Some(at)
    }

    fn value_at(&self, at: usize) -> &str {
        let span = self.spans[at];
        &self.text[span.value as usize..span.end as usize]
    }

    /// The value of a key as JSON.
    pub(crate) fn get(&self, hash: u64, key: &str) -> Option<&str> {
        self.find(hash, key).map(|at| self.value_at(at))
    }

    /// As [`Self::get`], quicker when keys are asked for in the order of the text; `near` begins at 0 and belongs to one row of questions.
    pub(crate) fn get_near(&self, near: &mut usize, hash: u64, key: &str) -> Option<&str> {
        self.find_near(near, hash, key).map(|at| self.value_at(at))
    }

    /// The text with `values` put in, for keys that are each named once; new keys come last. Cheaper than [`Properties::with`] where the text is all that is
    /// wanted: what lies between two changed values is copied in one piece.
    pub(crate) fn text_with(&self, values: &[Change<'_>]) -> Arc<str> {
        let mut places: Vec<(usize, &str)> = Vec::with_capacity(values.len());
        let mut added: Vec<&Change<'_>> = Vec::new();
        let mut near = 0;
        for change in values {
            match (self.find_near(&mut near, change.hash, change.key), change.value) {
                (Some(at), Some(value)) => places.push((at, value)),
                (None, Some(_)) => added.push(change),
                (_, None) => {}
            }
        }
        places.sort_unstable_by_key(|(at, _)| *at);
        let growth: usize = values.iter().map(|change| change.key.len() + change.value.map_or(0, str::len) + 4).sum();
        let mut text = String::with_capacity(self.text.len() + growth);
        let mut copied = 0;
        for (at, value) in places {
            let span = self.spans[at];
            text.push_str(&self.text[copied..span.value as usize]);
            text.push_str(value);
            copied = span.end as usize;
        }
        // All but the closing brace, which comes after what is added.
        text.push_str(&self.text[copied..self.text.len() - 1]);
        for change in added {
            if text.len() > 1 {
                text.push(',');
            }
            json::write_string(change.key, &mut text);
            text.push(':');
            text.push_str(change.value.unwrap_or("null"));
        }
        text.push('}');
        Arc::from(text)
    }

    /// With all of `other`'s members put over these.
    pub(crate) fn overlaid_by(&self, keys: &Keys, other: &Self) -> Self {
        let members: Vec<_> = json::members(&other.text).map_while(Result::ok).collect();
        let changes: Vec<_> =
            members.iter().map(|member| Change { key: &member.key, hash: keys.hash(&member.key), value: Some(member.raw) }).collect();
        self.with(&changes)
    }

    /// With `changes` made, in order; new keys come last. Of several changes of one key the last counts.
    pub(crate) fn with(&self, changes: &[Change<'_>]) -> Self {
        let mut writer = Writer::new(
            self.text.len() + changes.iter().map(|change| change.key.len() + change.value.map_or(0, str::len) + 8).sum::<usize>(),
        );
        let mut last: Vec<Option<&Change<'_>>> = vec![None; self.spans.len()];
        let mut added: Vec<&Change<'_>> = Vec::new();
        for change in changes {
            if let Some(at) = self.find(change.hash, change.key) {
                last[at] = Some(change);
            } else if let Some(earlier) = added.iter_mut().find(|earlier| earlier.hash == change.hash && earlier.key == change.key) {
                *earlier = change;
            } else {
                added.push(change);
            }
        }
        for (at, change) in last.iter().enumerate() {
            match change {
                None => writer.copy(self, at),
                Some(Change { value: Some(value), .. }) => writer.copy_with(self, at, value),
                Some(Change { value: None, .. }) => {}
            }
        }
        for change in added {
            if let Some(value) = change.value {
                writer.member(change.key, change.hash, value);
            }
        }
        writer.finish()
    }
}

/// Writes properties member by member.
struct Writer {
    text: String,
    hashes: Vec<u32>,
    spans: Vec<Span>,
}

impl Writer {
    fn new(bytes: usize) -> Self {
        let mut text = String::with_capacity(bytes + 2);
        text.push('{');
        Self { text, hashes: Vec::new(), spans: Vec::new() }
    }

    /// INVARIANT: properties come from events and are capped far below 4 GiB, so that a place always fits.
    fn at(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    fn begin(&mut self) -> u32 {
        if !self.spans.is_empty() {
            self.text.push(',');
        }
        self.at()
    }

    fn end(&mut self, hash: u32, start: u32, value: &str) {
        let place = self.at();
        self.text.push_str(value);
        self.hashes.push(hash);
        self.spans.push(Span { start, value: place, end: self.at() });
    }

    fn member(&mut self, key: &str, hash: u64, value: &str) {
        let start = self.begin();
        json::write_string(key, &mut self.text);
        self.text.push(':');
        self.end(hash as u32, start, value);
    }

    fn copy(&mut self, from: &Properties, at: usize) {
        self.copy_with(from, at, from.value_at(at));
    }

    fn copy_with(&mut self, from: &Properties, at: usize, value: &str) {
        let span = from.spans[at];
        let start = self.begin();
        self.text.push_str(&from.text[span.start as usize..span.value as usize]);
        self.end(from.hashes[at], start, value);
    }

    fn finish(mut self) -> Properties {
        self.text.push('}');
        Properties { text: Arc::from(self.text), hashes: self.hashes, spans: self.spans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn parse(text: &str) -> Properties {
        Properties::parse(&Keys::new(), Arc::from(text)).expect("valid")
    }

    #[test]
    fn text_of_ours_is_kept_and_other_text_is_brought_into_form() {
        let text: Arc<str> = Arc::from(r#"{"a":1,"b \"x":[1, 2]}"#);
        let read = Properties::parse(&Keys::new(), Arc::clone(&text)).expect("valid");
        assert!(Arc::ptr_eq(read.text(), &text));
        assert_eq!(&**parse(r#" { "a" : 1 , "\u0062": "x", "a": 2 } "#).text(), r#"{"a":2,"b":"x"}"#);
        assert_eq!(parse("{}").text(), Properties::empty().text());
        assert!(Properties::parse(&Keys::new(), Arc::from("[]")).is_err());
    }

    proptest! {
        #[test]
        fn a_text_with_values_is_that_of_the_changed_properties(
            start in proptest::collection::btree_map("[a-d\"\\\\é]{0,2}", 0..9i64, 0..6),
            values in proptest::collection::btree_map("[a-f\"\\\\é]{0,2}", 0..99i64, 0..6),
        ) {
            let keys = Keys::new();
            let before = Properties::parse(&keys, Arc::from(serde_json::to_string(&start).expect("valid"))).expect("valid");
            let values: Vec<_> = values.into_iter().map(|(key, value)| (key, value.to_string())).collect();
            let changes: Vec<_> = values.iter().map(|(key, value)| Change { key, hash: keys.hash(key), value: Some(value) }).collect();
            let after = before.with(&changes);
            prop_assert_eq!(&before.text_with(&changes), after.text());
        }

        #[test]
        fn changes_are_those_of_a_map(
            start in proptest::collection::btree_map("[a-d\"\\\\é]{0,2}", 0..9i64, 0..6),
            changes in proptest::collection::vec(("[a-f\"\\\\é]{0,2}", proptest::option::of(0..9i64)), 0..8),
        ) {
            let keys = Keys::new();
            let text = serde_json::to_string(&start).expect("valid");
            let before = Properties::parse(&keys, Arc::from(text)).expect("valid");
            let values: Vec<_> = changes.iter().map(|(key, value)| (key, value.map(|number| number.to_string()))).collect();
            let asked: Vec<_> =
                values.iter().map(|(key, value)| Change { key: key.as_str(), hash: keys.hash(key), value: value.as_deref() }).collect();
            let after = before.with(&asked);
            let mut expected = start;
            for (key, value) in changes {
                match value {
                    Some(value) => drop(expected.insert(key, value)),
                    None => drop(expected.remove(&key)),
                }
            }
            let found: BTreeMap<String, i64> = serde_json::from_str(after.text()).expect("valid");
            prop_assert_eq!(&found, &expected);
            for (key, value) in &expected {
                let value = value.to_string();
                prop_assert_eq!(after.get(keys.hash(key), key), Some(value.as_str()));
            }
            let again = Properties::parse(&keys, Arc::clone(after.text())).expect("valid");
            prop_assert!(Arc::ptr_eq(again.text(), after.text()));
        }
    }
}
