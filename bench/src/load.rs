//! Sends batches over kept connections, as fast as they are acknowledged or at a given rate.
//!
//! Closed loop: each connection sends its next batch when the last was acknowledged. Open loop: batches have their time, and latency counts from that time,
//! also when no connection was free (otherwise a stall would hide the requests that it kept waiting).

use crate::batches::EVENTS_PER_BATCH;
use crate::http::Connection;
use crate::stats::Durations;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longest pause before a refused batch is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// After so many failures one after the other a connection gives up.
const FAILURES_MAX: u32 = 100;

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// As fast as the server acknowledges.
    Max,
    /// Events per second.
    Events(f64),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Events that were acknowledged.
    pub(crate) events: u64,
    /// From the first send to the last acknowledgement.
    pub(crate) seconds: f64,
    /// From sending to the acknowledgement, per batch.
    pub(crate) latency: Durations,
    /// Answers 503 and 429, sent again.
    pub(crate) refused: u64,
    /// Other answers and broken connections; such a batch is sent again too.
    pub(crate) failed: u64,
    /// What the last of these said.
    pub(crate) failure: Option<String>,
    /// Bytes sent.
    pub(crate) wire_bytes: u64,
}

/// Sends `batches` over `connections` until all are acknowledged or the time is over.
pub(crate) async fn run(
    address: &str,
    batches: Arc<Vec<Bytes>>,
    connections: usize,
    rate: Rate,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let sender =
                Sender { address: address.to_owned(), batches: Arc::clone(&batches), next: Arc::clone(&next), rate, started, time };
            tokio::spawn(sender.run())
        })
        .collect();
    let mut total = Outcome::default();
    for task in tasks {
        let part = task.await??;
        total.events += part.events;
        total.refused += part.refused;
        total.failed += part.failed;
        total.wire_bytes += part.wire_bytes;
        total.failure = part.failure.or(total.failure);
        total.latency.extend(part.latency);
    }
    total.seconds = started.elapsed().as_secs_f64();
    Ok(total)
}

#[derive(Debug)]
struct Sender {
    address: String,
    batches: Arc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
    rate: Rate,
    started: Instant,
    time: Duration,
}

impl Sender {
    async fn run(self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut connection = Connection::open(&self.address).await?;
        while self.started.elapsed() < self.time {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = self.batches.get(index) else { break };
            let due = match self.rate {
                Rate::Max => Instant::now(),
                Rate::Events(rate) => self.started + Duration::from_secs_f64(index as f64 * EVENTS_PER_BATCH as f64 / rate),
            };
            if due.duration_since(self.started) >= self.time {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
            self.deliver(&mut connection, batch, &mut outcome).await?;
            outcome.latency.push(due.elapsed());
            outcome.events += EVENTS_PER_BATCH;
            outcome.wire_bytes += batch.len() as u64;
        }
        Ok(outcome)
    }

    /// Sends a batch until it is acknowledged. Its events have ids, so one that arrived twice is stored once.
    async fn deliver(&self, connection: &mut Connection, batch: &Bytes, outcome: &mut Outcome) -> anyhow::Result<()> {
        for _ in 0..FAILURES_MAX {
            match connection.send(batch).await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => {
                    let refused = matches!(answer.status, 429 | 503);
                    outcome.refused += u64::from(refused);
                    outcome.failed += u64::from(!refused);
                    outcome.failure =
                        Some(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)])));
                }
                Err(error) => {
                    outcome.failed += 1;
                    outcome.failure = Some(error.to_string());
                    if let Ok(new) = Connection::open(&self.address).await {
                        *connection = new;
                    }
                }
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        anyhow::bail!("a batch was not acknowledged in {FAILURES_MAX} attempts: {}", outcome.failure.as_deref().unwrap_or("no answer"))
    }
}
