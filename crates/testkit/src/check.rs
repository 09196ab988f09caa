//! The checker: what clients were told, what the journal's records come to, and what is stored, side by side.
//!
//! - Nothing acknowledged is lost, nothing refused is kept, nothing is invented: [`told`], against the records.
//! - Nothing twice, properties and persons intact, at exactly one position: [`stored`], against the [`Model`] of the records before it.
//! - Order per distinct id: [`order`], against what each client waited for.

use crate::messages::{Sent, Told};
use crate::model::{EventKey, GARBAGE, Model, ModelLetter, ModelProject, ModelRow, Owner, WINDOW_MICROS, key_of, project_of};
use crate::sim::Discard;
use aqueduct_event::record::Record;
use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{JournalPosition, Minute, ProjectId, Verdict};
use aqueduct_store::conformance::{Row, read_rows};
use aqueduct_store::{Accounts, DeadLetter, EmbeddedStore, ReadError, Store};
use arrow::array::AsArray;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What is wrong, or why it could not be found out.
#[derive(Debug, Error)]
pub(crate) enum Finding {
    /// A promise is broken.
    #[error("{0}")]
    Broken(String),
    /// The engine said that it cannot read; right after a fault, and never otherwise.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The store said that it cannot read; right after a fault, and never otherwise.
    #[error("cannot read: {0}")]
    Unreadable(#[from] ReadError),
}

pub(crate) fn broken<T>(what: String) -> Result<T, Finding> {
    Err(Finding::Broken(what))
}

/// The state after some records, and after what was done to letters beside them.
pub(crate) fn model_of(records: &[(u64, Bytes)], discards: &[Discard], projects: u32) -> Result<Model, Finding> {
    let mut model = Model::default();
    let mut discards = discards.iter().peekable();
    for (position, payload) in records {
        while let Some(discard) = discards.next_if(|discard| discard.at.0 <= *position) {
            model.discard(discard.project, discard.letter);
        }
        match Record::decode(payload) {
            Ok(Record::Batch(batch)) => model.apply(*position, &batch, projects),
            Ok(Record::Command(command)) => model.obey(&command),
            Ok(Record::Replay(replay)) => model.replay(&replay, projects),
            Err(_) if payload.first() == Some(&GARBAGE) => model.bury_record(*position),
            other => return broken(format!("record {position} is nothing that was sent: {other:?}")),
        }
    }
    // What is durable beside the records stays done when later ones come again.
    discards.for_each(|discard| model.discard(discard.project, discard.letter));
    Ok(model)
}

/// Compares the records of the journal with what clients were told.
pub(crate) fn told(records: &[(u64, Bytes)], sent: &[Sent], projects: u32) -> Result<(), Finding> {
    let by_key: BTreeMap<&EventKey, &Sent> = sent.iter().map(|sent| (&sent.key, sent)).collect();
    let mut found = BTreeSet::new();
    for (position, payload) in records {
        let Ok(Record::Batch(batch)) = Record::decode(payload) else { continue };
        let project = project_of(batch.token, projects).unwrap_or_default();
        for event in &batch.events {
            let key = key_of(project, event);
            let Some(sent) = by_key.get(&key) else { return broken(format!("record {position} holds {key:?}, which nobody sent")) };
            if sent.told == Told::Refused {
                return broken(format!("record {position} holds {key:?}, which was refused"));
            }
            found.insert(key);
        }
    }
    let lost = sent.iter().find(|sent| matches!(sent.told, Told::Accepted(_)) && !found.contains(&sent.key));
    match lost {
        Some(lost) => broken(format!("lost: {:?} was accepted ({:?}) and is neither stored nor in the journal", lost.key, lost.told)),
        None => Ok(()),
    }
}

/// Checks that what a client sent after it had its answer comes after it, per distinct id.
pub(crate) fn order(records: &[(u64, Bytes)], sent: &[Sent], projects: u32) -> Result<(), Finding> {
    let mut places: BTreeMap<EventKey, usize> = BTreeMap::new();
    let mut next = 0;
    for (_, payload) in records {
        let Ok(Record::Batch(batch)) = Record::decode(payload) else { continue };
        let project = project_of(batch.token, projects).unwrap_or_default();
        for event in &batch.events {
            places.entry(key_of(project, event)).or_insert(next);
            next += 1;
        }
    }
    let mut by_id: BTreeMap<(u32, &str), Vec<(&Sent, usize)>> = BTreeMap::new();
    for sent in sent {
        if let Some(place) = places.get(&sent.key) {
            by_id.entry((sent.key.0, &sent.key.3)).or_default().push((sent, *place));
        }
    }
    for (id, events) in by_id {
        for (earlier, place) in &events {
            let Told::Accepted(accepted_at) = earlier.told else { continue };
            let overtaken = events.iter().find(|(later, later_place)| later.sent_at > accepted_at && later_place < place);
            if let Some((later, _)) = overtaken {
                return broken(format!(
                    "order of {id:?}: {:?} came before {:?}, which was accepted before it was sent",
                    later.key, earlier.key
                ));
            }
        }
    }
    Ok(())
}

/// Compares a store that stands at `position` with the model of the records before it.
pub(crate) fn stored(store: &EmbeddedStore, model: &Model, position: JournalPosition, projects: u32) -> Result<(), Finding> {
    let snapshot = store.snapshot();
    verdicts(store, model)?;
    let nothing = ModelProject::default();
    for number in 0..=projects + 1 {
        let view = snapshot.project(ProjectId(number))?;
        let expected = model.projects.get(&number).unwrap_or(&nothing);
        let here = |what: String| format!("project {number} at {position}: {what}");
        rows(read_rows(&*view)?, model, expected, number).map_err(|what| Finding::Broken(here(what)))?;
        persons(store, expected, number)?;
        letters(store, model, number)?;
        let table = view.persons()?;
        let alive: Vec<_> = expected.persons.keys().copied().collect();
        if table.ids != alive {
            return broken(here(format!("persons {:?} in the table, expected {alive:?}", table.ids)));
        }
        let properties = view.person_properties()?;
        for (id, text) in table.ids.iter().zip(properties.iter()) {
            let found = object(text);
            if found != expected.persons[id].properties {
                return broken(here(format!("person {id} has {found:?} in the table, expected {:?}", expected.persons[id].properties)));
            }
        }
        let ids: Vec<&str> = expected.ids.iter().filter(|(_, (owner, _))| *owner != Owner::Personless).map(|(id, _)| &**id).collect();
        let table = view.distinct_ids()?;
        let found: Vec<&str> = table.distinct_id.as_string::<i32>().iter().flatten().collect();
        if found != ids {
            return broken(here(format!("distinct ids {found:?} in the table, expected {ids:?}")));
        }
        if view.group_types() != expected.group_types {
            return broken(here(format!("group types {:?}, expected {:?}", view.group_types(), expected.group_types)));
        }
    }
    Ok(())
}

/// The dead letters of a project, each with what it holds.
fn letters(store: &EmbeddedStore, model: &Model, number: u32) -> Result<(), Finding> {
    let (count, found) = store.dead_letters(ProjectId(number), 0, usize::MAX)?;
    let told = |letter: &DeadLetter| {
        let names = (letter.uuid, letter.event.to_string(), letter.distinct_id.to_string());
        (letter.id, ModelLetter { reason: letter.reason, received_at: letter.received_at, names, replays: letter.replays })
    };
    let letters: Vec<_> = found.iter().map(told).collect();
    let of_project = model.letters.iter().filter(|((project, _), _)| *project == number);
    let expected: Vec<_> = of_project.map(|((_, id), letter)| (*id, letter.clone())).collect();
    if letters != expected || count != expected.len() {
        return broken(format!("project {number} has {count} dead letters {letters:?}, expected {expected:?}"));
    }
    let is_whole = |letter: &&DeadLetter| match letter.reason {
        DeadReason::UnreadableRecord => letter.payload.contains("\"record\""),
        _ => letter.payload.contains(&letter.uuid.to_string()),
    };
    match found.iter().find(|letter| !is_whole(letter)) {
        Some(letter) => broken(format!("the payload of dead letter {} is {}", letter.id, letter.payload)),
        None => Ok(()),
    }
}

/// The sums of the verdicts: each event of the records has one.
fn verdicts(store: &EmbeddedStore, model: &Model) -> Result<(), Finding> {
    let account = store.account(Minute(0)..=Minute(0))?;
    let found: BTreeMap<(u32, Verdict), i64> = account
        .totals
        .iter()
        .filter(|(_, events)| **events != 0)
        .map(|((project, verdict), events)| ((project.0, *verdict), *events))
        .collect();
    let mut expected: BTreeMap<(u32, Verdict), i64> = BTreeMap::new();
    for ((_, project, verdict), events) in &model.tally {
        *expected.entry((*project, *verdict)).or_default() += events;
    }
    expected.retain(|_, events| *events != 0);
    if found == expected { Ok(()) } else { broken(format!("verdicts are {found:?}, expected {expected:?}")) }
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn rows(mut found: Vec<Row>, model: &Model, project: &ModelProject, number: u32) -> Result<(), String> {
    let mut expected: Vec<&ModelRow> = model.rows.iter().filter(|row| row.key.0 == number).collect();
    let key = |row: &ModelRow| (row.key.1, row.key.2.clone(), row.key.3.clone(), row.created_at);
    expected.sort_by_cached_key(|row| key(row));
    found.sort_by_cached_key(|row| (row.uuid, row.event.clone(), row.distinct_id.clone(), row.created_at));
    let names = |row: &Row| (row.uuid, row.event.clone(), row.distinct_id.clone(), row.created_at);
    let (stored, wanted): (Vec<_>, Vec<_>) = (found.iter().map(names).collect(), expected.iter().map(|row| key(row)).collect());
    if stored != wanted {
        let twice =
            stored.windows(2).find(|pair| pair[0] == pair[1]).filter(|pair| wanted.iter().filter(|key| **key == pair[0]).count() < 2);
        let missing = wanted.iter().find(|key| !stored.contains(key));
        let invented = stored.iter().find(|key| !wanted.contains(key));
        return Err(format!(
            "{} rows, expected {}; twice: {twice:?}; missing: {missing:?}; not expected: {invented:?}",
            stored.len(),
            wanted.len()
        ));
    }
    for (found, expected) in found.iter().zip(expected) {
        same_row(found, expected, project).map_err(|what| format!("row {:?}: {what}", expected.key))?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, expected {expected:?}")) }
}

fn same_row(found: &Row, expected: &ModelRow, project: &ModelProject) -> Result<(), String> {
    same("timestamp", &found.timestamp, &expected.timestamp)?;
    same("person", &found.person, &project.present(expected.person))?;
    same("person_mode", &found.person_mode, &expected.person_mode)?;
    same("person_created_at", &found.person_created_at, &expected.person_created_at)?;
    same("person_properties", &object(&found.person_properties), &expected.person_properties)?;
    let mut properties = object(&found.properties);
    for (group, key) in &expected.groups {
        same(group, &properties.remove(group), &Some(Value::from(key.clone())))?;
    }
    // What the server adds; `$set` and the like come from the root of the event too.
    for key in ["$ip", "$sent_at"] {
        properties.remove(key);
    }
    let is_full = expected.person_mode == 0 && expected.key.2 != "$groupidentify";
    for (key, value) in &expected.properties {
        let kept = properties.remove(key);
        let is_personal = matches!(&**key, "$set" | "$set_once" | "$unset" | "$process_person_profile");
        // `$set` may be merged with that of the event's root, and is seen in the person.
        if !is_personal || (is_full && matches!(&**key, "$set_once" | "$unset")) {
            same(key, &kept.as_ref(), &Some(value))?;
        }
    }
    properties.remove("$set");
    same("further properties", &properties, &Map::new())
}

fn persons(store: &EmbeddedStore, expected: &ModelProject, number: u32) -> Result<(), Finding> {
    let project = ProjectId(number);
    for (id, person) in &expected.persons {
        let Some(found) = store.person(project, *id)? else { return broken(format!("person {id} of project {number} is gone")) };
        let checked = same("created_at", &found.created_at.0, &person.created_at)
            .and_then(|()| same("properties", &object(&found.properties), &person.properties))
            .and_then(|()| same("is_identified", &found.is_identified, &person.is_identified))
            .and_then(|()| same("version", &found.version, &person.version));
        if let Err(what) = checked {
            return broken(format!("person {id} of project {number}: {what}"));
        }
        let ids = expected.ids.iter().filter(|(_, (owner, _))| *owner == Owner::Person(*id)).map(|(id, _)| id.clone());
        let (ids, found) = (ids.collect::<Vec<_>>(), store.distinct_ids_of(project, *id)?);
        if ids != found {
            return broken(format!("person {id} of project {number} has ids {found:?}, expected {ids:?}"));
        }
    }
    for (id, (owner, version)) in &expected.ids {
        let Some(found) = store.distinct_id(project, id)? else { return broken(format!("distinct id {id} of project {number} is gone")) };
        let is_as_expected = match owner {
            Owner::Personless => found.is_personless && found.person == expected.own_id(number, id),
            Owner::Person(person) => !found.is_personless && found.person == *person && found.version == *version,
        };
        if !is_as_expected {
            return broken(format!("distinct id {id} of project {number} is {found:?}, expected {owner:?} version {version}"));
        }
    }
    for ((index, key), properties) in &expected.groups {
        let found = store.group(project, *index, key)?.map(|group| object(&group.properties));
        if found.as_ref() != Some(properties) {
            return broken(format!("group {index} {key} of project {number} is {found:?}, expected {properties:?}"));
        }
    }
    Ok(())
}

/// Every accepted event that can become a row is one; it is another one only when it came again after the window.
pub(crate) fn accepted(model: &Model, sent: &[Sent]) -> Result<(), Finding> {
    let mut arrivals: BTreeMap<&EventKey, Vec<i64>> = BTreeMap::new();
    for row in &model.rows {
        arrivals.entry(&row.key).or_default().push(row.created_at);
    }
    for sent in sent {
        let mut arrivals = arrivals.remove(&sent.key).unwrap_or_default();
        arrivals.sort_unstable();
        let is_twice = arrivals.windows(2).any(|pair| pair[0].abs_diff(pair[1]) <= WINDOW_MICROS);
        let found = arrivals.len();
        let is_accepted = matches!(sent.told, Told::Accepted(_));
        let is_there = found > 0 || model.is_erased(&sent.key);
        if (is_accepted && sent.has_row && !is_there) || (!sent.has_row && found > 0) || is_twice {
            return broken(format!("{:?} was told {:?} and has {found} rows", sent.key, sent.told));
        }
        let row = model.rows.iter().find(|row| row.key == sent.key);
        if let Some(row) = row.filter(|row| row.properties != sent.properties) {
            return broken(format!("{:?} was sent with {:?} and came as {:?}", sent.key, sent.properties, row.properties));
        }
    }
    Ok(())
}
