//! Persons, distinct ids and groups as they stand at the record being processed: the store's state, plus what this commit has changed so far.
//!
//! In: look-ups and changes. Out: the records that the commit must carry.
//!
//! # Invariants
//! - Processing is the only writer, so what the cache holds is what the store holds, until a commit fails: then [`State::forget`] starts from the store again.
//! - Between two calls of [`State::take_changes`] nothing is dropped from the cache; what changed is found there.
//! - Each person, distinct id and group is handed out at most once per commit, in the order of its first change.

mod records;

pub(crate) use records::{Group, KnownId, Owner, Person};

use crate::cache::{Cache, Place};
use crate::keys::Keys;
use aqueduct_event::{PersonId, ProjectId, UnixMicros, limits::GROUP_TYPES_MAX};
use aqueduct_store::{Commit, PersonOverride, ReadError, Store};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// The state.
#[derive(Debug)]
pub(crate) struct State {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    hasher: RandomState,
    ids: Cache<KnownId>,
    persons: Cache<Person>,
    groups: Cache<Group>,
    group_types: HashMap<ProjectId, Vec<Arc<str>>>,
    changes: Changes,
}

/// What this commit has changed so far, by name; the values lie in the caches.
#[derive(Debug, Default)]
struct Changes {
    ids: Vec<(ProjectId, Arc<str>)>,
    persons: Vec<(ProjectId, PersonId)>,
    groups: Vec<(ProjectId, u8, Arc<str>)>,
    group_types: Vec<(ProjectId, Arc<str>)>,
    overrides: Vec<PersonOverride>,
    /// Distinct ids given to a person in this commit; the store cannot list them yet.
    given: HashMap<(ProjectId, PersonId), Vec<Arc<str>>>,
}

impl State {
    /// The state of `store`, with about `bytes_max` bytes of it at hand.
    pub(crate) fn new(store: Arc<dyn Store>, keys: Arc<Keys>, bytes_max: usize) -> Self {
        Self {
            store,
            keys,
            hasher: RandomState::default(),
            ids: Cache::new(bytes_max / 4),
            persons: Cache::new(bytes_max / 2),
            groups: Cache::new(bytes_max / 4),
            group_types: HashMap::new(),
            changes: Changes::default(),
        }
    }

    /// Where it comes from.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Forgets everything that the store does not have.
    pub(crate) fn forget(&mut self) {
        self.ids.clear();
        self.persons.clear();
        self.groups.clear();
        self.group_types.clear();
        self.changes = Changes::default();
    }

    fn known_id(&mut self, project: ProjectId, distinct_id: &str) -> Result<Place, ReadError> {
        let hash = self.hasher.hash_one((project, distinct_id));
        if let Some(place) = self.ids.find(hash, |known| known.project == project && *known.distinct_id == *distinct_id) {
            return Ok(place);
        }
        let record = self.store.distinct_id(project, distinct_id)?;
        Ok(self.ids.insert(hash, KnownId::from_store(project, distinct_id, record)))
    }

    /// Who has a distinct id.
    pub(crate) fn owner(&mut self, project: ProjectId, distinct_id: &str) -> Result<Owner, ReadError> {
        let place = self.known_id(project, distinct_id)?;
        Ok(self.ids.at(place).owner)
    }

    /// The person of a distinct id, if it has one.
    pub(crate) fn person_of(&mut self, project: ProjectId, distinct_id: &str) -> Result<Option<Place>, ReadError> {
        match self.owner(project, distinct_id)? {
            Owner::Person(id) => self.person_place(project, id),
            Owner::Nobody | Owner::Personless => Ok(None),
        }
    }

    /// A person by id, if it lives.
    pub(crate) fn person_place(&mut self, project: ProjectId, id: PersonId) -> Result<Option<Place>, ReadError> {
        let hash = self.hasher.hash_one((project, id));
        if let Some(place) = self.persons.find(hash, |person| person.project == project && person.id == id) {
            return Ok(Some(place).filter(|place| !self.persons.at(*place).is_deleted));
        }
        let Some(record) = self.store.person(project, id)? else {
            return Ok(None);
        };
        Ok(Some(self.persons.insert(hash, Person::from_store(&self.keys, record))))
    }

    /// The person at a place.
    pub(crate) fn person(&mut self, place: Place) -> &mut Person {
        self.persons.at(place)
    }

