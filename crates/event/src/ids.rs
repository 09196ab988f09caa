//! Ids: one newtype per meaning, so that a project is never taken for a position.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// A project (PostHog calls it project, team or environment; here they are the same number). Starts at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectId(pub u32);

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A totally ordered part of the journal. The local write-ahead log has one, number 0; Kafka has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u32);

/// Place of a record in its partition: the first is 0, each next one more, never reused, not even after recovery.
/// Where a position means "read up to here" it names the *next* record to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JournalPosition(pub u64);

impl JournalPosition {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A person's id.
pub type PersonId = Uuid;

/// Namespace of PostHog's deterministic person ids (ingestion: `worker/ingestion/person-uuid.ts`).
const PERSON_NAMESPACE: Uuid = Uuid::from_u128(0x932979b4_65c3_4424_8467_0b66ec27bc22);

/// The id that the person of `distinct_id` has or would have: UUID version 5 over `<project>:<distinct_id>`.
/// New persons and personless events use the same id, so a person made later claims its earlier events.
#[must_use]
pub fn person_id_of(project: ProjectId, distinct_id: &str) -> PersonId {
    Uuid::new_v5(&PERSON_NAMESPACE, format!("{project}:{distinct_id}").as_bytes())
}

/// The same when the first `spent` ids of it cannot be had again: rows of other persons may carry them.
#[must_use]
pub fn next_person_id_of(project: ProjectId, distinct_id: &str, spent: u32) -> PersonId {
    let first = person_id_of(project, distinct_id);
    if spent == 0 { first } else { Uuid::new_v5(&first, &spent.to_be_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spent_person_ids_are_followed_by_others() {
        let ids = [0, 1, 2].map(|spent| next_person_id_of(ProjectId(1), "ann", spent));
        assert_eq!(ids[0], person_id_of(ProjectId(1), "ann"));
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(ids[1].to_string(), "08985fa7-0d02-5fbd-9a7d-ae34d1e2a10b", "ids lie in files: they must stay what they are");
    }

    #[test]
    fn person_id_is_stable() {
        let id = person_id_of(ProjectId(1), "ann");
        assert_eq!(id, person_id_of(ProjectId(1), "ann"));
        assert_ne!(id, person_id_of(ProjectId(2), "ann"));
        assert_eq!(id.get_version_num(), 5);
    }
}
