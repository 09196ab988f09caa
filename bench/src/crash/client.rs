//! A client that retries as SDKs do: a batch is sent again, with the same ids, until it is acknowledged.
//!
//! Networks are unkind to it: some answers are lost after the server took the batch, and some old batches arrive a second time.

use super::story::{Story, mix};
use crate::http::{Connection, request};
use anyhow::bail;
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Events of the largest batch.
const BATCH_EVENTS_MAX: u32 = 50;
/// A client gives up waiting for an answer after this time and sends the batch again.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(400);
/// One batch in so many has its answer thrown away.
const LOST_ANSWER_ONE_IN: u32 = 30;
/// After one batch in so many an old one arrives again.
const OLD_BATCH_ONE_IN: u32 = 20;

/// What one client was told. Batches are sent one after the other, so two numbers say it all.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Events below this number were acknowledged.
    pub(crate) acknowledged: AtomicU32,
    /// Events from this number on were never sent.
    pub(crate) sent: AtomicU32,
}

/// What happened to all clients together.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) requests: AtomicU64,
    /// 503 and 429.
    pub(crate) refused: AtomicU64,
    /// Connections that broke, and answers that did not come.
    pub(crate) broken: AtomicU64,
    /// Answers that were thrown away on purpose.
    pub(crate) lost_answers: AtomicU64,
    /// Old batches that were sent again.
    pub(crate) repeated: AtomicU64,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) story: Story,
    pub(crate) address: String,
    pub(crate) token: String,
    pub(crate) told: Arc<Told>,
    pub(crate) traffic: Arc<Traffic>,
    /// No further batch after this; the one under way is finished.
    pub(crate) stop: Arc<AtomicBool>,
    /// Pause between batches.
    pub(crate) pause: Duration,
}

impl Client {
    /// Sends batch after batch.
    ///
    /// # Errors
    /// When the server refuses a batch for good: all of them are right.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(mix(self.story.seed ^ u64::from(self.story.client)));
        let mut connection = None;
        while !self.stop.load(Ordering::Relaxed) {
            let first = self.told.acknowledged.load(Ordering::Relaxed);
            let upto = first + rng.random_range(1..=BATCH_EVENTS_MAX);
            self.told.sent.store(upto, Ordering::SeqCst);
            let batch = self.batch(first..upto, rng.random())?;
            self.deliver(&mut connection, &batch, &mut rng).await?;
            self.told.acknowledged.store(upto, Ordering::SeqCst);
            if rng.random_ratio(1, OLD_BATCH_ONE_IN) && first > 0 {
                let old = rng.random_range(first.saturating_sub(5 * BATCH_EVENTS_MAX)..first);
                let batch = self.batch(old..(old + 10).min(first), rng.random())?;
                self.traffic.repeated.fetch_add(1, Ordering::Relaxed);
                let _answer_does_not_matter = self.attempt(&mut connection, &batch).await;
            }
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }

    fn batch(&self, numbers: std::ops::Range<u32>, compressed: bool) -> anyhow::Result<Vec<u8>> {
        let events: Vec<_> = numbers.map(|number| self.story.event(number)).collect();
        let body = json!({ "api_key": self.token, "batch": events }).to_string();
        let mut headers = vec![("Content-Type", "application/json"), ("User-Agent", "aqueduct-bench-crash")];
        if !compressed {
            return Ok(request("POST", "/batch/", &headers, body.as_bytes()));
        }
        headers.push(("Content-Encoding", "gzip"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body.as_bytes())?;
        Ok(request("POST", "/batch/", &headers, &encoder.finish()?))
    }

    async fn deliver(&self, connection: &mut Option<Connection>, batch: &[u8], rng: &mut ChaCha8Rng) -> anyhow::Result<()> {
        let mut pause = PAUSE_MIN;
        loop {
            match self.attempt(connection, batch).await {
                Ok((200, _)) if rng.random_ratio(1, LOST_ANSWER_ONE_IN) => {
                    self.traffic.lost_answers.fetch_add(1, Ordering::Relaxed);
                    *connection = None;
                }
                Ok((200, _)) => return Ok(()),
                Ok((429 | 503, _)) => {
                    self.traffic.refused.fetch_add(1, Ordering::Relaxed);
                }
                Ok((status, body)) => bail!("a batch that is right was refused with {status}: {body}"),
                Err(_) => {
                    self.traffic.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokio::time::sleep(pause.mul_f64(rng.random_range(0.5..1.0))).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One try. A connection that did not answer is not used again.
    async fn attempt(&self, connection: &mut Option<Connection>, batch: &[u8]) -> anyhow::Result<(u16, String)> {
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let mut open = match connection.take() {
            Some(open) => open,
            None => Connection::open(&self.address).await?,
        };
        let answer = tokio::time::timeout(ANSWER_PATIENCE, open.send(batch)).await??;
        *connection = Some(open);
        Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }
}
