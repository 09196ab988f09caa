//! Making a request durable: the one place where an answer waits for the journal.

use crate::metrics;
use crate::records::Records;
use crate::state::CaptureState;
use aqueduct_event::JournalPosition;
use aqueduct_event::verdict::Refusal;
use aqueduct_journal::AppendError;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why a request is not durable. Its sender keeps it and sends it again.
#[derive(Debug, Error)]
pub(crate) enum NotDurable {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("journal did not answer within {0:?}")]
    TimedOut(Duration),
}

impl NotDurable {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Append(AppendError::Full { .. }) => Refusal::Overloaded,
            Self::Append(AppendError::Poisoned { .. }) => Refusal::Poisoned,
            Self::Append(_) | Self::TimedOut(_) => Refusal::NotDurable,
        }
    }
}

/// Appends all records, in order. When this returns `Ok`, all of them survive power loss; the position of the first.
pub(crate) async fn append(state: &CaptureState, records: &Records) -> Result<Option<JournalPosition>, NotDurable> {
    let started = Instant::now();
    let limit = state.config.append_timeout();
    let all = async {
        let mut first = None;
        for payload in &records.payloads {
            let receipt = state.journal.append(records.key, payload.clone()).await?;
            first.get_or_insert(receipt.position);
        }
        Ok(first)
    };
    let appended = tokio::time::timeout(limit, all).await.unwrap_or(Err(NotDurable::TimedOut(limit)));
    metrics::appended(started.elapsed());
    if let Err(error) = &appended {
        // The journal says aloud what is wrong with it; this line comes once per request.
        tracing::debug!(%error, events = records.events, "request not durable");
    }
    appended
}
