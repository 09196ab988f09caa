//! Making a request durable: the one place where an answer waits for the journal.
//!
//! # Invariants
//! - What is in the journal counts as accepted, whatever its sender was told; what is certainly not in it counts as refused. So an append goes on to its end
//!   although nobody waits for it any more, to learn which it was.

use crate::metrics;
use crate::records::Records;
use crate::state::CaptureState;
use aqueduct_event::verdict::Refusal;
use aqueduct_event::{JournalPosition, RawHead, Verdict};
use aqueduct_journal::{AppendError, Journal, Receipt};
use aqueduct_ledger::{Content, Edge, Refused};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::runtime::Handle;

/// Why a request is not durable. Its sender keeps it and sends it again.
#[derive(Debug, Error)]
pub(crate) enum NotDurable {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("journal did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("nobody waits for the answer any more")]
    GivenUp,
}

impl NotDurable {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Append(AppendError::Full { .. }) => Refusal::Overloaded,
            Self::Append(AppendError::Poisoned { .. }) => Refusal::Poisoned,
            Self::Append(_) | Self::TimedOut(_) | Self::GivenUp => Refusal::NotDurable,
        }
    }
}

/// Appends all records, in order. When this returns `Ok`, all of them survive power loss; the position of the first.
pub(crate) async fn append(state: &CaptureState, records: &Records) -> Result<Option<JournalPosition>, NotDurable> {
    let started = Instant::now();
    let limit = state.config.append_timeout();
    let given_up = Arc::new(AtomicBool::new(false));
    let work = Work {
        journal: Arc::clone(&state.journal),
        ledger: Arc::clone(&state.ledger),
        key: records.key,
        payloads: records.payloads.clone(),
        given_up: Arc::clone(&given_up),
    };
    let mut appending = Appending { all: Some(Box::pin(work.run())), given_up };
    let appended = tokio::time::timeout(limit, appending.done()).await.unwrap_or(Err(NotDurable::TimedOut(limit)));
    metrics::appended(started.elapsed());
    match &appended {
        Ok(receipts) => receipts.iter().zip(&records.payloads).for_each(|(receipt, payload)| {
            state.ledger.acknowledged(receipt.partition, receipt.position, events_of(payload));
        }),
        // The journal says aloud what is wrong with it; this line comes once per request.
        Err(error) => tracing::debug!(%error, events = records.events, "request not durable"),
    }
    Ok(appended?.first().map(|receipt| receipt.position))
}

type Appended = Result<Vec<Receipt>, NotDurable>;

/// An append under way. Dropped before its end it goes on by itself.
struct Appending {
    all: Option<Pin<Box<dyn Future<Output = Appended> + Send>>>,
    given_up: Arc<AtomicBool>,
}

impl fmt::Debug for Appending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appending").field("given_up", &self.given_up).finish_non_exhaustive()
    }
}

impl Appending {
    async fn done(&mut self) -> Appended {
        let Some(all) = &mut self.all else { return Ok(Vec::new()) };
        let appended = all.await;
        self.all = None;
        appended
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        let Some(all) = self.all.take() else { return };
        self.given_up.store(true, Ordering::SeqCst);
        // Without a runtime the process ends, and the next start reads from the journal what became durable.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(all);
        }
    }
}

struct Work {
    journal: Arc<dyn Journal>,
    ledger: Arc<dyn Edge>,
    key: u64,
    payloads: Vec<Bytes>,
    given_up: Arc<AtomicBool>,
}

impl Work {
    async fn run(self) -> Appended {
        let mut receipts = Vec::with_capacity(self.payloads.len());
        for (at, payload) in self.payloads.iter().enumerate() {
            let appended = if self.given_up.load(Ordering::SeqCst) {
                Err(NotDurable::GivenUp)
            } else {
                self.journal.append(self.key, payload.clone()).await.map_err(NotDurable::from)
            };
            match appended {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => {
                    // Whether the record of a failed sync is on the disk is known after the next start: the journal tells then.
                    let is_unknown = matches!(error, NotDurable::Append(AppendError::Poisoned { .. }));
                    self.refuse(at + usize::from(is_unknown), error.refusal());
                    return Err(error);
                }
            }
        }
        Ok(receipts)
    }

    /// Counts the events of the records from one on, which are not in the journal.
    fn refuse(&self, from: usize, refusal: Refusal) {
        for head in self.payloads.iter().skip(from).filter_map(|payload| RawHead::read(payload)) {
            let verdict = Verdict::Refused(refusal);
            self.ledger.refused(&Refused {
                token: head.token,
                received_at: head.received_at,
                verdict,
                content: Content::Events(head.events),
            });
        }
    }
}

fn events_of(payload: &[u8]) -> u32 {
    RawHead::read(payload).map_or(0, |head| head.events)
}
