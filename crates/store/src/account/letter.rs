//! Dead letters: events that could not be processed, whole.

use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{JournalPosition, Minute, PartitionId, ProjectId, TallyKey, UnixMicros, Verdict};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use thiserror::Error;
use uuid::Uuid;

/// Names a dead letter by where its event lay in the journal: the same after a replay of the journal, and never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    /// The partition.
    pub partition: PartitionId,
    /// The record.
    pub position: JournalPosition,
    /// The event's place in the record; 0 for a whole record.
    pub index: u32,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.partition.0, self.position, self.index)
    }
}

/// A text names no dead letter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("found {found:?}, expected the id of a dead letter such as 0-4711-0")]
pub struct UnknownLetterId {
    /// The text.
    pub found: String,
}

impl FromStr for LetterId {
    type Err = UnknownLetterId;

    fn from_str(text: &str) -> Result<Self, UnknownLetterId> {
        let mut parts = text.split('-');
        let read = (|| {
            let partition = PartitionId(parts.next()?.parse().ok()?);
            let position = JournalPosition(parts.next()?.parse().ok()?);
            let index = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { partition, position, index })
        })();
        read.filter(|id| id.to_string() == text).ok_or_else(|| UnknownLetterId { found: text.to_owned() })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_texts() {
        let id = LetterId { partition: PartitionId(0), position: JournalPosition(4711), index: 3 };
        assert_eq!(id.to_string(), "0-4711-3");
        assert_eq!("0-4711-3".parse(), Ok(id));
        for wrong in ["", "0-1", "0-1-2-3", "0-1-x", "0-01-2", "+0-1-2"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong:?}");
        }
    }
}
