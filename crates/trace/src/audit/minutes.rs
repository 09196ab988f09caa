//! The second proof: rows of each project and minute of receipt against the ledger's counts.

use super::Period;
use super::report::{Audit, MINUTES_MAX, MinuteFault};
use crate::error::TraceError;
use aqueduct_event::{Minute, ProjectId, UnixMicros, Verdict};
use aqueduct_store::{AccountView, EventColumn, Snapshot};
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use std::collections::{BTreeMap, BTreeSet};

const HOUR_MINUTES: u32 = 60;

/// Counts rows by minute and compares.
pub(super) fn compare(
    account: &AccountView,
    snapshot: &dyn Snapshot,
    projects: &BTreeSet<ProjectId>,
    period: Period,
    audit: &mut Audit,
) -> Result<(), TraceError> {
    let range = period.minutes();
    let counted = account.rows.iter().filter(|(key, _)| key.verdict == Verdict::Visible);
    let counted: BTreeMap<(ProjectId, Minute), i64> = counted.map(|(key, events)| ((key.project, key.minute), *events)).collect();
    for project in projects {
        let mut rows: BTreeMap<Minute, u64> = BTreeMap::new();
        let view = snapshot.project(*project)?;
        for part in view.shards().iter().flatten() {
            let times = part.column(EventColumn::CreatedAt)?;
            let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or(TraceError::Column("created_at"))?;
            // Rows of one request lie near each other as a rule: the count is kept until the minute changes.
            let mut run: Option<(Minute, u64)> = None;
            for time in times.values() {
                let minute = kept_minute(Minute::of(UnixMicros(*time)), account.hours_before);
                match &mut run {
                    Some((last, count)) if *last == minute => *count += 1,
                    _ => {
                        if let Some((last, count)) = run.replace((minute, 1)) {
                            *rows.entry(last).or_default() += count;
                        }
                    }
                }
            }
            if let Some((last, count)) = run {
                *rows.entry(last).or_default() += count;
            }
        }
        rows.retain(|minute, _| range.contains(minute));
        let minutes: BTreeSet<Minute> =
            rows.keys().copied().chain(counted.keys().filter(|(of, _)| of == project).map(|(_, minute)| *minute)).collect();
        for minute in minutes {
            let (rows, counted) = (rows.get(&minute).copied().unwrap_or(0), counted.get(&(*project, minute)).copied().unwrap_or(0));
            audit.minutes += 1;
            audit.rows += rows;
            if i64::try_from(rows) != Ok(counted) {
                audit.minute_faults_total += 1;
                if audit.minute_faults.len() < MINUTES_MAX {
                    let fault = MinuteFault { project: project.0, minute: minute.start().to_rfc3339(), rows, counted };
                    audit.minute_faults.push(fault);
                }
            }
        }
    }
    Ok(())
}

/// The minute under which a count is kept: its hour's first once minutes are added up.
fn kept_minute(minute: Minute, hours_before: Minute) -> Minute {
    if minute < hours_before { Minute(minute.0 - minute.0 % HOUR_MINUTES) } else { minute }
}
