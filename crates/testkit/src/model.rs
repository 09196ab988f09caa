//! What the records of the journal come to, worked out a second time and as plainly as can be: maps and loops, no caches, no files, no commits.
//!
//! In: the records in their order. Out: the rows, persons, distinct ids, groups and dead letters that a store must have which stands after them.
//! Written from the semantics (docs/src/concepts), not from the code of `process`; it knows only what the simulated clients send.

mod commands;
mod letters;

pub(crate) use letters::{GARBAGE, Letters, ModelLetter};

use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{Minute, PersonId, ProjectId, RawBatch, RawEvent, UnixMicros, Verdict, next_person_id_of};
use letters::letter_id;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// An event that comes again within this time of its first arrival is the same one.
pub(crate) const WINDOW_MICROS: u64 = 7 * 24 * 3_600_000_000;

/// What makes an event the same event.
pub(crate) type EventKey = (u32, Uuid, String, String);

/// A row of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelRow {
    pub(crate) key: EventKey,
    pub(crate) timestamp: i64,
    pub(crate) created_at: i64,
    pub(crate) person: PersonId,
    pub(crate) person_created_at: i64,
    pub(crate) person_properties: Map<String, Value>,
    pub(crate) person_mode: u8,
    /// As sent.
    pub(crate) properties: Map<String, Value>,
    /// `$group_0` and so on.
    pub(crate) groups: BTreeMap<String, String>,
}

/// Who has a distinct id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Personless,
    Person(PersonId),
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ModelPerson {
    pub(crate) created_at: i64,
    pub(crate) properties: Map<String, Value>,
    pub(crate) is_identified: bool,
    pub(crate) version: u64,
}

/// One project.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelProject {
    /// Owner and version.
    pub(crate) ids: BTreeMap<String, (Owner, u64)>,
    /// How many of the ids that persons made of a distinct id would have are spent.
    spent: BTreeMap<String, u32>,
    pub(crate) persons: BTreeMap<PersonId, ModelPerson>,
    /// Whom a merged person's rows belong to; one step.
    merged: BTreeMap<PersonId, PersonId>,
    pub(crate) group_types: Vec<String>,
    pub(crate) groups: BTreeMap<(u8, String), Map<String, Value>>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) projects: BTreeMap<u32, ModelProject>,
    pub(crate) rows: Vec<ModelRow>,
    /// How many events have which verdict, per minute of receipt and project; those of no project are in project 0.
    pub(crate) tally: BTreeMap<(Minute, u32, Verdict), i64>,
    /// Events whose rows were erased.
    erased: BTreeSet<EventKey>,
    /// When the rows of each event were received.
    seen: BTreeMap<EventKey, Vec<i64>>,
    pub(crate) letters: Letters,
}

/// What an event asks of its person.
#[derive(Default)]
struct Wishes {
    set: Map<String, Value>,
    once: Map<String, Value>,
    unset: Vec<String>,
}

/// The project of a token: clients of the simulator have `phc_1`, `phc_2` and so on.
pub(crate) fn project_of(token: &str, projects: u32) -> Option<u32> {
    token.strip_prefix("phc_")?.parse().ok().filter(|number| (1..=projects).contains(number))
}

