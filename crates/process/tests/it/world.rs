//! A world for tests: events as JSON lines go in, what came of them comes out as text.

use crate::model::{Kept, ModelStore};
use aqueduct_event::{JournalPosition, PartitionId, PersonId, ProjectId, RawBatch, RawEvent, UnixMicros, person_id_of};
use aqueduct_journal::Entry;
use aqueduct_process::{
    CookielessMode, Observed, Observer, ProcessConfig, ProcessError, Processor, ProjectFacts, Projects, PropertyOwner, Warning,
};
use aqueduct_store::Store;
use expect_test::Expect;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// When all requests are received; events happen a day before, one second after the other.
pub(crate) const RECEIVED_AT: UnixMicros = UnixMicros(1_700_086_400_000_000);
const FIRST_EVENT_AT: i64 = 1_700_000_000_000_000;

/// Knows the tokens `plain`, `careful` and `cookieless`.
#[derive(Debug)]
pub(crate) struct Tokens;

impl Projects for Tokens {
    fn project_by_token(&self, token: &str) -> Option<ProjectFacts> {
        let facts = |id, anonymize_ips, cookieless, limit| ProjectFacts {
            id: ProjectId(id),
            timezone: Arc::from("UTC"),
            anonymize_ips,
            cookieless,
            drop_events_older_than_seconds: limit,
        };
        match token {
            "plain" => Some(facts(1, false, CookielessMode::Disabled, None)),
            "careful" => Some(facts(2, true, CookielessMode::Disabled, Some(2 * 86_400))),
            "cookieless" => Some(facts(3, false, CookielessMode::Stateless, None)),
            _ => None,
        }
    }

    fn cookieless_salt(&self, day: &str) -> Option<[u8; 16]> {
        let mut salt = [7; 16];
        salt[..10].copy_from_slice(day.as_bytes().get(..10)?);
        Some(salt)
    }
}

/// Writes down what it is told.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) observed: Mutex<Vec<Observed>>,
    pub(crate) warnings: Mutex<Vec<Warning>>,
}

impl Observer for Notes {
    fn definitions(&self, _: ProjectId, observed: &Observed) {
        self.observed.lock().expect("unpoisoned").push(observed.clone());
    }

    fn warning(&self, _: ProjectId, warning: Warning) {
        self.warnings.lock().expect("unpoisoned").push(warning);
    }
}

/// A processor over a model store.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Arc<ModelStore>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) processor: Processor,
    pub(crate) token: &'static str,
    sent: u64,
}

pub(crate) fn new_processor(store: &Arc<ModelStore>, notes: &Arc<Notes>, cache_bytes_max: usize) -> Processor {
    let config = ProcessConfig { cache_bytes_max, ..ProcessConfig::default() };
    let (store, notes) = (Arc::clone(store), Arc::clone(notes));
    Processor::new(PartitionId(0), store, Arc::new(Tokens), notes, &config)
}

impl World {
    pub(crate) fn new(token: &'static str) -> Self {
        let (store, notes) = (Arc::new(ModelStore::default()), Arc::new(Notes::default()));
        let processor = new_processor(&store, &notes, 1 << 20);
        Self { store, notes, processor, token, sent: 0 }
    }

    /// A record of events, one per line of JSON: `event`, `distinct_id`, and if wanted `at` (seconds after the first event; else one after the other), `uuid`,
    /// `properties`, `$set`, `$set_once`, `$unset`.
    pub(crate) fn entry(&mut self, position: u64, lines: &[&str]) -> Entry {
        Entry { position: JournalPosition(position), payload: encode(self.token, &mut self.sent, lines).into() }
    }

    /// Processes each line as a record of its own, all in one commit.
    pub(crate) fn send(&mut self, lines: &[&str]) -> Result<(), ProcessError> {
        let first = self.store.kept().position.0;
        let entries: Vec<Entry> = lines.iter().zip(first..).map(|(line, position)| self.entry(position, &[line])).collect();
        let commit = self.processor.apply(&entries)?;
        self.store.commit(commit).expect("the model takes commits");
        Ok(())
    }
}

/// The bytes of a record. `sent` numbers the events of a world.
pub(crate) fn encode(token: &str, sent: &mut u64, lines: &[&str]) -> Vec<u8> {
    let parsed: Vec<HashMap<String, Box<serde_json::value::RawValue>>> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let text = |event: &HashMap<String, Box<serde_json::value::RawValue>>, key: &str| {
        event.get(key).map(|raw| serde_json::from_str::<String>(raw.get()).expect("text")).unwrap_or_default()
    };
    let names: Vec<(String, String)> = parsed.iter().map(|event| (text(event, "event"), text(event, "distinct_id"))).collect();
    let events = parsed.iter().zip(&names).map(|(event, (name, distinct_id))| {
        let raw = |key: &str| event.get(key).map_or("", |raw| raw.get());
        let number = *sent;
        *sent += 1;
        let at: i64 = raw("at").parse().unwrap_or(i64::try_from(number).expect("few events"));
        RawEvent {
            uuid: Uuid::parse_str(&text(event, "uuid")).unwrap_or(Uuid::from_u128(0x1000 + u128::from(number))),
            timestamp: UnixMicros(FIRST_EVENT_AT + at * 1_000_000),
            event: name,
            distinct_id,
            cookieless: false,
            properties: raw("properties"),
            set: raw("$set"),
            set_once: raw("$set_once"),
            unset: raw("$unset"),
        }
    });
    let batch = RawBatch {
        token,
        received_at: RECEIVED_AT,
        sent_at: None,
        historical: false,
        client_ip: "",
        user_agent: "",
        path: "/batch",
        events: events.collect(),
    };
    batch.encode()
}

