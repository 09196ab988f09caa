//! What is asked of the accounts: the manifest's, with what is not in it yet on top.

use super::EmbeddedStore;
use super::snapshot::EmbeddedSnapshot;
use super::state::State;
use crate::account::{AccountView, Accounts, DeadLetter, Fate, LetterChange};
use crate::manifest::{AccountEdit, AccountLimits, EPOCH_FATES, bucket};
use crate::read::Snapshot;
use crate::{CommitError, ReadError};
use aqueduct_event::{LetterId, Minute, ProjectId, TallyKey};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use uuid::Uuid;

const DAY_MINUTES: u32 = 24 * 60;

impl EmbeddedStore {
    pub(super) fn account_limits(&self) -> AccountLimits {
        let now = Minute::of(self.clock.now());
        let hours_before = Minute(now.0.saturating_sub(self.config.verdict_minutes_days.saturating_mul(DAY_MINUTES)));
        AccountLimits { hours_before, epochs: (self.config.fates_max / EPOCH_FATES).max(1) + 1 }
    }

    /// The accounts of some minutes and a snapshot, both of one moment: what is counted visible in one is in the other.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    pub fn account_with_snapshot(&self, minutes: RangeInclusive<Minute>) -> Result<(AccountView, Arc<dyn Snapshot>), ReadError> {
        let state = self.state.load_full();
        let account = account_of(&state, minutes)?;
        Ok((account, Arc::new(EmbeddedSnapshot::new(state, &self.cache, &self.tables, self.shards))))
    }

    /// Changes a letter beside the commits: everything that is visible is made durable first, so that the letter is in the manifest.
    fn edit_letter(
        &self,
        project: ProjectId,
        id: LetterId,
        edit: impl FnOnce(DeadLetter) -> (DeadLetter, bool),
    ) -> Result<Option<DeadLetter>, CommitError> {
        // Held to the end: no flush may come between reading the letter and changing it.
        let mut persisted = self.flushing.lock();
        while self.state.load().accounts().any(|account| account.letters.contains_key(&(project, id))) {
            self.flush_generation(&mut persisted)?;
        }
        let Some(letter) = self.state.load().base.view.dead_letter(project, id)? else {
            return Ok(None);
        };
        let before = letter.bytes() as u64;
        let (letter, stays) = edit(letter);
        let (edit, after) = if stays { (AccountEdit::Amend(&letter), letter.bytes() as u64) } else { (AccountEdit::Discard(&letter), 0) };
        self.edit_account(&edit, before, after)?;
        Ok(Some(letter))
    }

    /// Makes an edit in the manifest, by which letters of `before` bytes take `after`.
    fn edit_account(&self, edit: &AccountEdit<'_>, before: u64, after: u64) -> Result<(), CommitError> {
        self.manifest.edit(edit)?;
        self.renew_view()?;
        let _writer = self.writer.lock();
        let mut next = State::clone(&self.state.load());
        next.letter_bytes = next.letter_bytes.saturating_sub(before) + after;
        self.state.store(Arc::new(next));
        Ok(())
    }
}

/// The accounts of a state.
fn account_of(state: &State, minutes: RangeInclusive<Minute>) -> Result<AccountView, ReadError> {
    let view = &state.base.view;
    let hours_before = view.hours_before();
    let mut rows: BTreeMap<TallyKey, i64> = view.verdicts(minutes.clone())?.into_iter().collect();
    let mut totals = view.totals()?;
    for account in state.accounts() {
        for (key, events) in account.tally.iter() {
            *totals.entry((key.project, key.verdict)).or_default() += events;
            let row = TallyKey { minute: bucket(key.minute, hours_before), ..key };
            if minutes.contains(&row.minute) {
                *rows.entry(row).or_default() += events;
            }
        }
    }
    rows.retain(|_, events| *events != 0);
    totals.retain(|_, events| *events != 0);
    let durable = state.base.positions.as_ref().clone();
    let rows = rows.into_iter().collect();
    Ok(AccountView { visible: state.positions(), durable, rows, totals, hours_before, letter_bytes: state.letter_bytes })
}

