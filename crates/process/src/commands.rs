//! Commands: changes of persons and groups that somebody asked for, made in their place between the events.
//!
//! In: a [`Command`]. Out: changes of the [`State`], and which rows of earlier commits leave their person.
//!
//! # Invariants
//! - Applied again from the state before, a command gives the same: ids that it makes come from what it says.
//! - What a command names and is gone meanwhile is passed over.

use crate::identity::DELETED_VERSION_STEP;
use crate::keys::Keys;
use crate::properties::{Change, Properties};
use crate::state::{Person, State};
use aqueduct_event::{Command, CommandedChange, PersonId, ProjectId, UnixMicros};
use aqueduct_store::{ReadError, Withdrawal, WithdrawnTo};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Applies a command.
pub(crate) fn apply(command: &Command<'_>, keys: &Keys, state: &mut State, withdrawals: &mut Vec<Withdrawal>) -> Result<(), ReadError> {
    let Command { project, at, change } = command;
    match change {
        CommandedChange::Delete { persons, erases_events, keeps_persons } => {
            for person in persons.iter().copied().collect::<BTreeSet<_>>() {
                if !keeps_persons {
                    delete(state, *project, person)?;
                }
                if *erases_events {
                    withdrawals.push(Withdrawal { project: *project, person, at: *at, to: WithdrawnTo::Nowhere });
                }
            }
        }
        CommandedChange::Split { person, keeps } => {
            let given = split(state, *project, *at, *person, keeps)?;
            if !given.is_empty() {
                withdrawals.push(Withdrawal { project: *project, person: *person, at: *at, to: WithdrawnTo::Persons(given) });
            }
        }
        CommandedChange::UnsetGroupProperty { type_index, key, property } => {
            if state.has_group(*project, *type_index, key)? {
                let place = state.group(*project, *type_index, key, *at)?;
                let group = state.group_at(place);
                group.properties = group.properties.with(&[Change { key: property, hash: keys.hash(property), value: None }]);
                group.updated_at = group.updated_at.max(*at);
                state.group_changed(place);
            }
        }
    }
    Ok(())
}

/// Deletes a person; its distinct ids are nobody's.
fn delete(state: &mut State, project: ProjectId, id: PersonId) -> Result<(), ReadError> {
    let Some(place) = state.person_place(project, id)? else { return Ok(()) };
    let person = state.person(place);
    person.is_deleted = true;
    person.version += DELETED_VERSION_STEP;
    state.person_changed(place);
    for distinct_id in state.ids_of(project, id)? {
        state.release(project, &distinct_id)?;
    }
    Ok(())
}

/// Gives each distinct id but one a person of its own. Answers the ids that were given away, with their persons.
fn split(state: &mut State, project: ProjectId, at: UnixMicros, id: PersonId, keeps: &str) -> Result<Vec<(Arc<str>, PersonId)>, ReadError> {
    if state.person_place(project, id)?.is_none() {
        return Ok(Vec::new());
    }
    let ids = state.ids_of(project, id)?;
    let kept = if keeps.is_empty() { made_of(state, project, id, &ids)? } else { ids.iter().find(|distinct_id| ***distinct_id == *keeps) };
    let Some(kept) = kept.filter(|_| ids.len() > 1).map(Arc::clone) else { return Ok(Vec::new()) };
    let mut given = Vec::with_capacity(ids.len() - 1);
    for distinct_id in ids.into_iter().filter(|distinct_id| *distinct_id != kept) {
        let person = own_id(state, project, id, &distinct_id)?;
        state.give(project, &distinct_id, person)?;
        state.revive_person(project, person);
        state.add_person(Person {
            project,
            id: person,
            created_at: at,
            properties: Properties::empty(),
            is_identified: false,
            version: 0,
            last_seen_at: None,
            is_deleted: false,
            snapshot: None,
            is_dirty: false,
        });
        given.push((distinct_id, person));
    }
    if let Some(place) = state.person_place(project, id)? {
        let person = state.person(place);
        person.version += 1;
        if keeps.is_empty() {
            person.properties = Properties::empty();
        }
        state.person_changed(place);
    }
    Ok(given)
}

/// Which of its distinct ids a person was made of; the first, if none of those that it has now.
fn made_of<'i>(state: &mut State, project: ProjectId, id: PersonId, ids: &'i [Arc<str>]) -> Result<Option<&'i Arc<str>>, ReadError> {
    for distinct_id in ids {
        if state.own_id(project, distinct_id)? == id {
            return Ok(Some(distinct_id));
        }
    }
    Ok(ids.first())
}

/// The id of the person that a distinct id gets when it is split off `from`: its own, unless somebody has that.
fn own_id(state: &mut State, project: ProjectId, from: PersonId, distinct_id: &str) -> Result<PersonId, ReadError> {
    loop {
        let own = state.own_id(project, distinct_id)?;
        if own != from && state.person_place(project, own)?.is_none() {
            return Ok(own);
        }
        state.spend_own_id(project, distinct_id)?;
    }
}