/// Sends the lines to a new world of the token and compares the persons, ids, groups, rows and warnings that come of it.
pub(crate) fn check_in(token: &'static str, lines: &[&str], expected: Expect) {
    let mut world = World::new(token);
    world.send(lines).expect("processed");
    let told = told(&world);
    expected.assert_eq(&told);
    // The same lines, a commit each and with hardly any memory, come to the same.
    let mut slow = World::new(token);
    slow.processor = new_processor(&slow.store, &slow.notes, 0);
    for line in lines {
        slow.send(&[line]).expect("processed");
    }
    assert_eq!(self::told(&slow), told, "commits of one record each");
}

pub(crate) fn check(lines: &[&str], expected: Expect) {
    check_in("plain", lines, expected);
}

fn told(world: &World) -> String {
    let mut out = tell(&world.store.kept());
    for warning in &*world.notes.warnings.lock().expect("unpoisoned") {
        let mut details = warning.details.clone();
        let known = details.as_object_mut().expect("an object");
        known.remove("eventUuid");
        known.remove("event");
        known.remove("distinctId");
        let _ = writeln!(out, "warning {} {details}", warning.kind.as_str());
    }
    out
}

/// What is kept, as text. Persons are called by the distinct id that their id is made from.
pub(crate) fn tell(kept: &Kept) -> String {
    let mut out = String::new();
    let names: HashMap<PersonId, &str> =
        kept.distinct_ids.values().map(|id| (person_id_of(id.project, &id.distinct_id), &*id.distinct_id)).collect();
    let name = |id: &PersonId| names.get(id).map_or_else(|| id.to_string(), |name| (*name).to_owned());
    let seconds = |micros: i64| (micros - FIRST_EVENT_AT) / 1_000_000;
    let mut persons: Vec<_> = kept.persons.values().collect();
    persons.sort_by_key(|person| name(&person.id));
    for person in persons {
        let deleted = if person.is_deleted { " deleted" } else { "" };
        let identified = if person.is_identified { " identified" } else { "" };
        let seen = person.last_seen_at.map(|at| format!(" seen {}", at.to_rfc3339())).unwrap_or_default();
        let (name, at) = (name(&person.id), seconds(person.created_at.0));
        let properties = properties(&person.properties);
        let _ = writeln!(out, "person {name} v{}{identified}{deleted} at {at}{seen} {properties}", person.version);
    }
    for id in kept.distinct_ids.values() {
        let personless = if id.is_personless { " personless" } else { "" };
        let _ = writeln!(out, "id {} -> {} v{}{personless}", id.distinct_id, name(&id.person), id.version);
    }
    for (_, from, to) in &kept.overrides {
        let _ = writeln!(out, "override {} -> {}", name(from), name(to));
    }
    for (project, types) in &kept.group_types {
        let _ = writeln!(out, "group types of {project}: {}", types.join(", "));
    }
    for group in kept.groups.values() {
        let _ = writeln!(out, "group {} {} at {} {}", group.type_index, group.key, seconds(group.created_at.0), group.properties);
    }
    for (_, row) in &kept.rows {
        let mode = ["full", "propertyless", "force_upgrade"][usize::from(row.person_mode)];
        let created = if row.person_created_at == 5_000_000 { "never".to_owned() } else { seconds(row.person_created_at).to_string() };
        let chain = if row.elements_chain.is_empty() { String::new() } else { format!(" [{}]", row.elements_chain) };
        let (event, id, person) = (&row.event, &row.distinct_id, name(&row.person));
        let seen = properties(&row.person_properties);
        let _ = writeln!(out, "row {event} {id}: {person} {mode} {created} {seen} {}{chain}", row.properties);
    }
    out
}

/// Properties without the event that made the person, which stands in each.
fn properties(text: &str) -> String {
    let mut properties: Value = serde_json::from_str(text).expect("an object");
    properties.as_object_mut().expect("an object").remove("$creator_event_uuid");
    properties.to_string()
}

/// Definitions as text.
pub(crate) fn observed(notes: &Notes) -> String {
    let mut out = String::new();
    for observed in &*notes.observed.lock().expect("unpoisoned") {
        let _ = write!(out, "{}{}:", observed.event, if observed.seen_at.is_some() { "!" } else { "" });
        for property in &observed.properties {
            let owner = match property.owner {
                PropertyOwner::Event => "event".to_owned(),
                PropertyOwner::Person => "person".to_owned(),
                PropertyOwner::Group(index) => format!("group {index}"),
            };
            let kind = property.kind.map_or_else(|| "?".to_owned(), |kind| format!("{kind:?}"));
            let _ = write!(out, " {owner}.{}={kind}", property.key);
        }
        let _ = writeln!(out, " | {}", observed.event_properties.join(" "));
    }
    out
}
