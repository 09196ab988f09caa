//! A store that is a few maps: the obviously right one. It remembers its state at each flush, so that a crash can take back the rest.

use aqueduct_event::{JournalPosition, LetterId, Minute, PartitionId, PersonId, ProjectId, SystemClock, TallyKey, UnixMicros, Verdict};
use aqueduct_store::conformance::{Row, logical_rows};
use aqueduct_store::{
    Commit, CommitError, DeadLetter, DistinctIdRecord, EmbeddedStore, Fate, GroupRecord, LetterChange, PersonOverride, PersonRecord,
    ReadError, Seen, SeenRule, Store, StoreConfig,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The window of duplicates.
pub(crate) const DEDUP_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// Everything that a store keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Kept {
    pub(crate) position: JournalPosition,
    /// In commit order; the person as written.
    pub(crate) rows: Vec<(ProjectId, Row)>,
    pub(crate) persons: BTreeMap<(ProjectId, PersonId), PersonRecord>,
    pub(crate) distinct_ids: BTreeMap<(ProjectId, String), DistinctIdRecord>,
    pub(crate) groups: BTreeMap<(ProjectId, u8, String), GroupRecord>,
    pub(crate) group_types: BTreeMap<ProjectId, Vec<String>>,
    pub(crate) overrides: Vec<(ProjectId, PersonId, PersonId)>,
    pub(crate) seen: Vec<Seen>,
    /// Counts that are not 0.
    pub(crate) verdicts: BTreeMap<TallyKey, i64>,
    pub(crate) fates: Vec<Fate>,
    pub(crate) letters: BTreeMap<(ProjectId, LetterId), DeadLetter>,
}

impl Kept {
    fn count(&mut self, key: TallyKey, events: i64) {
        *self.verdicts.entry(key).or_default() += events;
        self.verdicts.retain(|_, events| *events != 0);
    }

    fn post(&mut self, commit: &Commit) {
        for (key, events) in commit.verdicts.iter() {
            self.count(key, events);
        }
        self.fates.extend(commit.fates.iter().cloned());
        for change in &commit.dead_letters {
            match change {
                LetterChange::Keep(letter) => self.letters.insert((letter.project, letter.id), letter.clone()),
                LetterChange::Remove { project, id } => self.letters.remove(&(*project, *id)),
            };
        }
    }
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct ModelStore {
    visible: Mutex<Kept>,
    durable: Mutex<Kept>,
    /// The next commits or look-ups that fail.
    pub(crate) commits_to_fail: AtomicUsize,
    pub(crate) reads_fail: AtomicBool,
}

impl ModelStore {
    pub(crate) fn kept(&self) -> Kept {
        self.lock().clone()
    }

    /// Takes back what was not flushed.
    pub(crate) fn crash(&self) {
        *self.lock() = self.durable.lock().expect("unpoisoned").clone();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.visible.lock().expect("unpoisoned")
    }

    fn read(&self) -> Result<MutexGuard<'_, Kept>, ReadError> {
        if self.reads_fail.load(Ordering::SeqCst) {
            return Err(ReadError::Manifest { what: "asked to fail".to_owned() });
        }
        Ok(self.lock())
    }
}

/// The rows of a commit as written, read back through the embedded store.
fn rows_of(commit: Commit, projects: &[ProjectId]) -> Vec<(ProjectId, Row)> {
    let dir = tempfile::tempdir().expect("a directory");
    let config = StoreConfig { dir: dir.path().to_owned(), background: false, ..StoreConfig::default() };
    let store = EmbeddedStore::open(config, Arc::new(SystemClock)).expect("a new store");
    // Without the overrides: rows as they were written.
    store.commit(Commit { overrides: Vec::new(), persons: Vec::new(), ..commit }).expect("committed");
    let mut rows = Vec::new();
    for project in projects {
        let view = store.snapshot().project(*project).expect("a view");
        rows.extend(logical_rows(&*view).into_iter().map(|row| (*project, row)));
    }
    // Tests number their events: arrival order.
    rows.sort_by_key(|(_, row)| row.uuid);
    rows
}

