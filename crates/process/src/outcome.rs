//! What became of the events of a commit: their verdicts, the fates of those without a row, and dead letters.
//!
//! # Invariants
//! - Each event of each record is posted once: [`Postings::post`], or [`Postings::bury_record`] for all events of a record that cannot be read.
//! - A replayed letter leaves its old verdict when it gets its new one, so that no count ever has it twice.

use crate::letter;
use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{JournalPosition, LetterId, Minute, PartitionId, ProjectId, RawBatch, RawEvent, Tally, TallyKey, Verdict};
use aqueduct_store::{Commit, DeadLetter, Fate, LetterChange, ReadError, Store};
use std::collections::HashMap;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is a row of the commit.
    Stored,
    /// It was stored before.
    Duplicate,
    /// A rule keeps it out; what the rule leaves open.
    Dropped(DropReason, &'static str),
    /// It cannot be processed; what went wrong.
    Dead(DeadReason, String),
}

impl Outcome {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Stored => Verdict::Visible,
            Self::Duplicate => Verdict::Duplicate,
            Self::Dropped(reason, _) => Verdict::Dropped(*reason),
            Self::Dead(reason, _) => Verdict::DeadLettered(*reason),
        }
    }

    fn detail(&self) -> &str {
        match self {
            Self::Stored | Self::Duplicate => "",
            Self::Dropped(_, detail) => detail,
            Self::Dead(_, detail) => detail,
        }
    }
}

/// Where an event came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// The project; 0 for none.
    pub(crate) project: ProjectId,
    pub(crate) batch: &'a RawBatch<'a>,
    pub(crate) position: JournalPosition,
    pub(crate) index: usize,
    /// The letter that comes again by it.
    pub(crate) replayed: Option<&'a DeadLetter>,
}

/// What a commit will say of its events.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    partition: Option<PartitionId>,
    /// Every verdict, also those over rows.
    tally: Tally,
    fates: Vec<Fate>,
    changes: Vec<LetterChange>,
    /// Letters of this commit; `None` for those that went.
    letters: HashMap<(ProjectId, LetterId), Option<DeadLetter>>,
}

impl Postings {
    pub(crate) fn new(partition: PartitionId) -> Self {
        Self { partition: Some(partition), ..Self::default() }
    }

    /// A dead letter as it stands after what was posted.
    pub(crate) fn letter(&self, store: &dyn Store, project: ProjectId, id: LetterId) -> Result<Option<DeadLetter>, ReadError> {
        match self.letters.get(&(project, id)) {
            Some(letter) => Ok(letter.clone()),
            None => store.dead_letter(project, id),
        }
    }

    /// Takes note of what became of an event.
    pub(crate) fn post(&mut self, origin: &Origin<'_>, raw: &RawEvent<'_>, outcome: &Outcome) {
        let (verdict, minute) = (outcome.verdict(), Minute::of(origin.batch.received_at));
        self.tally.add(TallyKey { minute, project: origin.project, verdict }, 1);
        if *outcome != Outcome::Stored {
            self.fates.push(Fate {
                project: origin.project,
                uuid: raw.uuid,
                event: raw.event.into(),
                distinct_id: raw.distinct_id.into(),
                received_at: origin.batch.received_at,
                position: origin.position,
                index: place(origin.index),
                verdict,
                detail: outcome.detail().into(),
            });
        }
        if let Outcome::Dead(reason, detail) = outcome {
            // A letter that stands for one event and comes again in vain stays the same letter.
            let again = origin.replayed.filter(|letter| letter.events == 1);
            let first =
                LetterId { partition: self.partition.unwrap_or(PartitionId(0)), position: origin.position, index: place(origin.index) };
            self.change(LetterChange::Keep(DeadLetter {
                id: again.map_or(first, |letter| letter.id),
                project: origin.project,
                received_at: origin.batch.received_at,
                events: 1,
                reason: *reason,
                detail: detail.as_str().into(),
                uuid: raw.uuid,
                event: raw.event.into(),
                distinct_id: raw.distinct_id.into(),
                payload: letter::payload(origin.batch, std::slice::from_ref(raw)).into(),
                replays: origin.replayed.map_or(0, |letter| letter.replays.saturating_add(1)),
                is_amended: again.is_some_and(|letter| letter.is_amended),
            }));
        }
    }

    /// Buries a record that is none: all its events, as far as its head tells, in one letter of no project.
    pub(crate) fn bury_record(&mut self, position: JournalPosition, bytes: &[u8], detail: &str) {
        let letter = letter::of_record(LetterId { partition: self.partition.unwrap_or(PartitionId(0)), position, index: 0 }, bytes, detail);
        self.tally.add(letter.tally_key(), i64::from(letter.events));
        self.fates.push(Fate {
            project: letter.project,
            uuid: letter.uuid,
            event: "".into(),
            distinct_id: "".into(),
            received_at: letter.received_at,
            position,
            index: 0,
            verdict: Verdict::DeadLettered(letter.reason),
            detail: detail.into(),
        });
        self.change(LetterChange::Keep(letter));
    }

    /// A letter is about to be processed again: its events leave their old verdict. Post what becomes of them now.
    pub(crate) fn exhume(&mut self, letter: &DeadLetter) {
        self.tally.add(letter.tally_key(), -i64::from(letter.events));
        self.change(LetterChange::Remove { project: letter.project, id: letter.id });
    }

    fn change(&mut self, change: LetterChange) {
        let (key, letter) = match &change {
            LetterChange::Keep(letter) => ((letter.project, letter.id), Some(letter.clone())),
            LetterChange::Remove { project, id } => ((*project, *id), None),
        };
        self.letters.insert(key, letter);
        self.changes.push(change);
    }

    /// Hands everything to the commit. Answers every verdict, also those over rows, which the store counts itself.
    pub(crate) fn hand_over(self, commit: &mut Commit) -> Tally {
        for (key, events) in self.tally.iter().filter(|(key, _)| key.verdict != Verdict::Visible) {
            commit.verdicts.add(key, events);
        }
        commit.fates = self.fates;
        commit.dead_letters = self.changes;
        self.tally
    }
}

fn place(index: usize) -> u32 {
    // INVARIANT: a record has far fewer events than u32 holds (limits::RECORD_BYTES_MAX).
    u32::try_from(index).unwrap_or(u32::MAX)
}
