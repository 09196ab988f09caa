//! The demo's client: sends batches as an SDK does, and tries again when the server cannot take them now.

use super::visit::DemoEvent;
use crate::client::{Call, Client, Server};
use crate::error::Fatal;
use aqueduct_event::UnixMicros;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

/// Events of one request of history.
const BATCH_EVENTS: usize = 500;
/// Tries before giving up: with doubling waits about a minute.
const TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(250);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends to one project of one server.
#[derive(Debug)]
pub(super) struct Sender {
    server: Server,
    client: Client,
    token: String,
}

impl Sender {
    pub(super) fn new(server: Server, token: String) -> Self {
        Self { client: Client::new(server.clone(), None), server, token }
    }

    /// Sends events of the past.
    pub(super) async fn send_history(&mut self, events: &[DemoEvent]) -> Result<(), Fatal> {
        for batch in events.chunks(BATCH_EVENTS) {
            self.send(batch, true).await?;
        }
        Ok(())
    }

    /// Sends events of now.
    pub(super) async fn send_live(&mut self, events: &[DemoEvent]) -> Result<(), Fatal> {
        self.send(events, false).await
    }

    async fn send(&mut self, events: &[DemoEvent], historical: bool) -> Result<(), Fatal> {
        let body = Bytes::from(self.body(events, historical).to_string());
        let mut wait = FIRST_WAIT;
        for tried in 1.. {
            match self.client.call(Call::post("/batch/", body.clone(), ANSWER_TIMEOUT)).await {
                Ok(_) => break,
                Err(error) if tried < TRIES && error.may_pass() => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(error) => {
                    let what = format!("the demo cannot send to {}", self.server.url());
                    return Err(Fatal::failure(&what, error, "check --url and --token, and that the server runs"));
                }
            }
        }
        Ok(())
    }

    fn body(&self, events: &[DemoEvent], historical: bool) -> Value {
        let event = |event: &DemoEvent| {
            json!({
                "uuid": event.uuid, "event": event.event, "distinct_id": event.distinct_id,
                "timestamp": UnixMicros(event.at).to_rfc3339(), "properties": event.properties,
            })
        };
        json!({"api_key": self.token, "historical_migration": historical, "batch": events.iter().map(event).collect::<Vec<_>>()})
    }
}