    /// Puts a new person in.
    pub(crate) fn add_person(&mut self, person: Person) -> Place {
        let hash = self.hasher.hash_one((person.project, person.id));
        let (project, id) = (person.project, person.id);
        // A person that was deleted from outside may come again under the same id.
        let place = match self.persons.find(hash, |known| known.project == project && known.id == id) {
            Some(place) => {
                *self.persons.at(place) = Person { is_dirty: self.persons.at(place).is_dirty, ..person };
                place
            }
            None => self.persons.insert(hash, person),
        };
        self.person_changed(place);
        place
    }

    /// Notes that a person has changed.
    pub(crate) fn person_changed(&mut self, place: Place) {
        let person = self.persons.at(place);
        let (project, id, bytes) = (person.project, person.id, person.properties.bytes());
        if !std::mem::replace(&mut person.is_dirty, true) {
            self.changes.persons.push((project, id));
        }
        self.persons.grown(bytes);
    }

    /// Gives a distinct id to a person. An id that was used personless, or by a person that is gone, gets a version above 0.
    /// Answers whose it was.
    pub(crate) fn give(&mut self, project: ProjectId, distinct_id: &str, person: PersonId) -> Result<Owner, ReadError> {
        let place = self.known_id(project, distinct_id)?;
        let known = self.ids.at(place);
        known.version = match known.owner {
            Owner::Nobody => 0,
            Owner::Personless => 1,
            Owner::Person(_) => known.version + 1,
        };
        let before = std::mem::replace(&mut known.owner, Owner::Person(person));
        let distinct_id = Arc::clone(&known.distinct_id);
        self.changes.given.entry((project, person)).or_default().push(distinct_id);
        self.id_changed(place);
        Ok(before)
    }

    /// Remembers that a distinct id without a person was used personless. Answers its own id, which the row gets.
    pub(crate) fn use_personless(&mut self, project: ProjectId, distinct_id: &str) -> Result<PersonId, ReadError> {
        let place = self.known_id(project, distinct_id)?;
        let known = self.ids.at(place);
        if known.owner == Owner::Nobody {
            known.owner = Owner::Personless;
            self.id_changed(place);
        }
        Ok(self.ids.at(place).own())
    }

    /// The id of rows that have no person but this distinct id, and of the person that it is made into.
    pub(crate) fn own_id(&mut self, project: ProjectId, distinct_id: &str) -> Result<PersonId, ReadError> {
        let place = self.known_id(project, distinct_id)?;
        Ok(self.ids.at(place).own())
    }

    /// The id that a distinct id has of its own is of no use to it any more: the next person made of it gets another.
    pub(crate) fn spend_own_id(&mut self, project: ProjectId, distinct_id: &str) -> Result<(), ReadError> {
        let place = self.known_id(project, distinct_id)?;
        self.ids.at(place).spent += 1;
        self.id_changed(place);
        Ok(())
    }

    /// Takes a distinct id from its person, which is deleted. Whoever uses it next is made anew. If the person was made of this distinct id, it comes again under
    /// the same id, and rows with it are its rows. If not, the rows that it brought along stay with the deleted person, whether they carry that one's id by now
    /// or still the distinct id's own; which nobody may have again then.
    pub(crate) fn release(&mut self, project: ProjectId, distinct_id: &str) -> Result<(), ReadError> {
        let place = self.known_id(project, distinct_id)?;
        let known = self.ids.at(place);
        if known.owner != Owner::Person(known.own()) {
            known.spent += 1;
        }
        known.owner = Owner::Personless;
        known.version += 1;
        self.id_changed(place);
        Ok(())
    }

    fn id_changed(&mut self, place: Place) {
        let known = self.ids.at(place);
        if !std::mem::replace(&mut known.is_dirty, true) {
            self.changes.ids.push((known.project, Arc::clone(&known.distinct_id)));
        }
    }

