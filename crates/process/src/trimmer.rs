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

    /// Has everything before `upto` trimmed soon. Answers whether the thread is there to do it.
    pub(crate) fn trim(&self, upto: JournalPosition) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.send(upto).is_ok())
    }
}

impl Drop for Trimmer {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that trims the journal panicked");
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

#[cfg(test)]
mod tests {
    use super::*;
    use aqueduct_journal::{ReadError, WalConfig, WalJournal};

    #[test]
    fn what_was_asked_for_is_trimmed_when_it_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = WalConfig { segment_bytes: 4096, retain_bytes: 0, ..WalConfig::in_dir(dir.path()) };
        let journal: Arc<dyn Journal> = Arc::new(WalJournal::open_local(config).expect("a journal"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let append = |number: u8| runtime.block_on(journal.append(0, vec![number; 1000].into())).expect("room");
        let last = (0..20).map(append).last().expect("twenty");
        let trimmer = Trimmer::start(&journal, last.partition).expect("a thread");
        assert!(trimmer.trim(JournalPosition(1)) && trimmer.trim(last.position));
        drop(trimmer);
        let first = journal.reader(last.partition, JournalPosition(0)).map(drop).expect_err("it is gone");
        assert!(matches!(first, ReadError::Trimmed { first, .. } if first > JournalPosition(1) && first <= last.position), "{first:?}");
    }
}
