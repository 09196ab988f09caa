//! What `process` hands over: rows of events and the changes of persons and groups that they caused, with their journal position.

use crate::account::{Fate, LetterChange};
use crate::layout::builder::RowsBuilder;
use crate::layout::{Table, sorted};
use crate::seen::Seen;
use aqueduct_event::{JournalPosition, Minute, PartitionId, PersonId, ProjectId, PropertyValue, Tally, UnixMicros};
use std::sync::Arc;
use uuid::Uuid;

/// The effect of a run of journal records, applied all at once.
#[derive(Debug)]
pub struct Commit {
    /// The partition read.
    pub partition: PartitionId,
    /// The next record to read once this is durable.
    pub upto: JournalPosition,
    /// New event rows, in arrival order.
    pub events: EventRows,
    /// New state of persons that changed, each at most once.
    pub persons: Vec<PersonRecord>,
    /// New state of distinct ids that changed, each at most once.
    pub distinct_ids: Vec<DistinctIdRecord>,
    /// New state of groups that changed, each at most once.
    pub groups: Vec<GroupRecord>,
    /// Group types seen first: project, name; the index is the next free one.
    pub group_types: Vec<(ProjectId, Arc<str>)>,
    /// Persons that were merged away: rows that carry `from` belong to `to` from now on.
    pub overrides: Vec<PersonOverride>,
    /// Persons whose rows of earlier commits leave them, each at most once. Rows of this commit are not meant.
    pub withdrawals: Vec<Withdrawal>,
    /// Arrivals of the events that are rows: the same event is known again by them.
    pub seen: Vec<Seen>,
    /// Verdicts over the records' events but for [`Visible`](aqueduct_event::Verdict::Visible), which the store counts from `events`.
    pub verdicts: Tally,
    /// Events of the records that have no row, in their order.
    pub fates: Vec<Fate>,
    /// Dead letters that came or went, in their order.
    pub dead_letters: Vec<LetterChange>,
}

impl Commit {
    /// A commit that changes nothing but the position.
    #[must_use]
    pub fn new(partition: PartitionId, upto: JournalPosition) -> Self {
        Self {
            partition,
            upto,
            events: EventRows::default(),
            persons: Vec::new(),
            distinct_ids: Vec::new(),
            groups: Vec::new(),
            group_types: Vec::new(),
            overrides: Vec::new(),
            withdrawals: Vec::new(),
            seen: Vec::new(),
            verdicts: Tally::default(),
            fates: Vec::new(),
            dead_letters: Vec::new(),
        }
    }
}

/// A person that was merged into another, or came to life again. Of several in a commit, the order is that in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonOverride {
    /// The project.
    pub project: ProjectId,
    /// Person id that rows carry.
    pub from: PersonId,
    /// Person that they belong to now. May itself be merged later; the store follows the chain. The same as `from`: its rows are its own again.
    pub to: PersonId,
}

/// All rows of a person that were committed before leave it: also those that carry the id of a person that was merged into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The project.
    pub project: ProjectId,
    /// The person.
    pub person: PersonId,
    /// When it was asked for: from this the time counts after which they are removed from the files.
    pub at: UnixMicros,
    /// Where they go.
    pub to: WithdrawnTo,
}

/// Where rows go that leave a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithdrawnTo {
    /// Nobody sees them any more, and in time they are removed from the files.
    Nowhere,
    /// Rows of these distinct ids go to these persons; all others stay.
    Persons(Vec<(Arc<str>, PersonId)>),
}

/// A person as it stands after a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonRecord {
    /// The project.
    pub project: ProjectId,
    /// The id.
    pub id: PersonId,
    /// Earliest known time of the person.
    pub created_at: UnixMicros,
    /// Properties as a JSON object.
    pub properties: Arc<str>,
    /// Whether an identify, alias or merge named it.
    pub is_identified: bool,
    /// Rises with each change.
    pub version: u64,
    /// Merged away or deleted: readers do not see it.
    pub is_deleted: bool,
    /// Time of the newest event that refreshed it, if kept.
    pub last_seen_at: Option<UnixMicros>,
}

