//! The loop: records from the journal, through the [`Processor`], into the store; again and again, until told to stop.
//!
//! ```text
//! journal ─ next ─▶ pending records ─ apply ─▶ commit ─ store.commit ─▶ visible ─ … store flushes … ─▶ durable ─▶ journal.trim
//! ```
//! Batching comes by itself: while a commit is made and taken, more records gather. [`Pipeline::run`] owns a thread and waits;
//! [`Pipeline::step`] never waits, so that a simulator can drive everything in one thread.
//!
//! # Invariants
//! - Records leave `pending` only when the store has taken their commit. A failed step is tried again with the same records, from the store's state.
//! - The journal is trimmed only up to what the store calls durable, and what the account has counted durably.

use crate::config::ProcessConfig;
use crate::error::StepError;
use crate::metrics;
use crate::outside::{Observer, Pace, Projects, VisibleBytes};
use crate::processor::Processor;
use crate::trimmer::Trimmer;
use aqueduct_event::{Clock, JournalPosition, PartitionId};
use aqueduct_journal::{Entry, Journal, JournalReader, ReadError};
use aqueduct_ledger::Account;
use aqueduct_store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a pipeline connects.
#[derive(Debug)]
pub struct PipelineArgs {
    /// Where records come from.
    pub journal: Arc<dyn Journal>,
    /// Where commits go to.
    pub store: Arc<dyn Store>,
    /// Finds projects.
    pub projects: Arc<dyn Projects>,
    /// Is told of definitions and warnings.
    pub observer: Arc<dyn Observer>,
    /// Tells how long events took to become visible; nothing else depends on it.
    pub clock: Arc<dyn Clock>,
    /// The partition to read.
    pub partition: PartitionId,
    /// Settings.
    pub config: ProcessConfig,
}

/// Whether a pipeline goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It goes on.
    #[default]
    No,
    /// It makes visible what the journal holds when it hears of this, and ends.
    Drained,
    /// It ends after the commit under way. What is left stays in the journal.
    Now,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This many records are visible now.
    Committed {
        /// How many.
        records: usize,
    },
    /// There was nothing to do.
    Idle,
    /// The journal is closed and all of it is visible.
    Closed,
}

/// How far a pipeline is; for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    position: AtomicU64,
    lag_records: AtomicU64,
}

impl Progress {
    /// The next record to become visible.
    #[must_use]
    pub fn position(&self) -> JournalPosition {
        JournalPosition(self.position.load(Ordering::Acquire))
    }

    /// Records in the journal that were not visible when last looked at: after each commit, and each second.
    #[must_use]
    pub fn lag_records(&self) -> u64 {
        self.lag_records.load(Ordering::Relaxed)
    }
}

/// One partition's way from journal to store.
#[derive(Debug)]
pub struct Pipeline {
    journal: Arc<dyn Journal>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    partition: PartitionId,
    config: ProcessConfig,
    processor: Processor,
    reader: Box<dyn JournalReader>,
    /// Read, but not visible yet.
    pending: Vec<Entry>,
    position: JournalPosition,
    trimmed: JournalPosition,
    /// Trims in the place of this thread, while it has one.
    trimmer: Option<Trimmer>,
    /// Counts the records of the journal and needs them until it has.
    account: Option<Arc<Account>>,
    progress: Arc<Progress>,
    pace: Option<Arc<dyn Pace>>,
    /// Where the journal ended when this began: what lies before it was there already.
    replay_end: JournalPosition,
}

/// A commit of fewer bytes is a trickle: the next one waits a moment for company. While several projects send, commits are small and must follow each other.
const TRICKLE_BYTES: usize = 32 * 1024;

/// A record of at most so many bytes is of a few events.
const SMALL_RECORD_BYTES_MAX: usize = 4 * 1024;

/// How often the journal is trimmed and the lag looked at while nothing happens.
const TICK: Duration = Duration::from_secs(1);

