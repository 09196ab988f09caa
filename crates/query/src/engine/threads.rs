//! Where queries run: on threads of the engine, or, one at a time, on the thread of whoever asks.
//!
//! # Invariants
//! - An engine without a thread starts none: tasks and timers of its queries make progress only while somebody waits for an answer.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Handle, Runtime};
use tokio::task::{AbortHandle, JoinError};

/// Where queries run. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) enum Threads {
    /// On threads of the engine.
    Own(Handle),
    /// On the thread of whoever asks. The runtime has its tasks and timers.
    Asker(Arc<Runtime>),
}

impl Threads {
    /// Does the work of a query. Dropping the future stops it where it waits.
    ///
    /// # Errors
    /// [`JoinError`] when it panicked on a thread of the engine, or that was stopped.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, JoinError> {
        match self {
            Self::Own(threads) => {
                let task = threads.spawn(work);
                let _stopper = Stopper(task.abort_handle());
                task.await
            }
            Self::Asker(_) => Ok(work.await),
        }
    }

    /// Does work that holds this thread.
    pub(super) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Own(_) => tokio::task::block_in_place(work),
            Self::Asker(_) => work(),
        }
    }

    /// Waits on this thread, which nobody else needs meanwhile.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        match self {
            Self::Own(threads) => threads.block_on(work),
            Self::Asker(runtime) => drive(runtime, work),
        }
    }
}

/// Stops a task when it is dropped.
struct Stopper(AbortHandle);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Polls `work` outside of the runtime, so that it may itself wait in this way, and gives the runtime's tasks a turn in between.
fn drive<T>(runtime: &Runtime, work: impl Future<Output = T>) -> T {
    let _entered = runtime.enter();
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        runtime.block_on(tokio::task::yield_now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_thread_waiting_nests_and_tasks_go_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (threads, here) = (Threads::Asker(Arc::new(runtime)), std::thread::current().id());
        let answer = threads.wait(async {
            let task = tokio::spawn(async {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                std::thread::current().id()
            });
            let inner = threads.hold(|| threads.wait(async { tokio::spawn(async { std::thread::current().id() }).await }));
            let of_query = threads.run(async { std::thread::current().id() }).await;
            [task.await, inner, of_query].map(|id| id.expect("it ends"))
        });
        assert_eq!(answer, [here; 3]);
    }
}