impl Accounts for EmbeddedStore {
    fn account(&self, minutes: RangeInclusive<Minute>) -> Result<AccountView, ReadError> {
        account_of(&self.state.load_full(), minutes)
    }

    fn fates_of(&self, project: ProjectId, uuid: Uuid) -> Result<Vec<Fate>, ReadError> {
        let state = self.state.load_full();
        let mut fates = state.base.view.fates_of(project, uuid)?;
        fates.extend(state.fresh_fates().filter(|fate| fate.project == project && fate.uuid == uuid).cloned());
        fates.sort_by_key(|fate| (fate.position, fate.index));
        Ok(fates)
    }

    fn fates_by(&self, project: ProjectId, distinct_id: &str, limit: usize) -> Result<Vec<Fate>, ReadError> {
        let state = self.state.load_full();
        let mut fates = state.base.view.fates_by(project, distinct_id, limit)?;
        fates.extend(state.fresh_fates().filter(|fate| fate.project == project && *fate.distinct_id == *distinct_id).cloned());
        let surplus = fates.len().saturating_sub(limit);
        fates.drain(..surplus);
        Ok(fates)
    }

    fn dead_letters(&self, project: ProjectId, offset: usize, limit: usize) -> Result<(usize, Vec<DeadLetter>), ReadError> {
        let state = self.state.load_full();
        let durable = state.base.view.dead_letters(project)?;
        let mut letters: BTreeMap<LetterId, DeadLetter> = durable.into_iter().map(|letter| (letter.id, letter)).collect();
        let accounts: Vec<_> = state.accounts().collect();
        for ((_, id), change) in accounts.iter().rev().flat_map(|account| &account.letters).filter(|((of, _), _)| *of == project) {
            match &**change {
                LetterChange::Keep(letter) => letters.insert(*id, letter.clone()),
                LetterChange::Remove { .. } => letters.remove(id),
            };
        }
        let count = letters.len();
        Ok((count, letters.into_values().skip(offset).take(limit).collect()))
    }

    fn amend_dead_letter(&self, project: ProjectId, id: LetterId, payload: &str) -> Result<Option<DeadLetter>, CommitError> {
        self.edit_letter(project, id, |letter| (DeadLetter { payload: payload.into(), is_amended: true, ..letter }, true))
    }

    fn discard_dead_letter(&self, project: ProjectId, id: LetterId) -> Result<bool, CommitError> {
        Ok(self.edit_letter(project, id, |letter| (letter, false))?.is_some())
    }

    fn erase_notes(&self, project: ProjectId, distinct_ids: &BTreeSet<Arc<str>>) -> Result<(), CommitError> {
        // Held to the end, as for the edit of a letter.
        let mut persisted = self.flushing.lock();
        while self.state.load().accounts().any(|account| account.tells_of(project, distinct_ids)) {
            self.flush_generation(&mut persisted)?;
        }
        let state = self.state.load_full();
        let mut letters = state.base.view.dead_letters(project)?;
        letters.retain(|letter| distinct_ids.contains(&letter.distinct_id));
        let mut fates = Vec::new();
        for distinct_id in distinct_ids {
            fates.extend(state.base.view.fates_by(project, distinct_id, usize::MAX)?);
        }
        if letters.is_empty() && fates.is_empty() {
            return Ok(());
        }
        let bytes = letters.iter().map(|letter| letter.bytes() as u64).sum();
        self.edit_account(&AccountEdit::Erase { letters: &letters, fates: &fates }, bytes, 0)
    }
}

impl State {
    /// Fates that are not in the base, the oldest first.
    fn fresh_fates(&self) -> impl Iterator<Item = &Fate> {
        let accounts: Vec<_> = self.accounts().collect();
        accounts.into_iter().rev().flat_map(|account| account.fates.iter().flat_map(|fates| fates.iter()))
    }
}
