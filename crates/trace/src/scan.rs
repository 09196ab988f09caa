//! A walk over records of the journal that never waits for new ones.

use aqueduct_event::{JournalPosition, PartitionId};
use aqueduct_journal::{Entry, Journal, JournalReader, ReadError};
use futures::FutureExt;
use std::collections::VecDeque;

/// Bytes that are read at once.
const STEP_BYTES: usize = 1 << 20;

/// Records from a position on, up to where the journal ended when the walk began.
#[derive(Debug)]
pub(crate) struct Walk {
    reader: Option<Box<dyn JournalReader>>,
    end: JournalPosition,
    ready: VecDeque<Entry>,
    pub(crate) bytes: u64,
}

impl Walk {
    /// Begins at `from`, or at the first record that is there.
    pub(crate) fn from(journal: &dyn Journal, partition: PartitionId, from: JournalPosition) -> Result<Self, ReadError> {
        let end = journal.end(partition);
        if from >= end {
            return Ok(Self { reader: None, end, ready: VecDeque::new(), bytes: 0 });
        }
        let mut from = from;
        let reader = loop {
            match journal.reader(partition, from) {
                Ok(reader) => break reader,
                // It may be trimmed again while we look, but only forward and never past its end.
                Err(ReadError::Trimmed { first, .. }) if first > from => from = first,
                Err(error) => return Err(error),
            }
        };
        Ok(Self { reader: Some(reader), end, ready: VecDeque::new(), bytes: 0 })
    }

    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.ready.is_empty()
            && let Some(reader) = &mut self.reader
        {
            match reader.next(STEP_BYTES).now_or_never() {
                Some(entries) => self.ready.extend(entries?),
                None => self.reader = None,
            }
        }
        let entry = self.ready.pop_front().filter(|entry| entry.position < self.end);
        match &entry {
            Some(entry) => self.bytes += entry.payload.len() as u64,
            None => self.reader = None,
        }
        Ok(entry)
    }
}
