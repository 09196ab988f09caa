//! What clients send: requests as SDKs make them, good ones and bad ones, with few persons so that they meet.
//!
//! In: chance and the time. Out: a [`Message`] with its body, and the events in it as the client remembers them.

use crate::model::EventKey;
use aqueduct_event::{RawBatch, RawEvent, UnixMicros};
use bytes::Bytes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Write;

/// What a client knows of an event that it sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) key: EventKey,
    /// Its properties as sent.
    pub(crate) properties: Map<String, Value>,
    /// Whether it becomes a row when it is accepted; if not, a rule drops it.
    pub(crate) has_row: bool,
    pub(crate) told: Told,
    /// Step at which it was sent first.
    pub(crate) sent_at: u64,
}

/// What the client was told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// No answer, or one that says to try again.
    Nothing,
    /// 200, at this step.
    Accepted(u64),
    /// 4xx: it is no good.
    Refused,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) path: &'static str,
    pub(crate) is_gzip: bool,
    pub(crate) body: Bytes,
    /// Its events, as places in the list of all.
    pub(crate) events: Vec<usize>,
    /// Whether it must be refused.
    pub(crate) is_bad: bool,
    /// Events in its body, also those that nobody remembers.
    pub(crate) total: u32,
    /// Events that the edge leaves out.
    pub(crate) left_out: u32,
    /// Whether its body ends in the middle, so that nobody can count its events.
    pub(crate) is_cut: bool,
}

/// Makes messages and remembers all events.
#[derive(Debug)]
pub(crate) struct Messages {
    projects: u32,
    bad: f64,
    pub(crate) sent: Vec<Sent>,
    keys: BTreeSet<EventKey>,
}

/// An event before it is in a message.
struct Draft {
    name: String,
    distinct_id: String,
    properties: Map<String, Value>,
    root: Map<String, Value>,
    has_row: bool,
}

const NAMES: [&str; 4] = ["$pageview", "clicked", "paid", "größer \"x\""];
const IDS: [&str; 9] = ["anon-1", "anon-2", "anon-3", "user-1", "user-2", "user-3", "ünï", "device 7", "u"];

fn one_of<'a>(rng: &mut ChaCha8Rng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}

impl Messages {
    pub(crate) fn new(projects: u32, bad: f64) -> Self {
        Self { projects, bad, sent: Vec::new(), keys: BTreeSet::new() }
    }

    /// A message of a client of `project`.
    pub(crate) fn make(&mut self, rng: &mut ChaCha8Rng, project: u32, now: UnixMicros, step: u64) -> Message {
        if rng.random_bool(self.bad) {
            return self.bad(rng, project, now, step);
        }
        let count = [1, 1, 2, 4, 9][rng.random_range(0..5)];
        let mut events = Vec::new();
        let mut batch = Vec::new();
        for _ in 0..count {
            let draft = draft(rng);
            self.put(rng, draft, project, now, step, &mut events, &mut batch);
        }
        self.finish(rng, &format!("phc_{project}"), batch, events, now)
    }

    #[expect(clippy::too_many_arguments, reason = "what an event is made from")]
    fn put(
        &mut self,
        rng: &mut ChaCha8Rng,
        draft: Draft,
        project: u32,
        now: UnixMicros,
        step: u64,
        events: &mut Vec<usize>,
        batch: &mut Vec<Value>,
    ) {
        let Draft { name, distinct_id, mut properties, root, has_row } = draft;
        properties.insert("n".to_owned(), Value::from(self.sent.len()));
        let fresh = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        let mut key = (project, fresh, name, distinct_id);
        if has_row && rng.random_bool(0.15) && !self.sent.is_empty() {
            self.imitate(rng, &mut key);
        }
        let is_personless = properties.get("$process_person_profile") == Some(&Value::Bool(false));
        let about_persons = matches!(&*key.2, "$identify" | "$create_alias" | "$merge_dangerously" | "$groupidentify");
        let has_row = has_row && !(is_personless && about_persons);
        let at = UnixMicros(now.0 - rng.random_range(0..5_000_000));
        let mut event = root;
        event.insert("event".to_owned(), json!(key.2));
        event.insert("distinct_id".to_owned(), json!(key.3));
        event.insert("uuid".to_owned(), json!(key.1.to_string()));
        event.insert("timestamp".to_owned(), json!(at.to_rfc3339()));
        event.insert("properties".to_owned(), Value::Object(properties.clone()));
        self.keys.insert(key.clone());
        events.push(self.sent.len());
        batch.push(Value::Object(event));
        self.sent.push(Sent { key, properties, has_row, told: Told::Nothing, sent_at: step });
    }

