//! What an audit found.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use utoipa::ToSchema;
use uuid::Uuid;

/// Events that are named of those that are missing or extra, for each project.
pub(super) const EXAMPLES_MAX: usize = 20;
/// Minutes that are named.
pub(super) const MINUTES_MAX: usize = 100;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// The first record that the journal still holds, of the partition that was read last.
    pub journal_first: u64,
    /// Records before this position are processed.
    pub processed_upto: u64,
    /// One past the last record.
    pub journal_end: u64,
    /// Processed records that were compared.
    pub records: u64,
    /// Records that cannot be read; each is one dead letter.
    pub unreadable_records: u64,
    /// Events that are accepted and not processed yet.
    pub in_flight: u64,
    /// What was compared by sets, for each project; 0 stands for events of no project.
    pub projects: BTreeMap<u32, ProjectAudit>,
    /// Minutes (and hours, where only these are kept) of projects whose rows were counted.
    pub minutes: u64,
    /// Rows that were counted by minute.
    pub rows: u64,
    /// Minutes whose rows are not as many as the ledger counted visible; the first ones.
    pub minute_faults: Vec<MinuteFault>,
    /// How many there are.
    pub minute_faults_total: u64,
}

/// What was compared of one project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProjectAudit {
    /// Events in the journal.
    pub events: u64,
    /// Of these: with a row.
    pub visible: u64,
    /// With a verdict of their own and no row, by verdict.
    pub without_row: BTreeMap<String, u64>,
    /// With neither.
    pub missing: u64,
    /// Rows of the same requests that are not in the journal, or more often than there.
    pub extra: u64,
    /// Some of the missing.
    pub missing_examples: Vec<Example>,
    /// Some of the extra rows.
    pub extra_examples: Vec<Example>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Example {
    /// Its id.
    pub uuid: Uuid,
    /// Its name.
    pub event: String,
    /// Who did it.
    pub distinct_id: String,
    /// When it was received.
    pub received_at: String,
    /// Its record; none for a row.
    pub position: Option<u64>,
}

/// A minute of a project whose rows are not those that were counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MinuteFault {
    /// The project.
    pub project: u32,
    /// The begin of the minute, or of the hour where only hours are kept.
    pub minute: String,
    /// Rows found.
    pub rows: u64,
    /// Events counted visible.
    pub counted: i64,
}

impl Audit {
    /// Whether everything that was accepted is accounted for.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.minute_faults_total == 0 && self.projects.values().all(|project| project.missing == 0 && project.extra == 0)
    }

    /// What was compared of a project.
    pub(super) fn project(&mut self, project: aqueduct_event::ProjectId) -> &mut ProjectAudit {
        self.projects.entry(project.0).or_default()
    }
}

impl Display for Audit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "journal: positions {} to {}, {} processed records compared by sets of events, {} events in flight",
            self.journal_first, self.journal_end, self.records, self.in_flight
        )?;
        if self.unreadable_records > 0 {
            writeln!(f, "  {} records cannot be read; each is a dead letter", self.unreadable_records)?;
        }
        for (id, project) in &self.projects {
            let name = if *id == 0 { "no project".to_owned() } else { format!("project {id}") };
            writeln!(
                f,
                "{name}: {} events accepted, {} visible, {} missing, {} extra",
                project.events, project.visible, project.missing, project.extra
            )?;
            for (verdict, events) in &project.without_row {
                writeln!(f, "  {events} {verdict}")?;
            }
            for (what, examples) in [("missing", &project.missing_examples), ("extra", &project.extra_examples)] {
                for Example { uuid, event, distinct_id, received_at, .. } in examples {
                    writeln!(f, "  {what}: {uuid} {event} of {distinct_id}, received {received_at}")?;
                }
            }
        }
        writeln!(
            f,
            "store: {} rows in {} minutes of projects compared with the ledger, {} differ",
            self.rows, self.minutes, self.minute_faults_total
        )?;
        for MinuteFault { project, minute, rows, counted } in &self.minute_faults {
            writeln!(f, "  project {project}, {minute}: {rows} rows, {counted} counted visible")?;
        }
        f.write_str(if self.is_sound() { "sound: nothing is missing\n" } else { "NOT SOUND: see above\n" })
    }
}