impl Pipeline {
    /// Begins where the store's durable state ends.
    ///
    /// # Errors
    /// [`StepError::Journal`] when the journal does not have those records any more or cannot be read.
    pub fn open(args: PipelineArgs) -> Result<Self, StepError> {
        let PipelineArgs { journal, store, projects, observer, clock, partition, config } = args;
        let position = store.durable(partition);
        let reader = journal.reader(partition, position)?;
        let processor = Processor::new(partition, Arc::clone(&store), projects, observer, &config);
        let progress = Arc::new(Progress::default());
        progress.position.store(position.0, Ordering::Release);
        let pending = Vec::new();
        let (pace, replay_end) = (None, journal.end(partition));
        // What the store had confirmed before a crash may not be trimmed yet, and a full journal waits for it.
        let trimmed = JournalPosition(0);
        Ok(Self {
            journal,
            store,
            clock,
            partition,
            config,
            processor,
            reader,
            pending,
            position,
            trimmed,
            trimmer: None,
            account: None,
            progress,
            pace,
            replay_end,
        })
    }

    /// Tells `pace` of every commit, so that no more is taken than becomes visible.
    #[must_use]
    pub fn with_pace(mut self, pace: Arc<dyn Pace>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// Leaves records in the journal until the account has counted them durably.
    #[must_use]
    pub fn accounted_by(self, account: Arc<Account>) -> Self {
        Self { account: Some(account), ..self }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Makes the next records visible if there are any. Never waits for records.
    ///
    /// # Errors
    /// [`StepError`]; but for [`StepError::Journal`] the next step tries the same records again.
    pub fn step(&mut self) -> Result<Step, StepError> {
        if self.pending.is_empty() {
            // A reader that has to wait has taken nothing, so that its future may be dropped.
            let polled = self.reader.next(self.config.commit_bytes_max).as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Pending => {
                    self.tidy();
                    return Ok(Step::Idle);
                }
                Poll::Ready(entries) => self.pending = entries?,
            }
        }
        self.commit_pending()
    }

    /// Works until `stop` says otherwise or the journal is closed and read to its end. Blocks the thread.
    ///
    /// # Errors
    /// [`StepError::Journal`] at once; the others are tried again for as long as it takes, but when stopping, where they end it.
    pub fn run(mut self, mut stop: watch::Receiver<Stop>) -> Result<(), StepError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(source) => return Err(StepError::Thread(source)),
        };
        self.trimmer = Some(Trimmer::start(&self.journal, self.partition).map_err(StepError::Thread)?);
        runtime.block_on(self.work(&mut stop))
    }

    async fn work(&mut self, stop: &mut watch::Receiver<Stop>) -> Result<(), StepError> {
        let mut wait = self.config.retry_wait;
        loop {
            let asked = *stop.borrow_and_update();
            match asked {
                Stop::No => {}
                Stop::Drained => return self.drain(stop),
                Stop::Now => return Ok(()),
            }
            if self.pending.is_empty() && !self.read(stop).await? {
                continue;
            }
            let (begun, bytes) = (Instant::now(), self.pending.iter().map(|entry| entry.payload.len()).sum::<usize>());
            match self.commit_pending() {
                Ok(Step::Closed) => return Ok(()),
                Ok(_) => {
                    wait = self.config.retry_wait;
                    if bytes < TRICKLE_BYTES {
                        sleep(stop, self.config.commit_interval.saturating_sub(begun.elapsed())).await;
                    }
                }
                Err(error @ (StepError::Journal(_) | StepError::Thread(_))) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, wait_ms = wait.as_millis() as u64, "records could not be made visible; trying again");
                    sleep(stop, wait).await;
                    wait = (wait * 2).min(self.config.retry_wait_max);
                }
            }
        }
    }

    /// Waits for records. Answers false when something else came first: ask again.
    async fn read(&mut self, stop: &mut watch::Receiver<Stop>) -> Result<bool, ReadError> {
        let entries = tokio::select! {
            biased;
            // When the sender is gone nobody can stop this any more but the journal's end.
            Ok(()) = stop.changed() => None,
            entries = self.reader.next(self.config.commit_bytes_max) => Some(entries?),
            () = tokio::time::sleep(TICK) => None,
        };
        match entries {
            Some(entries) => {
                self.pending = entries;
                Ok(true)
            }
            None => {
                self.tidy();
                Ok(false)
            }
        }
    }

    fn drain(&mut self, stop: &watch::Receiver<Stop>) -> Result<(), StepError> {
        let end = self.journal.end(self.partition);
        while self.position < end && *stop.borrow() != Stop::Now {
            match self.step()? {
                Step::Committed { .. } => {}
                Step::Idle | Step::Closed => break,
            }
        }
        self.tidy();
        Ok(())
    }

    fn commit_pending(&mut self) -> Result<Step, StepError> {
        if self.pending.is_empty() {
            return Ok(Step::Closed);
        }
        let started = Instant::now();
        let begun = started;
        let committed =
            self.processor.apply(&self.pending[..records_of_commit(&self.pending)]).map_err(StepError::from).and_then(|commit| {
                metrics::applied(begun.elapsed().as_secs_f64());
                let (begun, upto) = (Instant::now(), commit.upto);
                self.store.commit(commit)?;
                metrics::committed(begun.elapsed().as_secs_f64());
                Ok(upto)
            });
        let upto = committed.inspect_err(|_| {
            metrics::failed_step();
            self.processor.forget();
            if let Some(pace) = &self.pace {
                pace.stalled();
            }
        })?;
        let now = self.clock.now();
        for received_at in self.processor.take_received() {
            metrics::visible_delay(now.0.saturating_sub(received_at.0) as f64 / 1e6);
        }
        let records = self.pending.iter().take_while(|entry| entry.position < upto).count();
        let (mut old_bytes, mut new_bytes) = (0, 0);
        for entry in self.pending.drain(..records) {
            *(if entry.position < self.replay_end { &mut old_bytes } else { &mut new_bytes }) += entry.payload.len() as u64;
        }
        self.position = upto;
        self.progress.position.store(upto.0, Ordering::Release);
        if let Some(pace) = &self.pace {
            pace.visible(VisibleBytes { replayed: old_bytes, fresh: new_bytes }, started.elapsed());
        }
        self.tidy();
        Ok(Step::Committed { records })
    }

    /// Frees what the store has confirmed, and looks at the lag.
    fn tidy(&mut self) {
        let lag = self.journal.end(self.partition).0.saturating_sub(self.position.0);
        self.progress.lag_records.store(lag, Ordering::Relaxed);
        metrics::lag(lag);
        let counted = self.account.as_ref().map(|account| account.durable(self.partition));
        let durable = self.store.durable(self.partition);
        let durable = counted.map_or(durable, |counted| counted.min(durable));
        if durable <= self.trimmed {
            return;
        }
        let trimmed = match &self.trimmer {
            Some(trimmer) if trimmer.trim(durable) => Ok(()),
            _ => self.journal.trim(self.partition, durable),
        };
        match trimmed {
            Ok(()) => self.trimmed = durable,
            Err(error) => tracing::warn!(%error, "the journal could not be trimmed; trying again later"),
        }
    }
}

