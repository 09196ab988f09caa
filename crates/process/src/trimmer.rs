//! Trims the journal on a thread of its own: to remove a file can take the disk tens of milliseconds, for which commits would wait.
//!
//! # Invariants
//! - What was asked for last is trimmed before the thread ends, and it ends before its [`Trimmer`] is gone, unless the journal refuses.

use aqueduct_event::{JournalPosition, PartitionId};
use aqueduct_journal::Journal;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The thread.
#[derive(Debug)]
pub(crate) struct Trimmer {
    /// `None` while it is being dropped.
    wanted: Option<Sender<JournalPosition>>,
    thread: Option<JoinHandle<()>>,
}

impl Trimmer {
    /// # Errors
    /// What the system says when it has no thread to give.
    pub(crate) fn start(journal: &Arc<dyn Journal>, partition: PartitionId) -> io::Result<Self> {
        let (sender, wanted) = channel();
        let journal = Arc::clone(journal);
        let thread = std::thread::Builder::new().name("trim".to_owned()).spawn(move || work(&*journal, partition, &wanted))?;
        Ok(Self { wanted: Some(sender), thread: Some(thread) })
    }

    /// Has everything before `upto` trimmed soon.
    pub(crate) fn trim(&self, upto: JournalPosition) {
        if let Some(wanted) = &self.wanted {
            // The thread listens until the sender is gone.
            let _ = wanted.send(upto);
        }
    }
}

impl Drop for Trimmer {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(journal: &dyn Journal, partition: PartitionId, wanted: &Receiver<JournalPosition>) {
    let mut failed = None;
    loop {
        let next = match failed {
            None => wanted.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => wanted.recv_timeout(RETRY),
        };
        let upto = match (next, failed) {
            // Positions rise: only the last one matters.
            (Ok(upto), _) => wanted.try_iter().last().unwrap_or(upto),
            (Err(RecvTimeoutError::Timeout), Some(upto)) => upto,
            (Err(_), _) => return,
        };
        failed = journal.trim(partition, upto).err().map(|error| {
            tracing::warn!(%error, "the journal could not be trimmed; trying again later");
            upto
        });
    }
}
