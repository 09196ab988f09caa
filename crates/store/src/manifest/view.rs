//! The manifest at one moment: look-ups and scans by project.

use super::account::{FATES_EPOCH, HOURS_BEFORE, fate_tables};
use super::{DISTINCT_IDS, ERASED, GROUPS, LETTERS, META, PERSON_DISTINCT_IDS, PERSONS, TOTALS, VERDICTS, account_records, records};
use crate::ReadError;
use crate::account::{DeadLetter, Fate};
use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use crate::seen::Seen;
use aqueduct_event::{LetterId, Minute, PersonId, ProjectId, TallyKey, Verdict};
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type Records = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A consistent view; old pages stay until it is dropped.
pub(crate) struct View {
    persons: Records,
    distinct_ids: Records,
    person_distinct_ids: ReadOnlyTable<&'static [u8], ()>,
    groups: Records,
    verdicts: Counts,
    totals: Counts,
    letters: Records,
    erased: ReadOnlyTable<&'static [u8], ()>,
    /// The oldest first.
    fates: Vec<FateEpoch>,
    hours_before: Minute,
    failed: Arc<AtomicBool>,
}

type Counts = ReadOnlyTable<&'static [u8], i64>;

struct FateEpoch {
    by_uuid: Records,
    by_id: ReadOnlyTable<&'static [u8], ()>,
}

