//! Exactly once: which events were stored within the last days, by a key of 128 bits each.
//!
//! In: the arrivals of each commit's rows ([`Seen`]). Out: for a batch of arrivals, which were there before ([`SeenIndex::find`]).
//!
//! ```text
//! commit ─▶ active table ─ freeze ─▶ frozen table ─ flush ─▶ run ─ merges ─▶ larger run ─ too old ─▶ gone
//! ```
//! A run is a file of sorted keys with their arrivals. In memory it has a filter (12 bits per key, one cache line per question) and the first key of each
//! block, so that a new event costs one access to memory per run, and a known one reads one block. About ten runs hold a window.
//!
//! # Invariants
//! - A run becomes part of the manifest in the transaction that makes the rows of its arrivals durable. After a crash the index stands where the rows stand.
//! - An answer is exact: the filter only says where to look, keys and arrivals are compared in full.
//! - Memory of runs stays below the ceiling, but for 0.05 bytes per key: the filters of the oldest runs are halved, then given up, and the file is read.
//! - A damaged byte of a run is an error, never an answer; the store then makes the runs again from its segments, and from the arrivals of erased rows that
//!   the manifest keeps for that.

mod block;
mod filter;
mod horizon;
mod memory;
pub(crate) mod merge;
mod rule;
pub(crate) mod run;
pub(crate) mod write;

pub(crate) use horizon::Horizon;
pub(crate) use memory::SeenTable;
pub use rule::{Seen, SeenRule};
pub(crate) use run::{Run, RunDescriptor};

use crate::files::Files;
use crate::{ReadError, metrics};
use aqueduct_event::UnixMicros;
use memory::SeenMemory;
use parking_lot::Mutex;
use run::RunFile;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How large the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenStats {
    /// Arrivals in runs, those that are too old but not gone yet included.
    pub arrivals: u64,
    /// Runs that each new event is compared with.
    pub runs: usize,
    /// Bytes of memory that runs take: filters and indexes.
    pub run_memory_bytes: usize,
    /// Bytes of memory of arrivals that are not in a run yet.
    pub fresh_memory_bytes: usize,
    /// Bytes of files.
    pub file_bytes: u64,
}

/// The index.
#[derive(Debug)]
pub(crate) struct SeenIndex {
    rule: SeenRule,
    files: Arc<dyn Files>,
    /// Bytes of memory that runs may take.
    memory_max: usize,
    inner: Mutex<Inner>,
    /// A run was found damaged.
    is_damaged: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    memory: SeenMemory,
    /// Oldest first.
    runs: Arc<Vec<Run>>,
    /// Of everything that was committed.
    horizon: Horizon,
    /// Of what is durable: what is replayed after a crash must find what it found before.
    durable: Horizon,
    /// Runs that the manifest names and that could not be opened: there is no answer until they are replaced.
    unreadable: Vec<u64>,
    /// Files that left the manifest; they go when nobody reads them.
    garbage: Vec<Arc<RunFile>>,
}

/// What a flush is to write.
#[derive(Clone, Debug)]
pub(crate) struct FrozenSeen {
    pub(crate) table: Arc<SeenTable>,
    pub(crate) horizon: Horizon,
}

/// Arrivals that are looked at together: they stay in the nearest cache while run after run is asked.
const CHUNK: usize = 256;

impl SeenIndex {
    /// The index with the runs that the manifest names. Answers the damage that was found on the way.
    pub(crate) fn open(
        rule: SeenRule,
        files: &Arc<dyn Files>,
        memory_max: usize,
        newest: Option<i64>,
        mut named: Vec<RunDescriptor>,
    ) -> (Self, Option<ReadError>) {
        named.sort_unstable_by_key(|run| (run.seq, run.id));
        let (mut runs, mut unreadable, mut damage) = (Vec::new(), Vec::new(), None);
        // The newest first: they keep their filters while the older ones make room.
        for descriptor in named.into_iter().rev() {
            match Run::open(&**files, descriptor) {
                Ok(run) => {
                    runs.insert(0, run);
                    fit(&mut runs, memory_max);
                }
                Err(error) => {
                    unreadable.push(descriptor.id);
                    damage = Some(error);
                }
            }
        }
        let horizon = Horizon::from_newest(newest);
        let (memory, runs, garbage) = (SeenMemory::default(), Arc::new(runs), Vec::new());
        let inner = Inner { memory, runs, horizon, durable: horizon, unreadable, garbage };
        let is_damaged = AtomicBool::new(damage.is_some());
        (Self { rule, files: Arc::clone(files), memory_max, inner: Mutex::new(inner), is_damaged }, damage)
    }

    pub(crate) fn rule(&self) -> SeenRule {
        self.rule
    }

    /// Takes the arrivals of a commit.
    pub(crate) fn insert(&self, seen: &[Seen]) {
        let inner = &mut *self.inner.lock();
        inner.memory.insert(seen);
        let window = self.rule.window();
        seen.iter().for_each(|seen| inner.horizon.arrived(seen.received_at.0, window));
    }

