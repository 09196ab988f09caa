//! Making a request durable: the one place where an answer waits for the journal.

use crate::metrics;
use crate::records::Records;
use crate::state::CaptureState;
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

/// Appends all records, in order. When this returns `Ok`, all of them survive power loss.
pub(crate) async fn append(state: &CaptureState, records: Records) -> Result<(), NotDurable> {
    let started = Instant::now();
    let limit = state.config.append_timeout();
    let all = async {
        for payload in records.payloads {
            state.journal.append(records.key, payload).await?;
        }
        Ok(())
    };
    let appended = tokio::time::timeout(limit, all).await.unwrap_or(Err(NotDurable::TimedOut(limit)));
    metrics::appended(started.elapsed());
    if let Err(error) = &appended {
        // The journal says aloud what is wrong with it; this line comes once per request.
        tracing::debug!(%error, events = records.events, "request not durable");
    }
    appended
}
