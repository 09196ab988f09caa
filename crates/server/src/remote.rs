//! A running server, asked by a command: one question, one answer.

use crate::client::{Call, Client, Server};
use crate::error::Fatal;
use http::Method;
use std::time::Duration;

/// How long an answer may take: an audit reads the whole store.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3_600);

/// A server, and the right to ask it.
#[derive(Debug)]
pub(crate) struct Remote {
    server: Server,
    api_key: Option<String>,
}

impl Remote {
    /// From a URL such as `http://127.0.0.1:8000`.
    pub(crate) fn parse(url: &str, api_key: Option<&str>) -> Result<Self, Fatal> {
        Ok(Self { server: Server::parse(url)?, api_key: api_key.map(str::to_owned) })
    }

    /// One request; the body of a successful answer.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<String, Fatal> {
        let mut client = Client::new(self.server.clone(), self.api_key.clone());
        let call = Call { method, path, body: body.unwrap_or_default().into(), patience: ANSWER_TIMEOUT };
        let answer = crate::runtime("work", 0)?.block_on(client.call(call)).map_err(|failure| {
            let remedy = failure.remedy();
            Fatal::failure(&format!("cannot ask {}", self.server.url()), failure, remedy)
        })?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