    /// For each arrival, an earlier one within the window.
    pub(crate) fn find(&self, again: &[Seen]) -> Result<Vec<Option<UnixMicros>>, ReadError> {
        let mut found = vec![None; again.len()];
        let runs = {
            let inner = self.inner.lock();
            inner.memory.find(&self.rule, again, &mut found);
            Arc::clone(&inner.runs)
        };
        let mut maybe = Vec::with_capacity(CHUNK);
        for (again, found) in again.chunks(CHUNK).zip(found.chunks_mut(CHUNK)) {
            for run in runs.iter().rev() {
                run.candidates(again, &mut maybe);
                for place in maybe.iter().copied() {
                    if found[place].is_none() {
                        found[place] = run.find(&*self.files, &self.rule, &again[place]).inspect_err(|error| self.note_damage(error))?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// What a flush is to write: what an earlier one could not, or all that was inserted since.
    pub(crate) fn freeze(&self) -> FrozenSeen {
        let inner = &mut *self.inner.lock();
        FrozenSeen { table: inner.memory.freeze(), horizon: inner.horizon }
    }

    /// What was frozen is durable, in `run` if there was anything.
    pub(crate) fn flushed(&self, run: Option<Run>, horizon: Horizon) {
        let inner = &mut *self.inner.lock();
        inner.memory.flushed();
        inner.durable = horizon;
        self.put(inner, Vec::from_iter(run));
    }

    /// Some runs are replaced by others.
    pub(crate) fn replace(&self, gone_ids: &[u64], new: Vec<Run>) {
        let inner = &mut *self.inner.lock();
        let (gone, kept) = inner.runs.iter().cloned().partition::<Vec<Run>, _>(|run| gone_ids.contains(&run.descriptor().id));
        inner.garbage.extend(gone.into_iter().map(|run| run.file));
        for id in inner.unreadable.extract_if(.., |id| gone_ids.contains(id)) {
            // If this fails the next start does it: the manifest does not name it any more.
            let _ = self.files.remove(&run::file_name(id));
        }
        inner.runs = Arc::new(kept);
        self.put(inner, new);
    }

    fn put(&self, inner: &mut Inner, new: Vec<Run>) {
        let mut runs = inner.runs.as_ref().clone();
        runs.extend(new);
        runs.sort_by_key(|run| (run.descriptor().seq, run.descriptor().id));
        fit(&mut runs, self.memory_max);
        inner.runs = Arc::new(runs);
        metrics::seen(&stats(inner));
    }

    /// Runs that are to be replaced by one, which may have nothing in it, and the arrival before which nothing is kept.
    pub(crate) fn due(&self) -> Option<(Vec<Run>, i64)> {
        let inner = self.inner.lock();
        let horizon = inner.durable.oldest_kept(self.rule.window());
        let old: Vec<Run> = inner.runs.iter().filter(|run| run.descriptor().last < horizon).cloned().collect();
        if !old.is_empty() {
            return Some((old, horizon));
        }
        let sizes: Vec<u64> = inner.runs.iter().map(|run| run.descriptor().arrivals).collect();
        merge::due(&sizes).map(|range| (inner.runs[range].to_vec(), horizon))
    }

    /// The arrival before which nothing is kept.
    pub(crate) fn oldest_kept(&self) -> i64 {
        self.inner.lock().durable.oldest_kept(self.rule.window())
    }

    /// Ids of all runs, those that cannot be read included, and the arrival before which nothing is kept.
    pub(crate) fn all(&self) -> (Vec<u64>, i64) {
        let inner = self.inner.lock();
        let ids = inner.runs.iter().map(|run| run.descriptor().id).chain(inner.unreadable.iter().copied());
        (ids.collect(), inner.durable.oldest_kept(self.rule.window()))
    }

    /// Removes files that left the manifest and that nobody reads any more.
    pub(crate) fn collect_garbage(&self) {
        let inner = &mut *self.inner.lock();
        // A file that cannot be removed now stays until later, or until the next start.
        inner.garbage.retain(|file| Arc::strong_count(file) > 1 || self.files.remove(&file.descriptor.file()).is_err());
    }

    /// Reads every run and compares the checksums.
    pub(crate) fn verify(&self) -> Result<(), ReadError> {
        let runs = Arc::clone(&self.inner.lock().runs);
        runs.iter().try_for_each(|run| run.file.verify(&*self.files)).inspect_err(|error| self.note_damage(error))
    }

    pub(crate) fn note_damage(&self, error: &ReadError) {
        if matches!(error, ReadError::Damaged { .. }) {
            self.is_damaged.store(true, Ordering::SeqCst);
        }
    }

    /// Whether a run was found damaged, so that all have to be made again.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::SeqCst)
    }

    /// The damaged runs are gone.
    pub(crate) fn is_mended(&self) {
        self.is_damaged.store(false, Ordering::SeqCst);
    }

    /// Bytes of memory of arrivals that are not in a run yet.
    pub(crate) fn fresh_bytes(&self) -> usize {
        self.inner.lock().memory.bytes()
    }

    pub(crate) fn stats(&self) -> SeenStats {
        stats(&self.inner.lock())
    }
}

fn stats(inner: &Inner) -> SeenStats {
    SeenStats {
        arrivals: inner.runs.iter().map(|run| run.descriptor().arrivals).sum(),
        runs: inner.runs.len(),
        run_memory_bytes: inner.runs.iter().map(Run::memory).sum(),
        fresh_memory_bytes: inner.memory.bytes(),
        file_bytes: inner.runs.iter().map(|run| run.descriptor().bytes()).sum(),
    }
}

/// Makes filters smaller, the oldest first, until the runs take no more memory than they may.
fn fit(runs: &mut [Run], memory_max: usize) {
    let mut left: usize = runs.iter().map(Run::memory).sum();
    // Twice: all are halved before one is given up.
    for run in (0..runs.len()).chain(0..runs.len()) {
        if left <= memory_max {
            return;
        }
        left -= runs[run].memory();
        runs[run].shrink();
        left += runs[run].memory();
    }
}
