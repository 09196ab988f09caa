//! Dead letters: events that could not be processed, and what became of them when they came again or were discarded.

use super::{EventKey, Model, key_of, project_of};
use crate::server::PARTITION;
use aqueduct_event::record::Replay;
use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{JournalPosition, LetterId, Minute, RawEvent, UnixMicros, Verdict};
use std::collections::BTreeMap;
use uuid::Uuid;

/// First byte of a record that no program knows.
pub(crate) const GARBAGE: u8 = 0x7f;

/// Letters by project (0 for none) and name.
pub(crate) type Letters = BTreeMap<(u32, LetterId), ModelLetter>;

/// A letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelLetter {
    pub(crate) reason: DeadReason,
    pub(crate) received_at: UnixMicros,
    /// Id, name and distinct id of its event; of an unreadable record nothing is known.
    pub(crate) names: (Uuid, String, String),
    pub(crate) replays: u32,
}

impl ModelLetter {
    pub(super) fn of(reason: DeadReason, received_at: UnixMicros, event: &RawEvent<'_>) -> Self {
        let (_, uuid, name, distinct_id): EventKey = key_of(0, event);
        Self { reason, received_at, names: (uuid, name, distinct_id), replays: 0 }
    }

    fn place(&self, project: u32) -> (Minute, u32, Verdict) {
        (Minute::of(self.received_at), project, Verdict::DeadLettered(self.reason))
    }
}

pub(super) fn letter_id(position: u64, index: usize) -> LetterId {
    LetterId { partition: PARTITION, position: JournalPosition(position), index: u32::try_from(index).unwrap_or(u32::MAX) }
}

impl Model {
    pub(super) fn bury(&mut self, project: u32, id: LetterId, letter: ModelLetter) {
        self.letters.insert((project, id), letter);
    }

    /// The record at `position` cannot be read: one event of nobody, at no time.
    pub(crate) fn bury_record(&mut self, position: u64) {
        let (reason, received_at) = (DeadReason::UnreadableRecord, UnixMicros(0));
        let letter = ModelLetter { reason, received_at, names: (Uuid::nil(), String::new(), String::new()), replays: 0 };
        let (minute, project, verdict) = letter.place(0);
        self.count(minute, project, verdict, 1);
        self.bury(0, letter_id(position, 0), letter);
    }

    /// A letter comes again: it goes, and its event has another fate, perhaps the same one. One that went meanwhile changes nothing.
    pub(crate) fn replay(&mut self, replay: &Replay<'_>, projects: u32) {
        let key = (replay.project.0, replay.letter);
        let (Some(number), [event]) = (project_of(replay.batch.token, projects), &replay.batch.events[..]) else { return };
        let Some(letter) = self.letters.remove(&key) else { return };
        let (minute, project, verdict) = letter.place(key.0);
        self.count(minute, project, verdict, -1);
        let verdict = self.event(number, replay.batch.received_at, event);
        self.count(Minute::of(replay.batch.received_at), number, verdict, 1);
        if let Verdict::DeadLettered(reason) = verdict {
            let again = ModelLetter::of(reason, replay.batch.received_at, event);
            self.bury(number, replay.letter, ModelLetter { replays: letter.replays + 1, ..again });
        }
    }

    /// Somebody discarded a letter.
    pub(crate) fn discard(&mut self, project: u32, id: LetterId) {
        let Some(letter) = self.letters.remove(&(project, id)) else { return };
        let (minute, project, verdict) = letter.place(project);
        self.count(minute, project, verdict, -1);
        self.count(minute, project, Verdict::Dropped(DropReason::Discarded), 1);
    }
}