fn fate_epochs(read: &ReadTransaction, newest: u64) -> Result<Vec<FateEpoch>, redb::Error> {
    let mut epochs = Vec::new();
    for epoch in (0..=newest).rev() {
        let (by_uuid, by_id) = fate_tables(epoch);
        match read.open_table(TableDefinition::<&[u8], &[u8]>::new(&by_uuid)) {
            Ok(by_uuid) => {
                let by_id = read.open_table(TableDefinition::<&[u8], ()>::new(&by_id))?;
                epochs.push(FateEpoch { by_uuid, by_id });
            }
            // Epochs before this one are forgotten.
            Err(TableError::TableDoesNotExist(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    epochs.reverse();
    Ok(epochs)
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
        let meta = read.open_table(META)?;
        let number = |name: &str| -> Result<u64, redb::Error> { Ok(meta.get(name)?.map_or(0, |value| value.value())) };
        Ok(Self {
            verdicts: read.open_table(VERDICTS)?,
            totals: read.open_table(TOTALS)?,
            letters: read.open_table(LETTERS)?,
            erased: read.open_table(ERASED)?,
            fates: fate_epochs(&read, number(FATES_EPOCH)?)?,
            hours_before: Minute(number(HOURS_BEFORE)?.try_into().unwrap_or(u32::MAX)),
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

    /// Gives the persons of a project in order of id.
    pub(crate) fn each_person(&self, project: ProjectId, mut take: impl FnMut(records::PersonRow<'_>)) -> Result<(), ReadError> {
        self.each(&self.persons, &records::project_key(project), |key, value| records::decode_person_row(key, value).map(&mut take))
    }

    /// Gives the distinct ids of a project in order of text.
    pub(crate) fn each_distinct_id(&self, project: ProjectId, mut take: impl FnMut(records::DistinctIdRow<'_>)) -> Result<(), ReadError> {
        self.each(&self.distinct_ids, &records::project_key(project), |key, value| {
            records::decode_distinct_id_row(key, value).map(&mut take)
        })
    }

    pub(crate) fn groups(&self, project: ProjectId) -> Result<Vec<GroupRecord>, ReadError> {
        self.scan(&self.groups, &records::project_key(project), records::decode_group)
    }

    /// Counts of minutes before this one are kept by the hour.
    pub(crate) fn hours_before(&self) -> Minute {
        self.hours_before
    }

    /// Counts of the minutes, in order of key. Verdicts of a newer program are left out.
    pub(crate) fn verdicts(&self, minutes: RangeInclusive<Minute>) -> Result<Vec<(TallyKey, i64)>, ReadError> {
        let from = minutes.start().0.to_be_bytes();
        let mut rows = Vec::new();
        for row in self.verdicts.range(&from[..]..).map_err(|error| self.error(&error))? {
            let (key, events) = row.map_err(|error| self.error(&error))?;
            let Some(key) = account_records::decode_tally_key(key.value()) else { continue };
            if key.minute > *minutes.end() {
                break;
            }
            rows.push((key, events.value()));
        }
        Ok(rows)
    }

    /// Counts of all time.
    pub(crate) fn totals(&self) -> Result<BTreeMap<(ProjectId, Verdict), i64>, ReadError> {
        let mut totals = BTreeMap::new();
        for row in self.totals.range::<&[u8]>(..).map_err(|error| self.error(&error))? {
            let (key, events) = row.map_err(|error| self.error(&error))?;
            totals.extend(account_records::decode_total_key(key.value()).map(|key| (key, events.value())));
        }
        Ok(totals)
    }

    pub(crate) fn dead_letter(&self, project: ProjectId, id: LetterId) -> Result<Option<DeadLetter>, ReadError> {
        self.one(&self.letters, &account_records::letter_key(project, id), account_records::decode_letter)
    }

    /// A project's dead letters, the oldest first.
    pub(crate) fn dead_letters(&self, project: ProjectId) -> Result<Vec<DeadLetter>, ReadError> {
        self.scan(&self.letters, &records::project_key(project), account_records::decode_letter)
    }

    /// Arrivals from `horizon` on whose rows were erased, in order of time.
    pub(crate) fn erased_since(&self, horizon: i64) -> Result<Vec<Seen>, ReadError> {
        let mut erased = Vec::new();
        for entry in self.erased.range(&records::erased_bound(horizon)[..]..).map_err(|error| self.error(&error))? {
            let (key, ()) = entry.map(|(key, value)| (key, value.value())).map_err(|error| self.error(&error))?;
            erased.push(records::decode_erased(key.value()).ok_or_else(undecodable)?);
        }
        Ok(erased)
    }

    pub(crate) fn fates_of(&self, project: ProjectId, uuid: uuid::Uuid) -> Result<Vec<Fate>, ReadError> {
        let prefix = records::key(project, &[uuid.as_bytes()]);
        let mut fates = Vec::new();
        for epoch in &self.fates {
            fates.extend(self.scan(&epoch.by_uuid, &prefix, account_records::decode_fate)?);
        }
        Ok(fates)
    }

    pub(crate) fn fates_by(&self, project: ProjectId, distinct_id: &str, limit: usize) -> Result<Vec<Fate>, ReadError> {
        let prefix = account_records::fates_by_prefix(project, distinct_id);
        let mut fates = Vec::new();
        for epoch in self.fates.iter().rev() {
            let mut keys = self.scan(&epoch.by_id, &prefix, |key, ()| account_records::fate_key_of(key, prefix.len()))?;
            let surplus = keys.len().saturating_sub(limit - fates.len());
            keys.drain(..surplus);
            for key in keys.iter().rev() {
                fates.extend(self.one(&epoch.by_uuid, key, account_records::decode_fate)?);
            }
            if fates.len() >= limit {
                break;
            }
        }
        fates.reverse();
        Ok(fates)
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
        self.each(table, prefix, |key, value| decode(key, value).map(|one| found.push(one)))?;
        Ok(found)
    }

    /// Gives each record under a prefix; `take` answers `None` to one that it cannot decode.
    fn each<V: Value + 'static>(
        &self,
        table: &ReadOnlyTable<&'static [u8], V>,
        prefix: &[u8],
        mut take: impl FnMut(&[u8], V::SelfType<'_>) -> Option<()>,
    ) -> Result<(), ReadError> {
        for entry in table.range(prefix..).map_err(|error| self.error(&error))? {
            let (key, value) = entry.map_err(|error| self.error(&error))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            take(key.value(), value.value()).ok_or_else(undecodable)?;
        }
        Ok(())
    }
}
