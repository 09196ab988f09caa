//! The audit: what was accepted against what became of it, by sets of events and not by counters.
//!
//! In: the journal (as far back as it is kept), the store's rows, and its accounts, all of one moment. Out: [`Audit`].
//!
//! Two proofs:
//! 1. *Sets.* Every event of every processed record is a row (same project, uuid, name, distinct id and time of receipt, exactly as often), or has a verdict of its
//!    own, found by its place in the journal. What is neither is *missing*. A row of those requests that the journal does not hold is *extra*.
//! 2. *Minutes.* The rows of each project and minute of receipt are as many as the ledger counted visible. This one covers what the journal holds no more.
//!
//! # Invariants
//! - Rows, accounts and the position up to which records are processed belong to one moment, so that a running server does not look as if it had lost what is on its way.
//! - Memory is bounded: the set proof works on so many events at once, parted by the time of receipt.

mod minutes;
mod report;
mod sets;

pub use report::{Audit, Example, MinuteFault, ProjectAudit};

use crate::error::TraceError;
use crate::tracer::Projects;
use aqueduct_event::{Minute, ProjectId, UnixMicros};
use aqueduct_journal::Journal;
use aqueduct_store::{AccountView, Accounts, ReadError, Snapshot};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Gives the accounts of some minutes and a snapshot of the store, both of one moment.
pub type Moment = Arc<dyn Fn(RangeInclusive<Minute>) -> Result<(AccountView, Arc<dyn Snapshot>), ReadError> + Send + Sync>;

/// What is audited.
#[derive(Clone)]
pub struct Auditor {
    /// Accepted records.
    pub journal: Arc<dyn Journal>,
    /// Verdicts over single events.
    pub accounts: Arc<dyn Accounts>,
    /// Rows and counts.
    pub moment: Moment,
    /// Projects by token.
    pub projects: Arc<dyn Projects>,
}

impl fmt::Debug for Auditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor").field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// Which times of receipt are audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first.
    pub from: UnixMicros,
    /// The end; not in it any more.
    pub to: UnixMicros,
}

impl Default for Period {
    fn default() -> Self {
        Self { from: UnixMicros(i64::MIN), to: UnixMicros(i64::MAX) }
    }
}

impl Period {
    pub(crate) fn holds(&self, at: i64) -> bool {
        (self.from.0..self.to.0).contains(&at)
    }

    /// The minutes that lie in it as a whole.
    pub(crate) fn minutes(&self) -> RangeInclusive<Minute> {
        let first = Minute::of(UnixMicros(self.from.0.saturating_add(59_999_999)));
        let last = Minute::of(UnixMicros(self.to.0.saturating_sub(60_000_000)));
        first..=if self.to.0 == i64::MAX { Minute(u32::MAX) } else { last }
    }
}

impl Auditor {
    /// Audits what was received in a period. `events_at_once` bounds the memory: about 40 bytes for each.
    ///
    /// # Errors
    /// [`TraceError`] when journal or store cannot be read.
    pub fn audit(&self, period: Period, events_at_once: usize) -> Result<Audit, TraceError> {
        let (account, snapshot) = (self.moment)(period.minutes())?;
        let mut audit = Audit::default();
        let counted = account.totals.keys().map(|(project, _)| *project).filter(|project| *project != ProjectId(0));
        let projects: BTreeSet<ProjectId> = counted.collect();
        let mut sets =
            sets::Sets { auditor: self, account: &account, snapshot: &*snapshot, projects: &projects, period, audit: &mut audit };
        sets.compare(events_at_once)?;
        minutes::compare(&account, &*snapshot, &projects, period, &mut audit)?;
        Ok(audit)
    }
}
