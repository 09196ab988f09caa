//! A journal that remembers what it gave to its readers: the one true order of records, as processing saw it.
//!
//! # Invariants (a broken one ends the run)
//! - A position has one payload for ever, over all restarts.
//! - What was given to a reader once is durable: it is there after a crash, until it is trimmed.

use aqueduct_event::{JournalPosition, PartitionId};
use aqueduct_journal::{AppendError, BoxFuture, Durability, Entry, Journal, JournalReader, ReadError, Receipt, TrimError};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that was ever read. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<u64, Bytes>,
    /// First broken invariant.
    broken: Option<String>,
}

impl Records {
    fn learn(&self, entries: &[Entry]) {
        let mut inner = self.0.lock();
        for entry in entries {
            let known = inner.records.entry(entry.position.0).or_insert_with(|| entry.payload.clone());
            if *known != entry.payload {
                inner.broken.get_or_insert(format!("position {} has another record than before", entry.position));
            }
        }
    }

    /// Takes out what lies at or after a position, to be compared with what is there after a restart.
    pub(crate) fn forget_from(&self, position: JournalPosition) -> BTreeMap<u64, Bytes> {
        self.0.lock().records.split_off(&position.0)
    }

    /// The records before a position, in order.
    pub(crate) fn before(&self, position: JournalPosition) -> Vec<(u64, Bytes)> {
        self.0.lock().records.range(..position.0).map(|(position, payload)| (*position, payload.clone())).collect()
    }

    /// All records, in order.
    pub(crate) fn all(&self) -> Vec<(u64, Bytes)> {
        self.before(JournalPosition(u64::MAX))
    }

    pub(crate) fn broken(&self) -> Option<String> {
        self.0.lock().broken.clone()
    }
}

/// A journal whose readers are listened to.
#[derive(Debug)]
pub(crate) struct TappedJournal {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) records: Records,
}

impl Journal for TappedJournal {
    fn append(&self, key: u64, payload: Bytes) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        self.journal.append(key, payload)
    }

    fn durability(&self) -> Durability {
        self.journal.durability()
    }

    fn partitions(&self) -> Vec<PartitionId> {
        self.journal.partitions()
    }

    fn reader(&self, partition: PartitionId, from: JournalPosition) -> Result<Box<dyn JournalReader>, ReadError> {
        Ok(Box::new(TappedReader { reader: self.journal.reader(partition, from)?, records: self.records.clone() }))
    }

    fn trim(&self, partition: PartitionId, upto: JournalPosition) -> Result<(), TrimError> {
        self.journal.trim(partition, upto)
    }

    fn end(&self, partition: PartitionId) -> JournalPosition {
        self.journal.end(partition)
    }

    fn appended_bytes(&self) -> u64 {
        self.journal.appended_bytes()
    }

    fn poisoned(&self) -> Option<String> {
        self.journal.poisoned()
    }

    fn until_poisoned(&self) -> BoxFuture<'_, String> {
        self.journal.until_poisoned()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.journal.close()
    }
}

#[derive(Debug)]
struct TappedReader {
    reader: Box<dyn JournalReader>,
    records: Records,
}

impl JournalReader for TappedReader {
    fn next(&mut self, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move {
            let entries = self.reader.next(bytes_max).await?;
            self.records.learn(&entries);
            Ok(entries)
        })
    }
}
