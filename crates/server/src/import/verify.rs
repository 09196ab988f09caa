//! Looks for every durable event in the store: the proof that the import is there, event by event, not by a sum that others change too.
//!
//! The server knows an event by uuid, name and distinct id, as it knows duplicates. Records are processed in the order in which they became durable: once an
//! event is stored whose request began after another's was answered, the other has had its turn. If it is not stored then, its trace says why.

use super::event::Outgoing;
use super::window::{Fate, Window};
use crate::client::{Call, Client, segment};
use crate::error::Fatal;
use aqueduct_trace::Trace;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Events of one question.
const ASKED_MAX: usize = 5_000;
const LOOK_EVERY: Duration = Duration::from_millis(200);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the last events may take to become visible, when nothing was stored meanwhile.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// Events that are traced one by one.
const TRACED_MAX: usize = 1_000;

/// Events of one request that are durable.
#[derive(Debug)]
pub(super) struct Sent {
    events: Vec<Sought>,
    /// When the request that was answered began.
    begun: Instant,
    answered: Instant,
}

#[derive(Debug)]
struct Sought {
    number: u64,
    uuid: Uuid,
    event: String,
    distinct_id: String,
}

impl Sent {
    pub(super) fn new(events: Vec<(u64, Outgoing)>, begun: Instant) -> Self {
        let sought =
            |(number, event): (u64, Outgoing)| Sought { number, uuid: event.uuid, event: event.event, distinct_id: event.distinct_id };
        Self { events: events.into_iter().map(sought).collect(), begun, answered: Instant::now() }
    }
}

/// What the server answers.
#[derive(Debug, Deserialize)]
struct Stored {
    missing: HashSet<Uuid>,
}

pub(super) struct Verifier {
    pub(super) client: Client,
    pub(super) project: String,
    pub(super) window: Arc<Mutex<Window>>,
    /// How long the server may be unable to answer.
    pub(super) patience: Duration,
    queue: VecDeque<Sent>,
    /// Everything that was durable before is processed.
    processed: Option<Instant>,
    traced: usize,
}

impl Verifier {
    pub(super) fn new(client: Client, project: String, window: Arc<Mutex<Window>>, patience: Duration) -> Self {
        Self { client, project, window, patience, queue: VecDeque::new(), processed: None, traced: 0 }
    }

    /// Settles what it is given, until nothing more comes.
    pub(super) async fn run(mut self, mut sent: mpsc::Receiver<Sent>) -> Result<(), Fatal> {
        let (mut is_open, mut moved) = (true, Instant::now());
        while is_open || !self.queue.is_empty() {
            // A long queue is settled before more is taken: those who send wait.
            let wants = is_open && self.queue.iter().map(|sent| sent.events.len()).sum::<usize>() < 4 * ASKED_MAX;
            if wants {
                match tokio::time::timeout(LOOK_EVERY, sent.recv()).await {
                    Ok(Some(more)) => {
                        self.queue.push_back(more);
                        while let Ok(more) = sent.try_recv() {
                            self.queue.push_back(more);
                        }
                    }
                    Ok(None) => is_open = false,
                    Err(_) => {}
                }
            } else {
                tokio::time::sleep(LOOK_EVERY / 4).await;
            }
            let is_late = moved.elapsed() > SETTLE_MAX;
            if self.look(is_late).await? {
                moved = Instant::now();
            }
        }
        Ok(())
    }

    /// Asks for the oldest; true when any was settled.
    async fn look(&mut self, is_late: bool) -> Result<bool, Fatal> {
        let (mut events, mut batches) = (0, 0);
        for sent in &self.queue {
            if batches > 0 && events + sent.events.len() > ASKED_MAX {
                break;
            }
            batches += 1;
            events += sent.events.len();
        }
        if batches == 0 {
            return Ok(false);
        }
        let missing = self.ask(batches).await?;
        let mut settled = false;
        let mut unstored = Vec::new();
        for _ in 0..batches {
            let Some(mut sent) = self.queue.pop_front() else { break };
            let before = sent.events.len();
            let mut window = self.window.lock();
            sent.events.retain(|event| {
                let is_stored = !missing.contains(&event.uuid);
                if is_stored {
                    window.settle(event.number, Fate::Stored);
                }
                !is_stored
            });
            if sent.events.len() < before {
                settled = true;
                self.processed = self.processed.max(Some(sent.begun));
            }
            if !sent.events.is_empty() {
                unstored.push(sent);
            }
        }
        for sent in unstored.into_iter().rev() {
            self.queue.push_front(sent);
        }
        Ok(self.give_up(is_late).await? || settled)
    }

    /// Settles what was processed and is not stored.
    async fn give_up(&mut self, is_late: bool) -> Result<bool, Fatal> {
        let processed = self.processed;
        let is_over = |sent: &Sent| is_late || processed.is_some_and(|processed| sent.answered < processed);
        let (over, open): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.queue).into_iter().partition(is_over);
        self.queue = open;
        let settled = !over.is_empty();
        for event in over.into_iter().flat_map(|sent| sent.events) {
            let fate = self.trace(&event).await?;
            self.window.lock().settle(event.number, fate);
        }
        Ok(settled)
    }

    /// Which events of the first `batches` are not stored.
    async fn ask(&mut self, batches: usize) -> Result<HashSet<Uuid>, Fatal> {
        let event = |event: &Sought| json!({"uuid": event.uuid, "event": event.event, "distinct_id": event.distinct_id});
        let events: Vec<_> = self.queue.iter().take(batches).flat_map(|sent| &sent.events).map(event).collect();
        let body = json!({"events": events}).to_string();
        let path = format!("/api/projects/{}/events/stored/", segment(&self.project));
        let answer = self.call(Call::post(&path, body, ANSWER_TIMEOUT)).await?;
        serde_json::from_slice::<Stored>(&answer)
            .map(|stored| stored.missing)
            .map_err(|failure| Fatal::failure("cannot verify the import", failure, "use the same version as the server"))
    }

    /// Why an event is not stored.
    async fn trace(&mut self, event: &Sought) -> Result<Fate, Fatal> {
        self.traced += 1;
        if self.traced > TRACED_MAX {
            return Ok(Fate::Missing);
        }
        let path = format!("/api/projects/{}/trace/{}/", segment(&self.project), event.uuid);
        let answer = self.call(Call::get(&path, ANSWER_TIMEOUT)).await?;
        let trace: Trace = serde_json::from_slice(&answer)
            .map_err(|failure| Fatal::failure("cannot verify the import", failure, "use the same version as the server"))?;
        eprintln!("{}: {} {}: {}", event.uuid, trace.verdict, trace.reason, trace.words);
        Ok(match trace.verdict.as_str() {
            "visible" | "duplicate" => Fate::Stored,
            "dropped" | "dead_lettered" => Fate::Dropped,
            _ => Fate::Missing,
        })
    }

    async fn call(&mut self, call: Call<'_>) -> Result<hyper::body::Bytes, Fatal> {
        let first = Instant::now();
        loop {
            match self.client.call(call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.may_pass() && first.elapsed() < self.patience => {
                    tokio::time::sleep(failure.retry_after().unwrap_or(LOOK_EVERY * 5)).await;
                }
                Err(failure) => {
                    let remedy = failure.remedy();
                    return Err(Fatal::failure("cannot verify the import", failure, remedy));
                }
            }
        }
    }
}
