//! Accounts of what is not in the manifest yet: beside the chunks and layers of a generation.

use super::state::State;
use crate::account::{DeadLetter, Fate, LetterChange};
use crate::metrics;
use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{JournalPosition, LetterId, Minute, PartitionId, ProjectId, Tally, TallyKey, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Fates that one generation holds; of further ones only the count is kept, so that a flood of them does not fill the memory.
const FATES_MAX: usize = 100_000;

/// What a generation holds besides rows and records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) tally: Tally,
    /// A list for each commit that had any.
    pub(crate) fates: Vec<Arc<Vec<Fate>>>,
    fates_len: usize,
    /// The newest change of each letter.
    pub(crate) letters: BTreeMap<(ProjectId, LetterId), Arc<LetterChange>>,
    bytes: usize,
}

impl Account {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a letter or a fate of somebody is in it.
    pub(super) fn tells_of(&self, project: ProjectId, distinct_ids: &BTreeSet<Arc<str>>) -> bool {
        let fates = self.fates.iter().flat_map(|fates| fates.iter());
        let letters = self.letters.values().filter_map(|change| match &**change {
            LetterChange::Keep(letter) => Some((letter.project, &*letter.distinct_id)),
            LetterChange::Remove { .. } => None,
        });
        let mut all = fates.map(|fate| (fate.project, &*fate.distinct_id)).chain(letters);
        all.any(|(of, distinct_id)| of == project && distinct_ids.contains(distinct_id))
    }

    fn push_fates(&mut self, mut fates: Vec<Fate>) {
        let room = FATES_MAX - self.fates_len;
        if fates.len() > room {
            metrics::fates_left_out(fates.len() - room);
            fates.truncate(room);
        }
        if !fates.is_empty() {
            self.fates_len += fates.len();
            self.bytes += fates.iter().map(|fate| 160 + fate.event.len() + fate.distinct_id.len() + fate.detail.len()).sum::<usize>();
            self.fates.push(Arc::new(fates));
        }
    }

    fn put(&mut self, change: LetterChange) {
        if let LetterChange::Keep(letter) = &change {
            self.bytes += letter.bytes();
        }
        self.letters.insert(change.key(), Arc::new(change));
    }
}

/// What of a commit is for the account.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) visible: Vec<(ProjectId, Minute, i64)>,
    pub(super) verdicts: Tally,
    pub(super) fates: Vec<Fate>,
    pub(super) letters: Vec<LetterChange>,
}

/// Adds a commit to the account. `before` is how many bytes a letter takes that is there already.
pub(super) fn post(state: &mut State, posting: Posting, letter_bytes_max: u64) {
    let Posting { visible, mut verdicts, mut fates, letters } = posting;
    for (project, minute, rows) in visible {
        verdicts.add(TallyKey { minute, project, verdict: Verdict::Visible }, rows);
    }
    if verdicts.is_empty() && fates.is_empty() && letters.is_empty() {
        return;
    }
    for change in letters {
        let (project, id) = change.key();
        // What cannot be read now is counted as nothing: the limit is a bound of the disk's use, not an account.
        let before = state.dead_letter(project, id).ok().flatten().map_or(0, |letter| letter.bytes() as u64);
        let after = match &change {
            LetterChange::Keep(letter) => letter.bytes() as u64,
            LetterChange::Remove { .. } => 0,
        };
        let bytes = state.letter_bytes.saturating_sub(before) + after;
        if let LetterChange::Keep(letter) = &change
            && bytes > letter_bytes_max
            && after > before
        {
            if before > 0 {
                // A letter that was replayed in vain keeps the payload that it had; the counts already name the new reason.
                continue_with(state, letter);
            } else {
                leave_out(letter, &mut verdicts, &mut fates);
            }
            continue;
        }
        state.letter_bytes = bytes;
        Arc::make_mut(&mut state.active.account).put(change);
    }
    let account = Arc::make_mut(&mut state.active.account);
    account.tally.absorb(&verdicts);
    account.push_fates(fates);
}

/// There is no room for a letter that grew: it stays as it is, but for its reason.
fn continue_with(state: &mut State, letter: &DeadLetter) {
    if let Ok(Some(old)) = state.dead_letter(letter.project, letter.id) {
        let kept = DeadLetter { reason: letter.reason, replays: letter.replays, ..old };
        Arc::make_mut(&mut state.active.account).put(LetterChange::Keep(kept));
    }
}

/// There is no room for a letter: its events are counted as such, and it is said aloud.
fn leave_out(letter: &DeadLetter, verdicts: &mut Tally, fates: &mut [Fate]) {
    let events = i64::from(letter.events);
    let verdict = Verdict::DeadLettered(DeadReason::NoRoom);
    verdicts.add(letter.tally_key(), -events);
    verdicts.add(TallyKey { verdict, ..letter.tally_key() }, events);
    for fate in fates.iter_mut().filter(|fate| fate.position == letter.id.position && fate.index == letter.id.index) {
        fate.verdict = verdict;
        fate.detail = letter.detail.as_ref().into();
    }
    metrics::letter_without_room(letter.events);
    tracing::error!(
        project = letter.project.0, uuid = %letter.uuid, event = %letter.event, reason = letter.reason.code(),
        "no room for a dead letter: its payload is lost; replay or discard dead letters, or raise store.dead_letters_bytes_max"
    );
}

impl State {
    /// Accounts that are not in the base, newest first.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &Account> {
        let frozen = self.frozen.iter().map(|frozen| &*frozen.generation.account);
        std::iter::once(&*self.active.account).chain(frozen)
    }

    pub(crate) fn dead_letter(&self, project: ProjectId, id: LetterId) -> Result<Option<DeadLetter>, crate::ReadError> {
        match self.accounts().find_map(|account| account.letters.get(&(project, id))) {
            Some(change) => Ok(match &**change {
                LetterChange::Keep(letter) => Some(letter.clone()),
                LetterChange::Remove { .. } => None,
            }),
            None => self.base.view.dead_letter(project, id),
        }
    }

    /// Where each partition stands with everything that is visible.
    pub(super) fn positions(&self) -> BTreeMap<PartitionId, JournalPosition> {
        let mut positions = self.base.positions.as_ref().clone();
        for generation in self.frozen.iter().map(|frozen| &frozen.generation).chain([&self.active]) {
            positions.extend(&generation.positions);
        }
        positions
    }
}
