//! Threads of the process that are not tokio's: processing, the store's work in the background, and writing what traces need.

use crate::ballast::Ballast;
use crate::error::Fatal;
use aqueduct_journal::WalJournal;
use aqueduct_ledger::recorder::Recorder;
use aqueduct_process::{Pipeline, Stop};
use aqueduct_store::Store;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// One thread writes fresh rows out while the other compacts: a long compaction must not hold up a flush that a commit waits for.
const STORE_THREADS: usize = 2;
/// Wait when the store had nothing to do.
const STORE_IDLE: Duration = Duration::from_millis(100);
/// What a crash may lose of what traces need.
const RECORD_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether the journal has room.
const RELIEF_EVERY: Duration = Duration::from_secs(1);
/// Wait after work of the store failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// How often a stop looks whether processing is done.
const DRAIN_LOOK: Duration = Duration::from_millis(2);

const THREADS_REMEDY: &str = "raise the limit of processes (ulimit -u)";

/// Tells that a thread died by a fault of ours: without it the server would take events and show none.
#[derive(Debug)]
pub(crate) struct Alarm {
    fatal: mpsc::UnboundedSender<Fatal>,
    what: &'static str,
}

impl Alarm {
    /// `what` names the work of the thread that holds it.
    pub(crate) fn new(fatal: &mpsc::UnboundedSender<Fatal>, what: &'static str) -> Self {
        Self { fatal: fatal.clone(), what }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let remedy = "start again, nothing that was acknowledged is lost, and report what stands above";
            let _ = self.fatal.send(Fatal::failure(self.what, "a thread died by a fault of the program", remedy));
        }
    }
}

/// Threads that process, and how to stop them.
#[derive(Debug)]
pub(crate) struct Processing {
    stop: watch::Sender<Stop>,
    threads: Vec<JoinHandle<()>>,
}

impl Processing {
    /// One thread for each pipeline. What ends one before its time goes to `fatal`.
    pub(crate) fn start(pipelines: Vec<Pipeline>, fatal: &mpsc::UnboundedSender<Fatal>) -> Result<Self, Fatal> {
        let (stop, heard) = watch::channel(Stop::No);
        let mut threads = Vec::new();
        for pipeline in pipelines {
            let (heard, fatal) = (heard.clone(), fatal.clone());
            let work = move || {
                let _alarm = Alarm::new(&fatal, "processing");
                if let Err(failure) = pipeline.run(heard) {
                    // Nobody listens any more when the process is stopping anyway.
                    let _ = fatal.send(Fatal::failure("processing stopped", failure, "start again; if it comes back, check the disk"));
                }
            };
            threads.push(spawn("process", work)?);
        }
        Ok(Self { stop, threads })
    }

