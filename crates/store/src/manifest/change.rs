//! One change of the manifest, applied in one transaction.

use super::account::{self, AccountLimits};
use super::{
    DISTINCT_IDS, ERASED, GROUP_TYPES, GROUPS, META, OVERRIDES, PERSON_DISTINCT_IDS, PERSONS, POSITIONS, PROJECTS, SEEN, SEGMENTS,
    WITHDRAWN, records,
};
use crate::embedded::account::Account;
use crate::embedded::delta::Delta;
use crate::embedded::withdrawn::Mark;
use crate::seen::{RunDescriptor, Seen};
use crate::segment::Descriptor;
use aqueduct_event::{JournalPosition, PartitionId, PersonId, ProjectId};
use redb::{Database, WriteTransaction};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What changes; empty parts change nothing.
#[derive(Debug, Default)]
pub(crate) struct Change<'a> {
    pub(crate) add: Vec<&'a Descriptor>,
    pub(crate) remove: Vec<u64>,
    pub(crate) add_runs: Vec<&'a RunDescriptor>,
    pub(crate) remove_runs: Vec<u64>,
    /// Newest arrival.
    pub(crate) seen_newest: Option<i64>,
    /// Records, merged into one layer.
    pub(crate) delta: Option<&'a Delta>,
    pub(crate) positions: Option<&'a BTreeMap<PartitionId, JournalPosition>>,
    /// Verdicts, fates and dead letters.
    pub(crate) account: Option<(&'a Account, AccountLimits)>,
    /// Names per project, all of them.
    pub(crate) group_types: Vec<(ProjectId, Arc<Vec<String>>)>,
    /// Present person, or `None` where an override is over.
    pub(crate) overrides: Vec<(ProjectId, PersonId, Option<PersonId>)>,
    /// Rows that were withdrawn, or `None` where no file holds them any more.
    pub(crate) withdrawn: Vec<(ProjectId, PersonId, Option<Mark>)>,
    /// Arrivals whose rows were erased.
    pub(crate) erased: &'a [Arc<Vec<Seen>>],
    /// Of these, those before this time are not asked for any more.
    pub(crate) erased_before: Option<i64>,
    pub(crate) seqs: Option<&'a FxHashMap<ProjectId, u64>>,
    /// Number of the newest commit that is in it.
    pub(crate) seq: Option<u64>,
    pub(crate) next_segment: u64,
}

