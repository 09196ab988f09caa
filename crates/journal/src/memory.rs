//! A journal in memory: the model of the others in tests, and enough for the tests of other crates. It survives nothing.

use crate::error::{AppendError, ReadError, TrimError};
use crate::{BoxFuture, Durability, Entry, Journal, JournalReader, Receipt};
use aqueduct_event::limits::RECORD_BYTES_MAX;
use aqueduct_event::{JournalPosition, PartitionId};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

const PARTITION: PartitionId = PartitionId(0);

/// A journal in memory. Clones are the same journal.
#[derive(Clone, Debug)]
pub struct MemoryJournal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Mutex<Log>,
    /// Where the log ends, and whether it is closed.
    tail: watch::Sender<(u64, bool)>,
}

#[derive(Debug, Default)]
struct Log {
    first: u64,
    payloads: VecDeque<Bytes>,
    appended_bytes: u64,
    closed: bool,
}

impl MemoryJournal {
    /// An empty journal whose first record gets position 0.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner { log: Mutex::default(), tail: watch::Sender::new((0, false)) }))
    }

    fn push(&self, payload: Bytes) -> Result<Receipt, AppendError> {
        if payload.len() > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { found: payload.len(), limit: RECORD_BYTES_MAX });
        }
        let mut log = self.0.log.lock();
        if log.closed {
            return Err(AppendError::Closed);
        }
        let position = log.end();
        log.appended_bytes += payload.len() as u64;
        log.payloads.push_back(payload);
        self.0.tail.send_modify(|(end, _)| *end = position + 1);
        Ok(Receipt { partition: PARTITION, position: JournalPosition(position) })
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    fn end(&self) -> u64 {
        self.first + self.payloads.len() as u64
    }

    fn read(&self, from: u64, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        let (wanted, first) = (JournalPosition(from), JournalPosition(self.first));
        let skip = from.checked_sub(self.first).ok_or(ReadError::Trimmed { wanted, first })?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |(at, payload): &(usize, &Bytes)| {
            bytes += payload.len();
            *at == skip || bytes <= bytes_max
        };
        let entries = self.payloads.iter().enumerate().skip(skip).take_while(fits);
        Ok(entries.map(|(at, payload)| Entry { position: JournalPosition(self.first + at as u64), payload: payload.clone() }).collect())
    }
}

impl Journal for MemoryJournal {
    fn append(&self, _key: u64, payload: Bytes) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        Box::pin(async move { self.push(payload) })
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn partitions(&self) -> Vec<PartitionId> {
        vec![PARTITION]
    }

    fn reader(&self, partition: PartitionId, from: JournalPosition) -> Result<Box<dyn JournalReader>, ReadError> {
        if partition != PARTITION {
            return Err(ReadError::UnknownPartition { wanted: partition });
        }
        let log = self.0.log.lock();
        if from.0 > log.end() {
            return Err(ReadError::Beyond { wanted: from, next: JournalPosition(log.end()) });
        }
        log.read(from.0, 0)?;
        Ok(Box::new(MemoryReader { journal: self.clone(), from: from.0, tail: self.0.tail.subscribe() }))
    }

    fn trim(&self, _partition: PartitionId, upto: JournalPosition) -> Result<(), TrimError> {
        let mut log = self.0.log.lock();
        while log.first < upto.0 && log.payloads.pop_front().is_some() {
            log.first += 1;
        }
        Ok(())
    }

    fn end(&self, _partition: PartitionId) -> JournalPosition {
        JournalPosition(self.0.log.lock().end())
    }

    fn appended_bytes(&self) -> u64 {
        self.0.log.lock().appended_bytes
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.log.lock().closed = true;
            self.0.tail.send_modify(|(_, closed)| *closed = true);
        })
    }
}

#[derive(Debug)]
struct MemoryReader {
    journal: MemoryJournal,
    from: u64,
    tail: watch::Receiver<(u64, bool)>,
}

impl JournalReader for MemoryReader {
    fn next(&mut self, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move {
            loop {
                let (end, closed) = *self.tail.borrow_and_update();
                if end > self.from {
                    let entries = self.journal.0.log.lock().read(self.from, bytes_max)?;
                    self.from = entries.last().map_or(self.from, |last| last.position.0 + 1);
                    return Ok(entries);
                }
                // INVARIANT: `journal` keeps the sender.
                if closed || self.tail.changed().await.is_err() {
                    return Ok(Vec::new());
                }
            }
        })
    }
}
