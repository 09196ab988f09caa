//! Metrics of processing.

use aqueduct_event::{Tally, Verdict};
use metrics::{counter, gauge, histogram};

/// Events that became rows.
const EVENTS: &str = "aqueduct_process_events_total";
/// Events that did not, by `reason`.
const DROPPED: &str = "aqueduct_process_dropped_events_total";
/// Events that could not be processed, by `reason`.
const DEAD_LETTERED: &str = "aqueduct_process_dead_lettered_events_total";
/// Events that were stored before.
const DUPLICATES: &str = "aqueduct_process_duplicate_events_total";
/// Records whose bytes are no batch of events.
const UNREADABLE: &str = "aqueduct_process_unreadable_records_total";
/// Commits that the store took.
const COMMITS: &str = "aqueduct_process_commits_total";
/// Steps that failed and are tried again.
const FAILURES: &str = "aqueduct_process_failed_steps_total";
/// Time spent on turning records into a commit.
const APPLY: &str = "aqueduct_process_apply_seconds";
/// Time that the store took for a commit, back-pressure included.
const COMMIT: &str = "aqueduct_process_commit_seconds";
/// From receipt of a request to its events being visible.
const VISIBLE: &str = "aqueduct_process_visible_delay_seconds";
/// Records in the journal that are not visible yet.
const LAG: &str = "aqueduct_process_lag_records";

/// `tally` has the verdicts of one commit; what a replayed letter takes back is no event that came.
pub(crate) fn tally(tally: &Tally) {
    for (key, events) in tally.iter() {
        let Ok(events) = u64::try_from(events) else { continue };
        match key.verdict {
            Verdict::Visible => counter!(EVENTS).increment(events),
            Verdict::Duplicate => counter!(DUPLICATES).increment(events),
            Verdict::Dropped(reason) => counter!(DROPPED, "reason" => reason.code()).increment(events),
            Verdict::DeadLettered(reason) => counter!(DEAD_LETTERED, "reason" => reason.code()).increment(events),
            // The edge refuses, not processing.
            Verdict::Refused(_) => {}
        }
    }
}

pub(crate) fn unreadable_record() {
    counter!(UNREADABLE).increment(1);
}

pub(crate) fn failed_step() {
    counter!(FAILURES).increment(1);
}

pub(crate) fn applied(seconds: f64) {
    histogram!(APPLY).record(seconds);
}

pub(crate) fn committed(seconds: f64) {
    counter!(COMMITS).increment(1);
    histogram!(COMMIT).record(seconds);
}

pub(crate) fn visible_delay(seconds: f64) {
    histogram!(VISIBLE).record(seconds);
}

pub(crate) fn lag(records: u64) {
    gauge!(LAG).set(records as f64);
}
