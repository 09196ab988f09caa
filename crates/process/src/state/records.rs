//! The records of the state, in the form that is quick to work with, from and to the store's.

use crate::cache::Weighed;
use crate::keys::Keys;
use crate::properties::Properties;
use aqueduct_event::{PersonId, ProjectId, UnixMicros, next_person_id_of};
use aqueduct_store::{DistinctIdRecord, GroupRecord, PersonRecord};
use std::sync::Arc;

/// A person.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) project: ProjectId,
    pub(crate) id: PersonId,
    pub(crate) created_at: UnixMicros,
    pub(crate) properties: Properties,
    pub(crate) is_identified: bool,
    pub(crate) version: u64,
    pub(crate) last_seen_at: Option<UnixMicros>,
    pub(crate) is_deleted: bool,
    /// What the last event row of this person said of its properties, where that differed from them: the next row often says the same.
    pub(crate) snapshot: Option<Arc<str>>,
    pub(crate) is_dirty: bool,
}

impl Person {
    pub(crate) fn from_store(keys: &Keys, record: PersonRecord) -> Self {
        let id = record.id;
        let properties = Properties::parse(keys, record.properties).unwrap_or_else(|error| {
            tracing::error!(project = record.project.0, person = %id, %error, "the stored properties of a person cannot be read; going on without");
            Properties::empty()
        });
        Self {
            project: record.project,
            id,
            created_at: record.created_at,
            properties,
            is_identified: record.is_identified,
            version: record.version,
            last_seen_at: record.last_seen_at,
            is_deleted: record.is_deleted,
            snapshot: None,
            is_dirty: false,
        }
    }

    /// As the store keeps it; clean from now on.
    pub(super) fn take_record(&mut self) -> PersonRecord {
        self.is_dirty = false;
        PersonRecord {
            project: self.project,
            id: self.id,
            created_at: self.created_at,
            properties: Arc::clone(self.properties.text()),
            is_identified: self.is_identified,
            version: self.version,
            is_deleted: self.is_deleted,
            last_seen_at: self.last_seen_at,
        }
    }
}

impl Weighed for Person {
    fn bytes(&self) -> usize {
        self.properties.bytes() + self.snapshot.as_ref().map_or(0, |text| text.len())
    }
}

/// Whose a distinct id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Never seen.
    Nobody,
    /// Used in personless events only, or of a person that was deleted.
    Personless,
    /// This person's.
    Person(PersonId),
}

/// A distinct id.
#[derive(Debug)]
pub(crate) struct KnownId {
    pub(crate) project: ProjectId,
    pub(crate) distinct_id: Arc<str>,
    pub(crate) owner: Owner,
    pub(crate) version: u64,
    /// How many of the ids that a person made of it would have are spent.
    pub(crate) spent: u32,
    pub(crate) is_dirty: bool,
}

impl KnownId {
    /// The id of rows without a person, and of the person that it is made into.
    pub(super) fn own(&self) -> PersonId {
        next_person_id_of(self.project, &self.distinct_id, self.spent)
    }

    pub(super) fn from_store(project: ProjectId, distinct_id: &str, record: Option<DistinctIdRecord>) -> Self {
        match record {
            None => Self { project, distinct_id: Arc::from(distinct_id), owner: Owner::Nobody, version: 0, spent: 0, is_dirty: false },
            Some(record) => Self {
                project,
                distinct_id: record.distinct_id,
                owner: if record.is_personless { Owner::Personless } else { Owner::Person(record.person) },
                version: record.version,
                spent: record.spent,
                is_dirty: false,
            },
        }
    }

    /// As the store keeps it; clean from now on.
    pub(super) fn take_record(&mut self) -> DistinctIdRecord {
        self.is_dirty = false;
        let (person, is_personless) = match self.owner {
            Owner::Person(person) => (person, false),
            Owner::Nobody | Owner::Personless => (self.own(), true),
        };
        let Self { project, version, spent, .. } = *self;
        DistinctIdRecord { project, distinct_id: Arc::clone(&self.distinct_id), person, version, is_personless, spent }
    }
}

impl Weighed for KnownId {
    fn bytes(&self) -> usize {
        self.distinct_id.len() + 16
    }
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) project: ProjectId,
    pub(crate) type_index: u8,
    pub(crate) key: Arc<str>,
    pub(crate) properties: Properties,
    pub(crate) created_at: UnixMicros,
    pub(crate) updated_at: UnixMicros,
    /// The store has none yet.
    pub(crate) is_new: bool,
    pub(crate) is_dirty: bool,
}

impl Group {
    pub(super) fn new(project: ProjectId, type_index: u8, key: &str, created_at: UnixMicros) -> Self {
        let (key, properties) = (Arc::from(key), Properties::empty());
        Self { project, type_index, key, properties, created_at, updated_at: created_at, is_new: true, is_dirty: false }
    }

    pub(super) fn from_store(keys: &Keys, record: GroupRecord) -> Self {
        let properties = Properties::parse(keys, record.properties).unwrap_or_else(|error| {
            tracing::error!(project = record.project.0, group = %record.key, %error, "the stored properties of a group cannot be read; going on without");
            Properties::empty()
        });
        Self {
            project: record.project,
            type_index: record.type_index,
            key: record.key,
            properties,
            created_at: record.created_at,
            updated_at: record.updated_at,
            is_new: false,
            is_dirty: false,
        }
    }

    /// As the store keeps it; clean from now on.
    pub(super) fn take_record(&mut self) -> GroupRecord {
        self.is_dirty = false;
        GroupRecord {
            project: self.project,
            type_index: self.type_index,
            key: Arc::clone(&self.key),
            properties: Arc::clone(self.properties.text()),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl Weighed for Group {
    fn bytes(&self) -> usize {
        self.properties.bytes() + self.key.len()
    }
}
