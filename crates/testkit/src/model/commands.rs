//! What commands come to: persons deleted, with or without their events, and split; properties of groups removed.

use super::{Model, ModelPerson, ModelProject, ModelRow, Owner};
use aqueduct_event::verdict::DropReason;
use aqueduct_event::{Command, CommandedChange, Minute, PersonId, UnixMicros, Verdict};
use serde_json::Map;
use std::collections::BTreeMap;

impl Model {
    /// Applies a change that somebody asked for.
    pub(crate) fn obey(&mut self, command: &Command<'_>) {
        let number = command.project.0;
        match &command.change {
            CommandedChange::Delete { persons, erases_events, keeps_persons } => {
                for person in persons {
                    if !keeps_persons {
                        self.projects.entry(number).or_default().delete(number, *person);
                    }
                    if *erases_events {
                        self.erase(number, *person);
                    }
                }
            }
            CommandedChange::Split { person, keeps } => self.split(number, command.at, *person, keeps),
            CommandedChange::UnsetGroupProperty { type_index, key, property } => {
                let project = self.projects.entry(number).or_default();
                if let Some(group) = project.groups.get_mut(&(*type_index, (*key).to_owned())) {
                    group.remove(*property);
                }
            }
        }
    }

    fn erase(&mut self, number: u32, person: PersonId) {
        let project = self.projects.entry(number).or_default();
        let is_its = |row: &mut ModelRow| row.key.0 == number && project.present(row.person) == person;
        for row in self.rows.extract_if(.., is_its) {
            let minute = Minute::of(UnixMicros(row.created_at));
            *self.tally.entry((minute, number, Verdict::Visible)).or_default() -= 1;
            *self.tally.entry((minute, number, Verdict::Dropped(DropReason::Erased))).or_default() += 1;
            self.erased.insert(row.key);
        }
    }

    /// Each distinct id but the one that is kept becomes a person, with the rows that carry it.
    fn split(&mut self, number: u32, at: UnixMicros, person: PersonId, keeps: &str) {
        let project = self.projects.entry(number).or_default();
        let ids = project.ids_of(person);
        let made_of = || ids.iter().find(|id| project.own_id(number, id) == person).or(ids.first());
        let kept = if keeps.is_empty() { made_of() } else { ids.iter().find(|id| *id == keeps) };
        let Some(kept) = kept.filter(|_| ids.len() > 1).cloned() else { return };
        let is_its = |row: &&mut ModelRow| row.key.0 == number && project.present(row.person) == person;
        let rows: Vec<&mut ModelRow> = self.rows.iter_mut().filter(is_its).collect();
        let mut given = BTreeMap::new();
        for id in ids.into_iter().filter(|id| *id != kept) {
            let new = project.id_of_one_split_off(number, person, &id);
            project.give(&id, new);
            project.revive(new);
            project.persons.insert(new, ModelPerson { created_at: at.0, ..ModelPerson::default() });
            given.insert(id, new);
        }
        if let Some(split) = project.persons.get_mut(&person) {
            split.version += 1;
            if keeps.is_empty() {
                split.properties = Map::new();
            }
        }
        for row in rows {
            row.person = given.get(&row.key.3).copied().unwrap_or(person);
        }
    }
}

impl ModelProject {
    pub(crate) fn ids_of(&self, person: PersonId) -> Vec<String> {
        self.ids.iter().filter(|(_, (owner, _))| *owner == Owner::Person(person)).map(|(id, _)| id.clone()).collect()
    }

    /// Its distinct ids are nobody's. One that the person was not made of leaves all its rows with the person, and becomes somebody else the next time.
    fn delete(&mut self, number: u32, person: PersonId) {
        if self.persons.remove(&person).is_none() {
            return;
        }
        for id in self.ids_of(person) {
            if self.own_id(number, &id) != person {
                *self.spent.entry(id.clone()).or_default() += 1;
            }
            self.ids.entry(id).and_modify(|(owner, version)| (*owner, *version) = (Owner::Personless, *version + 1));
        }
    }

    /// Its own id, unless somebody has that.
    fn id_of_one_split_off(&mut self, number: u32, from: PersonId, distinct_id: &str) -> PersonId {
        loop {
            let own = self.own_id(number, distinct_id);
            if own != from && !self.persons.contains_key(&own) {
                return own;
            }
            *self.spent.entry(distinct_id.to_owned()).or_default() += 1;
        }
    }
}
