//! A seeded generator of events as they come from a browser: 27 properties, about 700 bytes of JSON, persons with sessions.

pub(crate) mod cpu;

use aqueduct_event::{JournalPosition, PartitionId, ProjectId, PropertyValue, SystemClock, UnixMicros};
use aqueduct_store::{Commit, EmbeddedStore, EventRow, EventRows, PersonMode, Store, StoreConfig};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// An event before it is pushed.
pub(crate) struct Event {
    person: u64,
    timestamp: i64,
    uuid: u128,
    name: &'static str,
    person_properties: Arc<str>,
    properties: Vec<(&'static str, Value)>,
}

enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Value {
    fn borrow(&self) -> PropertyValue<'_> {
        match self {
            Self::Text(text) => PropertyValue::Str(text),
            Self::Int(number) => PropertyValue::Int(*number),
            Self::Float(number) => PropertyValue::Float(*number),
            Self::Bool(value) => PropertyValue::Bool(*value),
        }
    }
}

/// Numbers without a pattern that matters (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % below
    }

    /// Small numbers are more likely.
    fn skewed(&mut self, below: u64) -> u64 {
        let most = self.next(below) + 1;
        self.next(most)
    }
}

/// `count` events of about `count / 50` persons, in order of arrival: sessions of many persons mixed.
pub(crate) fn events(count: usize, seed: u64) -> Vec<Event> {
    let mut random = Random(seed | 1);
    let persons = (count as u64 / 50).max(10);
    let objects: Vec<Arc<str>> = (0..persons)
        .map(|person| {
            format!(
                "{{\"email\":\"user{person}@example.com\",\"plan\":\"{}\",\"$initial_referrer\":\"$direct\",\"$initial_current_url\":\"https://example.com/\",\"$browser\":\"Chrome\",\"team\":{}}}",
                ["free", "pro", "enterprise"][(person % 3) as usize],
                person % 997
            )
            .into()
        })
        .collect();
    (0..count).map(|number| event(number as u64, &mut random, persons, &objects)).collect()
}

fn event(number: u64, random: &mut Random, persons: u64, objects: &[Arc<str>]) -> Event {
    let person = random.skewed(persons);
    let session = number / 5000 * 31 + person * 7;
    let page = random.skewed(5000);
    let text = |text: &str| Value::Text(text.to_owned());
    let hex = |number: u64| Value::Text(format!("0191{number:08x}-7{:03x}-7000-8000-{person:012x}", number % 4096));
    let mut properties = vec![
        ("$current_url", Value::Text(format!("https://app.example.com/section-{}/page-{page}?tab={}", page % 40, page % 7))),
        ("$host", text("app.example.com")),
        ("$pathname", Value::Text(format!("/section-{}/page-{page}", page % 40))),
        ("$browser", text(["Chrome", "Safari", "Firefox", "Edge", "Mobile Safari"][(person % 5) as usize])),
        ("$browser_version", Value::Int(100 + (person % 30) as i64)),
        ("$browser_language", text(["en-US", "de-DE", "fr-FR"][(person % 3) as usize])),
        ("$os", text(["Mac OS X", "Windows", "Linux", "iOS", "Android"][(person % 5) as usize])),
        ("$os_version", Value::Text(format!("{}.{}", 10 + person % 5, person % 8))),
        ("$device_type", text(["Desktop", "Mobile", "Tablet"][(person % 3) as usize])),
        ("$screen_height", Value::Int(700 + (person % 20 * 16) as i64)),
        ("$screen_width", Value::Int(1200 + (person % 20 * 32) as i64)),
        ("$viewport_height", Value::Int(600 + random.next(300) as i64)),
        ("$viewport_width", Value::Int(1000 + random.next(900) as i64)),
        ("$lib", text("web")),
        ("$lib_version", text(["1.200.1", "1.201.0"][(person % 2) as usize])),
        ("$insert_id", Value::Text(format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))),
        ("$time", Value::Float(1_700_000_000.123 + number as f64 * 0.25)),
        ("$device_id", hex(person)),
        ("$session_id", hex(session)),
        ("$window_id", hex(session + 1)),
        ("$referrer", text("$direct")),
        ("$referring_domain", text("$direct")),
        ("token", text("phc_abcdefghijklmnopqrstuvwxyz0123456789")),
        ("$is_identified", Value::Bool(person.is_multiple_of(2))),
        ("plan", text(["free", "pro", "enterprise"][(person % 3) as usize])),
        ("$feature/new-checkout", text(["control", "test"][(person % 2) as usize])),
    ];
    if random.next(20) == 0 {
        properties.push(("amount", Value::Float(random.next(10_000) as f64 / 100.0)));
    } else {
        properties.push(("$scroll_depth", Value::Int(random.next(100) as i64)));
    }
    Event {
        person,
        timestamp: 1_700_000_000_000_000 + number as i64 * 10_000 - random.skewed(60_000_000) as i64,
        uuid: (u128::from(random.next(u64::MAX >> 1)) << 64) | u128::from(number),
        name: ["$pageview", "$autocapture", "signup_started", "purchase_completed"][random.skewed(4) as usize],
        person_properties: Arc::clone(&objects[person as usize]),
        properties,
    }
}

/// The rows of some events.
pub(crate) fn rows(events: &[Event]) -> EventRows {
    let mut rows = EventRows::default();
    let mut distinct_id = String::new();
    for event in events {
        use std::fmt::Write;
        distinct_id.clear();
        let _ = write!(distinct_id, "user-{:012}", event.person);
        let row = EventRow {
            project: ProjectId(1),
            uuid: Uuid::from_u128(event.uuid),
            event: event.name,
            distinct_id: &distinct_id,
            person: Uuid::from_u128(u128::from(event.person).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
            timestamp: UnixMicros(event.timestamp),
            created_at: UnixMicros(event.timestamp + 500_000),
            person_created_at: UnixMicros(1_690_000_000_000_000),
            person_properties: &event.person_properties,
            person_mode: PersonMode::Full,
            elements_chain: "",
        };
        rows.push(&row, event.properties.iter().map(|(key, value)| (*key, value.borrow())));
    }
    rows
}

/// A commit of some rows.
#[allow(dead_code, reason = "each bench uses its part of the generator")]
pub(crate) fn commit(events: EventRows, upto: u64) -> Commit {
    Commit { events, ..Commit::new(PartitionId(0), JournalPosition(upto)) }
}

/// A store in a directory that does no work unless it is asked to.
#[allow(dead_code, reason = "each bench uses its part of the generator")]
pub(crate) fn open(dir: &Path, config: StoreConfig) -> EmbeddedStore {
    let config = StoreConfig { dir: dir.to_owned(), memory_bytes_max: usize::MAX, flush_rows: usize::MAX, ..config };
    EmbeddedStore::open(config, Arc::new(SystemClock)).expect("the store opens")
}

/// Commits events in commits of `size` rows.
#[allow(dead_code, reason = "each bench uses its part of the generator")]
pub(crate) fn commit_all(store: &EmbeddedStore, events: &[Event], size: usize) {
    for (number, some) in events.chunks(size).enumerate() {
        store.commit(commit(rows(some), number as u64 + 1)).expect("the store takes it");
    }
}