    /// Gives an event the id of an earlier one. That does not make it the same event while its project, its name or its distinct id is another.
    fn imitate(&self, rng: &mut ChaCha8Rng, key: &mut EventKey) {
        let other = &self.sent[rng.random_range(0..self.sent.len())];
        let mut imitated = (key.0, other.key.1, key.2.clone(), key.3.clone());
        match rng.random_range(0..3) {
            0 if other.has_row => (imitated.2, imitated.3) = (other.key.2.clone(), other.key.3.clone()),
            1 if other.has_row => imitated.2 = other.key.2.clone(),
            _ => imitated.3 = other.key.3.clone(),
        }
        if !self.keys.contains(&imitated) {
            *key = imitated;
        }
    }

    /// A record with an event whose properties break off, as no edge lets it through. Mended it is one like any other.
    pub(crate) fn torn(&mut self, rng: &mut ChaCha8Rng, project: u32, now: UnixMicros, step: u64) -> Vec<u8> {
        let number = self.sent.len();
        let (name, distinct_id) = (one_of(rng, &NAMES), one_of(rng, &IDS));
        let uuid = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        let event = RawEvent {
            uuid,
            timestamp: UnixMicros(now.0 - rng.random_range(0..5_000_000)),
            event: name,
            distinct_id,
            cookieless: false,
            properties: &format!("{{\"n\":{number}"),
            set: "",
            set_once: "",
            unset: "",
        };
        let batch = RawBatch {
            token: &format!("phc_{project}"),
            received_at: now,
            sent_at: None,
            historical: false,
            client_ip: "203.0.113.7",
            user_agent: "",
            path: "/batch/",
            events: vec![event],
        };
        let key = (project, uuid, name.to_owned(), distinct_id.to_owned());
        self.keys.insert(key.clone());
        let properties = Map::from_iter([("n".to_owned(), Value::from(number))]);
        self.sent.push(Sent { key, properties, has_row: true, told: Told::Nothing, sent_at: step });
        batch.encode()
    }

    fn finish(&self, rng: &mut ChaCha8Rng, token: &str, mut batch: Vec<Value>, events: Vec<usize>, now: UnixMicros) -> Message {
        let (path, body) = if batch.len() == 1 && rng.random_bool(0.5) {
            batch[0]["token"] = json!(token);
            (["/i/v0/e/", "/capture"][rng.random_range(0..2)], batch.remove(0))
        } else {
            ("/batch/", json!({"api_key": token, "batch": batch, "sent_at": now.to_rfc3339()}))
        };
        message(rng, path, body.to_string().into_bytes(), events, false)
    }

    fn bad(&mut self, rng: &mut ChaCha8Rng, project: u32, now: UnixMicros, step: u64) -> Message {
        let (mut events, mut batch) = (Vec::new(), Vec::new());
        let good = draft(rng);
        self.put(rng, good, project, now, step, &mut events, &mut batch);
        let mut token = format!("phc_{project}");
        match rng.random_range(0..6) {
            0 => {
                let body = json!({"api_key": token, "batch": batch}).to_string();
                let mut cut = body.len() / 2;
                while !body.is_char_boundary(cut) {
                    cut -= 1;
                }
                let message = message(rng, "/batch/", body.as_bytes()[..cut].to_vec(), events, true);
                return Message { is_cut: true, ..message };
            }
            1 => {
                batch.push(json!({"event": "nobody", "properties": {}}));
                let body = json!({"api_key": token, "batch": batch}).to_string();
                return Message { total: 2, ..message(rng, "/batch/", body.into_bytes(), events, true) };
            }
            2 => {
                let body = br#"{"api_key":"","batch":[{"event":"e","distinct_id":"d"}]}"#.to_vec();
                return Message { total: 1, ..message(rng, "/batch/", body, Vec::new(), true) };
            }
            3 => {
                // Nobody's token: the edge does not know, processing drops.
                token = format!("phc_{}", self.projects + 7);
                self.sent[events[0]].key.0 = 0;
                self.sent[events[0]].has_row = false;
            }
            4 => {
                batch.push(json!({"event": "$performance_event", "distinct_id": "d"}));
                return Message { total: 2, left_out: 1, ..self.finish(rng, &token, batch, events, now) };
            }
            _ => {
                let name = ["$$heatmap", "$identify", "$groupidentify"][rng.random_range(0..3)].to_owned();
                let properties = Map::from_iter([("$process_person_profile".to_owned(), json!(false))]);
                let dropped = Draft { name, distinct_id: one_of(rng, &IDS).to_owned(), properties, root: Map::new(), has_row: false };
                self.put(rng, dropped, project, now, step, &mut events, &mut batch);
            }
        }
        self.finish(rng, &token, batch, events, now)
    }
}

