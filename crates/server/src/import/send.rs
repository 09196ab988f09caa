//! Workers that send: each has the events of some distinct ids, so that those of one stay in order, and tries again until they are durable or refused.

use super::event::{Outgoing, Unfit};
use super::verify::Sent;
use super::window::{Fate, Window};
use crate::client::{Call, CallError, Client};
use crate::error::Fatal;
use http::StatusCode;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Events of a request.
pub(super) const BATCH_EVENTS: usize = 500;
/// Bytes of a request, but for an event that is larger.
pub(super) const BATCH_BYTES: usize = 1 << 20;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Events on their way, with the numbers of their records.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<(u64, Outgoing)>,
    pub(super) bytes: usize,
}

impl Batch {
    pub(super) fn push(&mut self, number: u64, event: Outgoing) {
        self.bytes += event.json.len() + 1;
        self.events.push((number, event));
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= BATCH_EVENTS || self.bytes >= BATCH_BYTES
    }

    fn body(events: &[(u64, Outgoing)], token: &str) -> String {
        let bytes = events.iter().map(|(_, event)| event.json.len() + 1).sum::<usize>();
        let mut body = String::with_capacity(bytes + token.len() + 64);
        body += &format!("{{\"api_key\":{},\"historical_migration\":true,\"batch\":[", serde_json::Value::from(token));
        for (place, (_, event)) in events.iter().enumerate() {
            body += if place > 0 { "," } else { "" };
            body += &event.json;
        }
        body + "]}"
    }
}

/// One sender.
pub(super) struct Worker {
    pub(super) client: Client,
    pub(super) token: String,
    pub(super) window: Arc<Mutex<Window>>,
    /// Where durable events are looked for; `None`: durable is enough.
    pub(super) verify: Option<mpsc::Sender<Sent>>,
    /// How long a server may refuse everything before that is the end.
    pub(super) patience: Duration,
}

impl Worker {
    pub(super) async fn run(mut self, mut batches: mpsc::Receiver<Batch>) -> Result<(), Fatal> {
        while let Some(batch) = batches.recv().await {
            // What a server does not take together is tried in halves, until it is known which event it is.
            let mut parts = vec![batch.events];
            while let Some(mut events) = parts.pop() {
                match self.deliver(&events).await? {
                    Delivered::Durable { begun } => self.durable(events, begun).await,
                    Delivered::Refused(why) if events.len() == 1 => {
                        for (number, event) in events {
                            self.window.lock().settle(number, Fate::Rejected(Unfit { why: why.clone(), text: event.json }));
                        }
                    }
                    Delivered::Refused(_) => {
                        let second = events.split_off(events.len() / 2);
                        parts.extend([second, events]);
                    }
                }
            }
        }
        Ok(())
    }

    async fn durable(&self, events: Vec<(u64, Outgoing)>, begun: Instant) {
        let Some(verify) = &self.verify else {
            let mut window = self.window.lock();
            events.iter().for_each(|(number, _)| window.settle(*number, Fate::Accepted));
            return;
        };
        // Whoever verifies has failed and says so when it does not take them.
        let _ = verify.send(Sent::new(events, begun)).await;
    }

    /// Sends until the server has taken or refused it.
    async fn deliver(&mut self, events: &[(u64, Outgoing)]) -> Result<Delivered, Fatal> {
        let body = hyper::body::Bytes::from(Batch::body(events, &self.token));
        let (first, mut wait) = (Instant::now(), WAIT_MIN);
        loop {
            let begun = Instant::now();
            let failure = match self.client.call(Call::post("/batch/", body.clone(), ANSWER_TIMEOUT)).await {
                Ok(_) => return Ok(Delivered::Durable { begun }),
                Err(failure) => failure,
            };
            match &failure {
                CallError::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                    return Err(Fatal::failure("cannot import", failure, "check --token"));
                }
                CallError::Status { status, detail, .. } if !failure.may_pass() => {
                    return Ok(Delivered::Refused(format!("the server answered {status}: {detail}")));
                }
                _ if !failure.may_pass() || first.elapsed() > self.patience => {
                    let remedy = "check that the server runs; the same command goes on where this one ended";
                    return Err(Fatal::failure("cannot import", failure, remedy));
                }
                _ => {}
            }
            // As long as the server asks for, and longer each time; not all at the same moment.
            let spread = rand::random_range(0.8..1.2);
            tokio::time::sleep(wait.max(failure.retry_after().unwrap_or_default()).mul_f64(spread)).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }
}

enum Delivered {
    Durable { begun: Instant },
    Refused(String),
}
