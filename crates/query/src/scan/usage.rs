//! What one query has used so far: rows and bytes read, and the time that scans and operators were at work.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Counters of one query. Shared by its threads; anybody may look while it runs.
#[derive(Debug)]
pub(crate) struct Usage {
    begun: Instant,
    rows_read: AtomicU64,
    rows_total: AtomicU64,
    bytes_read: AtomicU64,
    busy_micros: AtomicU64,
    memory_peak: AtomicUsize,
}

/// How far a query is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows of parts that were read. A query that scans a table twice reads its rows twice.
    pub rows_read: u64,
    /// Rows that it will have read at its end, as far as is known now; at least `rows_read`.
    pub rows_total: u64,
    /// Bytes of the columns that it asked for, decoded.
    pub bytes_read: u64,
    /// Since it came in.
    pub elapsed: Duration,
    /// Time at work in scans and operators, all threads together.
    pub busy: Duration,
    /// The most memory that it held for hash tables, sorts and states of persons, bytes.
    pub memory_peak: usize,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            rows_read: AtomicU64::default(),
            rows_total: AtomicU64::default(),
            bytes_read: AtomicU64::default(),
            busy_micros: AtomicU64::default(),
            memory_peak: AtomicUsize::default(),
        }
    }
}

impl Usage {
    /// How far the query is.
    pub(crate) fn progress(&self) -> Progress {
        let rows_read = self.rows_read.load(Ordering::Relaxed);
        Progress {
            rows_read,
            rows_total: self.rows_total.load(Ordering::Relaxed).max(rows_read),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            elapsed: self.begun.elapsed(),
            busy: Duration::from_micros(self.busy_micros.load(Ordering::Relaxed)),
            memory_peak: self.memory_peak.load(Ordering::Relaxed),
        }
    }

    /// A scan over so many rows begins.
    pub(crate) fn will_read(&self, rows: usize) {
        self.rows_total.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// So many rows are done.
    pub(crate) fn read(&self, rows: usize) {
        self.rows_read.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// A column of so many bytes was asked for.
    pub(crate) fn decoded(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So much memory is held now.
    pub(crate) fn holds(&self, bytes: usize) {
        self.memory_peak.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Runs a piece of the query's work and notes how long it took.
    pub(crate) fn at_work<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.busy_micros.fetch_add(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        done
    }
}