fn message(rng: &mut ChaCha8Rng, path: &'static str, body: Vec<u8>, events: Vec<usize>, is_bad: bool) -> Message {
    let is_gzip = rng.random_bool(0.3);
    let body = if is_gzip { gzip(&body) } else { body };
    let total = u32::try_from(events.len()).unwrap_or(u32::MAX);
    Message { path, is_gzip, body: Bytes::from(body), events, is_bad, total, left_out: 0, is_cut: false }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // INVARIANT: memory takes what is written to it.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn draft(rng: &mut ChaCha8Rng) -> Draft {
    let mut root = Map::new();
    let mut properties = some_properties(rng);
    let distinct_id = one_of(rng, &IDS).to_owned();
    let other = one_of(rng, &IDS);
    let name = match rng.random_range(0..20) {
        0..=8 => one_of(rng, &NAMES).to_owned(),
        9..=11 => {
            properties.insert("$process_person_profile".to_owned(), json!(false));
            one_of(rng, &NAMES).to_owned()
        }
        12..=13 => "$set".to_owned(),
        14..=15 => {
            properties.insert("$anon_distinct_id".to_owned(), json!(other));
            "$identify".to_owned()
        }
        16 => "$identify".to_owned(),
        17 => {
            properties.insert("alias".to_owned(), json!(other));
            ["$create_alias", "$merge_dangerously"][rng.random_range(0..2)].to_owned()
        }
        _ => {
            properties.insert("$group_type".to_owned(), json!(one_of(rng, &["company", "team", "a", "b", "c", "d"])));
            properties.insert("$group_key".to_owned(), json!(one_of(rng, &["x", "y"])));
            properties.insert("$group_set".to_owned(), json!({one_of(rng, &["p", "q"]): rng.random_range(0..1000)}));
            "$groupidentify".to_owned()
        }
    };
    if name == "$set" || rng.random_bool(0.3) {
        let place = if rng.random_bool(0.5) { &mut root } else { &mut properties };
        place.insert("$set".to_owned(), json!({one_of(rng, &["p", "q", "r"]): rng.random_range(0..1000)}));
    }
    if rng.random_bool(0.15) {
        properties.insert("$set_once".to_owned(), json!({one_of(rng, &["p", "first"]): rng.random_range(0..1000)}));
    }
    if rng.random_bool(0.08) {
        properties.insert("$unset".to_owned(), json!([one_of(rng, &["gone", "first"])]));
    }
    if rng.random_bool(0.2) {
        properties.insert("$groups".to_owned(), json!({one_of(rng, &["company", "team", "e"]): one_of(rng, &["x", "y"])}));
    }
    Draft { name, distinct_id, properties, root, has_row: true }
}

fn some_properties(rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let mut properties = Map::new();
    for _ in 0..rng.random_range(0..5) {
        let key = one_of(rng, &["a", "b", "ключ", "d \"e\"", "nested", "long"]);
        let value = match rng.random_range(0..9) {
            0 => json!(rng.random::<i64>()),
            1 => json!(rng.random::<u64>()),
            // Few digits: the checker's JSON reader rounds the last one of others.
            2 => json!(f64::from(rng.random::<i16>()) / 1024.0),
            3 => json!(null),
            4 => json!(rng.random_bool(0.5)),
            5 => json!("zeile\nmit \"allem\" \u{1f600} \\ \u{0}"),
            6 => json!({"x": [1, 2.5, {"y": null}], "": ""}),
            7 => json!("x".repeat(rng.random_range(0..700))),
            _ => json!(format!("v{}", rng.random_range(0..5))),
        };
        properties.insert(key.to_owned(), value);
    }
    properties
}
