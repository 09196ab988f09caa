//! Dead letters: events that could not be processed, whole.

use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{LetterId, Minute, ProjectId, TallyKey, UnixMicros, Verdict};
use std::sync::Arc;
use uuid::Uuid;

/// An event that could not be processed, or a whole record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its name.
    pub id: LetterId,
    /// The project; 0 for none.
    pub project: ProjectId,
    /// When its request was received.
    pub received_at: UnixMicros,
    /// How many events it stands for: 1, or all events of an unreadable record.
    pub events: u32,
    /// Why it died.
    pub reason: DeadReason,
    /// What exactly went wrong.
    pub detail: Arc<str>,
    /// The event's id; nil for an unreadable record.
    pub uuid: Uuid,
    /// Its name; empty for an unreadable record.
    pub event: Arc<str>,
    /// Who did it; empty for an unreadable record.
    pub distinct_id: Arc<str>,
    /// The event with the facts of its request, as JSON (`process::letter` says how).
    pub payload: Arc<str>,
    /// How often it was replayed in vain.
    pub replays: u32,
    /// Whether somebody changed the payload.
    pub is_amended: bool,
}

impl DeadLetter {
    /// What its events are counted as.
    #[must_use]
    pub fn tally_key(&self) -> TallyKey {
        TallyKey { minute: Minute::of(self.received_at), project: self.project, verdict: Verdict::DeadLettered(self.reason) }
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        96 + self.detail.len() + self.event.len() + self.distinct_id.len() + self.payload.len()
    }
}

/// A dead letter comes or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterChange {
    /// It is kept; one of the same id is replaced.
    Keep(DeadLetter),
    /// It was replayed.
    Remove {
        /// Its project.
        project: ProjectId,
        /// Its name.
        id: LetterId,
    },
}

impl LetterChange {
    /// Which letter this is about.
    pub(crate) fn key(&self) -> (ProjectId, LetterId) {
        match self {
            Self::Keep(letter) => (letter.project, letter.id),
            Self::Remove { project, id } => (*project, *id),
        }
    }
}
