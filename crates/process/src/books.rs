//! Keeping the books: tells the account of every record of the journal, and compares it with what the store made of them.
//!
//! ```text
//! store ─ cut and fates ─┐
//! journal ─ records ─────┴─▶ account ─▶ balance, once a second also on disk
//! ```
//!
//! # Invariants
//! - The fates are taken first, then the journal is read past their cut: so every record that has a fate is told before both are compared.
//! - It only reads; processing goes on beside it.

use aqueduct_event::{Clock, JournalPosition, Minute, PartitionId, ProjectId};
use aqueduct_journal::{Journal, JournalReader, ReadError};
use aqueduct_ledger::account::{BookError, Health, Interval, Ledger, LedgerError, Report};
use aqueduct_ledger::{Account, Fates};
use aqueduct_store::Accounts;
use parking_lot::Mutex;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use thiserror::Error;

/// Bytes of records that are read at once.
const READ_BYTES: usize = 4 << 20;
/// Minutes that are compared one by one at each step.
const MINUTES_AT_EACH_STEP: u32 = 10;
/// Minutes that are compared one by one every so many steps.
const MINUTES_NOW_AND_THEN: u32 = 24 * 60;
const NOW_AND_THEN: u64 = 120;
const ALL: RangeInclusive<Minute> = Minute(0)..=Minute(u32::MAX);

/// What the books connect.
#[derive(Debug)]
pub struct BooksArgs {
    /// What came in.
    pub journal: Arc<dyn Journal>,
    /// What became of it.
    pub accounts: Arc<dyn Accounts>,
    /// The sums.
    pub account: Arc<Account>,
    /// Tells which minutes are the last ones.
    pub clock: Arc<dyn Clock>,
}

/// Why the books cannot be kept now.
#[derive(Debug, Error)]
pub enum BooksError {
    /// The account's file.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The journal.
    #[error("cannot read the journal: {0}")]
    Journal(#[from] ReadError),
    /// The store.
    #[error("cannot read the accounts of the store: {0}")]
    Store(#[from] aqueduct_store::ReadError),
}

/// The books of a deployment.
#[derive(Debug)]
pub struct Books {
    args: BooksArgs,
    tails: Mutex<Tails>,
}

#[derive(Debug)]
struct Tails {
    of: Vec<Tail>,
    steps: u64,
}

/// The end of a partition, as far as it was read.
#[derive(Debug)]
struct Tail {
    partition: PartitionId,
    reader: Box<dyn JournalReader>,
    at: JournalPosition,
}

impl Books {
    /// Begins where the account stands. One that is new, or whose records are gone, takes the store's word for what was before.
    ///
    /// # Errors
    /// [`BooksError`] when one of the sides cannot be read.
    pub fn open(args: BooksArgs) -> Result<Self, BooksError> {
        let mut of = Vec::new();
        for partition in args.journal.partitions() {
            let (reader, at) = begin(&args, partition)?;
            of.push(Tail { partition, reader, at });
        }
        Ok(Self { args, tails: Mutex::new(Tails { of, steps: 0 }) })
    }

    /// Counts what came in and compares. Never waits for records.
    ///
    /// # Errors
    /// [`BooksError`]; the next step goes on from there.
    pub fn step(&self) -> Result<Health, BooksError> {
        let mut tails = self.tails.lock();
        tails.steps += 1;
        let back = if tails.steps % NOW_AND_THEN == 1 { MINUTES_NOW_AND_THEN } else { MINUTES_AT_EACH_STEP };
        let now = Minute::of(self.args.clock.now());
        let fates = self.fates(Minute(now.0.saturating_sub(back))..=Minute(u32::MAX))?;
        self.read(&mut tails, &fates)?;
        Ok(self.args.account.balance(&fates))
    }

    /// Makes the account durable.
    ///
    /// # Errors
    /// [`BooksError::Book`]; what was counted stays due.
    pub fn save(&self) -> Result<(), BooksError> {
        Ok(self.args.account.save()?)
    }

    fn fates(&self, minutes: RangeInclusive<Minute>) -> Result<Fates, BooksError> {
        fates(&self.args, minutes)
    }

    /// Reads all there is, or as much as the account has room for; but always what the fates are about.
    fn read(&self, tails: &mut Tails, fates: &Fates) -> Result<(), BooksError> {
        let account = &self.args.account;
        for tail in &mut tails.of {
            let end = self.args.journal.end(tail.partition);
            let cut = fates.cut.get(&tail.partition).copied().unwrap_or_default();
            while tail.at < end {
                if !account.has_room() && tail.at >= cut {
                    break;
                }
                // A reader that has to wait has taken nothing, so that its future may be dropped.
                let polled = tail.reader.next(READ_BYTES).as_mut().poll(&mut Context::from_waker(Waker::noop()));
                let Poll::Ready(entries) = polled else { break };
                let entries = entries?;
                let Some(last) = entries.last() else { break };
                tail.at = last.position.next();
                for entry in &entries {
                    account.record(tail.partition, entry.position, &entry.payload);
                }
            }
            account.read_to(tail.partition, tail.at);
        }
        Ok(())
    }
}

impl Ledger for Books {
    fn report(&self, minutes: RangeInclusive<Minute>, interval: Interval, project: Option<ProjectId>) -> Result<Report, LedgerError> {
        let mut tails = self.tails.lock();
        let report = || -> Result<Report, BooksError> {
            let fates = self.fates(minutes.clone())?;
            self.read(&mut tails, &fates)?;
            self.args.account.balance(&fates);
            Ok(self.args.account.report(minutes, interval, project, &fates)?)
        };
        report().map_err(|error| LedgerError(Box::new(error)))
    }

    fn health(&self) -> Health {
        self.args.account.health()
    }
}

fn fates(args: &BooksArgs, minutes: RangeInclusive<Minute>) -> Result<Fates, BooksError> {
    let view = args.accounts.account(minutes)?;
    let (rows, totals) = (view.rows, view.totals);
    Ok(Fates { cut: view.visible, rows, totals, hours_before: view.hours_before, letter_bytes: view.letter_bytes })
}

/// A reader of a partition from where the account stands.
fn begin(args: &BooksArgs, partition: PartitionId) -> Result<(Box<dyn JournalReader>, JournalPosition), BooksError> {
    let visible = |fates: &Fates| fates.cut.get(&partition).copied().unwrap_or_default();
    let from = match args.account.position(partition) {
        Some(position) => position,
        None => {
            let fates = fates(args, ALL)?;
            if visible(&fates) > JournalPosition(0) {
                tracing::info!(position = visible(&fates).0, "the ledger begins here; it takes the store's word for what was before");
                args.account.adopt(&fates)?;
            }
            visible(&fates)
        }
    };
    match args.journal.reader(partition, from) {
        Ok(reader) => Ok((reader, from)),
        Err(ReadError::Trimmed { .. }) => {
            let fates = fates(args, ALL)?;
            let at = visible(&fates);
            tracing::warn!(
                from = from.0,
                at = at.0,
                "records that the ledger had not counted are gone; it takes the store's word for them"
            );
            args.account.adopt(&fates)?;
            Ok((args.journal.reader(partition, at)?, at))
        }
        Err(ReadError::Beyond { next, .. }) => {
            // What is missing now shows as a residue: it was accepted.
            tracing::error!(
                from = from.0,
                next = next.0,
                "the journal ends before the place to which the ledger has counted: records are lost"
            );
            Ok((args.journal.reader(partition, next)?, next))
        }
        Err(error) => Err(error.into()),
    }
}
