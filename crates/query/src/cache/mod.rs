//! Answers that are kept, and when one of them may be given again.
//!
//! An answer is *exact* when computing it again would give the same: no row, person or group of the project became visible since, no definition that it
//! used changed, and the clock has not passed a border that it depends on. The store counts what becomes visible ([`ProjectView::generation`]), so the check
//! costs a comparison. An answer that is not exact may still be *tolerable*: PostHog's age by interval, for those who ask for it.
//!
//! # Invariants
//! - The project is part of the key, and so is everything of it that an answer depends on beside its rows.
//! - What is not exact is never called so; what is older than PostHog's rule is not even when it would be the same.
//! - The bytes of all entries together stay within the budget; what was used least recently goes first.
//!
//! [`ProjectView::generation`]: aqueduct_store::ProjectView::generation

mod definitions;
mod flight;
mod freshness;
mod key;

pub(crate) use definitions::Recorded;
pub(crate) use flight::Flights;
pub(crate) use freshness::{Freshness, Moment};
pub(crate) use key::{Key, unwrapped};

use crate::metrics;
use aqueduct_event::UnixMicros;
use definitions::Asked;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An answer larger than this part of the budget is not kept: it would push out too many others.
const SHARE_OF_BUDGET: usize = 8;

/// An answer as it was computed.
#[derive(Clone, Debug)]
pub(crate) struct Computed {
    pub(crate) body: Arc<Map<String, Json>>,
    /// The clock when its rows were looked at.
    pub(crate) at: UnixMicros,
    /// The project's generation then.
    pub(crate) generation: u64,
    pub(crate) moment: Moment,
    /// The definitions that it used.
    pub(crate) asked: Arc<Asked>,
}

/// Answers of all projects.
#[derive(Debug)]
pub(crate) struct Cache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// Keys by the number of their last use.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    computed: Computed,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    /// The last answer to a query, however old.
    pub(crate) fn get(&self, key: &Key) -> Option<Computed> {
        let inner = &mut *self.inner.lock();
        let entry = inner.entries.get_mut(key)?;
        inner.uses += 1;
        inner.by_use.remove(&entry.used);
        entry.used = inner.uses;
        inner.by_use.insert(entry.used, key.clone());
        Some(entry.computed.clone())
    }

    /// Keeps an answer, unless a newer one is there.
    pub(crate) fn put(&self, key: &Key, computed: Computed) {
        let bytes = ENTRY_BYTES + map_bytes(&computed.body);
        if bytes > self.bytes_max / SHARE_OF_BUDGET {
            return;
        }
        let inner = &mut *self.inner.lock();
        if inner.entries.get(key).is_some_and(|entry| entry.computed.generation > computed.generation) {
            return;
        }
        inner.remove(key);
        inner.uses += 1;
        inner.by_use.insert(inner.uses, key.clone());
        inner.entries.insert(key.clone(), Entry { computed, bytes, used: inner.uses });
        inner.bytes += bytes;
        while inner.bytes > self.bytes_max {
            let Some((_, oldest)) = inner.by_use.pop_first() else { break };
            inner.remove(&oldest);
        }
        metrics::cache_bytes(inner.bytes);
    }
}

impl Inner {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

/// Key, tables and counters of an entry, about.
const ENTRY_BYTES: usize = 512;
/// What a value takes beside its text and items, about.
const VALUE_BYTES: usize = 32;
/// What a key of an object takes beside its text, about.
const FIELD_BYTES: usize = 48;

/// Memory of a JSON value, about.
pub(crate) fn value_bytes(value: &Json) -> usize {
    VALUE_BYTES
        + match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(value_bytes).sum(),
            Json::Object(fields) => map_bytes(fields),
        }
}

/// Memory of a JSON object, about.
pub(crate) fn map_bytes(fields: &Map<String, Json>) -> usize {
    fields.iter().map(|(key, value)| FIELD_BYTES + key.len() + value_bytes(value)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aqueduct_event::ProjectId;
    use serde_json::json;

    fn computed(generation: u64, text: &str) -> Computed {
        let Json::Object(body) = json!({ "results": text }) else { panic!("an object") };
        let moment = Moment::of(&json!({}), &json!([]), UnixMicros(0), &jiff::tz::TimeZone::UTC);
        Computed { body: Arc::new(body), at: UnixMicros(0), generation, moment, asked: Arc::default() }
    }

    fn key(number: u32) -> Key {
        Key::of(ProjectId(number), &json!({"kind": "X"}), &json!({}))
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let size = ENTRY_BYTES + map_bytes(&computed(1, &"x".repeat(1000)).body);
        let cache = Cache::new(size * 10);
        for number in 0..10 {
            cache.put(&key(number), computed(1, &"x".repeat(1000)));
        }
        assert!(cache.get(&key(0)).is_some(), "all fit");
        cache.put(&key(10), computed(1, &"x".repeat(1000)));
        assert!(cache.get(&key(1)).is_none() && cache.get(&key(0)).is_some() && cache.get(&key(10)).is_some());
        assert!(cache.inner.lock().bytes <= cache.bytes_max);
        cache.put(&key(11), computed(1, &"x".repeat(3000)));
        assert!(cache.get(&key(11)).is_none(), "too large to be kept");
    }

    #[test]
    fn an_older_answer_does_not_replace_a_newer_one() {
        let cache = Cache::new(1 << 20);
        cache.put(&key(1), computed(5, "new"));
        cache.put(&key(1), computed(4, "old"));
        assert_eq!(cache.get(&key(1)).map(|kept| kept.generation), Some(5));
        cache.put(&key(1), computed(6, "newest"));
        assert_eq!(cache.get(&key(1)).map(|kept| kept.generation), Some(6));
        assert_eq!(cache.inner.lock().by_use.len(), 1);
    }
}
