//! The manifest at one moment: look-ups and scans by project.

use super::{DISTINCT_IDS, GROUPS, PERSON_DISTINCT_IDS, PERSONS, records};
use crate::ReadError;
use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use aqueduct_event::{PersonId, ProjectId};
use redb::{Database, ReadOnlyTable, ReadableDatabase, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type Records = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A consistent view; old pages stay until it is dropped.
pub(crate) struct View {
    persons: Records,
    distinct_ids: Records,
    person_distinct_ids: ReadOnlyTable<&'static [u8], ()>,
    groups: Records,
    failed: Arc<AtomicBool>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

fn undecodable() -> ReadError {
    ReadError::Manifest { what: "a record cannot be decoded".to_owned() }
}

impl View {
    pub(super) fn new(db: &Database, failed: &Arc<AtomicBool>) -> Result<Self, redb::Error> {
        let read = db.begin_read()?;
        Ok(Self {
            persons: read.open_table(PERSONS)?,
            distinct_ids: read.open_table(DISTINCT_IDS)?,
            person_distinct_ids: read.open_table(PERSON_DISTINCT_IDS)?,
            groups: read.open_table(GROUPS)?,
            failed: Arc::clone(failed),
        })
    }

    pub(crate) fn person(&self, project: ProjectId, id: PersonId) -> Result<Option<PersonRecord>, ReadError> {
        self.one(&self.persons, &records::key(project, &[id.as_bytes()]), records::decode_person)
    }

    pub(crate) fn distinct_id(&self, project: ProjectId, distinct_id: &str) -> Result<Option<DistinctIdRecord>, ReadError> {
        self.one(&self.distinct_ids, &records::key(project, &[distinct_id.as_bytes()]), records::decode_distinct_id)
    }

    pub(crate) fn distinct_ids_of(&self, project: ProjectId, person: PersonId) -> Result<Vec<Arc<str>>, ReadError> {
        let prefix = records::key(project, &[person.as_bytes()]);
        self.scan(&self.person_distinct_ids, &prefix, |key, ()| records::decode_id_of_person(key))
    }

    pub(crate) fn group(&self, project: ProjectId, type_index: u8, key: &str) -> Result<Option<GroupRecord>, ReadError> {
        self.one(&self.groups, &records::key(project, &[&[type_index], key.as_bytes()]), records::decode_group)
    }

    pub(crate) fn persons(&self, project: ProjectId) -> Result<Vec<PersonRecord>, ReadError> {
        self.scan(&self.persons, &records::project_key(project), records::decode_person)
    }

    pub(crate) fn distinct_ids(&self, project: ProjectId) -> Result<Vec<DistinctIdRecord>, ReadError> {
        self.scan(&self.distinct_ids, &records::project_key(project), records::decode_distinct_id)
    }

    pub(crate) fn groups(&self, project: ProjectId) -> Result<Vec<GroupRecord>, ReadError> {
        self.scan(&self.groups, &records::project_key(project), records::decode_group)
    }

    fn error(&self, error: &redb::StorageError) -> ReadError {
        self.failed.store(true, Ordering::SeqCst);
        ReadError::Manifest { what: error.to_string() }
    }

    fn one<T>(&self, table: &Records, key: &[u8], decode: impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<Option<T>, ReadError> {
        match table.get(key).map_err(|error| self.error(&error))? {
            None => Ok(None),
            Some(value) => decode(key, value.value()).map(Some).ok_or_else(undecodable),
        }
    }

    /// All records whose key begins with `prefix`, in order of key.
    fn scan<V: Value + 'static, T>(
        &self,
        table: &ReadOnlyTable<&'static [u8], V>,
        prefix: &[u8],
        decode: impl Fn(&[u8], V::SelfType<'_>) -> Option<T>,
    ) -> Result<Vec<T>, ReadError> {
        let mut found = Vec::new();
        for entry in table.range(prefix..).map_err(|error| self.error(&error))? {
            let (key, value) = entry.map_err(|error| self.error(&error))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push(decode(key.value(), value.value()).ok_or_else(undecodable)?);
        }
        Ok(found)
    }
}