    /// Makes visible what the journal holds, but for what would take longer than `bound`, then ends the threads. Blocks.
    pub(crate) fn drain(self, bound: Duration) {
        let _ = self.stop.send(Stop::Drained);
        let begun = Instant::now();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if begun.elapsed() > bound {
                tracing::warn!("not everything became visible before the stop; the rest is in the journal, for the next start");
                let _ = self.stop.send(Stop::Now);
                break;
            }
            std::thread::sleep(DRAIN_LOOK);
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// Threads that do the store's work in the background.
#[derive(Debug)]
pub(crate) struct StoreWork {
    /// Dropped to stop them: nothing is ever sent.
    stop: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl StoreWork {
    /// They stand behind others by `nice`: nobody waits for them, unless they fall so far behind that commits do, and then there is processor for them.
    pub(crate) fn start(store: &Arc<dyn Store>, nice: u8, fatal: &mpsc::UnboundedSender<Fatal>) -> Result<Self, Fatal> {
        behind(nice, || Self::start_here(store, fatal))?
    }

    fn start_here(store: &Arc<dyn Store>, fatal: &mpsc::UnboundedSender<Fatal>) -> Result<Self, Fatal> {
        let (mut stop, mut threads) = (Vec::new(), Vec::new());
        for _ in 0..STORE_THREADS {
            let store = Arc::clone(store);
            let (sender, heard) = channel::<()>();
            let alarm = Alarm::new(fatal, "the store");
            let work = move || {
                let _alarm = alarm;
                loop {
                    let wait = match store.work() {
                        Ok(true) => Duration::ZERO,
                        Ok(false) => STORE_IDLE,
                        Err(failure) => {
                            tracing::error!(%failure, "work of the store failed, it is tried again");
                            STORE_RETRY
                        }
                    };
                    if heard.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                        return;
                    }
                }
            };
            threads.push(spawn("store", work)?);
            stop.push(sender);
        }
        Ok(Self { stop, threads })
    }

    /// Ends the threads after what they are doing. Blocks.
    pub(crate) fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// The thread that looks after a full disk: what the store holds fresh is written out at once, so that the journal can be trimmed; with room, some of it is
/// kept for the next start.
#[derive(Debug)]
pub(crate) struct Relief {
    /// Dropped to stop it: nothing is ever sent.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Relief {
    pub(crate) fn start(store: &Arc<dyn Store>, journal: &Arc<WalJournal>, ballast: Ballast) -> Result<Self, Fatal> {
        let (stop, heard) = channel::<()>();
        let (store, journal) = (Arc::clone(store), Arc::clone(journal));
        let work = move || {
            loop {
                match journal.full() {
                    None => ballast.keep(),
                    Some(full) => {
                        tracing::warn!(%full, "appends are refused; fresh rows are written out to make room");
                        if let Err(failure) = store.flush() {
                            tracing::error!(%failure, "fresh rows could not be written out, it is tried again");
                        }
                    }
                }
                if heard.recv_timeout(RELIEF_EVERY) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        };
        Ok(Self { stop, thread: spawn("relief", work)? })
    }

    /// Ends the thread after what it is doing. Blocks.
    pub(crate) fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// The thread that writes what traces need.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Dropped to stop it: nothing is ever sent.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Recording {
    pub(crate) fn start(recorder: &Arc<Recorder>) -> Result<Self, Fatal> {
        let (stop, heard) = channel::<()>();
        let recorder = Arc::clone(recorder);
        let work = move || {
            loop {
                let stopping = heard.recv_timeout(RECORD_EVERY) == Err(RecvTimeoutError::Disconnected);
                if let Err(failure) = recorder.work() {
                    // No event depends on it.
                    tracing::warn!(%failure, "what traces need could not be written; some events cannot be traced to their requests");
                }
                if stopping {
                    return;
                }
            }
        };
        Ok(Self { stop, thread: spawn("recorder", work)? })
    }

    /// Writes what waits and ends the thread. Blocks.
    pub(crate) fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// This thread stands behind the main thread by `nice` from now on, whoever started it: a thread begins where that one is.
pub(crate) fn stand_behind(nice: u8) {
    use rustix::process::{getpid, getpriority_process, setpriority_process};
    // The id of the process is that of its main thread, and none means this thread alone. A system that does not want it loses a preference.
    if let Ok(main) = getpriority_process(Some(getpid())) {
        let _ = setpriority_process(None, main + i32::from(nice));
    }
}

/// Starts something whose threads stand behind all others by `nice`: a thread has the priority of the one that starts it.
pub(crate) fn behind<T: Send>(nice: u8, start: impl FnOnce() -> T + Send) -> Result<T, Fatal> {
    let work = move || {
        stand_behind(nice);
        start()
    };
    let started = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("starter".to_owned()).spawn_scoped(scope, work);
        thread.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    started.map_err(|source| Fatal::failure("cannot start a thread", source, THREADS_REMEDY))
}

pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fatal> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|source| Fatal::failure("cannot start a thread", source, THREADS_REMEDY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{getpid, getpriority_process};

    #[test]
    fn a_thread_that_one_behind_starts_is_no_further_behind() {
        let own = || getpriority_process(None).expect("a priority");
        let main = getpriority_process(Some(getpid())).expect("a priority");
        let both = behind(3, || {
            let second = std::thread::spawn(move || {
                stand_behind(3);
                own()
            });
            (own(), second.join().expect("ends"))
        });
        assert_eq!(both.expect("starts"), (main + 3, main + 3));
        assert_eq!(own(), main, "whoever starts it stays where it is");
    }
}