    /// All distinct ids of a person, in order of text.
    pub(crate) fn ids_of(&mut self, project: ProjectId, person: PersonId) -> Result<Vec<Arc<str>>, ReadError> {
        let mut candidates: Vec<Arc<str>> = self.store.distinct_ids_of(project, person)?.into_iter().map(Arc::from).collect();
        candidates.extend(self.changes.given.get(&(project, person)).into_iter().flatten().map(Arc::clone));
        candidates.sort_unstable();
        candidates.dedup();
        let mut ids = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if self.owner(project, &candidate)? == Owner::Person(person) {
                ids.push(candidate);
            }
        }
        Ok(ids)
    }

    /// Rows that carry `from` belong to `to` from now on.
    pub(crate) fn override_person(&mut self, project: ProjectId, from: PersonId, to: PersonId) {
        if from != to {
            self.changes.overrides.push(PersonOverride { project, from, to });
        }
    }

    /// A person with an id that may have been merged away comes to life: its rows are its own, and who is merged into it from now on goes with it.
    pub(crate) fn revive_person(&mut self, project: ProjectId, id: PersonId) {
        self.changes.overrides.push(PersonOverride { project, from: id, to: id });
    }

    /// The index of a group type, made when there is room; `None` for the sixth and later ones.
    pub(crate) fn group_type(&mut self, project: ProjectId, name: &str) -> Result<Option<u8>, ReadError> {
        if !self.group_types.contains_key(&project) {
            let names = self.store.group_types(project)?.into_iter().map(Arc::from).collect();
            self.group_types.insert(project, names);
        }
        let names = self.group_types.entry(project).or_default();
        let index = match names.iter().position(|known| **known == *name) {
            Some(index) => index,
            None if names.len() < GROUP_TYPES_MAX => {
                let name: Arc<str> = Arc::from(name);
                names.push(Arc::clone(&name));
                self.changes.group_types.push((project, name));
                names.len() - 1
            }
            None => return Ok(None),
        };
        Ok(u8::try_from(index).ok())
    }

    /// A group; when it is new, an empty one that `created_at` then.
    pub(crate) fn group(&mut self, project: ProjectId, type_index: u8, key: &str, created_at: UnixMicros) -> Result<Place, ReadError> {
        let hash = self.hasher.hash_one((project, type_index, key));
        if let Some(place) =
            self.groups.find(hash, |group| group.project == project && group.type_index == type_index && *group.key == *key)
        {
            return Ok(place);
        }
        let group = match self.store.group(project, type_index, key)? {
            Some(record) => Group::from_store(&self.keys, record),
            None => Group::new(project, type_index, key, created_at),
        };
        Ok(self.groups.insert(hash, group))
    }

    /// Whether there is a group.
    pub(crate) fn has_group(&mut self, project: ProjectId, type_index: u8, key: &str) -> Result<bool, ReadError> {
        let place = self.group(project, type_index, key, UnixMicros::default())?;
        Ok(!self.groups.at(place).is_new)
    }

    /// The group at a place.
    pub(crate) fn group_at(&mut self, place: Place) -> &mut Group {
        self.groups.at(place)
    }

    /// Notes that a group has changed.
    pub(crate) fn group_changed(&mut self, place: Place) {
        let group = self.groups.at(place);
        let (project, type_index, key, bytes) = (group.project, group.type_index, Arc::clone(&group.key), group.properties.bytes());
        group.is_new = false;
        if !std::mem::replace(&mut group.is_dirty, true) {
            self.changes.groups.push((project, type_index, key));
        }
        self.groups.grown(bytes);
    }

    /// Moves what has changed into `commit` and makes room.
    ///
    /// # Errors
    /// [`ReadError`] never in practice: what changed is at hand.
    pub(crate) fn take_changes(&mut self, commit: &mut Commit) -> Result<(), ReadError> {
        let changes = std::mem::take(&mut self.changes);
        for (project, id) in changes.persons {
            let hash = self.hasher.hash_one((project, id));
            if let Some(place) = self.persons.find(hash, |person| person.project == project && person.id == id) {
                commit.persons.push(self.persons.at(place).take_record());
            }
        }
        for (project, distinct_id) in changes.ids {
            let place = self.known_id(project, &distinct_id)?;
            commit.distinct_ids.push(self.ids.at(place).take_record());
        }
        for (project, type_index, key) in changes.groups {
            let place = self.group(project, type_index, &key, UnixMicros::default())?;
            commit.groups.push(self.groups.at(place).take_record());
        }
        commit.group_types = changes.group_types;
        commit.overrides = changes.overrides;
        self.ids.turn();
        self.persons.turn();
        self.groups.turn();
        Ok(())
    }
}