impl Change<'_> {
    pub(super) fn apply(&self, db: &Database, number: u64) -> Result<(), redb::Error> {
        let transaction = db.begin_write()?;
        self.segments(&transaction)?;
        self.numbers(&transaction, number)?;
        self.small_tables(&transaction)?;
        self.erased(&transaction)?;
        if let Some((account, limits)) = self.account {
            account::write(&transaction, account, limits)?;
        }
        if let Some(delta) = self.delta {
            persons(&transaction, delta)?;
            distinct_ids(&transaction, delta)?;
            groups(&transaction, delta)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn segments(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut segments = transaction.open_table(SEGMENTS)?;
        for descriptor in &self.add {
            segments.insert(descriptor.id, &descriptor.encode()[..])?;
        }
        for id in &self.remove {
            segments.remove(id)?;
        }
        let mut runs = transaction.open_table(SEEN)?;
        for run in &self.add_runs {
            runs.insert(run.id, &run.encode()[..])?;
        }
        for id in &self.remove_runs {
            runs.remove(id)?;
        }
        Ok(())
    }

    fn erased(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        if self.erased.is_empty() && self.erased_before.is_none() {
            return Ok(());
        }
        let mut erased = transaction.open_table(ERASED)?;
        let mut keys: Vec<[u8; 24]> = self.erased.iter().flat_map(|seen| seen.iter().map(records::erased_key)).collect();
        keys.sort_unstable();
        for key in keys {
            erased.insert(&key[..], ())?;
        }
        if let Some(before) = self.erased_before {
            erased.retain_in::<&[u8], _>(..&records::erased_bound(before)[..], |_, ()| false)?;
        }
        Ok(())
    }

    fn numbers(&self, transaction: &WriteTransaction, number: u64) -> Result<(), redb::Error> {
        let mut meta = transaction.open_table(META)?;
        meta.insert("changes", number)?;
        meta.insert("next_segment", self.next_segment)?;
        if let Some(seq) = self.seq {
            meta.insert("seq", seq)?;
        }
        if let Some(newest) = self.seen_newest {
            meta.insert("seen_newest", newest.cast_unsigned())?;
        }
        let mut positions = transaction.open_table(POSITIONS)?;
        for (partition, position) in self.positions.into_iter().flatten() {
            positions.insert(partition.0, position.0)?;
        }
        let mut projects = transaction.open_table(PROJECTS)?;
        for (project, seq) in self.seqs.into_iter().flatten() {
            projects.insert(project.0, *seq)?;
        }
        Ok(())
    }

    fn small_tables(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut group_types = transaction.open_table(GROUP_TYPES)?;
        for (project, names) in &self.group_types {
            for (index, name) in names.iter().enumerate() {
                group_types.insert(&records::key(*project, &[&[index as u8]])[..], name.as_str())?;
            }
        }
        let mut overrides = transaction.open_table(OVERRIDES)?;
        for (project, from, to) in &self.overrides {
            let key = records::key(*project, &[from.as_bytes()]);
            match to {
                Some(to) => overrides.insert(&key[..], &to.as_bytes()[..])?,
                None => overrides.remove(&key[..])?,
            };
        }
        let mut withdrawn = transaction.open_table(WITHDRAWN)?;
        for (project, person, mark) in &self.withdrawn {
            let key = records::key(*project, &[person.as_bytes()]);
            match mark {
                Some(mark) => withdrawn.insert(&key[..], &records::encode_mark(*mark)[..])?,
                None => withdrawn.remove(&key[..])?,
            };
        }
        Ok(())
    }
}

// Records are written in order of key: neighbours share pages.

fn persons(transaction: &WriteTransaction, delta: &Delta) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(PERSONS)?;
    let mut keys: Vec<_> = delta.persons.keys().collect();
    keys.sort_unstable();
    for place in keys {
        let person = &delta.persons[place];
        let key = records::key(place.0, &[place.1.as_bytes()]);
        if person.is_deleted {
            table.remove(&key[..])?;
        } else {
            table.insert(&key[..], &records::encode_person(person)[..])?;
        }
    }
    Ok(())
}

fn distinct_ids(transaction: &WriteTransaction, delta: &Delta) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(DISTINCT_IDS)?;
    let mut of_person = transaction.open_table(PERSON_DISTINCT_IDS)?;
    let mut keys: Vec<_> = delta.distinct_ids.keys().collect();
    keys.sort_unstable();
    for place in keys {
        let id = &delta.distinct_ids[place];
        let text = id.distinct_id.as_bytes();
        let key = records::key(id.project, &[text]);
        let before = table.insert(&key[..], &records::encode_distinct_id(id)[..])?;
        let before = before.and_then(|before| records::decode_distinct_id(&key, before.value()));
        if before.as_ref().is_some_and(|before| before.person == id.person) {
            continue;
        }
        if let Some(before) = before {
            of_person.remove(&records::key(id.project, &[before.person.as_bytes(), text])[..])?;
        }
        of_person.insert(&records::key(id.project, &[id.person.as_bytes(), text])[..], ())?;
    }
    Ok(())
}

fn groups(transaction: &WriteTransaction, delta: &Delta) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(GROUPS)?;
    let mut keys: Vec<_> = delta.groups.keys().collect();
    keys.sort_unstable();
    for place in keys {
        let group = &delta.groups[place];
        let key = records::key(place.0, &[&[place.1], place.2.as_bytes()]);
        table.insert(&key[..], &records::encode_group(group)[..])?;
    }
    Ok(())
}