/// The key of an event of a batch.
pub(crate) fn key_of(project: u32, event: &RawEvent<'_>) -> EventKey {
    (project, event.uuid, event.event.to_owned(), event.distinct_id.to_owned())
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn is_object(text: &str) -> bool {
    text.is_empty() || serde_json::from_str::<Map<String, Value>>(text).is_ok()
}

fn member(properties: &Map<String, Value>, key: &str) -> Map<String, Value> {
    properties.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn text<'a>(properties: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    properties.get(key).and_then(Value::as_str)
}

impl Model {
    /// Applies the record at `position`. `projects`: how many there are.
    pub(crate) fn apply(&mut self, position: u64, batch: &RawBatch<'_>, projects: u32) {
        let known = project_of(batch.token, projects);
        for (index, event) in batch.events.iter().enumerate() {
            let unknown = Verdict::Dropped(DropReason::UnknownToken);
            let verdict = known.map_or(unknown, |number| self.event(number, batch.received_at, event));
            self.count(Minute::of(batch.received_at), known.unwrap_or_default(), verdict, 1);
            if let Verdict::DeadLettered(reason) = verdict {
                self.bury(known.unwrap_or_default(), letter_id(position, index), ModelLetter::of(reason, batch.received_at, event));
            }
        }
    }

    fn count(&mut self, minute: Minute, project: u32, verdict: Verdict, events: i64) {
        *self.tally.entry((minute, project, verdict)).or_default() += events;
    }

    /// Whether an event had a row that was erased.
    pub(crate) fn is_erased(&self, key: &EventKey) -> bool {
        self.erased.contains(key)
    }

    fn event(&mut self, number: u32, received_at: UnixMicros, event: &RawEvent<'_>) -> Verdict {
        let properties = object(event.properties);
        let is_personless = properties.get("$process_person_profile") == Some(&Value::Bool(false));
        let about_persons = matches!(event.event, "$identify" | "$create_alias" | "$merge_dangerously" | "$groupidentify");
        if event.event == "$$heatmap" {
            return Verdict::Dropped(DropReason::Heatmap);
        }
        if is_personless && about_persons {
            return Verdict::Dropped(DropReason::PersonlessNotAllowed);
        }
        let key = key_of(number, event);
        let arrivals = self.seen.entry(key.clone()).or_default();
        if arrivals.iter().any(|arrival| arrival.abs_diff(received_at.0) <= WINDOW_MICROS) {
            return Verdict::Duplicate;
        }
        if !is_object(event.properties) {
            return Verdict::DeadLettered(DeadReason::MalformedProperties);
        }
        arrivals.push(received_at.0);
        let project = self.projects.entry(number).or_default();
        let mut wishes = Wishes::default();
        if !is_personless && event.event != "$groupidentify" {
            wishes.set = member(&properties, "$set");
            wishes.set.extend(object(event.set));
            wishes.once = member(&properties, "$set_once");
            wishes.once.extend(object(event.set_once));
            let unset = properties.get("$unset").and_then(Value::as_array).into_iter().flatten();
            wishes.unset = unset.filter_map(Value::as_str).map(str::to_owned).collect();
        }
        let place = Place { project, number, event, wishes: &wishes };
        let (person, person_created_at, person_properties, person_mode) =
            if is_personless { place.personless() } else { place.full(&properties) };
        let mut groups = BTreeMap::new();
        if !is_personless {
            if event.event == "$groupidentify" {
                project.group_identify(&properties);
            }
            for (name, group) in member(&properties, "$groups") {
                if let (Some(index), Some(group)) = (project.group_type(&name), group.as_str()) {
                    groups.insert(format!("$group_{index}"), group.to_owned());
                }
            }
        }
        let (timestamp, created_at) = (event.timestamp.0, received_at.0);
        let row = ModelRow { key, timestamp, created_at, person, person_created_at, person_properties, person_mode, properties, groups };
        self.rows.push(row);
        Verdict::Visible
    }
}

impl ModelProject {
    /// The person that rows of `person` belong to now.
    pub(crate) fn present(&self, person: PersonId) -> PersonId {
        let mut at = person;
        while let Some(next) = self.merged.get(&at) {
            at = *next;
        }
        at
    }

    /// Rows of one person are those of another from now on. Who had been merged before and came again takes nobody along who went with it then.
    fn merge(&mut self, from: PersonId, into: PersonId) {
        self.revive(from);
        if self.present(into) == from {
            self.merged.remove(&into);
        }
        self.merged.insert(from, into);
    }

    /// A person is alive: rows with its id are its own.
    fn revive(&mut self, person: PersonId) {
        if self.merged.contains_key(&person) {
            self.merged = self.merged.keys().filter(|from| **from != person).map(|from| (*from, self.present(*from))).collect();
        }
    }

    /// The id of a person made of `distinct_id`, and of rows that have none.
    pub(crate) fn own_id(&self, number: u32, distinct_id: &str) -> PersonId {
        next_person_id_of(ProjectId(number), distinct_id, self.spent.get(distinct_id).copied().unwrap_or_default())
    }

    fn group_type(&mut self, name: &str) -> Option<u8> {
        let found = self.group_types.iter().position(|known| known == name);
        let index = found.or_else(|| {
            (self.group_types.len() < 5).then(|| {
                self.group_types.push(name.to_owned());
                self.group_types.len() - 1
            })
        });
        index.and_then(|index| u8::try_from(index).ok())
    }

    fn group_identify(&mut self, properties: &Map<String, Value>) {
        let (Some(name), Some(key)) = (text(properties, "$group_type"), text(properties, "$group_key")) else { return };
        if let Some(index) = self.group_type(name) {
            self.groups.entry((index, key.to_owned())).or_default().extend(member(properties, "$group_set"));
        }
    }

    fn person_of(&self, distinct_id: &str) -> Option<PersonId> {
        match self.ids.get(distinct_id) {
            Some((Owner::Person(person), _)) => Some(*person),
            _ => None,
        }
    }

    fn is_personless(&self, distinct_id: &str) -> bool {
        matches!(self.ids.get(distinct_id), Some((Owner::Personless, _)))
    }

    fn give(&mut self, distinct_id: &str, person: PersonId) {
        let version = match self.ids.get(distinct_id) {
            None => 0,
            Some((Owner::Personless, _)) => 1,
            Some((Owner::Person(_), version)) => version + 1,
        };
        self.ids.insert(distinct_id.to_owned(), (Owner::Person(person), version));
    }
}

/// One event's work on persons.
struct Place<'a> {
    project: &'a mut ModelProject,
    number: u32,
    event: &'a RawEvent<'a>,
    wishes: &'a Wishes,
}

/// Person, its creation, its properties, how it was processed: what the row says.
type Seen = (PersonId, i64, Map<String, Value>, u8);

