//! The demo's client: sends batches as an SDK does, and tries again when the server cannot take them now.

use super::visit::DemoEvent;
use crate::error::Fatal;
use aqueduct_event::UnixMicros;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Events of one request of history.
const BATCH_EVENTS: usize = 500;
/// Tries before giving up: with doubling waits about a minute.
const TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// A server to send to, over plain HTTP.
#[derive(Clone, Debug)]
pub(super) struct Target(String);

impl Target {
    /// From a URL such as `http://127.0.0.1:8000`.
    pub(super) fn parse(url: &str) -> Result<Self, Fatal> {
        let expected = || Fatal::Usage(format!("--url: found {url:?}, expected http://HOST or http://HOST:PORT"));
        let authority = url.strip_prefix("http://").ok_or_else(expected)?.trim_end_matches('/');
        let parsed: http::uri::Authority = authority.parse().map_err(|_| expected())?;
        Ok(Self(format!("{}:{}", parsed.host(), parsed.port_u16().unwrap_or(80))))
    }

    /// A server of this machine.
    pub(super) fn at(mut address: SocketAddr) -> Self {
        // A server that listens on every address is reached by the loopback one.
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        Self(address.to_string())
    }
}

/// Sends to one project of one server.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    token: String,
}

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(#[from] http::Error),
    #[error("the server answered {status}: {body}")]
    Status { status: StatusCode, body: String },
}

impl SendError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Io(_) | Self::Http(_) => true,
            Self::Request(_) => false,
            Self::Status { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl Client {
    pub(super) fn new(target: Target, token: String) -> Self {
        Self { target, token }
    }

    /// Sends events of the past.
    pub(super) async fn send_history(&self, events: &[DemoEvent]) -> Result<(), Fatal> {
        for batch in events.chunks(BATCH_EVENTS) {
            self.send(batch, true).await?;
        }
        Ok(())
    }

    /// Sends events of now.
    pub(super) async fn send_live(&self, events: &[DemoEvent]) -> Result<(), Fatal> {
        self.send(events, false).await
    }

    async fn send(&self, events: &[DemoEvent], historical: bool) -> Result<(), Fatal> {
        let body = Bytes::from(self.body(events, historical).to_string());
        let mut wait = FIRST_WAIT;
        for tried in 1.. {
            match self.post(body.clone()).await {
                Ok(()) => break,
                Err(error) if tried < TRIES && error.may_pass() => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(error) => {
                    let what = format!("the demo cannot send to http://{}", self.target.0);
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

    /// One request on a connection of its own.
    async fn post(&self, body: Bytes) -> Result<(), SendError> {
        let stream = TcpStream::connect(&self.target.0).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the request: its failure shows as the request's own.
        tokio::spawn(connection);
        let request = Request::post("/batch/")
            .header(header::HOST, &self.target.0)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("aqueduct-demo/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() {
            return Ok(());
        }
        Err(SendError::Status { status, body: String::from_utf8_lossy(&body).chars().take(200).collect() })
    }
}