/// A distinct id and the person it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinctIdRecord {
    /// The project.
    pub project: ProjectId,
    /// The distinct id.
    pub distinct_id: Arc<str>,
    /// Its person; for an id without one the id that the person would have.
    pub person: PersonId,
    /// Rises by one each time the id is given to another person; 1 from the start if it was used personless before.
    pub version: u64,
    /// Used in personless events only, or its person was deleted: there is no person row.
    pub is_personless: bool,
    /// How many of the ids that persons made of it would have are spent ([`aqueduct_event::next_person_id_of`]).
    pub spent: u32,
}

/// A group as it stands after a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRecord {
    /// The project.
    pub project: ProjectId,
    /// Index of its type, 0 to 4.
    pub type_index: u8,
    /// Its key.
    pub key: Arc<str>,
    /// Properties as a JSON object.
    pub properties: Arc<str>,
    /// Time of the event that made it.
    pub created_at: UnixMicros,
    /// Time of the newest change.
    pub updated_at: UnixMicros,
}

/// How an event's person was processed; the number is PostHog's enum value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PersonMode {
    /// With a person.
    Full = 0,
    /// Personless.
    Propertyless = 1,
    /// Personless although a person exists since more than a minute.
    ForceUpgrade = 2,
}

/// The fixed columns of one event; its properties are passed beside it.
#[derive(Clone, Copy, Debug)]
pub struct EventRow<'a> {
    /// The project.
    pub project: ProjectId,
    /// The event's id.
    pub uuid: Uuid,
    /// Event name.
    pub event: &'a str,
    /// Who did it, as sent.
    pub distinct_id: &'a str,
    /// The person at the time of processing.
    pub person: PersonId,
    /// When it happened.
    pub timestamp: UnixMicros,
    /// When it was received.
    pub created_at: UnixMicros,
    /// `created_at` of the person.
    pub person_created_at: UnixMicros,
    /// Properties of the person after this event, as a JSON object. Equal texts are kept once; pass the same `Arc` where it is the same.
    pub person_properties: &'a Arc<str>,
    /// How the person was processed.
    pub person_mode: PersonMode,
    /// Elements chain of autocapture; empty for none.
    pub elements_chain: &'a str,
}

/// Rows of events in columns, in the order they were pushed. Fill with [`EventRows::push`].
///
/// This is the fresh end of the layout: the columns are those of a part, but not sorted yet.
#[derive(Debug, Default)]
pub struct EventRows {
    rows: RowsBuilder,
}

impl EventRows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held in memory, about. Keep a commit below 256 MiB.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Adds one event. `properties` yields each key once; of a key that comes twice the later value stands.
    pub fn push<'p>(&mut self, row: &EventRow<'_>, properties: impl Iterator<Item = (&'p str, PropertyValue<'p>)>) {
        self.rows.push(row, properties);
    }

    /// How many rows each project has of each minute of receipt.
    pub(crate) fn received(&self) -> Vec<(ProjectId, Minute, i64)> {
        let mut counts: Vec<(ProjectId, Minute, i64)> = Vec::new();
        let fixed = &self.rows.fixed;
        for (project, created_at) in fixed.project.iter().zip(&fixed.created_at) {
            let (project, minute) = (ProjectId(*project), Minute::of(UnixMicros(*created_at)));
            // Rows of a request follow each other, so the count that grew last is nearly always the one.
            match counts.iter_mut().rev().find(|(of, at, _)| (*of, *at) == (project, minute)) {
                Some((.., rows)) => *rows += 1,
                None => counts.push((project, minute, 1)),
            }
        }
        counts
    }

    /// The rows as a sorted table; `seq` is the number of the commit.
    pub(crate) fn into_table(self, shards: u16, seq: u64) -> Table {
        sorted(self.rows, shards, seq)
    }
}