impl Place<'_> {
    fn id_of(&self, distinct_id: &str) -> PersonId {
        self.project.own_id(self.number, distinct_id)
    }

    fn personless(self) -> Seen {
        let id = self.event.distinct_id;
        let Some(person) = self.project.person_of(id) else {
            self.project.ids.entry(id.to_owned()).or_insert((Owner::Personless, 0));
            return (self.id_of(id), 5_000_000, Map::new(), 1);
        };
        let created_at = self.project.persons[&person].created_at;
        let is_late = self.event.timestamp.0 > created_at + 60_000_000;
        (person, created_at, Map::new(), if is_late { 2 } else { 1 })
    }

    fn full(mut self, properties: &Map<String, Value>) -> Seen {
        let target = self.event.distinct_id;
        let (other, identifies) = match self.event.event {
            "$identify" => match text(properties, "$anon_distinct_id") {
                None => (None, true),
                other => (other, false),
            },
            "$create_alias" | "$merge_dangerously" => (text(properties, "alias"), false),
            _ => (None, false),
        };
        let other = other.filter(|other| *other != target);
        let merged = other.map(|other| self.merge(other));
        let identifies = identifies || other.is_some();
        let person = match merged {
            Some((person, true)) => return self.seen(person),
            Some((person, false)) => Some(person),
            None => self.project.person_of(target),
        };
        match person {
            Some(person) => {
                self.update(person, identifies);
                self.seen(person)
            }
            None => {
                let person = self.create(target, identifies);
                self.seen(person)
            }
        }
    }

    fn seen(&self, person: PersonId) -> Seen {
        let found = &self.project.persons[&person];
        (person, found.created_at, found.properties.clone(), 0)
    }

    fn create(&mut self, distinct_id: &str, is_identified: bool) -> PersonId {
        let person = self.id_of(distinct_id);
        let mut properties = self.wishes.once.clone();
        properties.extend(self.wishes.set.clone());
        properties.insert("$creator_event_uuid".to_owned(), Value::from(self.event.uuid.to_string()));
        self.project.give(distinct_id, person);
        let made = ModelPerson { created_at: self.event.timestamp.0, properties, is_identified, version: 0 };
        self.project.persons.insert(person, made);
        self.project.revive(person);
        person
    }

    /// Makes the event's wishes true; whether that changed anything.
    fn wish(wishes: &Wishes, properties: &mut Map<String, Value>) -> bool {
        let before = properties.clone();
        properties.extend(wishes.set.clone());
        for (key, value) in &wishes.once {
            if before.get(key).is_none_or(Value::is_null) && !wishes.set.contains_key(key) {
                properties.insert(key.clone(), value.clone());
            }
        }
        for key in wishes.unset.iter().filter(|key| before.contains_key(*key)) {
            properties.remove(key);
        }
        *properties != before
    }

    fn update(&mut self, id: PersonId, identifies: bool) {
        // INVARIANT: whoever owns an id is in the map; a merge moves all ids at once.
        let Some(person) = self.project.persons.get_mut(&id) else { return };
        let changed = Self::wish(self.wishes, &mut person.properties) | (identifies && !person.is_identified);
        person.is_identified |= identifies;
        person.version += u64::from(changed);
    }

    /// The person of both ids, and whether it was made just now.
    fn merge(&mut self, other: &str) -> (PersonId, bool) {
        let target = self.event.distinct_id;
        match (self.project.person_of(other), self.project.person_of(target)) {
            (None, None) => {
                let (other_used, target_used) = (self.project.is_personless(other), self.project.is_personless(target));
                let (first, second) = if other_used && !target_used { (other, target) } else { (target, other) };
                let person = self.id_of(first);
                if other_used && target_used {
                    self.project.merge(self.id_of(second), person);
                }
                self.project.give(second, person);
                (self.create(first, true), true)
            }
            (Some(person), None) => (self.attach(target, person), false),
            (None, Some(person)) => (self.attach(other, person), false),
            (Some(from), Some(into)) if from == into => (into, false),
            (Some(from), Some(into)) => (self.merge_persons(from, into), false),
        }
    }

    fn attach(&mut self, distinct_id: &str, person: PersonId) -> PersonId {
        let before = self.id_of(distinct_id);
        if self.project.is_personless(distinct_id) && before != person {
            self.project.merge(before, person);
        }
        self.project.give(distinct_id, person);
        person
    }

    fn merge_persons(&mut self, from: PersonId, into: PersonId) -> PersonId {
        let is_protected = self.project.persons[&from].is_identified && self.event.event != "$merge_dangerously";
        let Some(gone) = (!is_protected).then(|| self.project.persons.remove(&from)).flatten() else { return into };
        let ids: Vec<String> =
            self.project.ids.iter().filter(|(_, (owner, _))| *owner == Owner::Person(from)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.project.give(&id, into);
        }
        self.project.merge(from, into);
        let Some(kept) = self.project.persons.get_mut(&into) else { return into };
        let mut properties = gone.properties;
        properties.extend(kept.properties.clone());
        Self::wish(self.wishes, &mut properties);
        kept.properties = properties;
        kept.created_at = kept.created_at.min(gone.created_at);
        kept.version = kept.version.max(gone.version) + 1;
        kept.is_identified = true;
        into
    }
}