impl Store for ModelStore {
    fn durable(&self, _: PartitionId) -> JournalPosition {
        self.durable.lock().expect("unpoisoned").position
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        if self.commits_to_fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(CommitError::Manifest { what: "asked to fail".to_owned() });
        }
        let mut kept = self.lock();
        assert!(commit.upto > kept.position, "commits go forward");
        kept.position = commit.upto;
        for person in &commit.persons {
            kept.persons.insert((person.project, person.id), person.clone());
        }
        for id in &commit.distinct_ids {
            kept.distinct_ids.insert((id.project, id.distinct_id.to_string()), id.clone());
        }
        for group in &commit.groups {
            kept.groups.insert((group.project, group.type_index, group.key.to_string()), group.clone());
        }
        for (project, name) in &commit.group_types {
            kept.group_types.entry(*project).or_default().push(name.to_string());
        }
        kept.overrides.extend(commit.overrides.iter().map(|PersonOverride { project, from, to }| (*project, *from, *to)));
        assert_eq!(commit.seen.len(), commit.events.len(), "each row has arrived");
        kept.seen.extend(&commit.seen);
        kept.post(&commit);
        if !commit.events.is_empty() {
            let rows = rows_of(commit, &[1, 2, 3].map(ProjectId));
            for (project, row) in &rows {
                kept.count(TallyKey { minute: Minute::of(UnixMicros(row.created_at)), project: *project, verdict: Verdict::Visible }, 1);
            }
            kept.rows.extend(rows);
        }
        Ok(())
    }

    fn work(&self) -> Result<bool, CommitError> {
        Ok(false)
    }

    fn flush(&self) -> Result<(), CommitError> {
        *self.durable.lock().expect("unpoisoned") = self.kept();
        Ok(())
    }

    fn person(&self, project: ProjectId, id: PersonId) -> Result<Option<PersonRecord>, ReadError> {
        Ok(self.read()?.persons.get(&(project, id)).filter(|person| !person.is_deleted).cloned())
    }

    fn distinct_id(&self, project: ProjectId, distinct_id: &str) -> Result<Option<DistinctIdRecord>, ReadError> {
        Ok(self.read()?.distinct_ids.get(&(project, distinct_id.to_owned())).cloned())
    }

    fn distinct_ids_of(&self, project: ProjectId, person: PersonId) -> Result<Vec<String>, ReadError> {
        let kept = self.read()?;
        Ok(kept
            .distinct_ids
            .values()
            .filter(|id| id.project == project && id.person == person)
            .map(|id| id.distinct_id.to_string())
            .collect())
    }

    fn dead_letter(&self, project: ProjectId, id: LetterId) -> Result<Option<DeadLetter>, ReadError> {
        Ok(self.read()?.letters.get(&(project, id)).cloned())
    }

    fn group(&self, project: ProjectId, type_index: u8, key: &str) -> Result<Option<GroupRecord>, ReadError> {
        Ok(self.read()?.groups.get(&(project, type_index, key.to_owned())).cloned())
    }

    fn group_types(&self, project: ProjectId) -> Result<Vec<String>, ReadError> {
        Ok(self.read()?.group_types.get(&project).cloned().unwrap_or_default())
    }

    fn seen_rule(&self) -> SeenRule {
        SeenRule::new(1, DEDUP_WINDOW)
    }

    fn seen(&self, events: &[Seen]) -> Result<Vec<Option<UnixMicros>>, ReadError> {
        let (kept, rule) = (self.read()?, self.seen_rule());
        let stored = |again: &Seen| kept.seen.iter().find(|seen| seen.key == again.key && rule.covers(seen.received_at, again.received_at));
        Ok(events.iter().map(|again| stored(again).map(|seen| seen.received_at)).collect())
    }
}