/// How many of the records that wait go into the next commit: all of them, but where much stands behind the last small record, that one is the commit's last.
/// It is mostly of somebody who sends little, and is not to wait for what others sent after it.
fn records_of_commit(waiting: &[Entry]) -> usize {
    let mut behind = 0;
    for (at, entry) in waiting.iter().enumerate().rev() {
        let bytes = entry.payload.len();
        if bytes <= SMALL_RECORD_BYTES_MAX {
            return if behind < TRICKLE_BYTES { waiting.len() } else { at + 1 };
        }
        behind += bytes;
    }
    waiting.len()
}

/// Waits, but not once told to stop.
async fn sleep(stop: &mut watch::Receiver<Stop>, time: Duration) {
    if time.is_zero() || *stop.borrow() != Stop::No {
        return;
    }
    tokio::select! {
        Ok(()) = stop.changed() => stop.mark_changed(),
        () = tokio::time::sleep(time) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_commit_ends_behind_the_last_small_record() {
        const LARGE: usize = 80 * 1024;
        let records = |sizes: &[usize]| {
            let entry =
                |(at, bytes): (usize, &usize)| Entry { position: JournalPosition(at as u64), payload: Bytes::from(vec![0; *bytes]) };
            records_of_commit(&sizes.iter().enumerate().map(entry).collect::<Vec<_>>())
        };
        assert_eq!(records(&[LARGE, 300, LARGE, 200, LARGE, LARGE]), 4);
        assert_eq!(records(&[300, LARGE]), 1);
        assert_eq!(records(&[LARGE, 300]), 2, "nothing stands behind it");
        assert_eq!(records(&[300, 5000, 5000]), 3, "little stands behind it");
        assert_eq!(records(&[LARGE, LARGE]), 2, "nobody who sends little");
        assert_eq!(records(&[300]), 1);
    }
}
